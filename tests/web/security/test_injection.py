"""What is typed never becomes part of a query, a header or a path; nothing breaks."""

import itertools

import pytest
from sqlalchemy import delete, func, select

from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import Throttle, User

pytestmark = pytest.mark.databases

EVIL = [
    "' OR '1'='1", "'; DROP TABLE account; --", "1 UNION SELECT password FROM account",
    "%' ESCAPE '\\", "%", "_", "\\", "\0", "a\0b", "\r\nX-Evil: 1", "${7*7}{{7*7}}",
    "../../../../etc/passwd", "..%2f..%2fsecret", "\ud7ff\U0001f600", "x" * 5000,
    "9" * 40, "-1", "NaN", "1e999", "[]", "{}", "0x10",
]  # fmt: skip
ODD_IN_POSTGRESQL = {
    "'; DROP TABLE account; --", "%' ESCAPE '\\", "\0", "a\0b", "\ud7ff\U0001f600",
    "9" * 40, "-1", "NaN", "1e999",
}  # fmt: skip
"""What PostgreSQL refuses where SQLite does not; the rest is sent on SQLite alone."""
NAMES = (
    "q", "page", "role", "actor", "action", "since", "until", "sort", "label", "status",
    "source", "service", "email", "name", "days", "scopes", "password", "code",
)  # fmt: skip


def n_accounts(app):
    with app.extensions[KEY].database.session() as session:
        return session.scalar(select(func.count(User.id)))


@pytest.fixture
def evils(settings):
    """Return what is sent on this database."""
    return [e for e in EVIL if not settings.database or e in ODD_IN_POSTGRESQL]


@pytest.mark.slow
def test_no_page_breaks_on_what_is_in_its_address(app, pages, evils, admin):
    read = [r for r in pages if "GET" in r.methods and r.endpoint != "static"]
    for route, evil in itertools.product(read, evils):
        answer = admin.get(route.url, query_string=dict.fromkeys(NAMES, evil))
        assert answer.status_code < 500, (route.url, evil)
        assert "X-Evil" not in answer.headers
        assert "49" not in answer.headers.get("Location", "")
        answer.close()
    assert n_accounts(app) == 1


@pytest.mark.slow
def test_no_form_of_accounts_breaks_on_what_is_typed(app, pages, evils, stored, admin):
    keep = {"security.logout", "account.log_out_everywhere", "account.end_session"}
    ours = ("account.", "admin.", "security.", "sign_up.")
    sent = [r for r in pages if "POST" in r.methods and r.endpoint not in keep]
    forms = [r for r in sent if r.endpoint.startswith(ours)]
    browser = app.test_client()
    for evil in evils:
        for route in forms:
            answer = admin.send(route.url, dict.fromkeys(NAMES, evil))
            assert answer.status_code < 500, (route.url, evil)
        for path in ("/login", "/register", "/reset", "/tf-validate", "/mf-recovery"):
            answer = browser.send(path, dict.fromkeys(NAMES, evil))
            assert answer.status_code < 500, (path, evil)
            assert answer.status_code != 429, "it was counted, not read"
        stored.execute(delete(Throttle))


@pytest.mark.parametrize("evil", EVIL[:3])
def test_nobody_logs_in_by_a_query(app, people, evil):
    viewer = people("viewer", is_logged_in=False)
    for email, password in (
        (evil, viewer.password), (viewer.email, evil), (viewer.email + evil, evil),
    ):  # fmt: skip
        browser = app.test_client()
        assert browser.log_in(email, password).status_code != 302
        assert browser.get("/account").status_code == 302


def test_a_search_takes_signs_of_a_pattern_as_they_are(people):
    admin = people("admin", email="boss@example.org")
    people("viewer", email="a_b@example.org", is_logged_in=False)
    for q, is_found in (("%", False), ("a_b", True), ("axb", False), ("_b@", True)):
        page = admin.get("/admin/users", query_string={"q": q}).text
        assert ("a_b@example.org" in page) is is_found, q


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\xfd", b"a=%ff%00&b=%zz", b"=&=&&&;;", b"[]"]
)
def test_a_body_that_is_no_text_is_no_fault_of_ours(app, body):
    browser = app.test_client()
    for path in ("/login", "/register", "/reset"):
        answer = browser.post(
            path,
            data=body,
            headers={"X-CSRFToken": browser.csrf()},
            content_type="application/x-www-form-urlencoded",
        )
        assert answer.status_code < 500, path
