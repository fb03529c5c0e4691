"""Files through the API: sent, watched, read, stopped, deleted; sent again."""

from __future__ import annotations

import io
import json
import threading
from unittest.mock import Mock

import polars as pl
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from evenflow.web.api import idempotency, paging, schemas
from evenflow.web.api.examples import RECORD
from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import Alert, AlertNote, Idempotency, Job, Record, now
from evenflow.web.uploads import receive


@pytest.fixture
def program(programs):
    return programs("viewer", "uploads", "score", "alerts:write")


def sent(program, data, path="/uploads?name=flows.csv", **headers):
    return program.ask(
        "POST", path, data=data, content_type="text/csv",
        headers={k.replace("_", "-"): v for k, v in headers.items()},
    )  # fmt: skip


def count(app, table):
    with app.extensions[KEY].database.session() as session:
        return session.scalar(select(func.count()).select_from(table))


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


def test_a_file_is_taken_judged_and_told(app, program, flows, desk):
    answer = sent(program, flows)
    assert answer.status_code == 202
    assert schemas.Upload.model_validate(answer.json).state == "queued"
    location = answer.headers["Location"]
    assert location == f"/api/v1/uploads/{answer.json['id']}"
    desk.work_off(app)
    found = program.ask("GET", location.removeprefix("/api/v1")).json
    assert found["state"] == "done"
    assert found["name"] == "flows.csv"
    result = found["result"]
    assert (result["read"], result["scored"], result["rejected"]) == (60, 59, 1)
    assert sum(result["counts"].values()) == 59
    assert result["alerts_opened"] == count(app, Alert)
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
    answer = program.ask("POST", "/uploads", data=data)
    assert answer.status_code == 202
    assert answer.json["name"] == "mine.csv"
    form = "multipart/form-data"
    answer = program.ask("POST", "/uploads", data={"file": "x"}, content_type=form)
    assert "file" in answer.json["error"]["fields"]
    answer = program.ask(
        "POST", "/uploads", data={"other": (io.BytesIO(b"a"), "a.csv")}
    )
    assert "file" in answer.json["error"]["fields"]


@pytest.mark.parametrize(
    ("data", "status"), [(b"", 422), (b"PK\x03\x04aaaa", 422), (b"%PDF-1.7", 422)]
)
def test_what_is_no_file_of_records_is_refused(app, program, data, status):
    assert sent(program, data).status_code == status
    assert count(app, Job) == 0


def test_a_file_over_the_limit_is_refused_and_one_over_a_usual_body_is_not(
    app, build, settings, programs, flows
):
    change = {"max_body_mb": 0.001, "max_upload_mb": 0.02}
    small = build(settings.model_copy(update=change))
    program = programs("viewer", app=small)
    assert len(flows) > 1_500
    assert sent(program, flows).status_code == 202
    for more in (
        {"data": b"a" * 30_000, "content_type": "text/csv"},
        {"data": {"file": (io.BytesIO(b"a" * 200_000), "a.csv")}},
    ):
        answer = program.ask("POST", "/uploads", **more)
        assert answer.status_code == 413
        assert answer.json["error"]["type"] == "RequestEntityTooLarge"


def test_an_unknown_model_is_named(program, flows):
    answer = sent(program, flows, "/uploads?bundle=none")
    assert answer.status_code == 422
    assert "bundle" in answer.json["error"]["fields"]


def test_results_are_read_in_parts_and_each_row_once(program, done):
    seen, cursor = [], ""
    while cursor is not None:
        path = f"/uploads/{done}/results?limit=25&values=true{cursor}"
        found = program.ask("GET", path).json
        seen += found["items"]
        cursor = found["next"] and f"&cursor={found['next']}"
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
        answer = program.ask("GET", f"/uploads/{job_id}/{end}")
        assert answer.status_code == 409


def test_one_is_stopped_then_deleted_and_gone(app, program, flows, settings):
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
    seen, cursor = [], ""
    while cursor is not None:
        found = program.ask("GET", f"/uploads?limit=2&mine=true{cursor}").json
        seen += [item["id"] for item in found["items"]]
        cursor = found["next"] and f"&cursor={found['next']}"
        sent(program, flows)
    assert seen == ids[::-1]
    assert len(program.ask("GET", "/uploads?state=queued").json["items"]) >= 5
    assert program.ask("GET", "/uploads?state=done").json["items"] == []


@pytest.mark.databases
def test_the_same_key_and_request_give_the_same_answer_and_one_record(app, program):
    body, key = {"record": RECORD}, {"Idempotency-Key": "k1"}
    first = program.ask("POST", "/score?keep=true", json=body, headers=key)
    again = program.ask("POST", "/score?keep=true", json=body, headers=key)
    assert first.status_code == again.status_code == 200
    assert first.data == again.data
    assert again.mimetype == "application/json"
    assert "Idempotent-Replay" not in first.headers
    assert again.headers["Idempotent-Replay"] == "true"
    assert count(app, Record) == count(app, Alert) == 1


@pytest.mark.databases
def test_the_same_key_for_another_request_is_refused(app, program, programs):
    body, key = {"record": RECORD}, {"Idempotency-Key": "k1"}
    program.ask("POST", "/score?keep=true", json=body, headers=key)
    for path, other in (
        ("/score?keep=true", {"record": RECORD | {"hot": 1}}),
        ("/score?keep=true&explain=true", body),
    ):
        answer = program.ask("POST", path, json=other, headers=key)
        assert answer.status_code == 422
        assert answer.json["error"]["type"] == "IdempotencyKeyReused"
    # another person's key of that name is another key
    other = programs("viewer").ask("POST", "/score?keep=true", json=body, headers=key)
    assert other.status_code == 200
    assert count(app, Record) == 2


def test_a_file_sent_again_is_one_upload_and_another_file_is_told_apart(
    app, program, flows
):
    first = sent(program, flows, Idempotency_Key="u1")
    again = sent(program, flows, Idempotency_Key="u1")
    assert first.data == again.data
    assert (again.status_code, again.headers["Location"]) == (
        202, first.headers["Location"],
    )  # fmt: skip
    assert count(app, Job) == 1
    answer = sent(program, flows[:-1] + b"9", Idempotency_Key="u1")
    assert answer.status_code == 422
    assert count(app, Job) == 1


def test_a_file_is_taken_with_its_answer_or_not_at_all(
    app, program, flows, monkeypatch
):
    away = OperationalError("UPDATE", {}, Exception("gone"))
    with monkeypatch.context() as patch:
        patch.setattr(idempotency.Reserved, "store", Mock(side_effect=away))
        answer = sent(program, flows, Idempotency_Key="u1")
    assert answer.status_code == 503
    assert count(app, Job) == 0
    assert list(app.extensions[KEY].home.uploads.iterdir()) == []
    assert sent(program, flows, Idempotency_Key="u1").status_code == 202
    assert count(app, Job) == 1


def test_of_two_that_hold_a_key_one_alone_does_the_work(
    app, program, flows, monkeypatch
):
    monkeypatch.setattr(idempotency, "LOST_S", 0)
    received, quicker = receive.receive, []

    def slow(*args, **kwargs):
        if not quicker:  # taken for lost while it is at work
            quicker.append(None)
            quicker[0] = sent(program, flows, Idempotency_Key="u1")
        return received(*args, **kwargs)

    monkeypatch.setattr(receive, "receive", slow)
    answer = sent(program, flows, Idempotency_Key="u1")
    assert (quicker[0].status_code, answer.status_code) == (202, 409)
    assert count(app, Job) == 1
    again = sent(program, flows, Idempotency_Key="u1")
    assert again.json["id"] == quicker[0].json["id"]


def test_while_the_first_is_at_work_the_second_is_told_to_wait(
    app, program, flows, monkeypatch
):
    entered, go = threading.Event(), threading.Event()
    real = receive.receive

    def slow(*args, **kwargs):
        entered.set()
        assert go.wait(20)
        return real(*args, **kwargs)

    monkeypatch.setattr(receive, "receive", slow)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(sent(program, flows, Idempotency_Key="u1"))
    )
    thread.start()
    assert entered.wait(20)
    answer = sent(program, flows, Idempotency_Key="u1")
    go.set()
    thread.join(20)
    assert answer.status_code == 409
    assert answer.json["error"]["type"] == "InProgress"
    assert answer.headers["Retry-After"] == "1"
    assert answers[0].status_code == 202
    assert sent(program, flows, Idempotency_Key="u1").status_code == 202
    assert count(app, Job) == 1


def test_a_request_that_failed_frees_its_key(app, program, flows):
    assert sent(program, b"", Idempotency_Key="u1").status_code == 422
    assert count(app, Idempotency) == 0
    assert sent(program, flows, Idempotency_Key="u1").status_code == 202


def test_a_key_whose_worker_died_is_taken_over_in_the_end(app, program, monkeypatch):
    _, number = kept_alert(program)
    url, key = f"/alerts/{number}/notes", {"Idempotency-Key": "n1"}
    program.ask("POST", url, json={"text": "a"}, headers=key)
    with app.extensions[KEY].database.session() as session:
        row = session.scalars(select(Idempotency)).one()
        row.status = row.body = None
    answer = program.ask("POST", url, json={"text": "a"}, headers=key)
    assert answer.status_code == 409
    monkeypatch.setattr(idempotency, "LOST_S", -1)
    answer = program.ask("POST", url, json={"text": "a"}, headers=key)
    assert answer.status_code == 201
    assert count(app, AlertNote) == 2


def kept_alert(program):
    found = program.ask("POST", "/score?keep=true", json={"record": RECORD}).json
    return found["record_id"], found["alert_id"]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_key_that_is_none_is_named(program, key):
    answer = program.ask(
        "POST", "/score", json={"record": RECORD}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json["error"]["fields"]


def test_answers_of_a_day_ago_are_swept(app, program, settings):
    from datetime import timedelta

    from evenflow.web.jobs import retention

    program.ask(
        "POST", "/score", json={"record": RECORD}, headers={"Idempotency-Key": "k"}
    )
    web = app.extensions[KEY]
    with web.database.session() as session:
        session.scalars(select(Idempotency)).one().created_at = now() - timedelta(
            hours=25
        )
    retention.run(web.database, web.home, settings)
    assert count(app, Idempotency) == 0
