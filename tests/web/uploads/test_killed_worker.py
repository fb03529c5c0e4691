"""Real worker processes that are killed, told to leave, or find the disk full."""

import os
import resource
import signal
import subprocess
import sys
import time
from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest
from sqlalchemy import update

from evenflow.web.jobs import queue, worker
from evenflow.web.store.tables import Job
from evenflow.web.uploads.results import FILE, REJECTS, Filter, Results

databases = pytest.mark.databases


@pytest.fixture
def start():
    """Return a function that starts a real worker; ``slow_s`` is slept each batch."""
    started = []

    def start(settings, **how):
        started.append(process(settings, **how))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def leave(running):
    """Tell a worker to leave, and wait until it has."""
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0


def process(settings, slow_s=0.0, limit=None):
    code = f"""
import signal, threading, time, resource
from evenflow.web.settings import Settings
from evenflow.web.jobs import worker
from evenflow.runtime import stream
settings = Settings.model_validate_json({settings.model_dump_json()!r})
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
read = stream.read_records
def slowly(*args, **kwargs):
    for batch in read(*args, **kwargs):
        yield batch
        time.sleep({slow_s})
stream.read_records = slowly
if {limit!r}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit!r}, {limit!r}))
worker.work(settings, "score", stop)
"""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def wait_for(check, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def large(rows, n=40_000):
    frame = rows["test"].frame
    return pl.concat([frame] * (n // len(frame)))


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"lease_s": 2.0, "alerts_per_upload": 500})


@pytest.mark.slow
@databases
@pytest.mark.parametrize("moment", ["while it reads", "while it stores"])
def test_a_killed_worker_loses_and_doubles_nothing(
    here, settings, start, desk, bundle, rows, moment
):
    frame = large(rows)
    data = frame.write_csv().encode()
    job_id = desk.put(here, data, bundle=bundle.path.name)
    first = start(settings, slow_s=0.5 if moment == "while it reads" else 0.0)
    if moment == "while it reads":
        wait_for(lambda: desk.job_of(here, job_id).progress.get("done"))
    else:
        wait_for((here.home.results / job_id / FILE).exists)
    first.kill()
    first.wait()
    if moment == "while it reads":
        assert desk.job_of(here, job_id).state == "running"
    second = start(settings)
    wait_for(lambda: desk.job_of(here, job_id).state == "done")
    leave(second)
    job = desk.job_of(here, job_id)
    assert job.result["read"] == len(frame)
    assert desk.tallied(here) == {k: n for k, n in job.result["counts"].items() if n}
    assert sum(desk.tallied(here).values()) == len(frame)
    opened = desk.alerts_of(here, job_id)
    n_opened = sum(alert.n for alert in opened)  # equal rows are one alert
    assert n_opened == job.result["alerts"]["opened"] == job.result["attacks"]
    assert len({alert.line for alert in opened}) == len(opened) < 500
    results = Results(here.home.results / job_id / FILE, bundle.schema.classes)
    assert results.page(Filter()).total == len(frame)
    left = sorted(p.name for p in (here.home.results / job_id).iterdir())
    assert left == [REJECTS, FILE]


@pytest.mark.slow
def test_kills_from_outside_never_fail_a_job(here, settings, start, desk, bundle, rows):
    settings = settings.model_copy(update={"lease_s": 60.0})  # nobody waits for its end
    data = large(rows).write_csv().encode()
    job_id = desk.put(here, data, bundle=bundle.path.name)
    for _ in range(queue.MAX_ATTEMPTS + 1):
        running = start(settings, slow_s=0.5)
        pid = f":{running.pid}:"
        wait_for(lambda p=pid: p in desk.job_of(here, job_id).worker)
        running.kill()
        running.wait()
    last = start(settings)
    wait_for(lambda: desk.job_of(here, job_id).state in {"done", "failed"})
    leave(last)
    assert desk.job_of(here, job_id).state == "done"
    assert sum(desk.tallied(here).values()) == len(large(rows))


@pytest.mark.slow
def test_a_worker_told_to_leave_puts_its_job_back_at_once(
    here, settings, start, desk, bundle, rows
):
    data = large(rows).write_csv().encode()
    job_id = desk.put(here, data, bundle=bundle.path.name)
    running = start(settings, slow_s=0.5)
    wait_for(lambda: desk.job_of(here, job_id).progress.get("done"))
    leave(running)
    job = desk.job_of(here, job_id)
    assert (job.state, job.attempts) == ("queued", 0)
    assert not (here.home.results / job_id).exists()
    assert worker.run_one(here, "score") == job_id
    assert desk.job_of(here, job_id).state == "done"


@pytest.mark.slow
def test_a_full_disk_fails_the_job_in_words_and_leaves_nothing(
    here, settings, start, desk, bundle, rows, stored
):
    frame, rng = large(rows, 100_000), np.random.default_rng(7)
    noise = [pl.Series(f"n{k}", rng.random(len(frame))) for k in range(8)]
    data = frame.with_columns(noise).write_csv().encode()
    job_id = desk.put(here, data, bundle=bundle.path.name)
    # no file of the worker may pass this; the database's stay below it
    running = start(settings, limit=6 * 2**20)
    wait_for(lambda: desk.job_of(here, job_id).state == "failed")
    leave(running)
    error = desk.job_of(here, job_id).error
    assert "disk is full" in error
    assert str(here.home.root) not in error
    assert not (here.home.results / job_id).exists()
    assert desk.tallied(here) == {}
    assert stored(queue.requeue, stored.get(Job, job_id))
    assert worker.run_one(here, "score") == job_id
    assert desk.job_of(here, job_id).state == "done"


@pytest.mark.slow
def test_a_worker_bounds_its_memory(python):
    code = """
import resource
from evenflow.web.jobs.worker import bound_memory
bound_memory(1024)
try:
    bytearray(2 * 2**30)
except MemoryError:
    print("bounded", resource.getrlimit(resource.RLIMIT_DATA)[0] // 2**20)
"""
    assert python("-c", code).stdout.split() == ["bounded", "1024"]
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


def test_the_memory_of_this_machine_or_its_container_is_known(tmp_path, monkeypatch):
    found = worker.machine_memory_mb()
    assert found > 256
    for text, expected in (("max\n", found), ("268435456\n", 256)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(worker, "CGROUP", tmp_path / "memory.max")
        assert worker.machine_memory_mb() == expected


@pytest.mark.parametrize("lane", ["score", "train"])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
    ],
    ids=["python", "torch"],
)
def test_a_job_without_memory_fails_with_words(
    here, desk, bundle, monkeypatch, error, lane, stored
):
    job_id = desk.put(here, b"a,b\n1,2\n", bundle=bundle.path.name)
    stored.execute(update(Job).values(lane=lane))
    monkeypatch.setattr(worker, "_run", lambda _kind: Mock(side_effect=error))
    worker.run_one(here, lane)
    job = desk.job_of(here, job_id)
    assert job.state == "failed"
    assert {"score": "worker_memory_mb", "train": "train_memory_mb"}[lane] in job.error
