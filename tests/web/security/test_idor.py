"""What belongs to another person is not there, whoever knows its number."""

import re

import pytest
from sqlalchemy import func, select

from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import ApiToken, User, WebSession


def database(app):
    return app.extensions[KEY].database


@pytest.fixture
def owner(app, people):
    """A person with a session and a key."""
    person = people("viewer")
    person.send("/account/tokens", {"name": "mine", "scopes": "score", "days": "7"})
    return person


def numbers(app, owner):
    with database(app).session() as session:
        return {
            "session": session.scalar(
                select(WebSession.id).where(WebSession.user_id == owner.user_id)
            ),
            "token": session.scalar(
                select(ApiToken.id).where(ApiToken.user_id == owner.user_id)
            ),
        }


@pytest.mark.parametrize("role", ["viewer", "analyst", "admin"])
@pytest.mark.parametrize(
    ("kind", "path"),
    [("session", "/account/sessions/{}/end"), ("token", "/account/tokens/{}/revoke")],
)
def test_nobody_ends_what_is_anothers(app, people, owner, role, kind, path, stored):
    number = numbers(app, owner)[kind]
    assert people(role).send(path.format(number)).status_code == 404
    assert owner.get("/account").status_code == 200
    assert stored.scalar(select(ApiToken.revoked_at)) is None
    assert owner.send(path.format(number)).status_code == 303


def without_tokens(page):
    """Return a page less its forms' tokens, which are new each second."""
    return re.sub(r'name="csrf_token" value="[^"]+"', "", page)


def test_a_number_that_is_not_there_looks_the_same(app, people, owner):
    stranger = people("viewer")
    number = numbers(app, owner)["token"]
    theirs, missing = (
        stranger.send(f"/account/tokens/{n}/revoke") for n in (number, 9999)
    )
    assert theirs.status_code == missing.status_code
    assert without_tokens(theirs.text) == without_tokens(missing.text)


def test_nobody_sees_anothers_keys_and_sessions(people, owner):
    page = people("admin").get("/account").text
    assert "mine" not in page


def test_a_form_names_nobody_else(people, owner, stored):
    """The person is who is logged in, whatever a form says."""
    stranger = people("viewer")
    for path in ("/account/sessions/end", "/account/delete"):
        stranger.send(
            path,
            {"user_id": owner.user_id, "id": owner.user_id, "email": owner.email,
             "password": owner.password},
        )  # fmt: skip
    assert owner.get("/account").status_code == 200
    assert stored.get(User, owner.user_id) is not None


def test_a_link_for_one_person_sets_no_password_of_another(app, people, owner, web):
    from evenflow.web.accounts import links

    other = people("viewer")
    with app.app_context(), web.database.session() as session:
        link = links.reset_link(session.get(User, other.user_id))
    path = link.partition(":8000")[2]
    app.test_client().send(
        path,
        {"password": "gravel lampshade oboe fjord", "email": owner.email,
         "user_id": owner.user_id},
    )  # fmt: skip
    assert app.test_client().log_in(owner.email, owner.password).status_code == 302


def test_every_number_in_an_address_of_a_page_is_checked(people, pages, stored):
    """Whatever is numbered is not there for a viewer who owns nothing."""
    viewer, wrong = people("viewer"), []
    for route in pages:
        if route.is_public or ("/1" not in route.url and "/x" not in route.url):
            continue
        for method in sorted(route.methods & {"GET", "POST"}):
            headers = {"X-CSRFToken": viewer.csrf()}
            answer = viewer.open(route.url, method=method, headers=headers)
            if answer.status_code < 300 and answer.status_code != 204:
                wrong.append((method, route.url, answer.status_code))
            answer.close()
    assert stored.scalar(select(func.count(User.id))) == 1
    assert wrong == []
