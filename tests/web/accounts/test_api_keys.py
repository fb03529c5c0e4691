"""Keys to the API: what they open, what they never open, how they end."""

import json
import re
import time
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from sqlalchemy import delete, update

from evenflow.errors import DataError
from evenflow.web import api
from evenflow.web.accounts import api_keys, bearer
from evenflow.web.store.tables import ApiToken, User, now

RECORD = json.loads((Path(__file__).parents[1] / "api/record.json").read_text())
OPERATIONS = [o for group in api.GROUPS for o in group.operations]
PARTS = {"number": "1", "job_id": "0" * 24, "name": "small", "kind": "csv"}


def path_of(operation):
    return re.sub(r"\{(\w+)\}", lambda m: PARTS[m[1]], operation.address)


def refused(client, operation):
    path = f"/api/v1{path_of(operation)}"
    return client.open(path, method=operation.method, expect=401)


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
        answer = refused(app.test_client(), operation)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json["error"]["type"] == "NoToken"


def test_a_browser_s_cookie_is_no_key(admin):
    for operation in OPERATIONS:
        refused(admin, operation)


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


def test_a_key_never_does_more_than_its_person_may_at_that_moment(
    app, programs, stored
):
    program = programs("admin", "bundles:activate", "bundles:read")
    url = "/bundles/small/activate"
    program.ask("POST", url, expect=200)
    stored.execute(update(User).values(role="analyst"))
    app.extensions[bearer.KEY].clear()
    answer = program.ask("POST", url, expect=403)
    assert "role analyst" in answer.json["error"]["message"]
    program.ask("GET", "/bundles", expect=200)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *(({"scopes": [s]}, s) for s in ("bundles:activate", "metrics", "everything")),
        *(({"name": name}, "expected 1 to") for name in ("", "x" * 81)),
        *(({"days": days}, "expected 1 to") for days in (0, 731)),
        ({"scopes": []}, "no scope"),
    ],
)
def test_a_scope_beyond_the_role_or_a_key_that_is_none_is_not_given(
    people, stored, wrong, said
):
    user = stored.get_one(User, people("viewer", is_logged_in=False).user_id)
    given = {"name": "x", "scopes": ["score"], "days": 1} | wrong
    with pytest.raises(DataError, match=said):
        stored(api_keys.make, user, **given)


def test_only_a_hash_of_the_key_is_stored(stored, program):
    token = stored.one(ApiToken)
    assert program.token.startswith(token.prefix)
    assert len(program.token) == api_keys.LENGTH
    assert program.token not in str(vars(token))


@pytest.mark.parametrize("how", ["revoked", "expired", "disabled", "deleted"])
def test_a_key_that_ended_counts_for_two_seconds_at_most(
    monkeypatch, how, stored, program
):
    program.ask("GET", "/me", expect=200)
    if how == "revoked":
        (token,) = stored(api_keys.of, program.user_id)
        assert not stored(api_keys.revoke, program.user_id + 1, token.id)
        assert stored(api_keys.revoke, program.user_id, token.id)
    else:
        stored.execute(
            {
                "expired": update(ApiToken).values(expires_at=now()),
                "disabled": update(User).values(active=False),
                "deleted": delete(User),
            }[how]
        )
    later = time.monotonic() + bearer.FRESH_S + 0.01
    monkeypatch.setattr(bearer.time, "monotonic", lambda: later)
    assert bearer.FRESH_S <= 2
    answer = program.ask("GET", "/me", expect=401)
    assert answer.json["error"]["type"] == "InvalidToken"
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


@pytest.mark.databases
def test_what_is_stored_for_an_account_that_just_went_is_refused(programs, web, stored):
    program = programs("viewer")
    program.ask("GET", "/me", expect=200)  # remembered for a moment
    stored.execute(delete(User).where(User.id == program.user_id))
    body = {"record": RECORD}
    answer = program.ask("POST", "/score?keep=true", json=body, expect=409)
    assert "deleted at the same moment" in answer.json["error"]["message"]
    data = {"data": b"a,b\n1,2\n", "content_type": "text/csv"}
    program.ask("PUT", f"/uploads/{'a' * 24}", **data, expect=409)
    assert list(web.home.uploads.iterdir()) == []


def test_a_key_is_looked_up_once_in_two_seconds(monkeypatch, program):
    find = Mock(wraps=api_keys.find)
    monkeypatch.setattr(api_keys, "find", find)
    for _ in range(5):
        program.ask("GET", "/me", expect=200)
    find.assert_called_once()


def test_when_a_key_was_used_is_written_once_a_minute(app, stored, program):
    seen = []
    for age in (0, 59, 61):
        if seen:
            used_at = now() - timedelta(seconds=age)
            stored.execute(update(ApiToken).values(used_at=used_at))
        app.extensions[bearer.KEY].clear()
        program.ask("GET", "/me")
        seen.append(stored.one(ApiToken.used_at))
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
