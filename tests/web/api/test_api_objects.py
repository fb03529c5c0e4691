"""Alerts, records and models through the API: who sees what, and change by version."""

import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select, update

from evenflow.schema import UNKNOWN_ATTACK
from evenflow.web.alerts import change as alert_changes
from evenflow.web.api import schemas
from evenflow.web.store.tables import Alert, Audit

RECORD = json.loads(Path(__file__).with_name("record.json").read_text())


def kept(program, record=RECORD):
    found = program.ask("POST", "/score?keep=true", json={"record": record}).json
    return found["record_id"], found["alert_id"]


def audited(stored, action):
    rows = stored.all(Audit, Audit.action == action)
    return [(row.user_id, row.object, row.detail) for row in rows]


def objects(program):
    """Every address of one person's record and alert, and how it is asked."""
    record, alert = kept(program)
    return [
        ("GET", f"/records/{record}", {}),
        ("GET", f"/alerts/{alert}", {}),
        ("PATCH", f"/alerts/{alert}", {"json": {"state": "open", "version": 1}}),
        ("POST", f"/alerts/{alert}/notes", {"json": {"text": "mine"}}),
    ]


def test_what_is_another_viewer_s_is_not_there_and_an_analyst_sees_it(programs):
    mine, other, analyst = programs("viewer"), programs("viewer"), programs("analyst")
    for method, path, more in objects(mine):
        assert other.ask(method, path, **more).status_code == 404, path
        assert analyst.ask(method, path, **more).status_code in (200, 201), path
    for path in ("/records", "/alerts"):
        assert other.ask("GET", path).json["items"] == []
        assert len(mine.ask("GET", path).json["items"]) == 1
        assert len(analyst.ask("GET", path).json["items"]) == 1
    alert = mine.ask("GET", "/alerts").json["items"][0]["id"]
    assert mine.ask("GET", f"/alerts/{alert}").json["state"] == "open"


def test_a_search_finds_no_row_of_another_viewer(programs):
    kept(programs("viewer"))
    for path in ("/records", "/alerts"):
        answer = programs("viewer").ask("GET", f"{path}?q=private")
        assert answer.json["items"] == []


@pytest.mark.databases
def test_a_walk_meets_every_row_once_while_rows_are_added(program):
    records, alerts = zip(*(kept(program) for _ in range(7)), strict=True)
    for path, expected in (("/records", records), ("/alerts", alerts)):
        before = [row["id"] for row in program.walk(f"{path}?limit=200")]
        seen = []
        for row in program.walk(f"{path}?limit=3"):
            seen.append(row["id"])
            kept(program)
        assert seen == before
        assert set(expected) <= set(seen)
        assert len(seen) == len(set(seen))


@pytest.mark.databases
def test_lists_are_narrowed(program):
    kept(program)
    kept(program, RECORD | {"service": "http", "src_ip": "192.0.2.9"})
    for path, n in {
        "/alerts?state=new": 2,
        "/alerts?state=closed": 0,
        "/alerts?label=dos": 2,
        "/alerts?label=nothing": 0,
        "/alerts?judged=false": 2,
        "/alerts?judged=true": 0,
        "/alerts?q=192.0.2.9": 1,
        "/alerts?q=HTTP": 1,
        "/alerts?q=%25": 0,
        "/alerts?since=2020-01-01T00:00:00Z": 2,
        "/alerts?until=2020-01-01T00:00:00Z": 0,
        "/records?label=dos&attacks=true&source=api": 2,
        "/records?attacks=false": 0,
        "/records?source=form": 0,
        "/records?q=192.0.2.9": 1,
        "/records?since=2999-01-01T00:00:00": 0,
    }.items():
        answer = program.ask("GET", path, expect=200)
        assert len(answer.json["items"]) == n, path


def test_what_is_answered_is_what_the_document_says(programs):
    program = programs("admin")
    record, alert = kept(program)
    program.ask("POST", f"/alerts/{alert}/notes", json={"text": "a note"})
    for path, model in {
        f"/records/{record}": schemas.Record,
        f"/alerts/{alert}": schemas.Alert,
        "/bundles/small": schemas.Bundle,
        "/bundles/active": schemas.Bundle,
        "/me": schemas.Me,
    }.items():
        found = program.ask("GET", path).json
        told = model.model_validate(found).model_dump(mode="json")
        assert set(told) == set(found), path


@pytest.mark.databases
def test_an_alert_is_judged_once_and_a_stale_change_is_refused(programs, stored):
    program = programs("analyst")
    _, number = kept(program)
    url = f"/alerts/{number}"
    tag = program.ask("GET", url).headers["ETag"]
    wrong = {"judgement": "wrong", "true_label": "benign", "state": "closed"}
    change = {"json": wrong, "headers": {"If-Match": tag}}
    answer = program.ask("PATCH", url, **change, expect=200)
    assert (wrong | {"version": 2}).items() <= answer.json.items()
    assert answer.headers["ETag"] == '"2"'
    for more in ({"headers": {"If-Match": tag}}, {"json": {"version": 1}}):
        body = {"json": {"judgement": "right"} | more.get("json", {})}
        answer = program.ask("PATCH", url, **(more | body), expect=409)
        assert answer.json["error"]["type"] == "Stale"
        assert answer.json["error"]["version"] == 2
    assert program.ask("GET", url).json["judgement"] == "wrong"
    assert audited(stored, "alert.change") == [(program.user_id, str(number), wrong)]


def test_an_attack_of_an_unknown_kind_that_is_one_has_no_true_class(program, stored):
    _, number = kept(program)
    stored.execute(update(Alert).values(label=UNKNOWN_ATTACK))
    change = {"judgement": "right", "version": 1}
    found = program.ask("PATCH", f"/alerts/{number}", json=change).json
    assert (found["judgement"], found["true_label"]) == ("right", None)


def test_a_judgement_can_be_corrected_and_taken_back(program):
    _, number = kept(program)
    url, version = f"/alerts/{number}", 1
    for change, *expected in (
        ({"judgement": "right"}, "right", "dos", "closed"),
        ({"state": "open"}, "right", "dos", "open"),
        ({"judgement": "wrong"}, "wrong", None, "closed"),
        ({"true_label": "probe"}, "wrong", "probe", "closed"),
        ({"judgement": None}, None, None, "open"),
    ):
        found = program.ask("PATCH", url, json=change | {"version": version}).json
        names = ("judgement", "true_label", "state")
        assert [found[name] for name in names] == expected, change
        version += 1
        assert found["version"] == version


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"state": "open"}, "version"),
        ({"state": "gone", "version": 1}, "state"),
        ({"judgement": "maybe", "version": 1}, "judgement"),
        ({"judgement": "wrong", "true_label": "dos", "version": 1}, "true_label"),
        ({"judgement": "wrong", "true_label": "rain", "version": 1}, "true_label"),
        ({"judgement": "right", "true_label": "probe", "version": 1}, "true_label"),
        ({"true_label": "probe", "version": 1}, "true_label"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"version": 2**40}, "version"),
        ({"owner_id": 1, "version": 1}, "owner_id"),
    ],
)
def test_a_wrong_change_names_its_field_and_changes_nothing(change, field, program):
    _, number = kept(program)
    answer = program.ask("PATCH", f"/alerts/{number}", json=change, expect=422)
    assert field in answer.json["error"]["fields"]
    assert program.ask("GET", f"/alerts/{number}").json["version"] == 1


def test_notes_are_kept_in_order_with_who_wrote_them(programs):
    program = programs("analyst")
    _, number = kept(program)
    url = f"/alerts/{number}/notes"
    for text in ("first", "second <b>"):
        program.ask("POST", url, json={"text": text}, expect=201)
    notes = program.ask("GET", f"/alerts/{number}").json["notes"]
    assert [n["text"] for n in notes] == ["first", "second <b>"]
    assert notes[0]["by"] == program.ask("GET", "/me").json["email"]
    for text in ("", "  ", "x" * 4001):
        answer = program.ask("POST", url, json={"text": text}, expect=422)
        assert "text" in answer.json["error"]["fields"]


def judged(program, service, label):
    _, number = kept(program, RECORD | {"service": service})
    change = {"judgement": "wrong", "true_label": label, "version": 1}
    program.ask("PATCH", f"/alerts/{number}", json=change, expect=200)


@pytest.mark.databases
def test_judged_alerts_are_downloaded_as_labelled_rows(programs, bundle, stored):
    program, other = programs("viewer"), programs("viewer")
    judged(program, "=cmd()", "benign")
    judged(program, "http", "probe")
    judged(other, "ftp", "probe")
    kept(program)
    answer = program.ask("GET", "/alerts/export")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Records-Read"] == "2"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    found = pl.read_csv(io.BytesIO(answer.data))
    assert found.columns == [*bundle.schema.names, "label"]
    assert found["label"].to_list() == ["benign", "probe"]
    assert found["service"].to_list() == ["'=cmd()", "http"]
    answer = program.ask("GET", "/alerts/export?format=jsonl&label=dos&judged=true")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["label"] for line in lines] == ["benign", "probe"]
    assert lines[0]["count"] == RECORD["count"]
    assert len(audited(stored, "alert.export")) == 2
    assert program.ask("GET", "/alerts/export?bundle=none").status_code == 404


def test_an_export_finds_columns_by_any_spelling_and_leaves_out_what_lacks_one(
    bundle, tmp_path, stored, program
):
    judged(program, "http", "probe")
    alert = stored.one(Alert)
    shouted = {f" {name.upper()} ": v for name, v in alert.values.items()}
    for values in (shouted, {"duration": 1}, {**alert.values, "duration": "soon"}):
        more = Alert(
            owner_id=alert.owner_id, group_id=alert.group_id, source="upload",
            bundle="small", label="dos", probability=0.9, threshold=0.5,
            values=values, judgement="right", true_label="dos",
        )  # fmt: skip
        stored.add(more)
    path = tmp_path / "rows.parquet"
    n = stored(alert_changes.export, select(Alert), bundle.schema, path, "parquet")
    found = pl.read_parquet(path)
    assert n == found.height == 2
    assert found["label"].to_list() == ["probe", "dos"]
    assert found["count"].to_list() == [RECORD["count"]] * 2
    assert found["service"].to_list() == ["http", "http"]


def test_models_are_listed_and_told_with_their_contract(programs, bundle):
    program = programs("viewer", "bundles:read")
    (short,) = program.ask("GET", "/bundles").json["items"]
    assert short == {
        "name": "small", "is_active": True, "data_set": "synthetic",
        "classes": list(bundle.schema.classes), "is_synthetic": True,
    }  # fmt: skip
    found = program.ask("GET", "/bundles/small").json
    assert found == program.ask("GET", "/bundles/active").json
    columns = {c["name"]: c for c in found["columns"]}
    assert list(columns) == list(bundle.schema.names)
    assert columns["serror_rate"]["high"] == 1
    assert columns["duration"]["unit"] == "s"
    assert "tcp" in columns["protocol_type"]["choices"]
    assert found["figures"]["protocol"] == "official"
    assert 0 <= found["figures"]["binary"]["detection_rate"] <= 1
    assert found["card"].startswith("#")
    assert 0 < found["threshold"] < 1


@pytest.fixture
def copied(settings):
    """Return a function that copies the model ``small``; it gives the folder."""
    models = settings.home / "bundles"
    return lambda name: shutil.copytree(models / "small", models / name)


def test_a_model_is_put_to_use_by_an_admin_and_audited(stored, copied, programs):
    copied("other")
    admin, analyst = programs("admin"), programs("analyst")
    assert analyst.ask("POST", "/bundles/other/activate").status_code == 403
    assert admin.ask("POST", "/bundles/none/activate").status_code == 404
    found = admin.ask("POST", "/bundles/other/activate").json
    assert (found["name"], found["is_active"]) == ("other", True)
    found = admin.ask("POST", "/score", json={"record": RECORD}).json
    assert found["bundle"] == "other"
    assert audited(stored, "bundle.activate") == [
        (admin.user_id, "other", {"before": "small"})
    ]
    names = [b["name"] for b in admin.ask("GET", "/bundles").json["items"]]
    assert names == ["other", "small"]
    assert [b["name"] for b in admin.walk("/bundles?limit=1")] == names


@pytest.mark.parametrize("classes", [["benign", "\ud800"], ["benign", 1], None])
def test_a_model_whose_classes_mean_nothing_is_left_out_of_the_list(
    copied, programs, classes
):
    path = copied("odd") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["schema"]["classes"] = classes
    path.write_text(json.dumps(manifest))
    answer = programs("admin").ask("GET", "/bundles", expect=200)
    assert [b["name"] for b in answer.json["items"]] == ["small"]


def test_a_damaged_model_is_told_without_a_path_and_not_put_to_use(
    copied, settings, programs
):
    (copied("broken") / "model.onnx").write_bytes(b"x")
    admin = programs("admin")
    for method, more in (("GET", ""), ("POST", "/activate")):
        answer = admin.ask(method, f"/bundles/broken{more}", expect=422)
        assert str(settings.home) not in answer.text
    assert admin.ask("GET", "/bundles/active").json["name"] == "small"
