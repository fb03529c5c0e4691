"""The database: writers lose nothing to each other, and one that is away comes back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from evenflow.errors import DataError
from evenflow.web.store import database as databases
from evenflow.web.store.database import (
    PRAGMAS,
    Database,
    add_tallies,
    is_away,
    parse_url,
    sqlite_url,
)
from evenflow.web.store.tables import Job, Setting, Tally, User, now

N_THREADS, N_TIMES = 6, 25


def at_once(work):
    """Run ``work(k)`` in threads; return what they raised."""
    with ThreadPoolExecutor(N_THREADS) as pool:
        done = [pool.submit(work, k) for k in range(N_THREADS)]
    return [future.exception() for future in done if future.exception()]


@pytest.mark.slow
def test_writers_that_read_first_wait_for_each_other_and_lose_nothing(database, stored):
    stored.add(Job(id="one", kind="score", lane="score", attempts=0))

    def work(k):
        for _ in range(N_TIMES):
            assert stored.count(Job) == 1
            stored.execute(
                update(Job).where(Job.id == "one").values(attempts=Job.attempts + 1)
            )
            stored.add(User(email=f"{k}-{_}", fs_uniquifier=f"{k}-{_}"))

    assert at_once(work) == []
    assert stored.get(Job, "one").attempts == N_THREADS * N_TIMES
    assert stored.count(User) == N_THREADS * N_TIMES


@pytest.mark.slow
def test_tallies_of_several_writers_add_up(database, stored):
    of = {"at": now(), "owner_id": None, "source": "upload", "bundle": "b"}

    def work(k):
        labels = ["benign", "dos", "probe"]
        for _ in range(N_TIMES):
            order = labels if k % 2 else labels[::-1]
            stored(add_tallies, {(label, "all", ""): 1 for label in order}, **of)

    assert at_once(work) == []
    found = stored.execute(select(Tally.label, Tally.n)).all()
    assert dict(found) == dict.fromkeys(["benign", "dos", "probe"], N_THREADS * N_TIMES)


def test_what_was_read_does_not_hinder_a_later_write(tmp_path):
    """The trap of SQLite: a read that becomes a write on an old snapshot."""
    database = Database(sqlite_url(tmp_path / "evenflow.db"))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    with database.engine.connect() as first, database.engine.connect() as second:
        assert first.exec_driver_sql("SELECT n FROM t").scalar() == 1
        second.exec_driver_sql("UPDATE t SET n = n + 1")
        second.commit()
        first.exec_driver_sql("UPDATE t SET n = n + 1")
        first.commit()
        assert first.exec_driver_sql("SELECT n FROM t").scalar() == 3
    database.dispose()


def test_a_write_is_kept_before_it_is_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "PRAGMAS", PRAGMAS)  # those of service, not of tests
    database = Database(sqlite_url(tmp_path / "evenflow.db"))
    with database.engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "no address of a database"),
        ("mysql://a@b/c", "a database of kind 'mysql'"),
        ("sqlite://", "SQLite without a file"),
    ],
)
def test_another_kind_of_database_is_refused(url, said):
    with pytest.raises(DataError, match=said):
        parse_url(url)


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_while_the_database_is_away_pages_say_so_and_nothing_is_lost(
    settings, postgresql, admin, web
):
    database = web.database

    def store(n):
        with database.session() as session:
            session.merge(Setting(name=f"n{n}", value={"n": n}))

    stored, failed, seen, stop = [], [], [], threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                store(n)
            except DBAPIError as error:
                failed.append(error)
                time.sleep(0.05)
            else:
                stored.append(n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert admin.get("/account").status_code == 200
        time.sleep(0.5)
        postgresql.stop("immediate")
        for url in ("/account", "/alerts", "/api/v1/alerts", "/readyz") * 2:
            answer = admin.get(url)
            seen.append((url, answer.status_code))
            assert answer.status_code == 503, seen
            if url != "/readyz":
                assert int(answer.headers["Retry-After"]) > 0
        assert admin.get("/healthz").status_code == 200
        n_before = len(stored)
        postgresql.start()
        assert admin.get("/account").status_code == 200
        assert admin.get("/readyz").status_code == 200
        time.sleep(0.5)
    finally:
        stop.set()
        writer.join(30)
        if not postgresql.is_running():
            postgresql.start()
    assert len(stored) > n_before > 0
    assert failed
    assert all(map(is_away, failed))
    with database.session() as session:
        found = {s.value["n"] for s in session.query(Setting) if s.name[1:].isdigit()}
    assert set(stored) <= found
