"""What somebody typed is text on every page, wherever it comes back."""

import pytest
from sqlalchemy import update

from evenflow.web.store.tables import Audit, WebSession

EVIL = "\"'><script>alert(7)</script><img src=x onerror=alert(7)>"
NAMES = (
    "q", "page", "role", "actor", "action", "since", "until", "next", "sort", "label",
    "status", "source", "service", "judged", "email", "token", "name", "error", "view",
    "tab", "file", "line", "model", "left", "right", "columns", "column", "kind",
)  # fmt: skip


def is_safe(text):
    return "<script>alert" not in text and "<img src=x" not in text


@pytest.mark.parametrize("role", ["viewer", "admin", None])
def test_nothing_in_an_address_comes_back_as_markup(app, people, pages, role):
    person = people(role) if role else app.test_client()
    for route in pages:
        if "GET" in route.methods and route.endpoint != "static":
            answer = person.get(route.url, query_string=dict.fromkeys(NAMES, EVIL))
            if answer.mimetype == "text/html":
                assert is_safe(answer.text), route.url
            answer.close()


def test_nothing_in_a_form_comes_back_as_markup(pages, admin):
    keep = {"security.logout", "account.log_out_everywhere", "account.end_session"}
    for route in pages:
        if "POST" in route.methods and route.endpoint not in keep:
            answer = admin.send(route.url, dict.fromkeys(NAMES, EVIL))
            if answer.mimetype == "text/html":
                assert is_safe(answer.text), route.url


@pytest.mark.parametrize("path", [f"/{EVIL}", f"/alerts/{EVIL}", f"/reset/{EVIL}"])
def test_an_address_that_is_not_there_is_not_run(app, people, path):
    for person in (people("viewer"), app.test_client()):
        assert is_safe(person.get(path).text)
        assert is_safe(person.get(path, follow_redirects=True).text)


def test_what_is_stored_is_text_when_it_is_shown(app, admin, stored):
    agent = {"User-Agent": EVIL}
    app.test_client().log_in(admin.email, admin.password, headers=agent)
    evil = {"actor": EVIL, "object": EVIL, "address": EVIL[:64]}
    stored.add(Audit(**evil, action=EVIL[:60], detail={EVIL: EVIL}))
    stored.execute(update(WebSession).values(address=EVIL[:64]))
    admin.send("/account/tokens", {"name": EVIL, "scopes": "score", "days": "7"})
    for path in ("/account", "/admin/audit", "/admin/users"):
        page = admin.get(path).text
        assert is_safe(page), path
    assert "&lt;script&gt;" in admin.get("/admin/audit").text
    assert "&lt;script&gt;" in admin.get("/account").text


def test_an_address_with_markup_is_no_address(app):
    for email in (f"{EVIL}@x.org", '"<script>alert(7)</script>"@x.org', "a@<b>.org"):
        data = {"email": email, "password": "gravel lampshade oboe fjord"}
        answer = app.test_client().send("/register", data, expect=200)
        assert "This is not a valid e-mail address" in answer.text
        assert is_safe(answer.text)
