"""The worker's loop: leases kept, wishes heard, failures told, nothing half stored."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError

from evenflow.errors import DataError, StorageError
from evenflow.progress import Epoch, Note, Progress
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


def put(here):
    with here.database.session() as session:
        return queue.put(session, SCORE, payload={}).id


def look(here, job_id):
    with here.database.session() as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


def test_what_a_job_made_is_stored_with_its_end(here, does):
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
    found = look(here, job_id)
    assert (found.state, found.result) == ("done", {"n": 1})
    with here.database.session() as session:
        assert session.get(Setting, "made").value == {"by": job_id}


def test_a_silent_step_keeps_its_lease(here, does):
    other, found = replace(here, name="other"), []

    def run(task):
        while now() < task.job.lease_until:  # a lease long, without a word
            time.sleep(0.05)
        found.append(worker.run_one(other, "score"))
        return Outcome(result={})

    does(run)
    job_id = put(here)
    worker.run_one(here, "score")
    assert found == [None]
    ended = look(here, job_id)
    assert (ended.state, ended.attempts) == ("done", 1)


def test_progress_notes_and_epochs_are_stored_while_it_runs(here, does):
    seen = {}

    def run(task):
        task.on_event(Note(text="a guess"))
        task.on_event(Progress(step="fit", done=3, total=9))
        task.on_event(
            Epoch(
                number=1,
                epochs=2,
                loss=0.5,
                valid_loss=0.4,
                valid_macro_f1=0.6,
                seconds=1.0,
                rows_per_s=10.0,
            )
        )
        for _ in range(50):
            time.sleep(0.05)
            seen.update(look(here, task.job.id).progress)
            if seen:
                break
        return Outcome(result={})

    does(run)
    put(here)
    worker.run_one(here, "score")
    assert seen["notes"] == ["a guess"]
    assert (seen["step"], seen["done"], seen["total"]) == ("fit", 3, 9)
    assert seen["epochs"][0]["valid_macro_f1"] == 0.6


def test_a_wish_to_stop_ends_the_job_and_stores_nothing_of_it(here, does):
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
    with here.database.session() as session:
        queue.request_stop(session, session.get(Job, job_id))
    thread.join(10)
    assert not thread.is_alive()
    assert look(here, job_id).state == "stopped"


def test_a_worker_that_leaves_puts_its_job_back_untried(here, does):
    stop = threading.Event()

    def run(task):
        stop.set()
        task.check()

    does(run)
    job_id = put(here)
    worker.run_one(here, "score", stop)
    found = look(here, job_id)
    assert (found.state, found.attempts, found.lease_until) == ("queued", 0, None)


def test_a_job_given_to_another_stores_nothing(here, does):
    def run(task):
        with here.database.session() as session:  # as if the machine had slept
            session.execute(update(Job).values(worker="another", attempts=2))
        return Outcome(
            result={"by": "the slow one"},
            store=lambda s: s.add(Setting(name="made", value={})),
        )

    does(run)
    job_id = put(here)
    worker.run_one(here, "score")
    found = look(here, job_id)
    assert (found.state, found.result) == ("running", {})
    with here.database.session() as session:
        assert session.get(Setting, "made") is None


def test_a_job_that_was_deleted_while_it_ran_stores_nothing(here, does):
    def run(task):
        with here.database.session() as session:
            session.delete(session.get(Job, task.job.id))
        return Outcome(result={}, store=lambda s: s.add(Setting(name="made", value={})))

    does(run)
    put(here)
    worker.run_one(here, "score")
    with here.database.session() as session:
        assert session.get(Setting, "made") is None


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
def test_what_went_wrong_is_told_in_words(here, does, error, told, caplog):
    def run(task):
        raise error

    does(run)
    job_id = put(here)
    worker.run_one(here, "score")
    found = look(here, job_id)
    assert found.state == "failed"
    assert told in found.error
    assert "Traceback" not in found.error
    assert "/a/secret" not in found.error
    if "fault" in told:
        assert "Traceback" in caplog.text or caplog.records[-1].exc_info


@pytest.mark.parametrize(
    ("error", "leaves"), [(MemoryError(), True), (ZeroDivisionError(), False)]
)
def test_a_worker_that_ran_out_of_memory_leaves_for_a_new_process(
    here, does, error, leaves
):
    def run(task):
        raise error

    does(run)
    job_id, stop = put(here), threading.Event()
    worker.run_one(here, "score", stop)
    assert look(here, job_id).state == "failed"  # stored before it leaves
    assert stop.is_set() is leaves


def test_an_unknown_kind_of_job_fails_with_words(here):
    with here.database.session() as session:
        odd = JobKind(name="../os", lane="score", module="../os", page="")
        job_id = queue.put(session, odd, payload={}).id
    worker.run_one(here, "score")
    assert "found a job of kind '../os', expected" in look(here, job_id).error
    for kind in worker.KINDS:
        assert callable(worker._run(kind))


def test_a_result_waits_for_a_database_that_is_away(here, does, monkeypatch):
    monkeypatch.setattr(worker, "BACKOFF_S", (0.05, 0.1))
    failures = [1, 2, 3]
    cleaned = []

    def store(session):
        session.add(Setting(name="made", value={}))
        if failures:
            failures.pop()
            session.flush()
            raise OperationalError("", {}, Exception("away"))

    does(lambda _task: Outcome(result={}, store=store, after=lambda: cleaned.append(1)))
    job_id = put(here)
    worker.run_one(here, "score")
    assert look(here, job_id).state == "done"
    assert cleaned == [1]
    with here.database.session() as session:
        assert session.get(Setting, "made") is not None


@pytest.mark.parametrize("wrong", ["a fault of ours", "twice"])
def test_what_cannot_be_stored_fails_and_leaves_nothing(here, does, wrong):
    def store(session):
        session.add(Setting(name="made", value={}))
        session.flush()
        if wrong != "twice":
            raise ZeroDivisionError(wrong)
        session.execute(insert(Setting), [{"name": "made", "value": {}}])

    does(lambda _task: Outcome(result={"n": 1}, store=store))
    job_id = put(here)
    worker.run_one(here, "score")
    found = look(here, job_id)
    assert (found.state, found.result) == ("failed", {})
    with here.database.session() as session:
        assert session.get(Setting, "made") is None


def test_the_loop_survives_a_database_that_is_away_and_ends_when_told(
    settings, monkeypatch
):
    monkeypatch.setattr(worker, "BACKOFF_S", (0.02, 0.05))
    monkeypatch.setattr(worker, "POLL_S", 0.02)
    calls = []
    stop = threading.Event()

    def run_one(_here, _lane, _stop):
        calls.append(1)
        if len(calls) < 4:
            raise OperationalError("", {}, Exception("away"))
        if len(calls) > 6:
            stop.set()

    monkeypatch.setattr(worker, "run_one", run_one)
    thread = threading.Thread(target=worker.work, args=(settings, "train", stop))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(calls) == 7


def test_a_silent_job_is_put_back_before_its_worker_is_killed(here, does, monkeypatch):
    monkeypatch.setattr("evenflow.web.jobs.task.GRACE_S", 0.2)
    stop, seen = threading.Event(), SimpleNamespace(state="")

    def run(task):
        stop.set()
        for _ in range(60):
            time.sleep(0.05)
            seen.state = look(here, task.job.id).state
            if seen.state == "queued":
                break
        return Outcome(result={"late": True})

    does(run)
    job_id = put(here)
    worker.run_one(here, "score", stop)
    found = look(here, job_id)
    assert seen.state == "queued"
    assert (found.state, found.attempts, found.result) == ("queued", 0, {})
