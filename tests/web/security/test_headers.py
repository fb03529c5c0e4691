"""What every answer tells a browser, and what no page holds."""

import re
from unittest.mock import Mock

import pytest

from evenflow.web.pages.admin import users

DIRECTIVES = {
    "default-src": {"'none'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "frame-ancestors": {"'none'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
    "object-src": {"'none'"},
}
INLINE = {
    "a script": r"<script(?![^>]*\bsrc=)(?![^>]*application/json)",
    "a style": r"<style|<[^>]+\sstyle\s*=",
    "a handler": r"<[a-z][^>]*\son[a-z]+\s*=",
    "an address that runs": r"(?:href|src|action)\s*=\s*[\"']?\s*javascript:",
    "another host": r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//",
}


def answers(person, routes):
    """Yield each route that is read, and its answer."""
    for route in routes:
        if "GET" in route.methods and route.endpoint != "static":
            answer = person.get(route.url)
            yield route, answer
            answer.close()


def policy(answer):
    parts = answer.headers["Content-Security-Policy"].split(";")
    return {p.split()[0]: set(p.split()[1:]) for p in parts if p.strip()}


@pytest.mark.parametrize("role", ["viewer", "admin", None])
def test_every_answer_carries_every_header(app, people, routes, role):
    person = people(role) if role else app.test_client()
    for route, answer in answers(person, routes):
        headers, found = answer.headers, policy(answer)
        for name, wanted in DIRECTIVES.items():
            assert found.get(name) == wanted, (route.url, name)
        assert "unsafe" not in headers["Content-Security-Policy"], route.url
        assert headers["X-Content-Type-Options"] == "nosniff", route.url
        assert headers["X-Frame-Options"] == "DENY", route.url
        assert headers["Referrer-Policy"] == "same-origin", route.url
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", route.url
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin", route.url
        assert "Access-Control-Allow-Origin" not in headers, route.url
        assert "Strict-Transport-Security" not in headers, "no https here"
        if answer.mimetype == "text/html":
            assert "no-store" in headers["Cache-Control"].split(", "), route.url
            assert headers["Content-Type"] == "text/html; charset=utf-8", route.url


def test_no_page_holds_what_the_policy_would_stop(people, routes):
    for route, answer in answers(people("admin"), routes):
        if answer.mimetype != "text/html":
            continue
        for name, pattern in INLINE.items():
            found = re.search(pattern, answer.text, re.IGNORECASE)
            assert found is None, f"{name} in {route.url}: {found[0]}"


def test_over_https_the_browser_is_told_to_stay_there(build, settings):
    app = build(settings.model_copy(update={"public_url": "https://ids.example.org"}))
    answer = app.test_client().get("/login", base_url="https://ids.example.org")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize("path", ["/nothing", "/admin/users", "/login?x=" + "y" * 4000])
def test_answers_that_are_no_page_carry_them_too(people, path):
    answer = people("viewer").get(path)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_answer_tells_what_runs_here(monkeypatch, admin):
    broken = Mock(side_effect=RuntimeError("a secret of ours"))
    monkeypatch.setattr(users.lists, "page", broken)
    answer = admin.get("/admin/users", expect=500)
    for word in ("RuntimeError", "a secret of ours", "Traceback", ".py", "Werkzeug"):
        assert word not in answer.text


def test_a_method_that_is_not_offered_is_refused(pages, admin):
    for route in pages:
        answer = admin.open(route.url, method="TRACE")
        assert answer.status_code in {404, 405}, route.url
