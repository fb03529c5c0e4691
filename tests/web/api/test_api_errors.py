"""One shape for all that goes wrong; the document; what operators ask."""

import io
import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from evenflow.web import api
from evenflow.web.api import monitor
from evenflow.web.serve.server import Server

RECORD = json.loads(Path(__file__).with_name("record.json").read_text())
AWAY = Mock(side_effect=OperationalError("SELECT", {}, Exception("gone")))


def has_the_shape(answer):
    assert answer.mimetype == "application/json"
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) <= {"type", "message", "fields", "version"}
    assert error["type"]
    assert error["message"]
    assert "Traceback" not in answer.text
    return error


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/", 404),
        ("GET", "/api/v2/score", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/../v1/x", 404),
        ("GET", "/api/v1/score", 405),
        ("DELETE", "/api/v1/me", 405),
        ("OPTIONS", "/api/v1/me", 405),
        ("TRACE", "/api/v1/me", 405),
        ("POST", "/api/v1/openapi.json", 405),
        ("GET", "/api/v1/me", 401),
    ],
)
def test_an_error_has_the_one_shape_before_anybody_is_known(app, method, path, status):
    answer = app.test_client().open(path, method=method, expect=status)
    has_the_shape(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/alerts/1", 404),
        ("GET", f"/alerts/{2**63}", 404),
        ("GET", "/alerts/0", 404),
        ("GET", "/alerts/-1", 404),
        ("GET", "/alerts/x", 404),
        ("GET", "/records/9223372036854775807", 404),
        ("GET", "/uploads/x", 404),
        ("GET", "/uploads/..%2f..%2fsecret", 404),
        ("GET", "/uploads/%00", 404),
        ("GET", "/bundles/%00", 404),
        ("GET", "/bundles/..", 404),
        ("GET", "/bundles/" + "x" * 300, 404),
        ("GET", "/alerts?limit=0", 422),
        ("GET", "/alerts?limit=201", 422),
        ("GET", "/alerts?limit=x", 422),
        ("GET", "/alerts?cursor=x", 422),
        ("GET", "/alerts?cursor=" + "x" * 201, 422),
        ("GET", "/alerts?state=lost", 422),
        ("GET", "/alerts?q=%00", 422),
        ("GET", "/alerts?since=0001-01-01T00:00:00%2B14:00", 422),
        ("GET", "/alerts?until=9999-12-31T23:59:59-14:00", 422),
        ("GET", "/alerts?nothing=1", 422),
        ("GET", "/records?since=yesterday", 422),
        ("GET", "/uploads?cursor=WyJ4IiwieSJd", 422),
        ("GET", "/uploads?cursor=W10", 422),
        ("GET", "/me?x=1", 422),
    ],
)
def test_an_error_has_the_one_shape_for_a_key_that_may(programs, method, path, status):
    answer = programs("admin").ask(method, path, expect=status)
    error = has_the_shape(answer)
    if status == 422:
        assert error["fields"]


def test_a_fault_of_ours_tells_nothing_of_it(program, monkeypatch, web):
    fail = Mock(side_effect=RuntimeError("a secret detail"))
    monkeypatch.setattr(web.detectors, "active", fail)
    answer = program.ask("POST", "/score", json={"record": RECORD}, expect=500)
    has_the_shape(answer)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "error", [InvalidChunkSize(b"xyz"), ChunkMissingTerminator(b"x")]
)
def test_a_body_of_damaged_chunks_is_400_and_no_fault(
    app, settings, people, programs, error, caplog
):
    class Damaged(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, _buffer):
            raise error

    served = Server(settings, 0).load()
    user_id = people("viewer", is_logged_in=False).user_id
    program = programs("viewer", user_id=user_id, app=served)
    body = {"wsgi.input": Damaged(), "wsgi.input_terminated": True}
    answer = program.ask(
        "POST", "/score/batch", content_type="text/csv", environ_overrides=body,
        expect=400,
    )  # fmt: skip
    assert has_the_shape(answer)["type"] == "BadBody"
    assert "a fault" not in caplog.text


def test_a_database_that_is_away_is_503_and_when_to_ask_again(monkeypatch, program):
    program.ask("GET", "/me")
    monkeypatch.setattr(Session, "scalars", AWAY)
    answer = program.ask("GET", "/alerts", expect=503)
    assert int(answer.headers["Retry-After"]) > 0
    has_the_shape(answer)
    # what needs no database still answers
    program.ask("POST", "/score", json={"record": RECORD}, expect=200)


def test_the_document_is_public_and_kept_by_its_tag(app):
    client = app.test_client()
    answer = client.get("/api/v1/openapi.json", expect=200)
    assert answer.json["openapi"] == "3.1.0"
    tag = answer.headers["ETag"]
    client.get("/api/v1/openapi.json", headers={"If-None-Match": tag}, expect=304)


def test_the_document_says_scope_errors_and_an_example_of_everything(app):
    document = app.test_client().get("/api/v1/openapi.json").json
    operations = {
        item["operationId"]: item
        for path in document["paths"].values()
        for item in path.values()
    }
    declared = {o.name: o for group in api.GROUPS for o in group.operations}
    assert set(operations) == set(declared)
    for name, told in operations.items():
        operation = declared[name]
        assert told["summary"]
        assert told["description"]
        assert told["security"] == [
            {"key": [operation.scope] if operation.scope else []}
        ]
        assert {"401", "422", "429", "500", "503"} <= set(told["responses"])
        assert str(operation.status) in told["responses"]
        for parameter in told["parameters"]:
            schema = parameter["schema"]
            bounds = {"maxLength", "maximum", "enum", "pattern", "format"}
            assert bounds & set(schema) or schema["type"] == "boolean", parameter
    text = json.dumps(document)
    assert "$defs" not in text
    for ref in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        assert ref.rsplit("/", 1)[1] in document["components"]["schemas"]


def test_healthz_answers_without_a_database(app, monkeypatch, web):
    monkeypatch.setattr(web.database, "engine", None)
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_readyz_says_what_lacks(app, settings, monkeypatch):
    client = app.test_client()
    assert client.get("/readyz").json == {"status": "ok", "lacking": []}
    monkeypatch.setattr(monitor, "ROOM", shutil.disk_usage(settings.home).total * 2)
    answer = client.get("/readyz", expect=503)
    assert "free on the disk" in answer.json["lacking"][0]


def test_readyz_without_a_model_or_a_database(app, monkeypatch, web):
    client = app.test_client()
    monkeypatch.setattr(web.detectors, "active", lambda: None)
    assert client.get("/readyz").json["lacking"] == ["no model is active"]
    monkeypatch.setattr(monitor.migrations, "check", AWAY)
    answer = client.get("/readyz", expect=503)
    assert answer.json["lacking"] == ["the database is not responding"]
    assert int(answer.headers["Retry-After"]) > 0


def test_the_figures_count_requests_verdicts_and_jobs(app, programs):
    program = programs("viewer", "score")
    for _ in range(3):
        program.ask("POST", "/score", json={"record": RECORD})
    program.ask("POST", "/score?keep=true", json={"record": RECORD})
    program.ask("POST", "/score", json={})
    text = app.test_client().get("/metrics").text
    about = 'endpoint="api_v1.score_record",method="POST"'
    assert f'evenflow_requests_total{{{about},status="200"}} 4.0' in text
    assert f'evenflow_requests_total{{{about},status="422"}} 1.0' in text
    assert 'evenflow_verdicts_total{verdict="dos"} 4.0' in text
    assert 'evenflow_kept_verdicts_last_day{source="api",verdict="dos"} 1.0' in text
    count = 'evenflow_request_seconds_count{endpoint="api_v1.score_record"} 5.0'
    assert count in text
    assert "# TYPE evenflow_jobs gauge" in text
    assert "# TYPE evenflow_logins_failed_total counter" in text


def test_strange_methods_and_addresses_make_no_new_names(app):
    client = app.test_client()
    for k in range(5):
        client.open(f"/nowhere/{k}", method=f"ODD{k}")
    text = client.get("/metrics").text
    assert text.count('_requests_total{endpoint="none",method="other"') == 1
    assert "nowhere" not in text


@pytest.mark.parametrize(
    ("change", "is_let_in"),
    [
        ({}, True),
        ({"environ_base": {"REMOTE_ADDR": "::1"}}, True),
        ({"base_url": "http://[::1]:8000"}, True),
        ({"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}, False),
        ({"headers": {"X-Forwarded-For": "192.0.2.7"}}, False),
        ({"headers": {"Forwarded": "for=192.0.2.7"}}, False),
        ({"headers": {"Via": "1.1 proxy"}}, False),
    ],
)
def test_the_figures_are_for_this_machine_or_a_key(app, programs, change, is_let_in):
    client = app.test_client()
    assert client.get("/metrics", **change).status_code == (200 if is_let_in else 401)
    headers = change.pop("headers", {})
    for scope, status in (("metrics", 200), ("score", 200 if is_let_in else 403)):
        headers["Authorization"] = f"Bearer {programs('analyst', scope).token}"
        client.get("/metrics", headers=headers, **change, expect=status)


COUNTED = """
import sys
from evenflow.web.app import create_app
from evenflow.web.settings import Settings

key, home, n = sys.argv[1:]
client = create_app(Settings(home=home, secret_key="s" * 40)).test_client()
for _ in range(int(n)):
    client.get("/api/v1/me", headers={"Authorization": f"Bearer {key}"})
print(client.get("/metrics").text)
"""


@pytest.mark.slow
def test_the_figures_of_several_processes_are_added_up(
    programs, settings, tmp_path, python
):
    figures = tmp_path / "figures"
    figures.mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(figures)}
    key, text = programs("viewer").token, ""
    for n in (3, 4):
        words = ("-c", COUNTED, key, settings.home, n)
        text = python(*words, env=environment).stdout
    line = 'evenflow_requests_total{endpoint="api_v1.show_me",method="GET",status="200"'
    assert f"{line}}} 7.0" in text


def test_a_request_without_memory_is_answered_with_503(program, monkeypatch):
    fail = Mock(side_effect=MemoryError)
    monkeypatch.setattr("evenflow.web.api.batch._scored", fail)
    body = {"data": "a\n1\n", "content_type": "text/csv"}
    answer = program.ask("POST", "/score/batch", **body, expect=503)
    assert answer.json["error"]["type"] == "OutOfMemory"
