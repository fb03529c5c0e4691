"""New alerts are told to a real web hook and by mail, grouped and not too often."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import select, update

from evenflow.errors import DataError
from evenflow.web.notify import notifier
from evenflow.web.settings import Mail, Notify, Settings
from evenflow.web.store.tables import Alert, Setting, now


@contextmanager
def hooked(statuses):
    """Serve a web hook that answers with these statuses in turn; what it was sent."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(settings, url, **more):
    notify = Notify(webhook=url, allow_private=True, severities=(1, 2, 3), **more)
    return settings.model_copy(update={"notify": notify})


@pytest.fixture
def settled(stored):
    """Return a function that makes all alerts old enough to be sent."""
    return lambda: stored.execute(update(Alert).values(at=now() - 2 * notifier.SETTLED))


@pytest.mark.databases
def test_new_alerts_are_sent_once_by_group_and_old_ones_never(
    settings, web, kept, viewer, settled
):
    with hooked([]) as (url, got):
        wanted = told(settings, url)
        kept(viewer)
        settled()
        assert notifier.run(wanted, web.database) is None
        for _ in range(3):
            kept(viewer)
        kept(viewer, "probe")
        assert notifier.run(wanted, web.database) is None  # not settled yet
        settled()
        notifier.run(wanted, web.database)
        notifier.run(wanted, web.database)
    [[message]] = got
    assert message["alerts"] == 4
    found = {one["class"]: one["alerts"] for one in message["groups"]}
    assert found == {"dos": 3, "probe": 1}
    assert all(one["reason"] for one in message["groups"])
    first = message["groups"][0]
    assert first["url"] == f"{wanted.address}/alerts/groups/{first['group']}"
    assert wanted.address.startswith("http")


def test_only_the_severities_that_are_wanted_and_a_bounded_number_of_groups(
    settings, web, kept, viewer, settled, monkeypatch
):
    monkeypatch.setattr(notifier, "MAX_GROUPS", 1)
    with hooked([]) as (url, got):
        wanted = told(settings, url)
        notifier.run(wanted, web.database)
        kept(viewer)
        kept(viewer, "probe")
        levels = {one.label: one.severity for one in web_alerts(web)}
        settled()
        rare = wanted.notify.model_copy(update={"severities": (levels["probe"],)})
        rare = wanted.model_copy(update={"notify": rare})
        notifier.run(rare, web.database)
        kept(viewer)
        kept(viewer, "probe")
        settled()
        notifier.run(wanted, web.database)
    assert [one["class"] for one in got[0][0]["groups"]] == ["probe"]
    assert (len(got[1][0]["groups"]), got[1][0]["more_groups"]) == (1, 1)


def web_alerts(web):
    with web.database.session() as session:
        return session.scalars(select(Alert)).all()


@pytest.mark.parametrize(
    ("statuses", "n", "word"),
    [([500, 503], 3, ""), ([500] * 9, 4, "dropped"), ([404], 1, "not accepted")],
)
def test_a_receiver_that_fails_is_tried_again_a_few_times(
    statuses, n, word, settings, web, kept, viewer, settled, monkeypatch, caplog
):
    monkeypatch.setattr(notifier, "WAIT_S", 0.001)
    with hooked(statuses) as (url, got):
        wanted = told(settings, url)
        notifier.run(wanted, web.database)
        kept(viewer)
        settled()
        notifier.run(wanted, web.database)
    assert len(got) == n
    assert word in caplog.text


def test_a_private_address_is_refused_unless_a_setting_allows_it(
    settings, web, kept, viewer, settled, caplog
):
    with hooked([]) as (url, got):
        wanted = told(settings, url.replace("127.0.0.1", "localhost"))
        notifier.run(wanted, web.database)
        kept(viewer)
        settled()
        notify = wanted.notify.model_copy(update={"allow_private": False})
        strict = wanted.model_copy(update={"notify": notify})
        notifier.run(strict, web.database)
    assert got == []
    assert "its address is private" in caplog.text


def test_a_mail_names_the_groups(settings, web, kept, viewer, settled, monkeypatch):
    sent = []
    monkeypatch.setattr(notifier, "deliver", lambda mail, message: sent.append(message))
    mail = Mail(host="localhost", sender="ids@example.org")
    notify = Notify(mail_to=("ann@example.org",), severities=(1, 2, 3))
    wanted = settings.model_copy(update={"notify": notify, "mail": mail})
    notifier.run(wanted, web.database)
    kept(viewer, src_ip="10.0.0.9")
    settled()
    notifier.run(wanted, web.database)
    [message] = sent
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "evenflow: 1 new alert"
    assert "dos from 10.0.0.9 to unknown" in message.get_content()


def test_the_thread_sends_and_ends(settings, web, kept, viewer, stored, monkeypatch):
    stop, ran = threading.Event(), threading.Event()
    monkeypatch.setattr(notifier, "run", lambda *_: ran.set())
    notify = Notify.model_construct(
        webhook="http://127.0.0.1:9", mail_to=(), every_s=0.01, severities=(1,)
    )
    notifier.start(settings.model_copy(update={"notify": notify}), web.database, stop)
    assert ran.wait(10)
    stop.set()
    assert stored.count(Setting, Setting.name == notifier.SETTING) == 0


@pytest.mark.parametrize(
    ("notify", "words"),
    [
        ({"webhook": "ftp://x"}, "notify.webhook is not an address"),
        ({"mail_to": ["a@b.org"]}, "there is no mail server"),
        ({"every": 5}, "unknown key 'notify.every'"),
        ({"severities": [4]}, "notify.severities"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, notify, words):
    value = {"home": settings.home, "secret_key": "x" * 40, "notify": notify}
    with pytest.raises(DataError, match=words):
        Settings.from_dict(value, source="settings.toml")
