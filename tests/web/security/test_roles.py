"""Who may open what: every route says it, and keeps to it."""

import pytest

from evenflow.web.store.tables import ROLES, User

TESTED = {"viewer": ("analyst", "admin"), "analyst": ("admin",)}


def test_every_route_has_a_guard_or_is_public_for_a_reason(pages, request):
    from_conftest = request.getfixturevalue("guarded_by_flask_security")
    open_ones = [
        (route.endpoint, route.url)
        for route in pages
        if not route.role
        and not route.is_public
        and route.endpoint not in from_conftest
    ]
    assert open_ones == []


def test_a_guard_asks_for_a_role_there_is(routes):
    assert {route.role for route in routes} <= {"", *ROLES}


def test_somebody_who_is_not_logged_in_is_sent_to_the_log_in(app, pages):
    wrong = []
    for route in pages:
        if route.is_public:
            continue
        for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
            browser = app.test_client()
            kwargs = {"data": {"csrf_token": browser.csrf()}} if method != "GET" else {}
            answer = browser.open(route.url, method=method, **kwargs)
            where = answer.headers.get("Location", "")
            if answer.status_code != 302 or not where.startswith("/login"):
                wrong.append((method, route.url, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("role", TESTED)
def test_a_lesser_role_gets_403(people, pages, role):
    person, wrong = people(role), []
    for route in pages:
        if route.role not in TESTED[role]:
            continue
        for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
            headers = {"X-CSRFToken": person.csrf()}
            answer = person.open(route.url, method=method, headers=headers)
            if answer.status_code != 403:
                wrong.append((method, route.url, answer.status_code))
    assert wrong == []


def test_all_of_the_administration_is_for_admins(pages):
    admins = [route for route in pages if route.url.startswith("/admin")]
    assert len(admins) >= 10
    assert {route.role for route in admins} == {"admin"}


def test_the_navigation_offers_only_what_may_be_opened(people):
    for role, is_offered in (("viewer", False), ("analyst", False), ("admin", True)):
        page = people(role).get("/account").text
        assert ("/admin/audit" in page) is is_offered, role


@pytest.mark.parametrize("field", ["role", "roles", "active", "fs_uniquifier", "id"])
def test_no_form_of_ones_own_takes_a_role(field, stored, viewer):
    change = {"password": viewer.password, "new_password": "gravel lamp oboe fjord"}
    viewer.send("/change", change | {field: "admin"})
    user = stored.get(User, viewer.user_id)
    assert user.role == "viewer"
    assert user.active is True
