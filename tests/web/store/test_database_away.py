"""The database away: 503 from every page, also from a process that starts meanwhile."""

import re
from unittest.mock import Mock

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError, PendingRollbackError

from evenflow.errors import StorageError
from evenflow.web.app import create_app
from evenflow.web.models import detectors
from evenflow.web.store import migrations
from evenflow.web.store.database import reached
from evenflow.web.store.tables import Setting

AWAY = Mock(side_effect=OperationalError("SELECT 1", {}, ConnectionError("refused")))
ALIVE = {"/healthz": 200, "/static/app.css": 200}
NEEDS_IT = ("/login", "/metrics", "/readyz", "/account", "/alerts", "/api/v1/alerts")


def paths(app):
    """Return an address of each route that is asked with GET."""
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" in rule.methods and rule.endpoint not in ("static", "vega.library"):
            path = re.sub(r"<any\((\w+)[^>]*>", r"\1", str(rule))
            path = re.sub(r"<int[^>]*>", "1", path)
            path = re.sub(r"<[^>]*>", "a" * 24, path)
            found.append(path)
    return sorted(found)


def status(client, path, **kwargs):
    answer = client.get(path, **kwargs)
    answer.get_data()
    answer.close()
    return answer.status_code


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_no_page_needs_the_database_to_say_that_it_is_away(
    build, settings, people, programs, postgresql, monkeypatch
):
    monkeypatch.setattr(detectors, "FRESH_S", 0.0)
    app = build(settings)
    person, key = people("admin", app=app), programs("admin", app=app)
    assert status(person, "/account") == 200
    postgresql.stop("immediate")
    started = build(settings)  # while it is away
    for one, client in ((app, person), (started, started.test_client())):
        for path in paths(one):
            is_api = path.startswith("/api/v1")
            headers = {"Authorization": f"Bearer {key.token}"} if is_api else {}
            found = status(client, path, headers=headers)
            assert found < 500 or found == 503, path
            if path in NEEDS_IT and client is person:
                assert found == 503, path
        for path, wanted in ALIVE.items():
            assert status(client, path) == wanted
        answer = client.get("/login")
        assert "Temporarily unavailable" in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/nowhere").status_code in (404, 503)
        sent = client.post("/login", data={"email": "a@example.org", "password": "x"})
        assert sent.status_code in (400, 503)
    for path in ("/login", "/metrics", "/readyz", "/register", "/api/v1/me", "/"):
        assert status(started.test_client(), path) == 503, path
    postgresql.start()
    assert status(person, "/account") == 200
    client = started.test_client()
    for path in ("/login", "/metrics", "/readyz"):
        assert status(client, path) == 200


def test_a_process_starts_without_its_database_and_recovers(
    build, settings, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "check", AWAY)
        client = build(settings).test_client()
        for path in ("/", "/login", "/register", "/metrics", "/readyz", "/api/v1/me"):
            assert status(client, path) == 503, path
        for path in ALIVE:
            assert status(client, path) == 200
    for path in ("/login", "/register", "/metrics", "/readyz"):
        assert status(client, path) == 200


def test_a_database_of_another_version_is_refused_now_or_once_it_answers(
    build, settings, monkeypatch, stored
):
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "check", AWAY)
        client = build(settings).test_client()
    stored.execute(text("UPDATE alembic_version SET version_num = 'other'"))
    with pytest.raises(StorageError, match="expected version"):
        create_app(settings)
    for _ in range(2):
        answer = client.get("/login", expect=503)
        assert "another version" in answer.text
        assert client.get("/api/v1/me").json["error"]["message"].startswith("The data")
    assert status(client, "/healthz") == 200


@pytest.mark.parametrize(
    "error",
    [OperationalError("", {}, Exception("gone")), PendingRollbackError("rolled back")],
)
def test_an_error_page_is_shown_whatever_its_frame_needs(
    monkeypatch, error, viewer, web
):
    monkeypatch.setattr(web.detectors, "active_name", Mock(side_effect=error))
    answer = viewer.get("/nowhere", expect=404)
    assert "Not found" in answer.text
    assert viewer.get("/account").status_code in (500, 503)


@pytest.mark.parametrize(
    ("settings", "statement"),
    [
        ("sqlite", "PRAGMA query_only = ON"),
        ("postgresql", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
    ],
    indirect=["settings"],
)
def test_a_database_that_cannot_write_is_507_and_not_said_to_be_away(
    people, programs, statement, web
):
    person, key = people("viewer", is_logged_in=False), programs("viewer")
    database = web.database

    def refuse_writes(connection, _record):
        connection.cursor().execute(statement)
        connection.commit()

    event.listen(database.engine, "connect", refuse_writes)
    database.dispose()
    person.get("/login", expect=200)
    answer = person.log_in()
    assert answer.status_code == 507
    assert "No space left" in answer.text
    key.ask("GET", "/me", expect=200)
    done = key.ask("PUT", f"/uploads/{'a' * 24}", data=b"a,b\n1,2\n", expect=507)
    assert done.json["error"]["type"] == "StorageError"


def test_a_full_database_is_said_in_a_line(settings, web):
    database = web.database

    def fill(connection, _record):
        connection.execute("PRAGMA max_page_count = 1")  # the pages it has: no more

    event.listen(database.engine, "connect", fill)
    database.dispose()
    told = r"evenflow.db cannot write: .* is full\. Expected a disk with room"
    row = Setting(name="large", value={"text": "x" * 2**20})
    with (
        pytest.raises(StorageError, match=told),
        reached(database),
        database.session() as session,
    ):
        session.add(row)
