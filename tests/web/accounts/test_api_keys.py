"""Keys to the API: what they open, what they never open, how they end."""

import json
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from evenflow.errors import DataError
from evenflow.web import api
from evenflow.web.accounts import api_keys, bearer
from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import ApiToken, User, now

RECORD = json.loads((Path(__file__).parents[1] / "api/record.json").read_text())
OPERATIONS = [o for group in api.GROUPS for o in group.operations]
PARTS = {"number": "1", "job_id": "0" * 24, "name": "small", "kind": "csv"}


def path_of(operation):
    return re.sub(r"\{(\w+)\}", lambda m: PARTS[m[1]], operation.address)


def sent(client, operation, token=None, **kwargs):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.open(
        f"/api/v1{path_of(operation)}",
        method=operation.method,
        headers=headers,
        **kwargs,
    )


@pytest.fixture
def program(programs):
    return programs("viewer", "score")


def test_the_api_serves_what_it_declares_and_no_more(app):
    rules = {
        (rule.rule.removeprefix("/api/v1"), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD"}
    }
    declared = {(o.path, o.method) for o in OPERATIONS} | {("/openapi.json", "GET")}
    assert rules == declared


def test_without_a_key_nothing_is_answered(app):
    for operation in OPERATIONS:
        answer = sent(app.test_client(), operation)
        assert answer.status_code == 401, operation.name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json["error"]["type"] == "NoToken"


def test_a_browser_s_cookie_is_no_key(admin):
    for operation in OPERATIONS:
        assert sent(admin, operation).status_code == 401, operation.name


def test_a_key_without_the_scope_gets_403_and_is_told_which(programs):
    for scope in api_keys.SCOPES:
        program = programs("admin", *(s for s in api_keys.SCOPES if s != scope))
        for operation in (o for o in OPERATIONS if o.scope == scope):
            answer = program.ask(operation.method, path_of(operation), expect=403)
            assert scope in answer.json["error"]["message"]
            assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


def test_a_key_with_that_scope_alone_is_let_in(programs):
    for operation in OPERATIONS:
        program = programs("admin", operation.scope or "score")
        answer = program.ask(operation.method, path_of(operation))
        assert answer.status_code not in (401, 403), operation.name
        assert answer.status_code < 500, operation.name


def test_a_key_never_does_more_than_its_person_may_at_that_moment(app, programs, web):
    program = programs("admin", "bundles:activate", "bundles:read")
    url = "/bundles/small/activate"
    assert program.ask("POST", url).status_code == 200
    with web.database.session() as session:
        session.get_one(User, program.user_id).role = "analyst"
    app.extensions[bearer.KEY].clear()
    answer = program.ask("POST", url, expect=403)
    assert "role analyst" in answer.json["error"]["message"]
    assert program.ask("GET", "/bundles").status_code == 200


def test_a_scope_beyond_the_role_is_not_given(people, web):
    person = people("viewer", is_logged_in=False)
    with web.database.session() as session:
        user = session.get_one(User, person.user_id)
        for scope in ("bundles:activate", "metrics", "everything"):
            with pytest.raises(DataError, match=scope):
                api_keys.make(session, user, name="x", scopes=[scope], days=1)
        for name, days in (("", 1), ("x" * 81, 1), ("x", 0), ("x", 731)):
            with pytest.raises(DataError, match="expected 1 to"):
                api_keys.make(session, user, name=name, scopes=["score"], days=days)
        with pytest.raises(DataError, match="no scope"):
            api_keys.make(session, user, name="x", scopes=[], days=1)


def test_only_a_hash_of_the_key_is_stored(web, program):
    with web.database.session() as session:
        token = session.query(ApiToken).one()
        stored = [str(getattr(token, c.name)) for c in ApiToken.__table__.columns]
    assert program.token.startswith(token.prefix)
    assert len(program.token) == api_keys.LENGTH
    assert not any(program.token in text for text in stored)


def ended(app, program, **change):
    with app.extensions[KEY].database.session() as session:
        token = session.query(ApiToken).filter_by(user_id=program.user_id).one()
        for name, value in change.items():
            setattr(token, name, value)


@pytest.mark.parametrize("how", ["revoked", "expired", "disabled", "deleted"])
def test_a_key_that_ended_counts_for_two_seconds_at_most(
    app, monkeypatch, how, stored, web, program
):
    assert program.ask("GET", "/me").status_code == 200
    if how == "revoked":
        (token,) = stored(api_keys.of, program.user_id)
        assert not stored(api_keys.revoke, program.user_id + 1, token.id)
        assert stored(api_keys.revoke, program.user_id, token.id)
    elif how == "expired":
        ended(app, program, expires_at=now() - timedelta(seconds=1))
    else:
        with web.database.session() as session:
            user = session.get_one(User, program.user_id)
            if how == "disabled":
                user.active = False
            else:
                session.delete(user)
    later = time.monotonic() + bearer.FRESH_S + 0.01
    monkeypatch.setattr(bearer.time, "monotonic", lambda: later)
    assert bearer.FRESH_S <= 2
    answer = program.ask("GET", "/me", expect=401)
    assert answer.json["error"]["type"] == "InvalidToken"
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


@pytest.mark.databases
def test_what_is_stored_for_an_account_that_just_went_is_refused(programs, web, stored):
    program = programs("viewer")
    assert program.ask("GET", "/me").status_code == 200  # remembered for a moment
    stored.execute(delete(User).where(User.id == program.user_id))
    answer = program.ask("POST", "/score?keep=true", json={"record": RECORD})
    assert answer.status_code == 409
    assert "deleted at the same moment" in answer.json["error"]["message"]
    data = {"data": b"a,b\n1,2\n", "content_type": "text/csv"}
    assert program.ask("PUT", f"/uploads/{'a' * 24}", **data).status_code == 409
    assert list(web.home.uploads.iterdir()) == []


def test_a_key_is_looked_up_once_in_two_seconds(monkeypatch, program):
    asked = []
    real = api_keys.find
    monkeypatch.setattr(api_keys, "find", lambda *a: asked.append(1) or real(*a))
    for _ in range(5):
        assert program.ask("GET", "/me").status_code == 200
    assert len(asked) == 1


def test_when_a_key_was_used_is_written_once_a_minute(app, web, program):
    seen = []
    for age in (0, 59, 61):
        if seen:
            ended(app, program, used_at=now() - timedelta(seconds=age))
        app.extensions[bearer.KEY].clear()
        program.ask("GET", "/me")
        with web.database.session() as session:
            seen.append(session.query(ApiToken.used_at).scalar())
    assert all(at is not None for at in seen)
    assert now() - seen[0] < timedelta(seconds=20)
    assert now() - seen[1] > timedelta(seconds=58)
    assert now() - seen[2] < timedelta(seconds=20)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "ef_abc", "Bearer x y", "bearer \u00e9"],
)
def test_what_is_no_key_is_401(app, header):
    app.test_client().get("/api/v1/me", headers={"Authorization": header}, expect=401)


def test_guessing_gets_slower_and_a_good_key_still_works(app, program):
    client, found = app.test_client(), []
    for k in range(30):
        guess = f"ef_{k:043d}"
        answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {guess}"})
        found.append(answer.status_code)
    assert found[:20] == [401] * 20
    assert found[-1] == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["error"]["type"] == "TooManyTries"
    # whoever shares the address is not shut out by it
    assert program.ask("GET", "/me").status_code == 200


def test_me_tells_the_person_and_the_key(programs):
    program = programs("analyst", "score", "alerts:read")
    found = program.ask("GET", "/me").json
    assert found["role"] == "analyst"
    assert found["id"] == program.user_id
    assert found["token"]["scopes"] == ["score", "alerts:read"]
    assert program.token not in str(found)


def test_a_form_s_token_is_not_asked_for(app, program):
    assert app.config.get("WTF_CSRF_ENABLED", True)
    assert program.ask("POST", "/score", json={"record": RECORD}).status_code == 200
