"""What belongs to another person is not there, whoever knows its number."""

import re

import pytest

from evenflow.web.accounts import links
from evenflow.web.store.tables import ApiToken, User, WebSession


@pytest.fixture
def owner(app, people):
    """A person with a session and a key."""
    person = people("viewer")
    person.send("/account/tokens", {"name": "mine", "scopes": "score", "days": "7"})
    return person


@pytest.mark.parametrize("role", ["viewer", "analyst", "admin"])
@pytest.mark.parametrize(
    ("table", "path"),
    [(WebSession, "/account/sessions/{}/end"), (ApiToken, "/account/tokens/{}/revoke")],
)
def test_nobody_ends_what_is_anothers(people, owner, role, table, path, stored):
    url = path.format(stored.one(table.id, table.user_id == owner.user_id))
    people(role).send(url, expect=404)
    owner.get("/account", expect=200)
    assert stored.one(ApiToken.revoked_at) is None
    owner.send(url, expect=303)


def without_tokens(page):
    """Return a page less its forms' tokens, which are new each second."""
    return re.sub(r'name="csrf_token" value="[^"]+"', "", page)


def test_a_number_that_is_not_there_looks_the_same(people, owner, stored):
    stranger, numbers = people("viewer"), (stored.one(ApiToken.id), 9999)
    theirs, missing = (stranger.send(f"/account/tokens/{n}/revoke") for n in numbers)
    assert theirs.status_code == missing.status_code
    assert without_tokens(theirs.text) == without_tokens(missing.text)


def test_nobody_sees_anothers_keys_and_sessions(people, owner):
    page = people("admin").get("/account").text
    assert "mine" not in page


def test_a_form_names_nobody_else(people, owner, stored):
    """The person is who is logged in, whatever a form says."""
    stranger, number = people("viewer"), owner.user_id
    named = {"user_id": number, "id": number, "email": owner.email}
    for path in ("/account/sessions/end", "/account/delete"):
        stranger.send(path, named | {"password": owner.password})
    owner.get("/account", expect=200)
    assert stored.get(User, owner.user_id) is not None


def test_a_link_for_one_person_sets_no_password_of_another(app, people, owner, web):
    other = people("viewer")
    with app.app_context(), web.database.session() as session:
        link = links.reset_link(session.get(User, other.user_id))
    path = link.partition(":8000")[2]
    named = {"email": owner.email, "user_id": owner.user_id}
    app.test_client().send(path, {"password": "gravel lampshade oboe fjord", **named})
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
    assert stored.count(User) == 1
    assert wrong == []
