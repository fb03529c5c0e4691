"""The queue of alerts: who sees it, who was first, and what is taken home from it."""

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select, update

from evenflow import datasets
from evenflow.cli.retrain import _feedback
from evenflow.experiment.retrain import read_feedback
from evenflow.runtime.detect import verdicts as decided
from evenflow.web.frame import lists
from evenflow.web.store.tables import Alert, AlertNote, Audit, Job
from evenflow.web.verdicts import keep

EVIL = "<script>alert(1)</script>"


def numbers(page):
    links = page.tree.iterfind(".//tr//a")
    paths = ((a.text, a.get("href").partition("?")[0]) for a in links)
    return [int(text) for text, path in paths if path == f"/alerts/{text}"]


def said(decision="later", version=1, **more):
    return {"version": str(version), "decision": decision, "true_label": "",
            "note": ""} | more  # fmt: skip


def test_a_viewer_sees_own_alerts_and_an_analyst_all(people, kept):
    viewer, other, analyst = people("viewer"), people("viewer"), people("analyst")
    mine, theirs = kept(viewer), kept(other, "probe")
    assert numbers(viewer.get("/alerts?view=alerts")) == [mine]
    assert set(numbers(analyst.get("/alerts?view=alerts"))) == {mine, theirs}
    assert viewer.get(f"/alerts/{theirs}").status_code == 404
    assert analyst.get(f"/alerts/{theirs}").status_code == 200


@pytest.mark.databases
def test_nobody_changes_what_is_not_theirs_to_see(people, stored, number):
    other = people("viewer")
    answer = other.send(f"/alerts/{number}", said("true", note="mine now"))
    assert answer.status_code == 404
    other.send("/alerts/bulk", {"picked": f"{number}-1", "action": "close"})
    found = stored.get(Alert, number)
    assert (found.state, found.version) == ("new", 1)
    assert not stored.all(AlertNote)
    answer = other.get("/alerts/export?format=csv")
    assert answer.text.count("\n") == 1  # the head alone


def test_an_alert_shows_its_record_its_reasons_and_what_to_do(kept, viewer):
    page = viewer.get(f"/alerts/{kept(viewer)}")
    for words in ("Contributions to the verdict", "What to do next", "src_bytes",
                  "synthetic rows", "T1498"):  # fmt: skip
        assert words in page.text
    assert len(page.data) < 200_000


def test_an_alert_of_an_upload_leads_to_its_line(viewer, stored, number):
    job_id = "j" * 24
    stored.add(Job(id=job_id, kind="score", lane="score", owner_id=viewer.user_id))
    upload = {"record_id": None, "source": "upload", "job_id": job_id, "line": 1_234}
    stored.execute(update(Alert).where(Alert.id == number).values(upload))
    page = viewer.get(f"/alerts/{number}").text
    assert f'href="/uploads/{job_id}/rows/1234"' in page
    chosen = {"column": ["source"]}
    viewer.send("/alerts/columns?view=alerts&source=upload", chosen, expect=303)
    assert "line 1,234" in viewer.get("/alerts?view=alerts&source=upload").text


def test_an_alert_of_a_model_that_is_gone_says_so(viewer, web, number):
    (web.home.bundles / "small").rename(web.home.bundles / ".gone")
    page = viewer.get(f"/alerts/{number}", expect=200)
    assert "was deleted, so" in page.text


@pytest.mark.databases
def test_a_judgement_a_state_and_a_note_are_kept_and_logged(
    stored, viewer, analyst, number
):
    sent = said("true", true_label="probe", note=f"Why?\n{EVIL}")
    analyst.send(f"/alerts/{number}", sent, expect=303)
    found = stored.get(Alert, number)
    assert (found.state, found.version) == ("closed", 2)
    assert (found.judgement, found.true_label) == ("wrong", "probe")
    assert found.judged_by == analyst.user_id
    page = viewer.get(f"/alerts/{number}").text
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert analyst.email in page
    logged = stored.one(Audit, Audit.action == "alert.change")
    assert logged.user_id == analyst.user_id


def test_a_judgement_can_be_taken_back(stored, viewer, number):
    viewer.send(f"/alerts/{number}", said("true"))
    assert stored.get(Alert, number).true_label == "dos"
    assert "Reopen" in viewer.get(f"/alerts/{number}").text
    viewer.send(f"/alerts/{number}", said("later", 2))
    found = stored.get(Alert, number)
    assert (found.judgement, found.true_label, found.state) == (None, None, "open")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"decision": "true", "true_label": "benign"}, "true_label"),
        ({"decision": "true", "true_label": "no class"}, "true_label"),
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "note", "note": ""}, "note"),
        ({"note": "x" * 5_000}, "note"),
    ],
)
def test_a_wrong_form_is_told_at_its_field_and_keeps_the_note(
    changes, field, stored, viewer, number
):
    page = viewer.send(f"/alerts/{number}", said(note="keep me") | changes, expect=422)
    assert f'id="f-{field}-error"' in page.text
    assert changes.get("note", "keep me") in page.text
    assert stored.get(Alert, number).version == 1


@pytest.mark.databases
def test_the_second_of_two_tabs_is_told_and_loses_nothing(
    stored, viewer, analyst, number
):
    assert analyst.send(f"/alerts/{number}", said("true")).status_code == 303
    late = said("true", true_label="r2l", note="I saw a shell")
    page = viewer.send(f"/alerts/{number}", late, expect=409)
    assert "Now (version 2)" in page.text
    assert "Your change (to version 1)" in page.text
    assert ">\nI saw a shell</textarea>" in page.text
    assert '<option value="r2l" selected>' in page.text
    assert 'name="version" value="2"' in page.text
    found = stored.get(Alert, number)
    assert (found.state, found.judgement, found.version) == ("closed", "right", 2)
    assert not stored.all(AlertNote)
    viewer.send(f"/alerts/{number}", late | {"version": "2"}, expect=303)
    assert stored.get(Alert, number).true_label == "r2l"


def test_a_note_alone_is_taken_whatever_the_version(stored, viewer, analyst, number):
    analyst.send(f"/alerts/{number}", said())
    viewer.send(f"/alerts/{number}", said("note", note="still here"), expect=303)
    assert "still here" in analyst.get(f"/alerts/{number}").text
    assert stored.get(Alert, number).version == 2


@pytest.mark.databases
def test_a_decision_closes_and_goes_to_the_next_alert_of_the_list(kept, stored, viewer):
    first, other, last = kept(viewer), kept(viewer, "probe"), kept(viewer)
    narrowed = "status=waiting&label=dos"
    answer = viewer.send(f"/alerts/{last}?{narrowed}", said("false"), expect=303)
    where, _, query = answer.location.partition("?")
    assert where == f"/alerts/{first}"
    assert set(query.split("&")) == set(narrowed.split("&"))
    assert stored.get(Alert, last).state == "closed"
    assert "2 new, 0 open" in viewer.get("/dashboard/work").text
    answer = viewer.send(f"/alerts/{first}?{narrowed}", said("true"), expect=303)
    assert answer.location.startswith("/alerts?")
    assert "No other alert matches" in viewer.get(answer.location).text
    assert stored.get(Alert, other).state == "new"


def test_the_page_of_a_false_alarm_says_so_in_calm_colours(viewer, number):
    page = viewer.get(f"/alerts/{number}")
    assert page.tree.find(".//*[@class='verdict-box attack']") is not None
    viewer.send(f"/alerts/{number}", said("false"))
    page = viewer.get(f"/alerts/{number}")
    assert "A false alarm" in page.text
    assert viewer.email in "".join(page.tree.find(".//main").itertext())
    assert page.tree.find(".//*[@class='stack triage-verdict is-settled']") is not None


FOUND = {
    "": {"new", "open"},
    "status=closed": {"closed"},
    "status=any": {"new", "open", "closed"},
    "status=any&judged=no": {"new", "open"},
    "status=any&judged=right": {"closed"},
    "status=any&label=probe": {"open"},
    "status=any&q=zebra": {"new"},
    "status=any&service=zebra&source=form": {"new"},
    "status=any&source=upload": set(),
}


@pytest.mark.databases
def test_the_queue_is_narrowed_to_what_is_asked(kept, viewer):
    made = {
        "new": kept(viewer, service="zebra"),
        "open": kept(viewer, "probe"),
        "closed": kept(viewer),
    }
    viewer.send(f"/alerts/{made['open']}", said())
    viewer.send(f"/alerts/{made['closed']}", said("true"))
    for query, wanted in FOUND.items():
        found = numbers(viewer.get(f"/alerts?view=alerts&{query}"))
        assert set(found) == {made[name] for name in wanted}, query


def test_any_state_survives_the_next_page(kept, monkeypatch, viewer):
    monkeypatch.setattr(lists, "PER_PAGE", 1)
    made = [kept(viewer) for _ in range(2)]
    viewer.send(f"/alerts/{made[0]}", said("true"))
    page = viewer.get("/alerts?view=alerts&status=any")
    following = viewer.get(page.tree.find(".//a[@rel='next']").get("href"))
    assert numbers(page) + numbers(following) == [made[1], made[0]]


def test_the_likeliest_come_first_when_asked(kept, viewer):
    made = {label: kept(viewer, label) for label in ("r2l", "probe", "dos")}
    page = viewer.get("/alerts?view=alerts&sort=-probability")
    assert numbers(page) == [made["r2l"], made["dos"], made["probe"]]
    assert 'aria-sort="descending"' in page.text


def test_values_never_become_markup(kept, viewer):
    number = kept(viewer, service=EVIL, src_ip=EVIL)
    for url in ("/alerts", f"/alerts/{number}", f"/alerts?q={EVIL}", "/"):
        assert EVIL not in viewer.get(url).text


@pytest.mark.databases
def test_judged_alerts_train_the_next_model(bundle, rows, tmp_path, viewer, web):
    test = rows["test"]
    found = list(decided(bundle.decide(test), bundle.schema, bundle.decision))
    wanted = []
    with web.database.session() as session:
        for i in np.flatnonzero([v.is_attack for v in found])[:60].tolist():
            record = test.frame.row(i, named=True)
            kept = keep.keep_record(session, bundle, record, found[i],
                                 owner_id=viewer.user_id, source="api")  # fmt: skip
            session.flush()
            mine = select(Alert).where(Alert.record_id == kept.id)
            alert = session.scalars(mine).one()
            truth = test.schema.classes[test.y[i]]
            alert.judgement = "right" if truth == alert.label else "wrong"
            alert.true_label = truth
            wanted.append(truth)
        alert.true_label = None  # judged wrong, but nobody knows what it is
        alert.judgement = "wrong"
        wanted.pop()
    for kind in ("csv", "parquet"):
        answer = viewer.get(f"/alerts/export?format={kind}")
        name = f"labelled.{kind}"
        assert f'filename="{name}"' in answer.headers["Content-Disposition"]
        (tmp_path / name).write_bytes(answer.data)
        frame = (pl.read_csv if kind == "csv" else pl.read_parquet)(tmp_path / name)
        assert frame.columns == [*bundle.schema.names, "label"]
        assert frame["label"].to_list() == wanted
        counts = frame["label"].value_counts()
        lone = counts.filter(pl.col("count") < 2)["label"].to_list()
        frame.filter(~pl.col("label").is_in(lone)).write_parquet(tmp_path / "t.parquet")
        table = datasets.load("table_file", "train", path=str(tmp_path / "t.parquet"))
        loaded = [table.schema.classes[k] for k in table.y]
        assert loaded == [label for label in wanted if label not in lone]
        assert {"protocol_type", "src_bytes"} <= set(table.schema.names)
    lines = viewer.get("/alerts/export?format=jsonl").text.splitlines()
    assert len(lines) == len(wanted)


@pytest.mark.databases
def test_feedback_of_analysts_is_what_retrain_reads(
    kept, people, settings, bundle, stored, set_database
):
    viewer, analyst = people("viewer"), people("analyst")
    first, second, third = kept(viewer), kept(viewer, "probe"), kept(viewer, "probe")
    analyst.send(f"/alerts/{first}", said("true"))
    analyst.send(f"/alerts/{second}", said("false"))
    analyst.send(f"/alerts/{third}", said(judgement="wrong", true_label="?"))
    if settings.database:
        set_database()
    with _feedback(bundle.schema, None, settings.home) as (source, name):
        found = read_feedback(bundle.schema, source, name=name)
    assert found.attack.to_list() == ["dos", "benign"]
    values = stored.scalar(select(Alert.values).where(Alert.id == second))
    assert found.frame["src_bytes"][1] == values["src_bytes"]


def test_an_exported_table_runs_nothing_in_a_spreadsheet(kept, viewer):
    number = kept(viewer, service="=cmd|' /C calc'!A0")
    viewer.send(f"/alerts/{number}", said("true"))
    frame = pl.read_csv(viewer.get("/alerts/export?format=csv").data)
    assert frame["service"][0] == "'=cmd|' /C calc'!A0"
    assert viewer.get("/alerts/export?format=exe").status_code == 404
