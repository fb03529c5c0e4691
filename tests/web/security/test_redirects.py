"""No link on this server leads a person who logs in to another one."""

from urllib.parse import quote, urljoin, urlsplit

import pytest

from evenflow.web.accounts.redirects import is_own_path

EVIL = [
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example",
    "\\\\evil.example", "/\\/evil.example", "https://evil.example",
    "http:evil.example", "https:/evil.example", "https:///evil.example",
    "javascript:alert(1)", "data:text/html,x", "/\t/evil.example", "/\n/evil.example",
    "\t//evil.example", " //evil.example", "\x00//evil.example", "/%0d%0aX: y//",
    "//localhost@evil.example", "http://localhost@evil.example", "//evil.example/%2f..",
    "/.//evil.example\\@x", "\u2028//evil.example", "evil.example", ".evil.example",
    "//evil%E3%80%82example", "/\x0b/evil.example", "http://localhost.evil.example/",
    "@evil.example", "/ /evil.example",
]  # fmt: skip
OWN = ["/", "/account", "/alerts?page=2&q=a%20b", "/records/7#top"]


def leads(answer):
    """Return the host a browser is at after it followed an answer."""
    where = answer.headers["Location"].replace("\\", "/")
    where = "".join(c for c in where if c > " ")
    return urlsplit(urljoin("http://localhost/login", where)).netloc


@pytest.mark.parametrize("place", ["query", "form"])
def test_a_log_in_leads_nowhere_else(people, place):
    person = people("viewer", is_logged_in=False)
    data = {"email": person.email, "password": person.password}
    for evil in EVIL:
        viewer = person.application.test_client()
        if place == "query":
            answer = viewer.send(f"/login?next={quote(evil)}", data)
        else:
            answer = viewer.send("/login", data | {"next": evil})
        assert answer.status_code == 302, evil
        assert leads(answer) == "localhost", answer.headers["Location"]
        assert "evil" not in answer.headers["Location"]


@pytest.mark.slow
def test_neither_do_the_password_again_and_a_log_in_that_stands(viewer):
    for evil in EVIL:
        answer = viewer.send(
            f"/verify?next={quote(evil)}", {"password": viewer.password, "next": evil}
        )
        assert "evil" not in answer.headers["Location"]
        assert leads(answer) == "localhost", evil
        answer = viewer.get(f"/login?next={quote(evil)}")
        assert "evil" not in answer.headers.get("Location", "")


def test_the_form_does_not_carry_it_on(app):
    for evil in EVIL:
        answer = app.test_client().get(f"/login?next={quote(evil)}", expect=200)
        assert 'name="next"' not in answer.text, evil


def test_a_page_of_this_server_is_where_a_log_in_leads(people):
    person = people("viewer", is_logged_in=False)
    for own in OWN:
        assert is_own_path(own)
        data = {"email": person.email, "password": person.password, "next": own}
        answer = person.application.test_client().send("/login", data)
        assert answer.headers["Location"] == own


def test_who_asks_for_a_page_is_led_back_to_it(people):
    viewer = people("viewer", is_logged_in=False)
    where = viewer.get("/account?x=1").headers["Location"]
    assert where.startswith("/login?next=/account")
    data = {"email": viewer.email, "password": viewer.password}
    assert viewer.send(where, data).headers["Location"] == "/account?x=1"


def test_no_redirect_names_the_host_that_a_request_claims(app, pages):
    for route in pages:
        if "GET" in route.methods and route.endpoint != "static":
            answer = app.test_client().get(route.url, headers={"Host": "evil.example"})
            assert "evil" not in answer.headers.get("Location", ""), route.url
            answer.close()
