"""Promises about invitations: one link, one account, the role that was chosen."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from evenflow.errors import DataError
from evenflow.web.accounts import invitations
from evenflow.web.store.tables import Audit, Invitation, User, now

GOOD = "gravel lampshade oboe fjord"


def invite(admin, **data):
    form = {"email": "", "role": "viewer", "days": "7"} | data
    page = admin.send("/admin/invitations", form).text
    return re.search(r"http://127\.0\.0\.1:8000(/register/[\w-]{43})", page)[1]


@pytest.fixture
def app(build, settings):
    """Sign-up by invitation."""
    return build(settings.model_copy(update={"sign_up": "invited"}))


@pytest.mark.databases
@pytest.mark.parametrize("role", ["viewer", "analyst", "admin"])
def test_a_link_makes_one_account_with_the_role(app, people, role, stored):
    path = invite(people("admin"), role=role)
    browser = app.test_client()
    assert "You are invited" in browser.get(path).text
    data = {"email": "new@example.org", "password": GOOD, "role": "admin"}
    assert browser.send(path, data).headers["Location"] == "/"
    browser.get("/account", expect=200)
    assert stored.one(User.role, User.email == "new@example.org") == role
    again = app.test_client()
    again.get(path, expect=404)
    again.send(path, data | {"email": "other@example.org"}, expect=404)


@pytest.mark.databases
@pytest.mark.parametrize("what", ["disable", "delete", "role"])
def test_an_admin_who_is_one_no_more_leaves_no_way_in(app, people, what):
    gone, stays = people("admin"), people("admin")
    path, other = invite(gone, role="admin"), invite(stays)
    browser = app.test_client()
    browser.get(path, expect=200)
    stays.send(f"/admin/users/{gone.user_id}/{what}", {"role": "viewer"}, expect=303)
    browser.get(path, expect=404)
    browser.send(path, {"email": "back@example.org", "password": GOOD}, expect=404)
    browser.get(other, expect=200)


def test_only_the_invited_address_can_use_a_link_for_one(app, people, stored):
    path = invite(people("admin"), email="Ann@Example.org")
    app.test_client().send(path, {"email": "eve@example.org", "password": GOOD})
    emails = stored.all(User.email)
    assert "ann@example.org" in emails
    assert "eve@example.org" not in emails


@pytest.mark.databases
def test_of_people_who_use_a_link_at_once_one_gets_an_account(app, people, stored):
    path = invite(people("admin"))

    def use(k):
        browser = app.test_client()
        browser.send(path, {"email": f"p{k}@example.org", "password": GOOD})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert stored.count(User) == 2


def test_a_link_that_is_too_old_or_revoked_is_worth_nothing(app, admin, stored):
    old, revoked = invite(admin), invite(admin)
    first, last = stored.all(Invitation.id)
    late = update(Invitation).values(expires_at=now() - timedelta(seconds=1))
    stored.execute(late.where(Invitation.id == first))
    for status in (303, 404):
        admin.send(f"/admin/invitations/{last}/revoke", expect=status)
    for path in (old, revoked, "/register/" + "x" * 43, "/register/x"):
        app.test_client().get(path, expect=404)
    done = stored.all(Audit.action)
    assert done.count("invitation.make") == 2
    assert "invitation.revoke" in done


def test_a_link_is_not_used_up_by_an_address_that_has_an_account(app, admin, viewer):
    path = invite(admin)
    browser = app.test_client()
    browser.send(path, {"email": viewer.email, "password": GOOD})
    assert browser.get(path).status_code == 200
    assert app.test_client().log_in(viewer.email, viewer.password).status_code == 302


def test_only_a_hash_of_the_link_is_stored(people, stored):
    token = invite(people("admin")).rpartition("/")[2]
    assert token not in str(vars(stored.one(Invitation)))


def test_links_are_refused_where_sign_up_is_off(build, settings, people):
    path = invite(people("admin"))
    off = build(settings.model_copy(update={"sign_up": "off"}))
    off.test_client().get(path, expect=404)


@pytest.mark.parametrize(
    "data",
    [
        {"role": "root"},
        {"email": "no address"},
        *({"days": d} for d in ("0", "31", "x")),
    ],
)
def test_what_is_wrong_with_an_invitation_is_told_and_kept(people, data, stored):
    form = {"email": "a@example.org", "role": "viewer", "days": "7"} | data
    answer = people("admin").send("/admin/invitations", form, expect=422)
    assert f'value="{form["email"]}"' in answer.text
    assert stored.count(Invitation) == 0


def test_an_invitation_needs_a_known_role(stored):
    with pytest.raises(DataError, match="no role"):
        stored(invitations.make, role="root")
