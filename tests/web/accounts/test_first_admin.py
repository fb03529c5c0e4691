"""Promises about the first administrator: one link, while there is no other."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from evenflow.cli.serve import _first_admin
from evenflow.web.accounts import invitations
from evenflow.web.store.tables import Audit, Invitation, User, now

GOOD = "gravel lampshade oboe fjord"
DATA = {"email": "ann@lab.local", "password": GOOD}
MISSING = "This server has no administrator yet"


@pytest.fixture
def link(settings, web):
    """Return a maker of links, as a start of the server prints one."""

    def link():
        lines = "\n".join(_first_admin(settings, web.database))
        found = re.search(r"http://127\.0\.0\.1:8000(/register/[\w-]{43})\n?$", lines)
        return found and found[1]

    return link


@pytest.mark.databases
@pytest.mark.parametrize("policy", ["open", "off"])
def test_the_link_makes_the_first_admin_who_is_logged_in(
    build, settings, link, stored, policy
):
    app = build(settings.model_copy(update={"sign_up": policy}))
    path, browser = link(), app.test_client()
    assert "first administrator" in browser.get(path, expect=200).text
    assert browser.send(path, DATA).headers["Location"] == "/"
    browser.get("/admin/users", expect=200)
    assert stored.one(User.role) == "admin"
    assert link() is None, "no further link is made"


@pytest.mark.databases
def test_of_people_who_open_the_link_at_once_one_becomes_admin(app, link, stored):
    path = link()

    def use(k):
        data = {"email": f"p{k}@lab.local", "password": GOOD}
        app.test_client().send(path, data)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert stored.all(User.role) == ["admin"]


def test_the_next_start_replaces_the_link_and_a_day_ends_it(app, link, stored):
    first, second = link(), link()
    app.test_client().get(first, expect=404)
    app.test_client().get(second, expect=200)
    stored.execute(update(Invitation).values(expires_at=now() - timedelta(seconds=1)))
    app.test_client().send(second, DATA, expect=404)
    assert stored.count(User) == 0


def test_the_link_is_refused_once_there_is_an_admin(app, link, people, stored):
    path = link()
    people("admin", is_logged_in=False)
    app.test_client().get(path, expect=404)
    app.test_client().send(path, DATA, expect=404)
    people("viewer").send(path, expect=404)
    assert sorted(stored.all(User.role)) == ["admin", "viewer"]


def test_a_person_with_an_account_becomes_the_first_admin(viewer, link, stored):
    path = link()
    assert viewer.email in viewer.get(path, expect=200).text
    assert stored.one(User.role) == "viewer", "opening the link changes nothing"
    viewer.send(path, expect=302)
    assert stored.one(User.role) == "admin"
    viewer.get("/admin/users", expect=200)


def test_the_token_is_stored_as_a_hash_and_in_no_log(link, stored, caplog):
    token = link().rpartition("/")[2]
    assert token not in str(vars(stored.one(Invitation)))
    assert stored.all(Audit.action) == ["invitation.make"]
    assert token not in str([vars(line) for line in stored.all(Audit)]) + caplog.text


def test_guessing_links_gets_slower(app, link):
    browser, path = app.test_client(), link()
    seen = [browser.get(f"/register/{k:043}").status_code for k in range(23)]
    assert seen[:20] == [404] * 20
    assert seen[-1] == 429
    browser.get(path, expect=429)


def test_every_page_says_so_while_there_is_no_admin(app, people):
    viewer = people("viewer")
    pages = [(app.test_client(), "/login"), (viewer, "/account"), (viewer, "/models")]
    for browser, path in pages:
        text = browser.get(path, expect=200).text
        assert MISSING in text, path
        assert "evenflow user add YOU@example.org --role admin" in text
    people("admin", is_logged_in=False)
    for browser, path in pages:
        assert MISSING not in browser.get(path, expect=200).text


def test_an_admin_who_was_invited_by_nobody_cannot_be_made_by_a_form(admin, stored):
    admin.send("/admin/invitations", {"role": "admin", "days": "1", "made_by": ""})
    assert stored.one(Invitation.made_by) == admin.user_id
    assert stored(invitations.make_first) == ""
