"""Delete an upload: its job, its file, its results. The alerts it opened stay."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete

from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least, audit
from evenflow.web.jobs import queue
from evenflow.web.jobs.retention import DELETED
from evenflow.web.store.data_folder import remove
from evenflow.web.store.database import n_changed
from evenflow.web.store.tables import Job


def may_discard(job: Job, user: Any) -> bool:
    """Return whether a person may delete an upload: their own, or an admin any."""
    return job.owner_id == user.id or at_least("admin", user)


def discard(job: Job, user: Any) -> bool:
    """Delete an upload that has ended; False, and nothing is changed, for others."""
    ended = delete(Job).where(Job.id == job.id, Job.state.not_in(queue.LIVE))
    if not n_changed(web.db, ended):
        return False
    audit(DELETED, job.id, user=user, name=job.title)
    web.db.commit()
    for folder in (web.home.uploads, web.home.results):
        remove(folder / job.id)  # what stays is swept later
    return True
