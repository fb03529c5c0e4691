"""Delete what is older than an admin wants it kept.

A folder that no job knows is not understood, so it is never deleted: the database may
be an old backup, or another one. It is moved, and the log says where.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.jobs.queue import LIVE
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import Home, remove
from evenflow.web.store.database import Database, n_changed
from evenflow.web.store.tables import (
    Alert,
    AlertGroup,
    Audit,
    Incident,
    Job,
    Record,
    Setting,
    Suppression,
    Tally,
    Throttle,
    WatchRun,
    WebSession,
    now,
)

logger = logging.getLogger(__name__)

SETTING = "retention"
EVERY_S = 3600.0
BATCH = 500
"""Rows deleted in one transaction: nobody waits long for the database."""
PAUSE_S = 0.02
UPLOAD_PART = r"[0-9a-f]{24}\.part"
"""Name of the folder of an upload that is not finished."""
DELETED = "upload.delete"
"""Action in the audit log by which somebody deleted an upload."""
RUN_KEPT = timedelta(days=1)
"""Age of its last sign of life at which a run of a watch is deleted."""
UNFINISHED = timedelta(days=1)
"""Age at which an upload that was never finished is swept."""


class Keeper:
    """Runs the retention about hourly."""

    _due = -math.inf

    def run_if_due(self, database: Database, home: Home, settings: Settings) -> None:
        """Delete what is too old, if an hour has passed."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_S
            run(database, home, settings)


def days(session: Session, settings: Settings) -> int:
    """Return how long things are kept: what an admin chose, or the setting."""
    found = session.get(Setting, SETTING)
    return settings.retention_days if found is None else int(found.value["days"])


def run(database: Database, home: Home, settings: Settings) -> dict[str, int]:
    """Delete what is too old, in small batches; run twice it does no harm.

    Experiments keep their rows: what they made stands under Models. Returned, and
    written to the audit log unless none, is how many of each kind were deleted, and
    how many folders were moved.
    """
    with database.session() as session:
        kept = days(session, settings)
    at = now()
    before = at - timedelta(days=kept)
    idle = at - timedelta(hours=settings.session_idle_hours)
    begun = at - timedelta(days=settings.session_days)
    over = WebSession.seen_at < idle
    # by the last try and not the first: who goes on guessing is not forgotten
    last = func.coalesce(Throttle.until, Throttle.first_at)
    is_old = last < at - timedelta(days=1)
    gone = {
        "alerts": _rows(database, Alert, Alert.at < before),
        "alert_groups": _rows(database, AlertGroup, _is_empty(before)),
        "incidents": _rows(database, Incident, Incident.seen_at < before),
        "watch_runs": _rows(database, WatchRun, WatchRun.seen_at < at - RUN_KEPT),
        "records": _rows(database, Record, Record.at < before),
        "tallies": _rows(database, Tally, Tally.arrived_at < before),
        "uploads": _uploads(database, home, before),
        "sessions": _rows(
            database, WebSession, or_(over, WebSession.created_at < begun)
        ),
        "throttles": _rows(database, Throttle, is_old),
    }
    gone["unfinished"], aside = sweep(database, home, at - UNFINISHED)
    gone = {name: n for name, n in gone.items() if n}
    if gone:
        logger.info("retention of %d days deleted %s", kept, gone)
        _log(database, "retention.run", {"days": kept, "deleted": gone})
    if aside:
        _log(database, "retention.set_aside", {"folders": aside[:100]})
        gone["set_aside"] = len(aside)
    return gone


def _is_empty(before: datetime) -> ColumnElement[bool]:
    """Return the clause for old groups without an alert that suppress nothing."""
    in_use = select(Alert.id).where(Alert.group_id == AlertGroup.id).exists()
    kept = (
        select(Suppression.id)
        .where(Suppression.group_id == AlertGroup.id, Suppression.expires_at > before)
        .exists()
    )
    return (AlertGroup.created_at < before) & ~in_use & ~kept


def _log(database: Database, action: str, detail: dict[str, Any]) -> None:
    with database.session() as session:
        session.add(Audit(actor="retention", action=action, detail=detail))


def sweep(database: Database, home: Home, before: datetime) -> tuple[int, list[str]]:
    """Delete what is left of uploads; move folders that no job knows.

    Deleted are uploads that were never finished, files of uploads that are scored,
    and folders of uploads that somebody deleted: returned is how many, and the folders
    that were moved, as ``results/NAME``.
    """
    n_deleted, aside = 0, []
    for parent in (home.uploads, home.results):
        for folder in sorted(parent.iterdir()):
            if _touched(folder) >= before.timestamp():
                continue
            with database.session() as session:
                job = session.get(Job, folder.name)
                is_upload = parent == home.uploads
                is_left_over = _is_left_over(session, job, folder.name, is_upload)
            if is_left_over:
                remove(folder)
                n_deleted += 1
            elif job is None and _set_aside(home, folder):
                aside.append(f"{parent.name}/{folder.name}")
    return n_deleted, aside


def _is_left_over(
    session: Session, job: Job | None, name: str, is_upload: bool
) -> bool:
    """Return whether a folder is one that should have been deleted before."""
    if is_upload and re.fullmatch(UPLOAD_PART, name):
        return True
    if job is not None:  # its worker died before it deleted the file
        is_over = job.kind not in UPLOADS and job.state not in LIVE
        return is_upload and (job.state == "done" or is_over)
    was_deleted = (Audit.action == DELETED) & (Audit.object == name)
    return session.scalar(select(Audit.id).where(was_deleted).limit(1)) is not None


def _set_aside(home: Home, folder: Path) -> bool:
    """Move a folder out of the way, whole; return whether that could be done."""
    place = home.set_aside / folder.parent.name
    target = place / folder.name
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        while os.path.lexists(target):  # a name that came back
            target = target.with_name(f"{target.name}+")
        folder.rename(target)
    except OSError as error:
        logger.error("cannot move %s, which no job knows: %s", folder, error)
        return False
    logger.warning(
        "no job in the database knows %s, so it was moved to %s; the database may be "
        "an old backup. Delete it there if nobody needs it",
        folder,
        target,
    )
    return True


def _touched(folder: Path) -> float:
    """Return when something in a folder was written last, seconds since 1970."""
    try:
        inside = [*folder.iterdir()] if folder.is_dir() else []
        return max(path.stat().st_mtime for path in (folder, *inside))
    except OSError:  # gone meanwhile
        return time.time()


def _uploads(database: Database, home: Home, before: datetime) -> int:
    old = Job.kind.in_(UPLOADS) & Job.state.not_in(LIVE) & (Job.ended_at < before)
    n = 0
    while True:
        with database.session() as session:
            ids = session.scalars(select(Job.id).where(old).limit(BATCH)).all()
        if not ids:
            return n
        for job_id in ids:  # first the files: a row without them is taken up again
            remove(home.results / job_id)
            remove(home.uploads / job_id)
        with database.session() as session:
            session.execute(delete(Job).where(Job.id.in_(ids), old))
        n += len(ids)
        time.sleep(PAUSE_S)


def _rows(database: Database, table: Any, old: ColumnElement[bool]) -> int:
    key = next(iter(table.__table__.primary_key.columns))
    n = 0
    while True:
        some = select(key).where(old).limit(BATCH)
        with database.session() as session:
            rows = n_changed(session, delete(table).where(key.in_(some)))
        n += rows
        if rows < BATCH:
            return n
        time.sleep(PAUSE_S)
