"""A read-only demo: who has no account reads pages of viewers, and nothing else."""

import pytest
from sqlalchemy import func, insert, select

from evenflow.web.store.tables import Alert, AlertNote, Base, Job, Record


@pytest.fixture
def app(build, settings):
    """A server with the setting on."""
    return build(settings.model_copy(update={"demo": True}))


@pytest.fixture
def filled(kept, people, stored):
    """A record, its alert and a note of an analyst; the address of their owner."""
    analyst = people("analyst", email="secret.name@example.org", is_logged_in=False)
    kept(analyst, "dos")
    note = {"alert_id": stored.one(Alert.id), "user_id": analyst.user_id}
    stored.execute(insert(AlertNote).values(note | {"text": "a scan"}))
    return analyst.email


def pages_of(stored):
    record, alert = stored.one(Record.id), stored.one(Alert.id)
    return ("/", "/records", f"/records/{record}", "/alerts", f"/alerts/{alert}",
            "/models", "/models/small", "/explore", "/record", "/uploads", "/api",
            "/records/download?format=csv")  # fmt: skip


def test_a_visitor_reads_pages_and_sees_no_address(app, filled, stored):
    visitor = app.test_client()
    for path in pages_of(stored):
        assert filled not in visitor.get(path, expect=200).text, path
    assert "a scan" in visitor.get(f"/alerts/{stored.one(Alert.id)}").text
    page = visitor.get("/alerts").text
    assert "Read-only demo" in page
    assert "/admin" not in page


def test_a_visitor_changes_nothing_and_opens_nothing_of_a_greater_role(
    app, pages, filled, stored
):
    def counted():
        tables = Base.metadata.sorted_tables
        return [stored.scalar(select(func.count()).select_from(t)) for t in tables]

    before, wrong = counted(), []
    for route in pages:
        if route.is_public or not route.role:
            continue
        for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
            if (method, route.role) == (
                "GET",
                "viewer",
            ) and "/account" not in route.url:
                continue
            browser = app.test_client()
            kwargs = {"data": {"csrf_token": browser.csrf()}} if method != "GET" else {}
            answer = browser.open(route.url, method=method, **kwargs)
            where = answer.headers.get("Location", "")
            if answer.status_code != 302 or not where.startswith("/login"):
                wrong.append((method, route.url, answer.status_code))
    assert wrong == []
    assert counted() == before
    assert not stored.all(Job)


def test_the_api_stays_closed_to_visitors(app, filled):
    for path in ("/api/v1/me", "/api/v1/alerts", "/api/v1/uploads"):
        app.test_client().get(path, expect=401)


def test_people_who_log_in_see_their_own_as_ever(app, filled, people, stored):
    viewer = people("viewer")
    viewer.get(f"/records/{stored.one(Record.id)}", expect=404)
    assert "Read-only demo" not in viewer.get("/records").text


def test_without_the_setting_a_visitor_is_sent_to_the_log_in(build, settings):
    answer = build(settings).test_client().get("/alerts", expect=302)
    assert answer.headers["Location"].startswith("/login")
