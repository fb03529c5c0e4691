"""The table of jobs as a queue: put, take with a lease, say how far, end once.

A worker holds a job by a lease that it renews. A worker that dies renews nothing,
and the job is given to the next one; each change names the worker and its attempt,
so what a slow, forgotten worker says later changes nothing. A worker that starts takes
over from the dead ones of its machine, without waiting for their leases; a try
counts only where the job may have ended its worker.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from evenflow.errors import DataError
from evenflow.web.jobs.kinds import JobKind
from evenflow.web.store.database import n_changed, serialize
from evenflow.web.store.tables import Job, now

MAX_ATTEMPTS = 3
"""Times a job is tried whose worker died of it."""
TOO_LARGE = {
    "train": "It may need more memory than a training may use; use fewer rows, or "
    "raise train_memory_mb.",
    "score": "The file may need more memory than a worker may use; split it, or raise "
    "worker_memory_mb.",
}
"""Likely reason for which the jobs of a lane end their workers."""
LIVE = ("queued", "running")
SKEW_S = 60.0
"""Seconds by which two machines' clocks may differ."""


def put(
    session: Session,
    kind: JobKind,
    *,
    payload: Mapping[str, Any],
    title: str = "",
    owner_id: int | None = None,
    job_id: str | None = None,
    most_waiting: int | None = None,
) -> Job:
    """Add a job; it runs once the caller has committed.

    Raises
    ------
    DataError
        The owner has too many jobs already.
    """
    if most_waiting is not None and owner_id is not None:
        serialize(session, "jobs", owner_id)
        refuse_more(session, owner_id, most_waiting)
    job = Job(
        id=job_id or new_id(),
        kind=kind.name,
        lane=kind.lane,
        owner_id=owner_id,
        title=title[:200],
        payload=dict(payload),
    )
    session.add(job)
    return job


def refuse_more(session: Session, owner_id: int, most: int) -> None:
    """Refuse a further job of a person who has many already.

    Raises
    ------
    DataError
        As many of that person's jobs wait or run.
    """
    mine = (Job.owner_id == owner_id, Job.state.in_(LIVE))
    waiting = session.scalar(select(func.count(Job.id)).where(*mine)) or 0
    if waiting >= most:
        raise DataError(
            f"{waiting} of your jobs are queued or running, expected fewer than "
            f"{most}. Wait until one ends, or stop one"
        )


def new_id() -> str:
    """Return an id that cannot be guessed; also a folder's name."""
    return secrets.token_hex(12)


def worker_name() -> str:
    """Return a name for a worker in this process, unlike any other."""
    return f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}"


def take_over(session: Session, lane: str, fault: int | None = None) -> int:
    """Free the jobs of dead workers of this machine; return how many.

    Parameters
    ----------
    fault : int, optional
        Process id of a worker that ended by a fault of its own, which its job may have
        caused: that try counts. Others were ended from outside, or with the machine.
    """
    n = 0
    mine = Job.worker.startswith(f"{_host()}:", autoescape=True)
    for job in session.scalars(
        select(Job).where(Job.lane == lane, Job.state == "running", mine)
    ).all():
        pid = job.worker.split(":")[1]
        if pid != str(os.getpid()) and Path("/proc", pid).exists():
            continue
        if pid == str(fault):
            gone = update(Job).where(*_mine(job)).values(lease_until=now())
            done = n_changed(session, gone) == 1
        else:
            done = release(session, job)
        n += done
    return n


def _host() -> str:
    return socket.gethostname().replace(":", "-")[:40]


def take(session: Session, lane: str, worker: str, lease_s: float) -> Job | None:
    """Return the next job of a lane, leased, or None if there is none.

    A job that was tried :data:`MAX_ATTEMPTS` times and killed its worker each time
    is not tried again: it fails, with this reason.
    """
    _give_up(session, lane)
    at = now()
    # given while a clock ran ahead: a worker that lives renews it in time
    session.execute(
        update(Job)
        .where(Job.lane == lane, Job.state == "running", _is_too_long(lease_s))
        .values(lease_until=at + timedelta(seconds=lease_s))
    )
    free = or_(Job.state == "queued", (Job.state == "running") & (Job.lease_until < at))
    following = (
        select(Job.id)
        .where(Job.lane == lane, free)
        .order_by(Job.owner_id.is_(None), Job.created_at, Job.id)
        .limit(1)
    )
    if session.get_bind().dialect.name != "sqlite":
        following = following.with_for_update(skip_locked=True)
    # one statement: in SQLite a write excludes all other writers
    return session.scalars(
        update(Job)
        .where(Job.id == following.scalar_subquery(), free)
        .values(
            state="running",
            worker=worker,
            lease_until=at + timedelta(seconds=lease_s),
            attempts=Job.attempts + 1,
            started_at=func.coalesce(Job.started_at, at),
        )
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()


def renew(
    session: Session, job: Job, lease_s: float, progress: Mapping[str, Any] | None
) -> bool | None:
    """Renew a lease and say how far the job is.

    Returns
    -------
    bool or None
        Whether somebody asked to stop the job; None where the lease is lost and the
        worker must let go.
    """
    values: dict[str, Any] = {"lease_until": now() + timedelta(seconds=lease_s)}
    if progress is not None:
        values["progress"] = dict(progress)
    renewed = update(Job).where(*_mine(job)).values(**values)
    return session.scalar(renewed.returning(Job.stop_requested))


def end(
    session: Session,
    job: Job,
    state: str,
    *,
    result: Mapping[str, Any] | None = None,
    error: str = "",
) -> bool:
    """End a job; False, and nothing is changed, where the lease is lost.

    Call it first in the transaction that stores what the job made, and roll back on
    False: then what it made is there exactly once.
    """
    ended = update(Job).where(*_mine(job))
    ended = ended.values(
        state=state,
        result=dict(result or {}),
        error=error,
        ended_at=now(),
        lease_until=None,
        stop_requested=False,
    )
    return n_changed(session, ended) == 1


def release(session: Session, job: Job) -> bool:
    """Put a job back whose worker leaves; the try does not count as one that failed."""
    back = {"state": "queued", "lease_until": None, "worker": ""}
    free = update(Job).where(*_mine(job)).values(back | {"attempts": Job.attempts - 1})
    return n_changed(session, free) == 1


def gives_way(session: Session, job: Job) -> bool:
    """Return whether a job of the server itself should let a person's go first."""
    if job.owner_id is not None:
        return False
    theirs = (Job.lane == job.lane, Job.state == "queued", Job.owner_id.is_not(None))
    return session.scalar(select(Job.id).where(*theirs).limit(1)) is not None


def is_waiting(session: Session, lane: str, lease_s: float = 60.0) -> bool:
    """Return whether :func:`take` would find something to do; it only reads."""
    odd = or_(Job.lease_until < now(), _is_too_long(lease_s))
    found = select(Job.id).where(
        Job.lane == lane, or_(Job.state == "queued", (Job.state == "running") & odd)
    )
    return session.scalar(found.limit(1)) is not None


def request_stop(session: Session, job: Job) -> None:
    """Ask a running job to stop; one that waits is stopped at once."""
    mine = update(Job).where(Job.id == job.id)
    waits, runs = (mine.where(Job.state == state) for state in LIVE)
    if not n_changed(session, waits.values(state="stopped", ended_at=now())):
        session.execute(runs.values(stop_requested=True))


def requeue(session: Session, job: Job, *, most_waiting: int | None = None) -> bool:
    """Queue a job that was stopped or failed again; False if it is neither.

    Raises
    ------
    DataError
        The owner has too many jobs already.
    """
    if most_waiting is not None and job.owner_id is not None:
        serialize(session, "jobs", job.owner_id)
        state = session.scalar(select(Job.state).where(Job.id == job.id))
        if state in ("stopped", "failed"):
            refuse_more(session, job.owner_id, most_waiting)
    again = update(Job).where(Job.id == job.id, Job.state.in_(("stopped", "failed")))
    again = again.values(
        state="queued", error="", attempts=0, ended_at=None, stop_requested=False
    )
    return n_changed(session, again) == 1


def _is_too_long(lease_s: float) -> ColumnElement[bool]:
    """Return whether a lease ends later than any that could be given now."""
    return Job.lease_until > now() + timedelta(seconds=lease_s + SKEW_S)


def _mine(job: Job) -> tuple[Any, ...]:
    return (
        Job.id == job.id,
        Job.state == "running",
        Job.worker == job.worker,
        Job.attempts == job.attempts,
    )


def _give_up(session: Session, lane: str) -> None:
    session.execute(
        update(Job)
        .where(
            Job.lane == lane,
            Job.state == "running",
            Job.lease_until < now(),
            Job.attempts >= MAX_ATTEMPTS,
        )
        .values(
            state="failed",
            ended_at=now(),
            lease_until=None,
            error=f"The worker died {MAX_ATTEMPTS} times during this job. "
            + TOO_LARGE[lane],
        )
    )
