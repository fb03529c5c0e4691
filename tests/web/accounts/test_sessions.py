"""Promises about sessions: a cookie is good while its row stands, and no longer."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from evenflow.web.accounts import sessions
from evenflow.web.store.tables import User, WebSession, now

GOOD = "gravel lampshade oboe fjord"


def is_in(browser):
    return browser.get("/account").status_code == 200


@pytest.mark.databases
def test_a_stolen_cookie_is_dead_after_log_out(viewer, stored):
    thief = viewer.again()
    assert is_in(thief)
    viewer.send("/logout")
    assert stored.count(WebSession) == 0
    assert not is_in(thief)


def test_the_cookie_of_before_the_log_in_is_not_the_one_after(people):
    viewer = people("viewer", is_logged_in=False)
    viewer.csrf()
    planted = viewer.again()
    with viewer.session_transaction() as session:
        token = session["csrf_token"]
    viewer.log_in()
    assert not is_in(planted)
    with viewer.session_transaction() as session:
        assert session.get("csrf_token") != token, "the attacker knows the old one"
        assert len(session[sessions.KEY]) >= 43, "256 random bits"


def test_each_log_in_has_its_own_id_and_ends_the_one_of_that_browser(viewer, stored):
    first = viewer.again()
    viewer.send("/logout")
    viewer.log_in()
    assert not is_in(first)
    assert stored.count(WebSession) == 1


def test_only_a_hash_of_the_id_is_stored(viewer, stored):
    with viewer.session_transaction() as session:
        plain = session[sessions.KEY]
    row = stored.one(WebSession)
    assert plain not in str(vars(row))
    assert len(row.token_sha256) == 64


@pytest.mark.parametrize(
    ("column", "too_old"),
    [("seen_at", timedelta(hours=12, minutes=1)), ("created_at", timedelta(days=7.1))],
)
def test_a_session_ends_by_itself(column, too_old, viewer, stored):
    stored.execute(update(WebSession).values({column: now() - too_old}))
    assert not is_in(viewer)
    assert stored.count(WebSession) == 0


def test_a_request_is_written_down_once_a_minute_at_most(viewer, stored):
    def seen():
        return stored.one(WebSession.seen_at)

    before = seen()
    viewer.get("/account")
    assert seen() == before
    stored.execute(update(WebSession).values(seen_at=now() - timedelta(seconds=61)))
    viewer.get("/account")
    assert now() - seen() < timedelta(seconds=30)


def test_one_query_finds_the_person_of_a_request(statements, viewer):
    statements.clear()
    viewer.get("/logout")  # 405: nothing but the person is looked up
    assert len([sql for sql in statements if "web_session" in sql]) <= 1
    statements.clear()
    viewer.get("/static/app.css").close()
    assert statements == [], "a file of the style needs no person"


@pytest.fixture
def other(app, viewer):
    """Another browser in which the viewer is logged in, by a session of its own."""
    other = app.test_client()
    agent = "Mozilla/5.0 (Android 15) Firefox/140.0"
    other.log_in(viewer.email, viewer.password, headers={"User-Agent": agent})
    assert is_in(other)
    return other


@pytest.mark.databases
def test_logging_out_everywhere_ends_every_session(viewer, other, stored):
    assert viewer.send("/account/sessions/end").headers["Location"] == "/login"
    assert not is_in(viewer)
    assert not is_in(other)
    assert stored.count(WebSession) == 0


def test_another_password_ends_the_other_sessions_and_keeps_this_one(
    viewer, other, stored
):
    stolen = viewer.again()
    viewer.send("/change", {"password": viewer.password, "new_password": GOOD})
    assert is_in(viewer)
    assert not is_in(other)
    assert not is_in(stolen)
    assert stored.count(WebSession) == 1


def test_a_person_sees_their_sessions_and_ends_one(viewer, other, stored):
    page = viewer.get("/account").text
    assert "Firefox on Android" in page
    assert "127.0.0.1" in page
    number = stored.one(WebSession.id, WebSession.agent.contains("Firefox"))
    viewer.send(f"/account/sessions/{number}/end", expect=303)
    assert not is_in(other)
    assert is_in(viewer)


def test_a_tampered_cookie_is_nobody(app, viewer):
    value = viewer.get_cookie("evenflow").value
    for wrong in (value[:-2] + "xx", "x" + value, "", "a.b.c"):
        browser = app.test_client()
        browser.set_cookie("evenflow", wrong)
        assert not is_in(browser)


@pytest.mark.parametrize(
    ("public_url", "name", "is_secure"),
    [("", "evenflow", False), ("https://ids.example.org", "__Host-evenflow", True)],
)
def test_the_cookie_is_as_closed_as_it_can_be(
    build, settings, public_url, name, is_secure
):
    app = build(settings.model_copy(update={"public_url": public_url}))
    answer = app.test_client().get("/login", base_url=public_url or None)
    made = [v for k, v in answer.headers if k == "Set-Cookie"]
    assert len(made) == 1
    assert made[0].startswith(f"{name}=")
    assert "HttpOnly" in made[0]
    assert "SameSite=Lax" in made[0]
    assert "Path=/" in made[0]
    assert "Domain" not in made[0]
    assert "Expires" not in made[0], "it ends with the browser"
    assert ("Secure" in made[0]) is is_secure


def test_flask_securitys_own_tokens_let_nobody_in(app, viewer, web):
    with app.test_request_context(), web.database.session() as session:
        token = session.get(User, viewer.user_id).get_auth_token()
    browser = app.test_client()
    browser.get("/account", headers={"Authentication-Token": token}, expect=302)
    browser.get("/account", query_string={"auth_token": token}, expect=302)


def grow_old(person, minutes=16):
    """Let the password have been given that long ago."""
    with person.session_transaction() as session:
        session["fs_paa"] -= minutes * 60
        session.pop("fs_gexp", None)


def test_what_is_of_weight_asks_for_the_password_again(viewer):
    grow_old(viewer)
    assert viewer.get("/tf-setup").headers["Location"] == "/verify?next=/tf-setup"
    wanted = {"name": "x", "scopes": "score", "days": "7"}
    answer = viewer.send("/account/tokens", wanted)
    assert answer.headers["Location"].startswith("/verify")
    assert "not your password" in viewer.send("/verify", {"password": "wrong"}).text
    viewer.send("/account/tokens", wanted, expect=302)
    viewer.send("/verify", {"password": viewer.password}, expect=302)
    viewer.send("/account/tokens", wanted, expect=200)


@pytest.mark.parametrize("what", ["role", "reset", "delete", "second-factor/reset"])
def test_an_admin_gives_the_password_again_before_what_is_of_weight(
    what, admin, viewer
):
    grow_old(admin)
    answer = admin.send(f"/admin/users/{viewer.user_id}/{what}", {"role": "admin"})
    assert answer.headers["Location"].startswith("/verify")


def test_nobody_is_remembered_beyond_the_session(people):
    viewer = people("viewer", is_logged_in=False)
    answer = viewer.log_in(remember="y")
    cookies = [v.split("=")[0] for k, v in answer.headers if k == "Set-Cookie"]
    assert cookies == ["evenflow"]
