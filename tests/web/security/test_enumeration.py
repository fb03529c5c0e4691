"""Nobody learns by asking whether an address has an account."""

import re
from unittest.mock import Mock

import pytest
from sqlalchemy import update

from evenflow.web.accounts import mail
from evenflow.web.frame.context import KEY
from evenflow.web.settings import Mail
from evenflow.web.store.tables import User

GOOD = "gravel lampshade oboe fjord"
UNKNOWN = "nobody@example.org"


@pytest.fixture
def work(app, monkeypatch):
    """Count how often argon2 is worked: that is what takes time."""
    done = Mock()
    context = app.extensions["security"].pwd_context
    for name in ("hash", "verify"):
        counted = Mock(wraps=getattr(context, name))
        done.attach_mock(counted, name)
        monkeypatch.setattr(context, name, counted)
    return done.mock_calls


def told(answer, *emails):
    """Return all that an answer says, less what was typed and what is random."""
    text = answer.text
    for email in emails:
        text = text.replace(email, "EMAIL")
    text = re.sub(r'name="csrf_token" value="[^"]+"', "", text)
    random = ("Set-Cookie", "Content-Length")
    headers = {k: v for k, v in answer.headers if k not in random}
    return answer.status_code, headers, text


def set_up(app, kind, person):
    """Make an account of some kind out of a usual one."""
    values = {
        "usual": {},
        "disabled": {"active": False},
        "without a password": {"password": None},
        "unconfirmed": {"confirmed_at": None},
        "second factor": {"tf_primary_method": "authenticator", "tf_totp_secret": "x"},
    }[kind]
    if values:
        change = update(User).where(User.id == person.user_id).values(values)
        with app.extensions[KEY].database.session() as session:
            session.execute(change)


KINDS = ["usual", "disabled", "without a password", "unconfirmed", "second factor"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_in_that_fails_says_and_works_the_same(app, people, work, kind):
    known = people("viewer", email="known.one@example.org", is_logged_in=False)
    set_up(app, kind, known)
    seen = []
    for email in (known.email, UNKNOWN):
        work.clear()
        answer = app.test_client().log_in(email, "wrong wrong wrong")
        seen.append((told(answer, email), len(work)))
    assert seen[0] == seen[1]
    assert seen[0][1] == 1


def test_the_right_password_of_a_disabled_account_says_the_same(app, people, work):
    known = people("viewer", is_logged_in=False)
    set_up(app, "disabled", known)
    right = told(known.log_in(), known.email)
    wrong = app.test_client().log_in(UNKNOWN, "wrong wrong wrong")
    assert right == told(wrong, UNKNOWN, known.email)


def seen_after(app, work, path, email):
    """Return the answer to a form, the page after it, and the passwords hashed."""
    work.clear()
    browser = app.test_client()
    answer = browser.send(path, {"email": email, "password": GOOD})
    n = len(work)
    return told(answer, email), told(browser.get("/login"), email), n


@pytest.mark.parametrize("kind", KINDS)
def test_without_mail_a_sign_up_says_the_same_of_every_account(app, people, kind):
    known = people("viewer", is_logged_in=False)
    set_up(app, kind, known)
    answer = app.test_client().send(
        "/register", {"email": known.email, "password": GOOD}, expect=200
    )
    assert "There is an account for this address already: log in" in answer.text


class TestWithMail:
    """Where mails are sent, the mailbox alone tells."""

    @pytest.fixture
    def app(self, build, settings, monkeypatch):
        server = Mail(host="127.0.0.1", security="none", sender="a@example.org")
        app = build(settings.model_copy(update={"mail": server}))
        monkeypatch.setattr(app.extensions[mail.KEY], "send", lambda message: None)
        return app

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("path", ["/reset", "/confirm", "/register"])
    def test_all_answers_are_the_same(self, app, people, work, kind, path):
        known = people("viewer", is_logged_in=False)
        set_up(app, kind, known)
        seen = seen_after(app, work, path, UNKNOWN)
        assert seen_after(app, work, path, known.email) == seen

    def test_a_reset_is_asked_for_in_the_same_time(self, app, people, work):
        known = people("viewer", is_logged_in=False)
        work.clear()
        app.test_client().send("/reset", {"email": known.email})
        app.test_client().send("/reset", {"email": UNKNOWN})
        assert len(work) == 2


def test_the_wait_after_many_tries_says_the_same(app, people):
    known = people("viewer", is_logged_in=False)
    seen = []
    for n, email in enumerate((known.email, UNKNOWN)):
        for _ in range(7):
            browser = app.test_client()
            browser.environ_base["REMOTE_ADDR"] = f"192.0.2.{n}"
            answer = browser.log_in(email, "wrong wrong wrong")
        assert answer.status_code == 429
        status, headers, text = told(answer, email)
        headers.pop("Retry-After")
        seen.append((status, headers, re.sub(r"Wait \d+ s", "", text)))
    assert seen[0] == seen[1]


def test_a_persons_number_tells_a_viewer_nothing(people):
    viewer, other = people("viewer"), people("viewer")
    there, missing = (
        viewer.get(f"/admin/users/{number}") for number in (other.user_id, 9999)
    )
    assert told(there) == told(missing)
