"""The queue: one worker holds a job, nothing a forgotten worker says changes it."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from evenflow.errors import DataError
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import SCORE, TRAIN
from evenflow.web.store.database import Database
from evenflow.web.store.tables import Job, User, now


def put(database, **more):
    with database.session() as session:
        job = queue.put(session, SCORE, payload={}, **more)
        return job.id


def take(database, worker="a", lane="score", lease_s=60.0):
    with database.session() as session:
        job = queue.take(session, lane, worker, lease_s)
        if job is not None:
            session.expunge(job)
        return job


def expire(database, job_id):
    late = now() - timedelta(seconds=1)
    with database.session() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=late))


def test_jobs_are_taken_in_order_each_once(database):
    ids = [put(database) for _ in range(3)]
    assert [take(database).id for _ in range(3)] == ids
    assert take(database) is None


def test_a_lane_takes_its_own_jobs_alone(database, stored):
    job_id = put(database)
    assert take(database, lane="train") is None
    assert not stored(queue.is_waiting, "train")
    assert stored(queue.is_waiting, "score")
    assert take(database).id == job_id


def test_many_workers_at_once_never_take_one_job_twice(database, stored):
    n_jobs, n_workers = 40, 6
    ids = {put(database) for _ in range(n_jobs)}
    ready = threading.Barrier(n_workers)

    def work(number):
        own = Database(database.url, pool_size=1)  # as a process of its own has
        ready.wait()
        taken = []
        while (job := take(own, worker=f"w{number}")) is not None:
            taken.append(job.id)
        own.dispose()
        return taken

    with ThreadPoolExecutor(n_workers) as pool:
        taken = [job for jobs in pool.map(work, range(n_workers)) for job in jobs]
    assert len(taken) == n_jobs
    assert set(taken) == ids
    assert set(stored.all(Job.attempts)) == {1}


def test_a_job_whose_lease_ran_out_is_taken_again_and_lost_to_the_first(
    database, stored
):
    job_id = put(database)
    first = take(database, "a")
    assert take(database, "b") is None
    expire(database, job_id)
    second = take(database, "b")
    assert (second.id, second.attempts) == (job_id, 2)
    assert stored(queue.renew, first, 60, {"done": 1}) is None
    assert not stored(queue.end, first, "done", result={"by": "a"})
    assert not stored(queue.release, first)
    assert stored.get(Job, job_id).worker == "b"
    assert stored(queue.end, second, "done", result={"by": "b"})
    assert not stored(queue.end, second, "failed")  # ended once
    assert stored.get(Job, job_id).result == {"by": "b"}


def test_the_same_worker_that_takes_a_job_twice_has_only_the_second(database, stored):
    job_id = put(database)
    first = take(database, "a")
    expire(database, job_id)
    take(database, "a")
    assert not stored(queue.end, first, "done")


def test_a_lease_is_renewed_with_the_progress_and_brings_the_wish_to_stop(
    database, stored
):
    job_id = put(database)
    job = take(database, lease_s=1)
    assert stored(queue.renew, job, 600, {"done": 5}) is False
    found = stored.get(Job, job_id)
    assert found.progress == {"done": 5}
    assert found.lease_until > now() + timedelta(seconds=500)
    stored(queue.request_stop, found)
    assert stored(queue.renew, job, 600, None) is True
    assert stored.get(Job, job_id).progress == {"done": 5}


def test_a_released_job_is_queued_and_the_try_does_not_count(database, stored):
    job_id = put(database)
    for _ in range(queue.MAX_ATTEMPTS + 2):
        job = take(database)
        assert job.attempts == 1
        assert stored(queue.release, job)
    assert stored.get(Job, job_id).state == "queued"


@pytest.mark.parametrize(("kind", "names_file"), [(SCORE, True), (TRAIN, False)])
def test_a_job_that_kills_its_workers_fails_with_words_for_its_kind(
    database, stored, kind, names_file
):
    job_id = stored(queue.put, kind, payload={}).id
    for _ in range(queue.MAX_ATTEMPTS):
        assert take(database, lane=kind.lane) is not None
        expire(database, job_id)
    assert stored(queue.is_waiting, kind.lane)  # somebody has to say so
    assert take(database, lane=kind.lane) is None
    found = stored.get(Job, job_id)
    assert found.state == "failed"
    assert "died 3 times" in found.error
    assert ("split" in found.error, "file" in found.error) == (names_file, names_file)
    assert not stored(queue.is_waiting, kind.lane)


def test_a_stopped_or_failed_job_is_queued_again_a_running_one_is_not(database, stored):
    job_id = put(database)
    stored(queue.request_stop, stored.get(Job, job_id))
    assert stored.get(Job, job_id).state == "stopped"
    assert take(database) is None
    assert stored(queue.requeue, stored.get(Job, job_id))
    job = take(database)
    assert not stored(queue.requeue, job)
    stored(queue.end, job, "failed", error="x")
    assert stored(queue.requeue, job)
    again = take(database)
    assert (again.attempts, again.error) == (1, "")


def test_a_person_has_so_many_jobs_and_no_more(database, stored):
    for n in "ab":
        stored.add(User(email=f"{n}@example.org", role="viewer", fs_uniquifier=n))
    first, second = stored.all(User.id)
    for _ in range(2):
        put(database, owner_id=first, most_waiting=2)
    with pytest.raises(DataError, match="2 of your jobs are queued or running"):
        put(database, owner_id=first, most_waiting=2)
    put(database, owner_id=second, most_waiting=2)
    take(database)
    with pytest.raises(DataError):  # what runs counts too
        put(database, owner_id=first, most_waiting=2)


def lease_of(stored, job_id):
    return (stored.get(Job, job_id).lease_until - now()).total_seconds()


def test_a_lease_given_while_the_clock_ran_ahead_is_cut_to_its_length(database, stored):
    job_id = put(database)
    first = take(database, "a")
    stored.execute(update(Job).values(lease_until=now() + timedelta(hours=2)))
    assert stored(queue.is_waiting, "score")
    assert take(database, "b") is None  # the worker may be alive
    assert 55 < lease_of(stored, job_id) <= 60
    assert not stored(queue.is_waiting, "score")
    assert stored(queue.renew, first, 60, None) is False
    expire(database, job_id)
    assert take(database, "b").id == job_id


def gone_process():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def name(pid, host=None):
    own, _, token = queue.worker_name().split(":")
    return f"{host or own}:{pid}:{token}"


def take_over(database, fault=None, lane="score"):
    with database.session() as session:
        return queue.take_over(session, lane, fault)


def test_tries_whose_worker_was_ended_from_outside_do_not_count(database, stored):
    job_id = put(database)
    for _ in range(2 * queue.MAX_ATTEMPTS):
        assert take(database, name(gone_process())).id == job_id
        assert take_over(database) == 1
    found = stored.get(Job, job_id)
    assert (found.state, found.attempts) == ("queued", 0)


def test_tries_whose_worker_was_at_fault_count(database, stored):
    job_id = put(database)
    for _ in range(queue.MAX_ATTEMPTS):
        pid = gone_process()
        assert take(database, name(pid)).id == job_id
        assert take_over(database, fault=pid) == 1
    assert take(database) is None
    assert "died 3 times" in stored.get(Job, job_id).error


def test_a_worker_that_runs_and_one_of_another_machine_keep_their_jobs(
    database, stored
):
    for worker in (
        name(os.getppid()), name(gone_process(), host="elsewhere"),
        name(gone_process(), host=f"{name(1).split(':')[0]}2"),
    ):  # fmt: skip
        put(database)
        take(database, worker)
    put(database)
    taken = take(database, name(gone_process()))
    assert take_over(database, lane="train") == 0
    assert take_over(database) == 1
    assert stored.get(Job, taken.id).state == "queued"
