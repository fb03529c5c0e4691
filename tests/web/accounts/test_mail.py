"""Promises about mails, kept with a real SMTP server on this machine."""

import email
import email.policy
import re
import smtplib
import socketserver
import ssl
import threading
from email.message import EmailMessage
from unittest.mock import Mock

import pytest
from sqlalchemy import select

from evenflow.web.accounts import mail
from evenflow.web.settings import Mail
from evenflow.web.store.tables import User

GOOD = "gravel lampshade oboe fjord"
PUBLIC = "https://ids.example.org"
MESSAGE = EmailMessage()
MESSAGE["To"] = "ann@example.org"


class Handler(socketserver.StreamRequestHandler):
    """Just enough of SMTP."""

    def handle(self):
        say = lambda text: self.wfile.write(text.encode() + b"\r\n")  # noqa: E731
        say("220 here")
        while line := self.rfile.readline():
            verb = line.split()[0].upper()
            self.server.seen.append(line.decode(errors="replace").strip())
            if verb == b"EHLO":
                say("250-here\r\n250 " + self.server.offers)
            elif verb == b"STARTTLS":
                say("220 go on")
                self.connection.close()
                return
            elif verb == b"DATA":
                say("354 go on")
                data = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    # a line that starts with a dot is sent with one more
                    data += part.removeprefix(b".")
                self.server.mails.append(
                    email.message_from_bytes(data, policy=email.policy.default)
                )
                say("250 kept")
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


@pytest.fixture
def server():
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as smtp:
        smtp.daemon_threads = True
        smtp.mails, smtp.seen, smtp.offers = [], [], "8BITMIME"
        thread = threading.Thread(target=smtp.serve_forever, args=(0.02,))
        thread.start()
        yield smtp
        smtp.shutdown()
        thread.join()


def of(server, **more):
    return Mail(
        host="127.0.0.1",
        port=server.server_address[1],
        sender="evenflow@example.org",
        **{"security": "none"} | more,
    )


@pytest.fixture
def app(build, settings, server):
    """Sends mail, and is reached by https."""
    changes = {"mail": of(server), "public_url": PUBLIC, "sign_up": "open"}
    return build(settings.model_copy(update=changes))


def browse(app):
    """Return a browser that comes by https, as through the proxy."""
    browser = app.test_client()
    browser.environ_base |= {
        "wsgi.url_scheme": "https",
        "HTTP_REFERER": "https://localhost/",
    }
    return browser


def sent(app, server):
    app.extensions[mail.KEY].wait()
    return server.mails


def text_of(message, part="plain"):
    return message.get_body((part,)).get_content()


def link(message, part="plain"):
    return re.search(rf"{PUBLIC}(/[^\s\"<]+)", text_of(message, part))[1]


@pytest.fixture
def ann(app, people):
    return people("viewer", email="ann@example.org", is_logged_in=False)


def test_a_forgotten_password_is_set_by_a_link_in_a_mail(app, server, ann):
    browser = browse(app)
    answer = browser.send("/reset", {"email": "ANN@example.org"})
    assert "If there is an account" in answer.text
    (message,) = sent(app, server)
    assert message["To"] == "ann@example.org"
    assert message["From"] == "evenflow@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    path = link(message)
    assert path == link(message, "html")
    assert browser.send(path, {"password": GOOD}).headers["Location"] == "/login"
    assert browser.log_in("ann@example.org", GOOD).status_code == 302
    assert "was changed" in text_of(sent(app, server)[1])


def test_a_link_never_leads_where_the_request_says_its_host_is(app, server, ann):
    browser = browse(app)
    browser.post(
        "/reset",
        data={"email": "ann@example.org", "csrf_token": browser.csrf()},
        headers={"X-Forwarded-Host": "evil.example", "Host": "127.0.0.1:9"},
    )
    for message in sent(app, server):
        assert "evil" not in message.as_string()
        assert "127.0.0.1" not in text_of(message)


def test_a_new_account_is_closed_until_its_address_is_confirmed(app, server):
    browser = browse(app)
    data = {"email": "new@example.org", "password": GOOD}
    assert browser.send("/register", data).headers["Location"] == "/login"
    assert "Confirm your e-mail address first" in browser.send("/login", data).text
    data["password"] = "something else entirely"
    assert "is wrong" in browser.send("/login", data).text
    (message,) = sent(app, server)
    assert browser.get(link(message)).headers["Location"] == "/login"
    assert browser.log_in("new@example.org", GOOD).headers["Location"] == "/"


def test_another_sign_up_with_a_known_address_tells_its_owner_alone(app, server, ann):
    known, new = browse(app), browse(app)
    seen = set()
    for browser, address in ((known, "ann@example.org"), (new, "b@example.org")):
        answer = browser.send("/register", {"email": address, "password": GOOD})
        page = browser.get("/login").text
        page = re.sub(r'name="csrf_token" value="[^"]+"', "", page)
        seen.add((answer.status_code, answer.location, page))
    assert len(seen) == 1
    texts = {m["To"]: text_of(m) for m in sent(app, server)}
    assert "has one already" in texts["ann@example.org"]
    assert "confirm that it is yours" in texts["b@example.org"]
    assert known.log_in("ann@example.org", ann.password).status_code == 302


def test_an_address_changes_when_its_link_is_opened_and_the_old_one_is_told(
    app, server, ann, stored
):
    browser = browse(app)
    browser.log_in(ann.email, ann.password)
    assert "is being sent" in browser.send("/change-email", {"email": "c@x.org"}).text
    (message,) = sent(app, server)
    assert message["To"] == "c@x.org"
    assert stored.scalar(select(User.email)) == "ann@example.org"
    assert browser.get(link(message)).headers["Location"] == "/account"
    assert stored.scalar(select(User.email)) == "c@x.org"
    told = sent(app, server)[1]
    assert told["To"] == "ann@example.org"
    assert "c@x.org" in text_of(told)
    assert browser.get(link(message)).headers["Location"] != "/account", "once"


def test_a_taken_address_is_not_told_when_changing_to_it(app, server, ann, people):
    people("viewer", email="bob@example.org", is_logged_in=False)
    browser = browse(app)
    browser.log_in(ann.email, ann.password)
    pages = []
    for address in ("bob@example.org", "free@example.org"):
        page = browser.send("/change-email", {"email": address}).text
        pages.append(re.sub(r'value="[^"]*"', "", page))
    assert pages[0] == pages[1]
    assert [m["To"] for m in sent(app, server)] == ["free@example.org"]


def test_no_mail_waits_for_a_server_that_is_away(build, settings, people, server):
    away = of(server).model_copy(update={"host": "192.0.2.1"})
    app = build(settings.model_copy(update={"mail": away, "sign_up": "open"}))
    send = app.extensions[mail.KEY].send = Mock()
    data = {"email": "new@example.org", "password": GOOD}
    app.test_client().send("/register", data, expect=302)
    send.assert_called_once()


def test_a_mail_is_tried_again_then_given_up_and_logged(server, monkeypatch, caplog):
    monkeypatch.setattr(mail, "WAIT_S", 0.001)
    post = mail.Post(of(server).model_copy(update={"port": 1}))
    post.send(MESSAGE)
    post.wait()
    assert caplog.text.count("could not be sent by") == mail.TRIES
    assert "in 4 attempts" in caplog.text
    assert "ann@example.org" not in caplog.text


def test_a_mail_goes_in_the_clear_nowhere_when_tls_is_wanted(server):
    secure = of(server, security="starttls", user="u", password="p")
    with pytest.raises(smtplib.SMTPNotSupportedError):
        mail.deliver(secure, MESSAGE)
    server.offers = "STARTTLS"
    with pytest.raises((OSError, smtplib.SMTPException)):
        mail.deliver(secure, MESSAGE)
    with pytest.raises(ssl.SSLError):
        mail.deliver(of(server, security="tls"), MESSAGE)
    assert server.mails == []
    assert not any("AUTH" in line for line in server.seen)


def test_no_header_can_be_added_by_an_address(app):
    with app.app_context(), pytest.raises(ValueError, match="Header values"):
        mail.PostUtil(app).send_mail(
            "x", "x", "a@example.org\r\nBcc: b@example.org", "x", "x", None
        )


def test_without_mail_the_page_says_to_ask_an_admin(build, settings):
    app = build(settings)
    browser = app.test_client()
    for answer in (browser.get("/reset"), browser.send("/reset", {"email": "a@x.org"})):
        assert answer.status_code == 200
        assert "Ask an administrator" in answer.text
    assert browser.get("/change-email").status_code == 404
