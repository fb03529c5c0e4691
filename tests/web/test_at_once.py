"""Requests at the same moment, and clocks that differ: limits and links hold."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from itsdangerous import TimestampSigner
from sqlalchemy import select, update

from evenflow.errors import DataError
from evenflow.web.accounts import api_keys, links, passwords, sessions, throttle
from evenflow.web.frame import notes
from evenflow.web.frame.context import KEY
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import SCORE
from evenflow.web.store.tables import (
    Alert,
    AlertGroup,
    AlertNote,
    ApiToken,
    Job,
    User,
    now,
)
from evenflow.web.uploads import receive

N = 6
"""Requests at once."""
GOOD = "gravel lampshade oboe fjord"


def slowly(function):
    """Return a function that takes a while after it has done its work."""

    def slow(*args, **kwargs):
        found = function(*args, **kwargs)
        time.sleep(0.05)
        return found

    return slow


def at_once(work, n=N):
    """Do something in as many threads; return what each returned or raised."""
    start = threading.Barrier(n)

    def one(k):
        start.wait(10)
        try:
            return work(k)
        except DataError as error:
            return error

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


def a_user(database):
    with database.session() as session:
        user = User(email="a@example.org", role="viewer", fs_uniquifier="a")
        session.add(user)
        session.flush()
        return user.id


@pytest.mark.slow
def test_a_person_has_no_more_waiting_jobs_however_many_come_at_once(
    database, monkeypatch, stored
):
    monkeypatch.setattr(queue, "refuse_more", slowly(queue.refuse_more))
    owner = a_user(database)

    def put(_k):
        return stored(queue.put, SCORE, payload={}, owner_id=owner, most_waiting=2)

    answers = at_once(put)
    assert sum(isinstance(each, Job) for each in answers) == 2
    assert stored.count(Job) == 2
    stored.execute(update(Job).values(state="stopped"))  # and queued again in turn
    answers = at_once(put)
    assert sum(isinstance(each, Job) for each in answers) == 2
    with database.session() as session:
        stopped = session.scalars(select(Job).where(Job.state == "stopped")).all()
        for job in stopped:
            with pytest.raises(DataError, match="2 of your jobs are queued or running"):
                queue.requeue(session, job, most_waiting=2)
        live = session.scalars(select(Job).where(Job.state == "queued")).first()
        assert not queue.requeue(session, live, most_waiting=2)


def test_a_person_has_no_more_keys_however_many_are_made_at_once(
    database, monkeypatch, stored
):
    monkeypatch.setattr(api_keys, "MAX_TOKENS", 3)
    monkeypatch.setattr(api_keys, "_check_scopes", lambda *_: None)
    owner, made = a_user(database), api_keys.secrets.token_urlsafe
    monkeypatch.setattr(api_keys.secrets, "token_urlsafe", slowly(made))

    def make(k):
        user = stored.get_one(User, owner)
        return stored(api_keys.make, user, name=f"k{k}", scopes=["score"], days=1)

    answers = at_once(make)
    assert sum(isinstance(each, str) for each in answers) == 3
    assert stored.count(ApiToken) == 3


@pytest.mark.databases
def test_a_person_begins_no_more_uploads_however_many_at_once(monkeypatch, viewer, web):
    unfinished = receive._unfinished
    monkeypatch.setattr(receive, "_unfinished", slowly(unfinished))
    headers = {"X-CSRFToken": viewer.csrf()}
    n = receive.MAX_UNFINISHED + 3
    browsers = [viewer.again() for _ in range(n)]

    def begin(k):
        about = {"name": "x.csv", "size": 10}
        answer = browsers[k].post("/uploads/parts", json=about, headers=headers)
        return answer.status_code

    answers = at_once(begin, n)
    assert sorted(answers) == [201] * receive.MAX_UNFINISHED + [422] * 3
    parts = list(web.home.uploads.glob("*.part"))
    assert len(parts) == receive.MAX_UNFINISHED


@pytest.mark.databases
def test_an_alert_has_no_more_notes_however_many_come_at_once(
    app, programs, monkeypatch, stored
):
    monkeypatch.setattr(notes, "MAX_NOTES", 2)
    program = programs("analyst")
    group = AlertGroup(key="k", label="dos", bundle="small")
    row = {"source": "api", "bundle": "small", "label": "dos", "values": {}}
    stored.add(Alert(group=group, probability=0.9, threshold=0.5, **row))
    path = f"/alerts/{stored.one(Alert).id}/notes"

    def note(k):
        client = type(program)(app, app.response_class)
        client.token = program.token
        return client.ask("POST", path, json={"text": f"note {k}"}).status_code

    assert sorted(at_once(note)) == [201] * 2 + [422] * (N - 2)
    assert stored.count(AlertNote) == 2


def reset_path(app, person):
    """Return the path of a link to set a person's password."""
    with app.app_context():
        user = app.extensions[KEY].db.get(User, person.user_id)
        return urlsplit(links.reset_link(user)).path


@pytest.mark.databases
def test_a_link_to_set_a_password_works_once_however_often_it_is_sent_at_once(
    app, people, monkeypatch
):
    person = people("viewer", is_logged_in=False)
    path = reset_path(app, person)
    checked, fault = threading.Barrier(N), passwords.fault

    def together(*args, **kwargs):
        with suppress(threading.BrokenBarrierError):
            checked.wait(5)
        return fault(*args, **kwargs)

    monkeypatch.setattr(passwords, "fault", together)

    def send(k):
        return app.test_client().send(path, {"password": f"{GOOD} {k}"})

    answers = at_once(send)
    monkeypatch.setattr(passwords, "fault", fault)
    kept = [k for k, answer in enumerate(answers) if answer.status_code == 302]
    assert len(kept) == 1
    for k, answer in enumerate(answers):
        assert (k in kept) != ("was already used" in answer.text)
    for k in range(N):
        answer = app.test_client().log_in(person.email, f"{GOOD} {k}")
        assert answer.status_code in ((302,) if k in kept else (200, 429))
    again = app.test_client().send(path, {"password": GOOD})
    assert again.headers["Location"] == "/reset"


def clock(monkeypatch, seconds):
    """Set the clock of what is signed."""
    monkeypatch.setattr(
        TimestampSigner, "get_timestamp", lambda _self: int(time.time()) + seconds
    )


@pytest.mark.parametrize("seconds", [3, 60, 7_200])
def test_a_session_holds_at_a_server_whose_clock_is_behind(
    monkeypatch, seconds, viewer
):
    clock(monkeypatch, seconds)
    token = viewer.csrf()
    clock(monkeypatch, 0)
    assert viewer.get("/account").status_code == 200
    form = {"csrf_token": token, "name": "x", "scopes": "score", "days": "1"}
    assert viewer.post("/account/tokens", data=form).status_code == 200


def test_a_cookie_that_is_too_old_is_worth_nothing(people, monkeypatch):
    clock(monkeypatch, -8 * 86_400)
    person = people("viewer", is_logged_in=False)
    person.csrf()
    clock(monkeypatch, 0)
    with person.again().session_transaction() as session:
        assert "csrf_token" not in session


def test_the_row_decides_how_long_a_session_lasts(viewer, stored):
    begun = now() - timedelta(days=8)
    stored.execute(update(sessions.WebSession).values(created_at=begun))
    assert viewer.get("/account").status_code == 302


@pytest.mark.parametrize(("seconds", "is_good"), [(3, True), (-3 * 3600, True),
                                                   (-5 * 3600, False)])  # fmt: skip
def test_a_link_holds_its_hours_whichever_server_made_it(
    app, people, monkeypatch, seconds, is_good
):
    person = people("viewer", is_logged_in=False)
    clock(monkeypatch, seconds)
    path = reset_path(app, person)
    clock(monkeypatch, 0)
    app.test_client().get(path, expect=200 if is_good else 302)


def test_a_signature_that_was_changed_is_refused_whatever_its_time(app, viewer):
    value = viewer.get_cookie("evenflow", domain="localhost").value
    browser = app.test_client()
    browser.set_cookie("evenflow", value[:-4] + "AAAA", domain="localhost")
    assert browser.get("/account").status_code == 302


def test_a_clock_that_was_set_back_locks_nobody_out(database, monkeypatch, stored):
    key = throttle.key("login-pair", "a@example.org")
    monkeypatch.setattr(throttle, "now", lambda: now() + timedelta(days=2))
    for _ in range(40):
        stored(throttle.attempt, key)
    assert stored(throttle.check, key) > 0
    monkeypatch.setattr(throttle, "now", now)
    assert stored(throttle.check, key) == 0
    assert stored(throttle.attempt, key) == 0
