"""Promises about accounts: logging in and out, passwords, signing up."""

from functools import partial

import pytest
from sqlalchemy import select

from evenflow.errors import DataError
from evenflow.web.accounts import links, people
from evenflow.web.frame.context import KEY
from evenflow.web.settings import Settings
from evenflow.web.store.tables import Audit, User

GOOD = "gravel lampshade oboe fjord"


def test_a_person_who_was_made_is_logged_in(viewer, stored):
    assert stored.get(User, viewer.user_id).role == "viewer"
    assert viewer.get("/account").status_code == 200
    assert viewer.send("/logout").status_code == 302
    assert viewer.get("/account").status_code == 302


def test_a_wrong_password_is_told_in_one_sentence_and_the_address_is_kept(people):
    viewer = people("viewer", is_logged_in=False)
    answer = viewer.log_in(password="not the password at all")
    assert answer.status_code == 200
    assert "E-mail address or password is wrong" in answer.text
    assert f'value="{viewer.email}"' in answer.text
    assert "not the password at all" not in answer.text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"email": "", "password": "x"}, "Type your e-mail address"),
        ({"email": "nonsense", "password": "x"}, "This is not a valid e-mail address"),
        ({"email": "a@example.org", "password": ""}, "Type a password"),
    ],
)
def test_an_empty_or_malformed_field_is_told_at_the_field(app, data, said):
    page = app.test_client().send("/login", data)
    name = "password" if not data["password"] else "email"
    assert said in "".join(page.tree.find(f".//*[@id='{name}-error']").itertext())


def test_the_address_is_taken_in_whatever_case(people):
    viewer = people("viewer", is_logged_in=False)
    assert viewer.log_in(email=viewer.email.upper()).status_code == 302


def test_a_disabled_person_is_out_at_once_and_stays_out(viewer, admin):
    admin.send(f"/admin/users/{viewer.user_id}/disable")
    assert viewer.get("/account").status_code == 302
    assert "is wrong" in viewer.log_in().text
    admin.send(f"/admin/users/{viewer.user_id}/enable")
    assert viewer.log_in().status_code == 302


def test_a_changed_password_is_the_only_one_that_works(app, viewer, stored):
    answer = viewer.send("/change", {"password": viewer.password, "new_password": GOOD})
    assert answer.headers["Location"] == "/account"
    assert viewer.get("/account").status_code == 200
    other = app.test_client()
    assert "is wrong" in other.log_in(viewer.email, viewer.password).text
    assert other.log_in(viewer.email, GOOD).status_code == 302
    assert "password.change" in stored.all(Audit.action)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", GOOD, "Type a password"),
        ("wrong wrong wrong", GOOD, "This is not your password"),
        (None, "short", "12 or more are needed"),
        (None, "password123456", "too common"),
        (None, None, "your current password"),
    ],
)
def test_what_is_wrong_with_a_change_of_password_is_told(old, new, said, viewer):
    old, new = (viewer.password if word is None else word for word in (old, new))
    page = viewer.send("/change", {"password": old, "new_password": new}).text
    assert said in page
    assert GOOD not in page


def test_a_link_sets_a_password_once(app, viewer, web):
    with app.app_context(), web.database.session() as session:
        link = links.reset_link(session.get(User, viewer.user_id))
    assert link.startswith("http://127.0.0.1:8000/reset/")
    path = link.removeprefix("http://127.0.0.1:8000")
    browser = app.test_client()
    assert "Set a new password" in browser.get(path).text
    assert "12 or more" in browser.send(path, {"password": "short"}).text
    assert browser.send(path, {"password": GOOD}).headers["Location"] == "/login"
    assert viewer.get("/account").status_code == 302, "old sessions are ended"
    assert browser.send(path, {"password": GOOD + " again"}).status_code == 302
    assert app.test_client().log_in(viewer.email, GOOD).status_code == 302
    assert "is wrong" in app.test_client().log_in(viewer.email, GOOD + " again").text


def test_anybody_signs_up_where_that_is_open_and_becomes_a_viewer(app, stored):
    browser = app.test_client()
    answer = browser.send("/register", {"email": "New@Example.org", "password": GOOD})
    assert answer.headers["Location"] == "/"
    assert "new@example.org" in browser.get("/account", expect=200).text
    user = stored.scalar(select(User))
    assert (user.email, user.role) == ("new@example.org", "viewer")


def test_a_sign_up_with_an_address_that_has_an_account_logs_nobody_in(app, viewer):
    browser = app.test_client()
    data = {"email": viewer.email, "password": viewer.password}
    page = browser.send("/register", data, expect=200)
    assert "There is an account for this address already: log in" in page.text
    browser.get("/account", expect=302)


def test_a_setting_says_which_role_people_sign_up_with(build, settings, stored):
    app = build(settings.model_copy(update={"sign_up_role": "analyst"}))
    app.test_client().send("/register", {"email": "a@lab.local", "password": GOOD})
    assert stored.one(User.role) == "analyst"
    with pytest.raises(DataError, match="'sign_up_role' is refused"):
        Settings.from_dict(
            settings.model_dump() | {"sign_up_role": "admin"}, source="x"
        )


def test_nobody_gets_a_role_by_asking_for_it(app, stored):
    data = {"email": "a@example.org", "password": GOOD, "role": "admin", "active": "1"}
    app.test_client().send("/register", data)
    assert stored.one(User.role) == "viewer"


@pytest.mark.parametrize("policy", ["invited", "off"])
def test_nobody_signs_up_where_it_is_not_open(build, settings, policy, stored):
    app = build(settings.model_copy(update={"sign_up": policy}))
    browser = app.test_client()
    browser.get("/register", expect=403)
    data = {"email": "a@example.org", "password": GOOD}
    browser.send("/register", data, expect=403)
    assert stored.count(User) == 0
    assert "/register" not in browser.get("/login").text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"email": "no address", "password": GOOD}, "not a valid e-mail address"),
        ({"email": "a@example.org", "password": "short"}, "12 or more"),
        ({"email": "", "password": GOOD}, "Type your e-mail address"),
        ({"email": "lamp.gravel@x.org", "password": "lamp-gravel-2024"}, "too common"),
    ],
)
def test_what_is_wrong_with_a_sign_up_is_told_and_what_was_typed_kept(app, data, said):
    page = app.test_client().send("/register", data).text
    assert said in page
    assert f'value="{data["email"]}"' in page
    assert data["password"] not in page.replace(data["email"], "")


def test_an_account_is_deleted_by_its_owner_with_the_password(viewer, stored):
    for password, status in (("wrong", 422), (viewer.password, 303)):
        viewer.send("/account/delete", {"password": password}, expect=status)
    assert stored.get(User, viewer.user_id) is None
    assert viewer.get("/account").status_code == 302


def test_the_number_of_a_deleted_account_is_nobodys_again(people):
    first = people("viewer")
    first.send("/account/delete", {"password": first.password})
    assert people("viewer").user_id > first.user_id


def test_what_happens_to_accounts_is_written_down(viewer, stored):
    viewer.send("/logout")
    viewer.log_in(password="wrong wrong wrong")
    assert stored.all(Audit.action) == ["login", "logout", "login.failed"]
    lines = stored.all(Audit)
    assert [line.actor for line in lines] == [viewer.email] * 3
    assert all(line.address == "127.0.0.1" for line in lines)
    assert viewer.password not in str([line.detail for line in lines])


@pytest.fixture
def session(app):
    """A transaction as pages and commands have it."""
    with app.app_context(), app.extensions[KEY].database.session() as session:
        yield session


def test_an_address_is_taken_once_whatever_its_case(session):
    made = people.add(session, "Ann@Example.ORG", GOOD, "analyst")
    assert (made.email, made.role) == ("ann@example.org", "analyst")
    with pytest.raises(DataError, match="already"):
        people.add(session, "ANN@example.org", GOOD)


@pytest.mark.parametrize(
    ("email", "password", "role", "said"),
    [
        ("nobody", GOOD, "viewer", "not a valid e-mail address"),
        ("a@example.org", "short", "viewer", "12 or more"),
        ("a@example.org", GOOD, "amin", "did you mean admin"),
        ("a\r\nBcc: x@example.org", GOOD, "viewer", "not a valid e-mail address"),
    ],
)
def test_what_is_wrong_with_a_new_account_is_told(session, email, password, role, said):
    with pytest.raises(DataError, match=said):
        people.add(session, email, password, role)


def test_the_last_active_admin_stays(session):
    one = people.add(session, "one@example.org", GOOD, "admin")
    two = people.add(session, "two@example.org", GOOD, "admin")
    people.disable(session, two)
    demote = partial(people.set_role, role="viewer")
    for change in (people.disable, people.delete, demote):
        with pytest.raises(DataError, match="last active admin"):
            change(session, one)
    people.enable(session, two)
    people.set_role(session, one, "viewer")
    assert one.role == "viewer"


def test_a_command_is_written_down_as_one(session):
    people.add(session, "one@example.org", None, "admin")
    line = session.scalar(select(Audit))
    assert (line.actor, line.action) == ("command line", "user.add")
