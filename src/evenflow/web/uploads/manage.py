"""Uploads as people find, read, download and delete them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete
from werkzeug.exceptions import NotFound

from evenflow.runtime.writers import inert
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least, audit, found_or_404
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.jobs.retention import DELETED
from evenflow.web.store.data_folder import remove
from evenflow.web.store.database import n_changed
from evenflow.web.store.tables import Job
from evenflow.web.uploads.results import FILE, Filter, Results


def found(job_id: str, user: Any = None) -> Job:
    """Return an upload's job if the person (the current one) may see it, else 404."""
    is_id = re.fullmatch(r"[0-9a-f]{1,32}", job_id, re.ASCII)
    job: Job = found_or_404(Job, job_id if is_id else "", user=user)
    if job.kind not in UPLOADS:
        raise NotFound
    return job


def results_of(job: Job) -> Results:
    """Return the verdicts of an upload that is done.

    Raises
    ------
    DataError
        They are not there any more.
    """
    return Results(web.home.results / job.id / FILE, list(job.result["counts"]))


def rows(found: Results, kept: Filter, kind: str) -> Iterator[bytes]:
    """Yield the rows of a kind as CSV or JSON lines, part by part."""
    is_first = True
    for frame in found.parts(kept):
        if kind == "jsonl":
            yield frame.write_ndjson().encode()
        elif is_first or frame.height:
            yield inert(frame).write_csv(include_header=is_first).encode()
        is_first = False


def stem(job: Job) -> str:
    """Return a name for a download: the file's own, as far as it is plain."""
    own = re.sub(r"(\.(csv|tsv|jsonl|ndjson|parquet|txt|gz))+$", "", job.title.lower())
    return re.sub(r"[^a-z0-9_-]+", "-", own).strip("-")[:60] or "upload"


def may_discard(job: Job, user: Any) -> bool:
    """Return whether a person may delete an upload: their own, or an admin any."""
    return job.owner_id == user.id or at_least("admin", user)


def discard(job: Job, user: Any) -> bool:
    """Delete an upload that has ended; its alerts stay. False for one that has not."""
    ended = delete(Job).where(Job.id == job.id, Job.state.not_in(queue.LIVE))
    if not n_changed(web.db, ended):
        return False
    audit(DELETED, job.id, user=user, name=job.title)
    web.db.commit()
    for folder in (web.home.uploads, web.home.results):
        remove(folder / job.id)  # what stays is swept later
    return True
