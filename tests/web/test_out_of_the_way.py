"""What one person does makes no other wait: models, notes, files that browsers keep."""

import hashlib
import re
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta
from importlib import resources

import pytest
from sqlalchemy import select, update

from evenflow.web.accounts import bearer
from evenflow.web.frame.later import Later
from evenflow.web.models import detectors as module
from evenflow.web.models.detectors import Detectors
from evenflow.web.models.locks import Locks
from evenflow.web.store.tables import ApiToken, WebSession, now


@pytest.fixture
def many(saved_bundle, web):
    """Seven bundles beside the one in use."""
    home = web.home
    names = [f"other-{k}" for k in range(7)]
    for name in names:
        shutil.copytree(saved_bundle, home.bundles / name)
    return names


class Slow:
    """Loads bundles; of one name only once it may."""

    def __init__(self, monkeypatch, name):
        self.name, self.may, self.loaded = name, threading.Event(), []
        self.began, self.real = threading.Event(), module.bundles.load
        monkeypatch.setattr(module.bundles, "load", self.load)

    def load(self, path, **kwargs):
        if path.name == self.name:
            self.began.set()
            assert self.may.wait(30)
        self.loaded.append(path.name)
        return self.real(path, **kwargs)


def test_loading_one_model_keeps_nobody_from_another(many, monkeypatch, web):
    found = web.detectors
    slow = Slow(monkeypatch, many[0])
    viewers = [
        threading.Thread(target=found.load, args=(many[0],), daemon=True)
        for _ in range(3)
    ]
    for viewer in viewers:
        viewer.start()
    assert slow.began.wait(10)
    start = time.monotonic()
    assert found.active() is not None  # it was not loaded yet either
    assert found.load(many[1]) is found.load(many[1])
    assert time.monotonic() - start < 10
    assert all(viewer.is_alive() for viewer in viewers)
    slow.may.set()
    for viewer in viewers:
        viewer.join(30)
    assert slow.loaded.count(many[0]) == 1  # those who wait for it load it once
    assert len(found._loading) == 0


def test_a_model_that_cannot_be_loaded_leaves_no_lock(many, monkeypatch, web):
    found = web.detectors
    (web.home.bundles / many[0] / "model.onnx").write_bytes(b"x")
    for _ in range(2):
        with pytest.raises(Exception, match="onnx"):
            found.load(many[0])
    assert len(found._loading) == 0


def test_the_model_in_use_stays_loaded_whatever_else_is_looked_at(many, web):
    found: Detectors = web.detectors
    in_use = found.active()
    for name in many:
        found.load(name)
    assert found.load(found.active_name()) is in_use
    assert len(found._loaded) <= module.KEPT


def test_a_lock_of_a_key_is_held_by_one_and_forgotten():
    locks, inside, most = Locks(), [0], [0]

    def work():
        for _ in range(50):
            with locks.hold("a"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1]
    assert len(locks) == 0


@pytest.fixture
def writer(web):
    """Another process that writes to the database, until the test ends."""
    path = web.home.database
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def test_no_get_waits_for_somebody_who_writes(app, people, programs, request, web):
    person, program = people("viewer"), programs("viewer")
    database = web.database
    old = now() - timedelta(minutes=5)
    with database.session() as session:
        session.execute(update(WebSession).values(seen_at=old))
    writer = request.getfixturevalue("writer")
    start = time.monotonic()
    assert person.get("/account").status_code == 200
    assert program.ask("GET", "/me").status_code == 200
    app.extensions[bearer.KEY].clear()
    assert program.ask("GET", "/me").status_code == 200
    assert time.monotonic() - start < 4  # a writer is waited for 10 s
    writer.execute("ROLLBACK")
    web.notes.later.wait()
    with database.session() as session:
        assert session.scalar(select(ApiToken.used_at)) > old
        assert session.scalar(select(WebSession.seen_at)) > old


def test_a_session_that_is_over_is_refused_while_somebody_writes(
    request, stored, viewer
):
    stored.execute(update(WebSession).values(seen_at=now() - timedelta(days=3)))
    request.getfixturevalue("writer")
    start = time.monotonic()
    assert viewer.get("/account").status_code == 302
    assert time.monotonic() - start < 4


def test_work_that_fails_or_waits_stops_no_other():
    later, done, hold = Later("a test", most=2), [], threading.Event()
    later.do(lambda: 1 / 0)
    later.wait()
    later.do(lambda: hold.wait(30))
    time.sleep(0.1)
    start = time.monotonic()
    later.do(lambda: done.append(1), patience_s=20)  # other work is before it
    later.do(lambda: done.append(2))
    later.do(lambda: done.append(3))  # as much waits as may
    assert time.monotonic() - start < 5
    hold.set()
    later.wait()
    assert done == [1, 2]


@pytest.mark.parametrize("name", ["app.css", "app.js", "icons.svg"])
def test_a_file_is_kept_for_good_only_under_its_own_hash(app, name):
    client = app.test_client()
    data = (resources.files("evenflow.web") / "static" / name).read_bytes()
    own = hashlib.sha256(data).hexdigest()[:10]

    def told(query, **headers):
        answer = client.get(f"/static/{name}{query}", headers=headers)
        answer.get_data()
        answer.close()
        return answer.headers["Cache-Control"], answer

    kept, answer = told(f"?v={own}")
    assert "immutable" in kept
    etag = answer.headers["ETag"]
    again, answer = told(f"?v={own}", **{"If-None-Match": etag})
    assert (answer.status_code, again) == (304, kept)
    wrong = ("", "ANYTHING", own[:9], f"{own}0", "x" + own[1:], f"x&v={own}")
    for query in ("", "?w=1", *(f"?v={text}" for text in wrong)):
        found, _ = told(query)
        assert "immutable" not in found, query
        assert found == "public, max-age=300"


def test_every_address_that_a_page_names_carries_the_hash(people):
    page = people("viewer").get("/account").text
    found = set(re.findall(r"/static/([\w./-]+)\?v=([0-9a-f]{10})", page))
    assert found
    for name, digest in found:
        data = (resources.files("evenflow.web") / "static" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest().startswith(digest)
