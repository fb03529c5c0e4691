"""Score an uploaded file: all verdicts as a file, the counts and the worst as rows.

The verdicts are written to the job's own folder, and read from there; the rows are
stored in the transaction that ends the job. A worker that dies leaves nothing but a
folder that the next one empties.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from evenflow.decision import Scores
from evenflow.errors import DataError, StorageError
from evenflow.files import storage_error
from evenflow.progress import Event, Progress
from evenflow.runtime.events import summary as sentence
from evenflow.runtime.file_incidents import FileIncidents
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import Batch
from evenflow.runtime.stream import OnScored, score_file
from evenflow.web.alerts import groups
from evenflow.web.incidents import writer
from evenflow.web.jobs.task import Outcome, Task
from evenflow.web.store.data_folder import remove
from evenflow.web.store.database import add_timed_tallies
from evenflow.web.store.tables import Alert, Job, now
from evenflow.web.uploads.alerts import SOURCE, alert, counted, likeliest
from evenflow.web.uploads.labels import evaluate
from evenflow.web.uploads.results import FILE, REJECTS, Results
from evenflow.web.uploads.times import EventTimes
from evenflow.web.verdicts.reason import first_reason

logger = logging.getLogger(__name__)

MOST_INCIDENTS = 50
"""Incidents that the result of an upload names."""
SENT = "data"
"""Name of every uploaded file; the sender's own name is only ever shown."""


def run(task: Task) -> Outcome:
    """Score the file of a job.

    The payload holds ``bundle``, and ``name``, the sender's name of the file; it may
    hold ``label`` and ``benign``, the column of its labels and their values that mean
    benign, and ``time_column``, the column of the event times.

    Raises
    ------
    DataError
        The file does not hold records of the bundle, or is over a limit.
    StorageError
        The disk is full.
    """
    started = time.perf_counter()
    source = task.uploaded / SENT
    if not source.is_file():
        raise DataError(
            "the uploaded file does not exist any longer, expected it until it is "
            "scored. Upload it again"
        )
    bundle_name = str(task.payload["bundle"])
    task.set_progress(step="load the model", done=0)
    bundle = task.detectors.load(bundle_name)
    task.check()
    _emptied(task.results)
    incidents = FileIncidents(bundle)
    times = EventTimes(
        arrived=task.job.created_at, wanted=str(task.payload.get("time_column", ""))
    )
    try:
        summary = score_file(
            bundle,
            source,
            task.results / FILE,
            keep_columns=True,
            on_bad_row="reject",
            rejects=task.results / REJECTS,
            name=str(task.payload.get("name", "the file")),
            limits=limits(task.settings.max_rows, task.settings.max_unpacked_mb),
            on_scored=_each(times.take, incidents.take),
            on_event=_scaled(task.on_event),
        )
        task.set_progress(step="store", done=summary.read, total=summary.read)
        timed = times.save(task.results)
        results = Results(task.results / FILE, bundle.verdicts)
        task.set_progress(step="read the labels")
        labels = evaluate(
            bundle,
            results,
            task.results,
            name=str(task.payload.get("name", "the file")),
            label=str(task.payload.get("label", "")),
            benign=tuple(task.payload.get("benign", ())),
        )
        found = incidents.finish()
        of: dict[str, Any] = {"at": now(), "bundle": bundle_name}
        rows = [
            alert(results, row, job=task.job, names=bundle.schema.names, **of)
            for row in likeliest(results, task.settings.alerts_per_upload)
        ]
        tallied = counted(results, of["at"])
    except BaseException:
        if task.lease.is_ours():  # else the folder is another worker's now
            remove(task.results)
        raise

    def reason(row: Mapping[str, Any]) -> str:
        return first_reason(bundle, row["values"])

    def store(session: Session) -> None:
        # an account may have been deleted while its file was scored
        owner_id = session.scalar(select(Job.owner_id).where(Job.id == task.job.id))
        for row in rows:
            row["owner_id"] = owner_id
        if rows:
            groups.assign(session, rows, reason)
            session.execute(insert(Alert), rows)
        add_timed_tallies(
            session,
            tallied,
            arrived=of["at"],
            bundle=bundle_name,
            owner_id=owner_id,
            source=SOURCE,
        )
        writer.store(session, [incidents.event(report) for report in found])

    seconds = time.perf_counter() - started
    result: dict[str, Any] = summary.to_dict()
    result |= {
        "bundle": bundle_name,
        "bytes": source.stat().st_size,
        "unit": summary.unit,
        "columns": list(results.given)[:1000],
        "labels": labels,
        "times": timed,
        "notes": [*summary.notes, *times.notes()],
        "alerts": {"opened": sum(row["n"] for row in rows), "of": summary.attacks},
        "n_incidents": incidents.n,
        "incidents": [
            {"id": report.incident.id, "summary": sentence(report.incident)}
            for report in found[:MOST_INCIDENTS]
        ],
        "seconds": seconds,
        "rows_per_s": summary.read / seconds,
    }
    return Outcome(result=result, store=store, after=lambda: remove(task.uploaded))


def limits(rows: int, unpacked_mb: float) -> Limits:
    """Return how much of an upload is read."""
    return Limits(rows=rows, unpacked_bytes=int(unpacked_mb * 2**20))


def _each(*listeners: OnScored) -> OnScored:
    """Return a listener that hands what it gets on to each of some."""

    def take(batch: Batch, scores: Scores) -> None:
        for listener in listeners:
            listener(batch, scores)

    return take


def _scaled(on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return the listener with an end that never lies before what is done."""

    def scaled(event: Event) -> None:
        if isinstance(event, Progress) and event.total is not None:
            event = replace(event, step="score", total=max(event.total, event.done))
        on_event(event)

    return scaled


def _emptied(folder: Path) -> None:
    """Empty the folder: a worker that died may have left parts in it.

    Raises
    ------
    StorageError
        It cannot be made.
    """
    try:
        remove(folder)
        folder.mkdir(mode=0o700)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise storage_error(folder, error) from error
