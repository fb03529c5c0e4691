"""Files through the API: sent, watched, read, stopped, deleted; sent again."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import polars as pl
import pytest
from sqlalchemy.exc import OperationalError

from evenflow.web.api import paging, schemas
from evenflow.web.jobs import queue
from evenflow.web.store.tables import Alert, AlertNote, Job, Record
from evenflow.web.uploads import receive
from evenflow.web.verdicts import keep

RECORD = json.loads((Path(__file__).parents[1] / "api/record.json").read_text())


@pytest.fixture
def program(programs):
    return programs("viewer", "uploads", "score", "alerts:write")


ONE = "/uploads/8f14e45fceea167a5a36dedd"


def new():
    """Return the address of an upload that is not there yet."""
    return f"/uploads/{queue.new_id()}"


def sent(program, data, path=None, expect=0):
    path = path or f"{new()}?name=flows.csv"
    return program.ask("PUT", path, data=data, content_type="text/csv", expect=expect)


@pytest.fixture
def flows(rows, desk):
    text = desk.csv_of(rows["test"], 60).decode().splitlines()
    text[3] = text[3].replace(text[3].split(",")[0], "soon", 1)
    return "\n".join(text).encode()


@pytest.fixture
def done(app, program, flows, desk):
    """An upload that is done: 59 rows judged, one set aside."""
    job_id = sent(program, flows).json["id"]
    desk.work_off(app)
    return job_id


def test_a_file_is_taken_judged_and_told(app, program, flows, desk, stored):
    answer = sent(program, flows, expect=202)
    assert schemas.Upload.model_validate(answer.json).state == "queued"
    path = f"/uploads/{answer.json['id']}"
    assert answer.headers["Location"] == f"/api/v1{path}"
    desk.work_off(app)
    found = program.ask("GET", path).json
    assert (found["state"], found["name"]) == ("done", "flows.csv")
    result = found["result"]
    assert (result["read"], result["scored"], result["rejected"]) == (60, 59, 1)
    assert sum(result["counts"].values()) == 59
    assert result["alerts_opened"] == stored.count(Alert)
    schemas.Upload.model_validate(found)


@pytest.mark.parametrize("place", [10**6, 2**62 - 1, 2**63 - 1])
def test_a_cursor_beyond_the_end_is_no_fault_of_ours(program, done, place):
    for part in ("results", "rejected"):
        path = f"/uploads/{done}/{part}?cursor={paging.encode(place)}"
        answer = program.ask("GET", path)
        if place < 2**62:
            assert answer.json == {"items": [], "next": None}
        else:
            assert "cursor" in answer.json["error"]["fields"]


def test_a_form_is_taken_like_the_bytes(program, flows):
    data = {"file": (io.BytesIO(flows), "mine.csv")}
    answer = program.ask("PUT", new(), data=data, expect=202)
    assert answer.json["name"] == "mine.csv"
    form = "multipart/form-data"
    answer = program.ask("PUT", new(), data={"file": "x"}, content_type=form)
    assert "file" in answer.json["error"]["fields"]
    answer = program.ask("PUT", new(), data={"other": (io.BytesIO(b"a"), "a.csv")})
    assert "file" in answer.json["error"]["fields"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04aaaa", b"%PDF-1.7"])
def test_what_is_no_file_of_records_is_refused(program, data, stored):
    sent(program, data, expect=422)
    assert stored.count(Job) == 0


def test_a_file_over_the_limit_is_refused_and_one_over_a_usual_body_is_not(
    app, build, settings, programs, flows
):
    change = {"max_body_mb": 0.001, "max_upload_mb": 0.02}
    small = build(settings.model_copy(update=change))
    program = programs("viewer", app=small)
    assert len(flows) > 1_500
    sent(program, flows, expect=202)
    for more in (
        {"data": b"a" * 30_000, "content_type": "text/csv"},
        {"data": {"file": (io.BytesIO(b"a" * 200_000), "a.csv")}},
    ):
        answer = program.ask("PUT", new(), **more, expect=413)
        assert answer.json["error"]["type"] == "RequestEntityTooLarge"


def test_an_unknown_model_is_named(program, flows):
    answer = sent(program, flows, f"{new()}?bundle=none", expect=422)
    assert "bundle" in answer.json["error"]["fields"]


def test_results_are_read_in_parts_and_each_row_once(program, done):
    seen = [*program.walk(f"/uploads/{done}/results?limit=25&values=true")]
    assert len(seen) == 59
    assert [row["line"] for row in seen] == sorted({row["line"] for row in seen})
    row = schemas.ResultRow.model_validate(seen[0])
    assert sum(row.classes.values()) == pytest.approx(1)
    assert row.values["protocol_type"] in ("tcp", "udp", "icmp")
    found = program.ask(
        "GET", f"/uploads/{done}/results?attacks=true&sort=probability&descending=true"
    ).json["items"]
    assert all(row["is_attack"] for row in found)
    odds = [row["attack_probability"] for row in found]
    assert odds == sorted(odds, reverse=True)
    answer = program.ask("GET", f"/uploads/{done}/results?label=rain")
    assert "label" in answer.json["error"]["fields"]


def test_rejected_rows_and_downloads(program, done):
    (row,) = program.ask("GET", f"/uploads/{done}/rejected").json["items"]
    assert schemas.RejectedRow.model_validate(row).column == "duration"
    assert row["line"] == 4
    answer = program.ask("GET", f"/uploads/{done}/results.csv")
    assert pl.read_csv(io.BytesIO(answer.data)).height == 59
    assert "attachment" in answer.headers["Content-Disposition"]
    answer = program.ask("GET", f"/uploads/{done}/results.jsonl?label=benign")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["verdict"] for line in lines} == {"benign"}


def test_before_it_is_done_there_are_no_results(program, flows):
    job_id = sent(program, flows).json["id"]
    for end in ("results", "rejected", "results.csv"):
        program.ask("GET", f"/uploads/{job_id}/{end}", expect=409)


def test_one_is_stopped_then_deleted_and_gone(program, flows, settings):
    job_id = sent(program, flows).json["id"]
    url = f"/uploads/{job_id}"
    assert program.ask("DELETE", url).status_code == 409
    answer = program.ask("POST", f"{url}/stop")
    assert (answer.status_code, answer.json["state"]) == (202, "stopped")
    assert program.ask("DELETE", url).status_code == 204
    assert program.ask("GET", url).status_code == 404
    assert not (settings.home / "uploads" / job_id).exists()


def test_another_viewer_sees_none_of_it_and_an_analyst_cannot_delete_it(
    program, programs, done
):
    other, analyst = programs("viewer"), programs("analyst")
    for method, end in (
        ("GET", ""), ("GET", "/results"), ("GET", "/results.csv"),
        ("GET", "/rejected"), ("POST", "/stop"), ("DELETE", ""),
    ):  # fmt: skip
        path = f"/uploads/{done}{end}"
        assert other.ask(method, path).status_code == 404, path
        if method != "DELETE":
            assert analyst.ask(method, path).status_code in (200, 202), path
    assert other.ask("GET", "/uploads").json["items"] == []
    assert analyst.ask("DELETE", f"/uploads/{done}").status_code == 403
    assert program.ask("DELETE", f"/uploads/{done}").status_code == 204


@pytest.mark.databases
def test_uploads_are_listed_in_parts_while_more_come(program, flows, programs):
    ids = [sent(program, flows).json["id"] for _ in range(5)]
    seen = []
    for item in program.walk("/uploads?limit=2&mine=true"):
        seen.append(item["id"])
        sent(program, flows)
    assert seen == ids[::-1]
    assert len(program.ask("GET", "/uploads?state=queued").json["items"]) >= 5
    assert program.ask("GET", "/uploads?state=done").json["items"] == []


def score(program, record=RECORD, expect=200):
    """Send a record with an id."""
    path = "/score?keep=true&id=r1"
    return program.ask("POST", path, json={"record": record}, expect=expect)


@pytest.mark.databases
def test_a_record_sent_again_with_its_id_gives_the_same_answer_and_is_kept_once(
    program, stored
):
    first, again = (score(program) for _ in range(2))
    assert first.data == again.data
    assert stored.count(Record) == stored.count(Alert) == stored.verdicts() == 1
    # without an id each one is another record
    for _ in range(2):
        program.ask("POST", "/score?keep=true", json={"record": RECORD})
    assert stored.count(Record) == stored.count(Alert) == stored.verdicts() == 3


@pytest.mark.databases
def test_a_record_sent_twice_at_once_with_its_id_is_kept_once(
    program, monkeypatch, stored
):
    keep_record, both = keep.keep_record, threading.Barrier(2)

    def slow(*args, **kwargs):
        both.wait(20)
        return keep_record(*args, **kwargs)

    monkeypatch.setattr(keep, "keep_record", slow)
    answers = at_once(lambda: score(program))
    assert answers[0].data == answers[1].data
    assert stored.count(Record) == stored.count(Alert) == stored.verdicts() == 1


def test_a_record_sent_again_is_judged_by_the_model_that_judged_it_first(
    program, monkeypatch, web
):
    first = score(program)
    detectors = web.detectors
    monkeypatch.setattr(detectors, "active", Mock(side_effect=AssertionError))
    assert score(program).data == first.data
    monkeypatch.setattr(detectors, "names", list)
    answer = score(program, expect=409)
    assert "was deleted" in answer.json["error"]["message"]


@pytest.mark.databases
def test_the_same_id_for_another_record_is_refused(program, programs, stored):
    score(program)
    answer = score(program, RECORD | {"hot": 1}, expect=422)
    assert "id" in answer.json["error"]["fields"]
    score(programs("viewer"))  # another person's id of that name is another id
    assert stored.count(Record) == 2


@pytest.mark.parametrize("wrong", ["", "x" * 81, "a b", "%00", "\u00e9"])
def test_an_id_that_is_none_is_named(program, wrong):
    path = f"/score?keep=true&id={wrong}"
    answer = program.ask("POST", path, json={"record": RECORD}, expect=422)
    assert "id" in answer.json["error"]["fields"]


@pytest.mark.databases
def test_a_file_sent_again_is_one_upload_and_another_file_is_told_apart(
    app, program, programs, flows, desk, stored, web
):
    first, again = sent(program, flows, ONE), sent(program, flows, ONE)
    assert first.data == again.data
    assert (again.status_code, again.headers["Location"]) == (202, f"/api/v1{ONE}")
    assert first.headers["Location"] == again.headers["Location"]
    other = programs("viewer", "uploads")
    for who, data in ((program, flows[:-1] + b"9"), (other, flows)):
        answer = sent(who, data, ONE, expect=409)
        assert "Choose a new id" in answer.json["error"]["message"]
    assert stored.count(Job) == 1
    assert len(list(web.home.uploads.iterdir())) == 1
    desk.work_off(app)
    alerts = stored.count(Alert)
    assert sent(program, flows, ONE).json["state"] == "done"
    desk.work_off(app)
    assert stored.count(Alert) == alerts


def test_a_file_is_sent_again_also_where_no_more_jobs_may_wait(
    build, settings, programs, flows
):
    small = build(settings.model_copy(update={"max_waiting_jobs": 1}))
    program = programs("viewer", app=small)
    for path, status in ((ONE, 202), (None, 422), (ONE, 202)):
        sent(program, flows, path, expect=status)


def test_a_file_is_taken_with_its_job_or_not_at_all(
    program, flows, monkeypatch, stored, web
):
    away = OperationalError("INSERT", {}, Exception("gone"))
    with monkeypatch.context() as patch:
        patch.setattr(receive, "audit", Mock(side_effect=away))
        assert sent(program, flows, ONE).status_code == 503
    assert stored.count(Job) == 0
    assert list(web.home.uploads.iterdir()) == []
    assert sent(program, flows, ONE).status_code == 202
    assert stored.count(Job) == 1


def test_a_file_whose_server_was_killed_before_the_commit_is_taken_the_next_time(
    app, program, flows, desk, web
):
    left = web.home.uploads / ONE.rpartition("/")[2]
    left.mkdir()
    (left / "data").write_bytes(b"half")
    assert sent(program, flows, ONE).status_code == 202
    desk.work_off(app)
    assert program.ask("GET", ONE).json["result"]["scored"] == 59


@pytest.mark.databases
def test_a_file_sent_twice_at_once_is_one_upload(
    program, flows, monkeypatch, stored, web
):
    copy, both = receive.copy, threading.Barrier(2)

    def slow(*args, **kwargs):
        copy(*args, **kwargs)
        both.wait(20)

    monkeypatch.setattr(receive, "copy", slow)
    answers = at_once(lambda: sent(program, flows, ONE))
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[0].data == answers[1].data
    assert stored.count(Job) == 1
    [folder] = web.home.uploads.iterdir()
    assert (folder / "data").read_bytes() == flows


@pytest.mark.parametrize("wrong", ["a", "A" * 24, "g" * 24, "0" * 25, "x" * 150])
def test_an_id_of_a_file_that_is_none_is_named(program, flows, wrong, stored):
    answer = sent(program, flows, f"/uploads/{wrong}", expect=422)
    assert "job_id" in answer.json["error"]["fields"]
    assert stored.count(Job) == 0


def test_a_file_that_was_refused_leaves_its_id_free(program, flows):
    sent(program, b"", ONE, expect=422)
    sent(program, flows, ONE, expect=202)


@pytest.mark.databases
def test_a_note_sent_again_is_one_note(program, programs, stored):
    found = program.ask("POST", "/score?keep=true", json={"record": RECORD}).json
    url = f"/alerts/{found['alert_id']}/notes"
    first, again = (
        program.ask("POST", url, json={"text": "a"}, expect=201) for _ in range(2)
    )
    assert first.data == again.data
    assert stored.count(AlertNote) == 1
    for who, text in ((program, "b"), (programs("analyst"), "a")):
        who.ask("POST", url, json={"text": text}, expect=201)
    assert stored.count(AlertNote) == 3


def at_once(ask):
    """Return both answers to a request that is sent twice at the same moment."""
    with ThreadPoolExecutor(2) as pool:
        return [*pool.map(lambda _: ask(), range(2), timeout=30)]
