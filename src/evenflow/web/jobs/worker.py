"""The loop of a worker process: take a job, run it, store what it came to, once.

A worker may die at any point: its lease runs out and the job is taken again. A
database that is away is waited for; nothing that was made is dropped meanwhile.
"""

from __future__ import annotations

import importlib
import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy.orm import Session

from evenflow.errors import DataError, EvenflowError, StorageError, is_out_of_memory
from evenflow.web.jobs import queue, retention
from evenflow.web.jobs.kinds import KINDS
from evenflow.web.jobs.task import (
    Lease,
    LeaseLost,
    Leaving,
    Outcome,
    Stopped,
    Task,
    Workplace,
)
from evenflow.web.notify import notifier
from evenflow.web.settings import Settings
from evenflow.web.store.database import Database, Failed, is_away
from evenflow.web.store.tables import Job

logger = logging.getLogger(__name__)

POLL_S = 0.5
FIRST_AFTER_S = 60.0
"""Seconds after the start in which nothing but people's jobs takes time from pages."""
BACKOFF_S = (0.5, 30.0)
"""First and longest pause while the database is away."""
NICE = 5
"""So much a worker stands back behind the pages on a busy machine."""
FAULT = (
    "An internal error stopped this job. Details are in the server log. Run it again, "
    "and tell an administrator if it happens again"
)
FULL = (
    "The server could not write the result: its disk is full or not writable. An "
    "administrator has to free space; then run this again"
)
MEMORY = {
    "score": "This needs more memory than a worker may use (worker_memory_mb). Split "
    "the file, or ask an administrator to raise it",
    "train": "This needs more memory than a training may use (train_memory_mb). Use "
    "fewer rows, or ask an administrator to raise it",
}
CGROUP = Path("/sys/fs/cgroup/memory.max")
"""What a container may hold, where there is one."""


def work(
    settings: Settings,
    lane: str,
    stop: threading.Event,
    fault: int | None = None,
    first: Callable[[Workplace], None] | None = None,
) -> None:
    """Run the jobs of a lane, one after the other, until ``stop`` is set.

    Call it in a process of its own: there it bounds its memory and stands back behind
    the pages. A job under way when ``stop`` is set goes back to the queue.

    Parameters
    ----------
    lane : {'score', 'train'}
    stop : threading.Event
        Set by the process's signal handler.
    fault : int, optional
        Process id of the worker before, where it ended by a fault of its own.
    first : callable, optional
        Called once with the workplace, a minute after the start; may queue jobs.
    """
    if threading.current_thread() is threading.main_thread():
        os.nice(NICE)
        if lane == "score":
            bound_memory(settings.worker_memory_mb)
        else:
            bound_memory(settings.train_memory_mb or machine_memory_mb() * 3 // 4)
    here = Workplace.open(settings)
    logger.info("worker %s of lane %s is ready", here.name, lane)
    if lane == "score":
        notifier.start(here.settings, here.database, stop)
    pause, keeper, has_taken_over = BACKOFF_S[0], retention.Keeper(), False
    started = time.monotonic()
    while not stop.is_set():
        try:
            if not has_taken_over:
                with here.database.session() as session:
                    queue.take_over(session, lane, fault)
                has_taken_over = True
            if first is not None and time.monotonic() - started > FIRST_AFTER_S:
                first(here)
                first = None
            if lane == "score":
                keeper.run_if_due(here.database, here.home, settings)
            found = run_one(here, lane, stop)
            pause = BACKOFF_S[0]
        except Failed as error:
            if is_away(error):
                logger.warning("the database is not responding: %s", error)
            else:
                logger.exception("the queue cannot be read")
            stop.wait(pause)
            pause = min(BACKOFF_S[1], pause * 2)
            continue
        if found is None:
            stop.wait(POLL_S)
    here.database.dispose()
    logger.info("worker %s exits", here.name)


def bound_memory(megabytes: int) -> None:
    """Limit the memory of this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = megabytes * 2**20
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def machine_memory_mb() -> int:
    """Return the megabytes of memory of this machine, or of its container."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no container, or one without a limit
        found = min(found, int(CGROUP.read_text(encoding="ascii")))
    return found // 2**20


def run_one(
    here: Workplace, lane: str, stop: threading.Event | None = None
) -> str | None:
    """Run the next job of a lane to its end; return its id, None if there is none.

    Raises
    ------
    DBAPIError
        The database was away when a job should be taken.
    """
    stop = stop or threading.Event()
    lease_s = here.settings.lease_s
    with here.database.session() as session:
        if not queue.is_waiting(session, lane, lease_s):
            return None
    with here.database.session() as session:
        job = queue.take(session, lane, here.name, lease_s)
        if job is None:
            return None
        session.expunge(job)
    logger.info("job %s (%s), try %d", job.id, job.kind, job.attempts)
    started = time.perf_counter()
    state, outcome, error, is_full = "failed", None, "", False
    with Lease(here.database, job, lease_s, stop) as lease:
        task = Task(job=job, lease=lease, **vars(here))
        try:
            outcome = _run(job.kind)(task)
            state = "done"
        except LeaseLost:
            logger.warning("job %s belongs to another worker", job.id)
            return job.id
        except Stopped:
            state = "stopped"
        except Leaving:
            state = "queued"
        except StorageError as problem:
            logger.error("job %s: %s", job.id, problem)
            error = FULL
        except EvenflowError as problem:
            error = hidden(str(problem), here.settings)
        except Failed as problem:
            if is_away(problem):
                logger.warning(
                    "job %s goes back to the queue, no database: %s", job.id, problem
                )
                state = "queued"
            else:
                logger.exception("job %s failed with an internal error", job.id)
                error = FAULT
        except (Exception, pl.exceptions.PanicException) as problem:
            logger.exception("job %s failed", job.id)
            is_full = is_out_of_memory(problem)
            error = MEMORY[lane] if is_full else FAULT
        _end(here, job, state, outcome, error, stop)
    if is_full:  # modules may be half imported: the next job gets a new process
        logger.warning("worker %s ran out of memory and exits", here.name)
        stop.set()
    logger.info("job %s: %s, %.1f s", job.id, state, time.perf_counter() - started)
    return job.id


def hidden(text: str, settings: Settings) -> str:
    """Return a message with the server's folders named in words."""
    named = [(folder, "the data folder") for folder in settings.data_folders]
    named.append((settings.home / "bundles", "the models"))
    named.append((settings.home / "datasets", "the data sets"))
    named.append((settings.home, "the server's folder"))
    # the longest first: one folder may lie in another
    for folder, words in sorted(named, key=lambda pair: -len(str(pair[0]))):
        text = text.replace(str(folder), words)
    return text


def _end(
    here: Workplace,
    job: Job,
    state: str,
    outcome: Outcome | None,
    error: str,
    stop: threading.Event,
) -> None:
    """Store how a job ended, with all it made, or nothing where the lease is lost."""

    def store(session: Session) -> None:
        if state == "queued":
            queue.release(session, job)
            return
        result = outcome.result if outcome else {}
        if not queue.end(session, job, state, result=result, error=error):
            raise LeaseLost
        if outcome and outcome.store:
            outcome.store(session)

    try:
        _insist(here.database, store, stop)
    except LeaseLost:
        logger.warning("job %s belongs to another worker; nothing was stored", job.id)
        return
    except Exception as problem:
        if is_away(problem):
            return  # told to leave: the lease runs out and the job is taken again
        logger.exception("job %s: its result cannot be stored", job.id)
        if outcome:
            _end(here, job, "failed", None, FAULT, stop)
        return
    if outcome and outcome.after:
        try:
            outcome.after()
        except OSError:
            logger.exception("job %s is done, but not all was cleaned up", job.id)


def _insist(
    database: Database, store: Callable[[Session], None], stop: threading.Event
) -> None:
    """Do it in one transaction; while the database is away, again and again."""
    pause = BACKOFF_S[0]
    while True:
        try:
            with database.session() as session:
                store(session)
            return
        except Failed as error:
            if not is_away(error) or stop.wait(pause):
                raise
            logger.warning("a result waits, the database is not responding: %s", error)
            pause = min(BACKOFF_S[1], pause * 2)


def _run(kind: str) -> Callable[[Task], Outcome]:
    """Return what runs a kind of job.

    Raises
    ------
    DataError
        There is no such kind.
    """
    if kind not in KINDS:
        raise DataError(
            f"found a job of kind {kind!r}, expected {', '.join(sorted(KINDS))}. It "
            "was created by another version of evenflow"
        )
    module: Any = importlib.import_module(KINDS[kind].module)
    run: Callable[[Task], Outcome] = module.run
    return run
