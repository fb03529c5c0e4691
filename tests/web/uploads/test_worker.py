"""The worker's loop: leases kept, wishes heard, failures told, nothing half stored."""

import threading
import time
from dataclasses import replace
from itertools import chain, repeat
from types import SimpleNamespace
from unittest.mock import Mock

import polars as pl
import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import OperationalError

from evenflow.errors import DataError, StorageError
from evenflow.progress import Note, Progress
from evenflow.web.jobs import queue, worker
from evenflow.web.jobs.kinds import SCORE, JobKind
from evenflow.web.jobs.task import Outcome
from evenflow.web.store.tables import Job, Setting, now

pytestmark = pytest.mark.databases


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"lease_s": 0.8})


@pytest.fixture
def does(monkeypatch):
    """Return a setter of what a job does."""

    def set_run(run):
        monkeypatch.setattr(worker, "_run", lambda _kind: run)

    return set_run


@pytest.fixture
def ran(here, does, stored):
    """Return a function that gives a job after a worker has run it."""

    def ran(run, stop=None):
        does(run)
        job_id = put(here)
        worker.run_one(here, "score", stop)
        return stored.get(Job, job_id)

    return ran


def put(here, **more):
    with here.database.session() as session:
        return queue.put(session, SCORE, payload={}, **more).id


def test_what_a_job_made_is_stored_with_its_end(here, does, stored):
    def run(task):
        task.on_event(Progress(step="score", done=1, total=2))
        return Outcome(
            result={"n": 1},
            store=lambda s: s.add(Setting(name="made", value={"by": task.job.id})),
        )

    does(run)
    job_id = put(here)
    assert worker.run_one(here, "score") == job_id
    assert worker.run_one(here, "score") is None
    found = stored.get(Job, job_id)
    assert (found.state, found.result) == ("done", {"n": 1})
    assert stored.get(Setting, "made").value == {"by": job_id}


def test_a_silent_step_keeps_its_lease(here, ran):
    other, found = replace(here, name="other"), []

    def run(task):
        while now() < task.job.lease_until:  # a lease long, without a word
            time.sleep(0.05)
        found.append(worker.run_one(other, "score"))
        return Outcome(result={})

    ended = ran(run)
    assert found == [None]
    assert (ended.state, ended.attempts) == ("done", 1)


def test_progress_and_notes_are_stored_while_it_runs(stored, ran):
    seen = {}

    def run(task):
        task.on_event(Note(text="a guess"))
        task.on_event(Progress(step="fit", done=3, total=9))
        for _ in range(50):
            time.sleep(0.05)
            seen.update(stored.get(Job, task.job.id).progress)
            if seen:
                break
        return Outcome(result={})

    ran(run)
    assert seen["notes"] == ["a guess"]
    assert (seen["step"], seen["done"], seen["total"]) == ("fit", 3, 9)


def test_a_wish_to_stop_ends_the_job_and_stores_nothing_of_it(here, does, stored):
    begun = threading.Event()

    def run(task):
        begun.set()
        while True:
            task.on_event(Progress(step="score", done=1))
            time.sleep(0.01)

    does(run)
    job_id = put(here)
    thread = threading.Thread(target=worker.run_one, args=(here, "score"))
    thread.start()
    assert begun.wait(5)
    stored(queue.request_stop, stored.get(Job, job_id))
    thread.join(10)
    assert not thread.is_alive()
    assert stored.get(Job, job_id).state == "stopped"


def test_a_worker_that_leaves_puts_its_job_back_untried(ran):
    stop = threading.Event()

    def run(task):
        stop.set()
        task.check()

    found = ran(run, stop)
    assert (found.state, found.attempts, found.lease_until) == ("queued", 0, None)


def test_a_job_given_to_another_stores_nothing(stored, ran):
    def run(task):  # as if the machine had slept
        stored.execute(update(Job).values(worker="another", attempts=2))
        return Outcome(
            result={"by": "the slow one"},
            store=lambda s: s.add(Setting(name="made", value={})),
        )

    found = ran(run)
    assert (found.state, found.result) == ("running", {})
    assert stored.get(Setting, "made") is None


def test_a_job_that_was_deleted_while_it_ran_stores_nothing(stored, ran):
    def run(task):
        stored.delete(stored.get(Job, task.job.id))
        return Outcome(result={}, store=lambda s: s.add(Setting(name="made", value={})))

    ran(run)
    assert stored.get(Setting, "made") is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DataError("line 3: found x"), "line 3: found x"),
        (StorageError("cannot write /a/secret/path"), "disk is full"),
        (MemoryError(), "more memory"),
        (ZeroDivisionError("division by zero"), "An internal error"),
        (pl.exceptions.PanicException("a panic"), "An internal error"),
    ],
)
def test_what_went_wrong_is_told_in_words(error, told, caplog, ran):
    found = ran(Mock(side_effect=error))
    assert found.state == "failed"
    assert told in found.error
    assert "Traceback" not in found.error
    assert "/a/secret" not in found.error
    if "internal" in told:
        assert "Traceback" in caplog.text or caplog.records[-1].exc_info


@pytest.mark.parametrize(
    ("error", "leaves"), [(MemoryError(), True), (ZeroDivisionError(), False)]
)
def test_a_worker_that_ran_out_of_memory_leaves_for_a_new_process(
    error, leaves, stored, ran
):
    stop = threading.Event()
    # stored before it leaves
    assert ran(Mock(side_effect=error), stop).state == "failed"
    assert stop.is_set() is leaves


def test_an_unknown_kind_of_job_fails_with_words(here, stored):
    odd = JobKind(name="../os", lane="score", module="../os", page="")
    job_id = stored(queue.put, odd, payload={}).id
    worker.run_one(here, "score")
    assert "found a job of kind '../os', expected" in stored.get(Job, job_id).error
    for kind in worker.KINDS:
        assert callable(worker._run(kind))


def test_a_result_waits_for_a_database_that_is_away(monkeypatch, stored, ran):
    monkeypatch.setattr(worker, "BACKOFF_S", (0.05, 0.1))
    failures = [1, 2, 3]
    cleaned = []

    def store(session):
        session.add(Setting(name="made", value={}))
        if failures:
            failures.pop()
            session.flush()
            raise OperationalError("", {}, Exception("away"))

    done = Outcome(result={}, store=store, after=lambda: cleaned.append(1))
    assert ran(lambda _task: done).state == "done"
    assert cleaned == [1]
    assert stored.get(Setting, "made") is not None


@pytest.mark.parametrize("wrong", ["a fault of ours", "twice"])
def test_what_cannot_be_stored_fails_and_leaves_nothing(wrong, stored, ran):
    def store(session):
        session.add(Setting(name="made", value={}))
        session.flush()
        if wrong != "twice":
            raise ZeroDivisionError(wrong)
        session.execute(insert(Setting), [{"name": "made", "value": {}}])

    found = ran(lambda _task: Outcome(result={"n": 1}, store=store))
    assert (found.state, found.result) == ("failed", {})
    assert stored.get(Setting, "made") is None


def test_the_loop_survives_a_database_that_is_away_and_ends_when_told(
    settings, monkeypatch
):
    monkeypatch.setattr(worker, "BACKOFF_S", (0.02, 0.05))
    monkeypatch.setattr(worker, "POLL_S", 0.02)
    stop, away = threading.Event(), OperationalError("", {}, Exception("away"))
    run_one = Mock(side_effect=chain([away] * 3, repeat(None)))
    monkeypatch.setattr(worker, "run_one", run_one)
    monkeypatch.setattr(worker, "FIRST_AFTER_S", 0)
    args = (settings, "train", stop, None, first := Mock())
    thread = threading.Thread(target=worker.work, args=args)
    thread.start()
    while thread.is_alive() and run_one.call_count < 7:
        time.sleep(0.01)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert run_one.call_count >= 7
    assert first.call_count == 1


def test_a_job_of_the_server_gives_way_to_one_of_a_person(
    here, does, stored, viewer, monkeypatch
):
    monkeypatch.setattr("evenflow.web.jobs.task.RENEW_S", 0.05)
    first, order = put(here), []

    def run(task):
        order.append(task.job.id)
        if len(order) == 1:
            order.append(put(here, owner_id=viewer.user_id))
            for _ in range(200):
                task.check()
                time.sleep(0.05)
        return Outcome(result={})

    does(run)
    while worker.run_one(here, "score"):
        pass
    theirs = order[1]
    assert order == [first, theirs, theirs, first]
    assert stored.all(Job.state, Job.attempts == 1) == ["done", "done"]


def test_a_silent_job_is_put_back_before_its_worker_is_killed(monkeypatch, stored, ran):
    monkeypatch.setattr("evenflow.web.jobs.task.GRACE_S", 0.2)
    stop, seen = threading.Event(), SimpleNamespace(state="")

    def run(task):
        stop.set()
        for _ in range(60):
            time.sleep(0.05)
            seen.state = stored.get(Job, task.job.id).state
            if seen.state == "queued":
                break
        return Outcome(result={"late": True})

    found = ran(run, stop)
    assert seen.state == "queued"
    assert (found.state, found.attempts, found.result) == ("queued", 0, {})
