"""A record is entered, judged once, explained; errors stand where they are made."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evenflow.web.record_form.examples import examples
from evenflow.web.record_form.form import RecordForm
from evenflow.web.store.tables import Alert, Record, Setting


@pytest.fixture
def typed(bundle):
    """Return a maker of the fields of a form: an example of a class, with changes."""

    def typed(label="benign", **changes):
        example = next(e for e in examples(bundle) if e.label == label)
        values = RecordForm.of(bundle).values(example.record)
        return {f"v-{name}": text for name, text in {**values, **changes}.items()}

    return typed


def once(page):
    return page.tree.find(".//input[@name='once']").get("value")


def value_of(page, name):
    return page.tree.find(f".//input[@id='f-v-{name}']").get("value")


def test_the_form_asks_for_every_column_of_the_model_in_use(people, bundle):
    page = people("viewer").get("/record", expect=200)
    for name in bundle.schema.names:
        assert f'id="f-v-{name}"' in page.text, name
    assert "z-score" not in page.text
    assert len(page.data) < 200_000


@pytest.mark.parametrize("label", ["benign", "dos", "probe", "r2l", "u2r"])
def test_an_example_of_each_class_fills_the_form_and_gets_its_verdict(
    bundle, typed, label, viewer
):
    example = next(e for e in examples(bundle) if e.label == label)
    page = viewer.get(f"/record?example={example.row}")
    wanted = RecordForm.of(bundle).values(example.record)
    assert value_of(page, "src_bytes") == wanted["src_bytes"]
    assert f"?example={example.row}#fields" in viewer.get("/record").text
    sent = viewer.send("/record", typed(label) | {"once": once(page)}, expect=303)
    shown = viewer.get(sent.location, expect=200)
    said = example.verdict.label
    assert f"The model says {said}." in shown.text
    assert "What to do next" in shown.text
    assert "synthetic rows" in shown.text
    if label == "benign":  # the model keeps that very row to compare with
        assert "no column differs from benign traffic" in shown.text
    else:
        assert "Contributions to the verdict" in shown.text
        assert "This speaks for an attack." in shown.text
    assert len(shown.data) < 200_000


def test_a_wrong_value_is_told_at_its_field_and_all_that_was_typed_is_kept(
    typed, stored, viewer
):
    data = typed(src_bytes="a lot", count="-4", duration="17")
    page = viewer.send("/record", data, expect=422)
    # the back button shows it again without sending anything
    assert page.headers["Cache-Control"] == "private, no-cache"
    assert stored.count(Record) == 0
    for name, text in (("src_bytes", "a lot"), ("count", "-4")):
        field = page.tree.find(f".//input[@id='f-v-{name}']")
        assert f"f-v-{name}-error" in field.get("aria-describedby").split()
        assert field.get("aria-invalid") == "true"
        assert field.get("value") == text
        error = page.tree.find(f".//*[@id='f-v-{name}-error']")
        assert "expected" in "".join(error.itertext())
        assert f'href="#f-v-{name}"' in page.text
    assert value_of(page, "duration") == "17"
    assert 'id="f-v-duration-error"' not in page.text


def test_an_empty_form_says_what_to_do(people, stored):
    page = people("viewer").send("/record", {"do": "form"}, expect=422)
    assert "Fill it in" in page.text
    assert stored.count(Record) == 0


def test_a_line_of_the_data_set_is_judged_or_only_fills_the_form(typed, stored, viewer):
    values = {name[2:]: text for name, text in typed("dos").items()}
    line = ",".join(values) + "\n" + ",".join(values.values())
    filled = viewer.send("/record", {"line": line, "do": "fill"}, expect=200)
    assert value_of(filled, "src_bytes") == values["src_bytes"]
    assert stored.count(Record) == 0
    viewer.send("/record", {"line": line, "do": "line"}, expect=303)
    assert stored.count(Record) == 1


def test_a_line_that_is_no_record_is_told_at_the_text_and_kept(people):
    page = people("viewer").send("/record", {"line": "1,<b>2</b>", "do": "line"})
    assert page.status_code == 422
    area = page.tree.find(".//textarea[@id='f-line']")
    assert "f-line-error" in area.get("aria-describedby").split()
    assert area.text.strip() == "1,<b>2</b>"


@pytest.mark.databases
@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("service", "ht\0tp", "f-v-service-error"),
        ("service", "\ud800", "f-line-error"),
        ("label", "\ud800", "f-line-error"),
    ],
)
def test_text_that_no_database_keeps_is_told_where_it_stands(
    people, bundle, name, text, place, stored
):
    record = {**examples(bundle)[0].record, name: text}
    data = {"do": "line", "line": json.dumps(record)}
    answer = people("viewer").send("/record", data, expect=422)
    assert f'id="{place}"' in answer.text
    assert stored.count(Record) == 0


def test_a_form_sent_twice_is_kept_once(typed, stored, viewer):
    data = typed("dos") | {"once": once(viewer.get("/record"))}
    first, again = viewer.send("/record", data), viewer.send("/record", data)
    assert first.location == again.location
    assert (stored.count(Record), stored.count(Alert)) == (1, 1)
    assert stored.verdicts() == 1
    for _ in range(2):  # reload and back: they read
        viewer.get(first.location)
    assert stored.count(Record) == 1


def test_going_back_and_changing_a_value_is_another_record(typed, stored, viewer):
    token = {"once": once(viewer.get("/record"))}
    first = viewer.send("/record", typed("dos") | token)
    other = viewer.send("/record", typed("dos", src_bytes="1") | token)
    assert first.location != other.location
    assert stored.count(Record) == 2


@pytest.mark.databases
def test_a_form_sent_twice_at_once_is_kept_once(typed, stored, viewer):
    data = typed("dos") | {"once": once(viewer.get("/record"))}
    data["csrf_token"] = viewer.csrf()
    start = threading.Barrier(4)

    def send(other):
        start.wait()
        return other.post("/record", data=data, expect=303)

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(send, [viewer.again() for _ in range(4)])]
    assert len({answer.location for answer in found}) == 1
    assert stored.count(Record) == 1


def test_a_record_of_somebody_else_is_not_there(people, typed):
    owner, other, analyst = people("viewer"), people("viewer"), people("analyst")
    url = owner.send("/record", typed("dos")).location
    number = url.rsplit("/", 1)[-1]
    for path in (url, f"/record?again={number}"):
        for who, status in ((owner, 200), (other, 404), (analyst, 200)):
            who.get(path, expect=status)
    other.send(f"{url}/feedback", {"decision": "true"}, expect=404)
    other.get("/records/999999999999999999999999", expect=404)


def test_what_is_typed_never_becomes_markup(typed, viewer):
    evil = "<script>alert(1)</script>"
    page = viewer.send("/record", typed("dos", service=evil, src_bytes=evil))
    assert page.status_code == 422
    assert evil not in page.text
    shown = viewer.get(viewer.send("/record", typed("dos", service=evil)).location)
    assert evil not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert evil not in viewer.get("/records").text


@pytest.mark.databases
def test_feedback_is_kept_beside_the_verdict(typed, stored, viewer):
    url = viewer.send("/record", typed("dos")).location
    wrong = {"decision": "true", "true_label": "rain", "note": "odd"}
    missing = viewer.send(f"{url}/feedback", wrong, expect=422)
    assert 'id="f-true_label-error"' in missing.text
    assert ">\nodd</textarea>" in missing.text
    said = {"decision": "false", "note": "the backup", "version": "1"}
    assert viewer.send(f"{url}/feedback", said).status_code == 303
    shown = viewer.get(url).text
    assert "the backup" in shown
    alert = stored.one(Alert)
    assert (alert.judgement, alert.true_label) == ("wrong", "benign")
    assert alert.judged_by == viewer.user_id


@pytest.mark.databases
def test_a_missed_attack_goes_to_the_queue(typed, stored, viewer, analyst):
    url = viewer.send("/record", typed("benign")).location
    assert stored.count(Alert) == 0
    said = {"decision": "true", "true_label": "r2l", "version": "0"}
    assert viewer.send(f"{url}/feedback", said).status_code == 303
    assert "r2l" in analyst.get("/alerts?status=new&judged=wrong").text
    assert stored.count(Alert) == 1


def test_without_a_model_the_page_says_who_activates_one(viewer, web, stored):
    stored.delete(stored.get(Setting, "active_bundle"))
    web.detectors._active = (-10.0, None)
    assert "An administrator activates one" in viewer.get("/record", expect=200).text
    assert viewer.send("/record", {"v-count": "1"}).status_code == 200
