"""Feedback of analysts on which a model is trained again, and the jobs that do so."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from evenflow.errors import DataError
from evenflow.runtime.bundle import Bundle
from evenflow.web.alerts import change
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import RETRAIN
from evenflow.web.models.retraining import FEEDBACK
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import Home, remove
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import ROLES, Alert, Job, User

MAX_ROWS = 50_000
"""Records of feedback that train at most, the newest ones."""


def count(session: Session, bundle: Bundle) -> int:
    """Return how many alerts have feedback in the classes of a model."""
    query = _of(bundle).with_only_columns(func.count(Alert.id))
    return min(MAX_ROWS, session.scalar(query) or 0)


def start(
    session: Session, home: Home, settings: Settings, user: Any, bundle: Bundle
) -> Job:
    """Queue the retraining of a model with the feedback of now, and commit.

    Raises
    ------
    DataError
        There is no feedback in its columns, it is being retrained, or the person has
        too many jobs.
    """
    name = bundle.path.name
    serialize(session, "retraining", name)
    if any(job.state in queue.LIVE for job in jobs(session, of=name)):
        raise DataError(f"{name} is being retrained, expected one retraining at a time")
    job_id = queue.new_id()
    folder = home.uploads / job_id
    try:
        folder.mkdir(mode=0o700)
        found = _newest(session, bundle)
        n = change.export(session, found, bundle.schema, folder / FEEDBACK, "jsonl")
        if not n:
            raise DataError(
                f"found no feedback in the columns of {name}, expected some. Give "
                "feedback on alerts or records first"
            )
        job = queue.put(
            session,
            RETRAIN,
            payload={"bundle": name, "name": f"{name[:80]}-retrained-{job_id[:8]}"},
            title=f"Retrain {name} with feedback",
            owner_id=user.id,
            job_id=job_id,
            most_waiting=settings.max_waiting_jobs,
        )
        audit("model.retrain", name, user=user, rows=n)
        session.commit()
    except BaseException:
        session.rollback()
        remove(folder)
        raise
    return job


def jobs(session: Session, *, of: str = "", made: str = "") -> list[Job]:
    """Return the retrainings of a model, or that which made one, the newest first."""
    query = select(Job).where(Job.kind == RETRAIN.name)
    found = session.scalars(query.order_by(Job.created_at.desc()).limit(500))
    key, wanted = ("bundle", of) if of else ("name", made)
    return [job for job in found if job.payload.get(key) == wanted]


def comparison(session: Session, name: str) -> Job | None:
    """Return the retraining that made a model; its comparison comes before its use."""
    return next((job for job in jobs(session, made=name) if job.state == "done"), None)


def _of(bundle: Bundle) -> Select[Any]:
    """Return the query of alerts whose class an analyst named in the model's words.

    What a viewer says of own records trains nothing: anybody may be one.
    """
    known = {*bundle.schema.classes, *bundle.schema.families}
    team = select(User.id).where(User.role.in_(ROLES[1:]))
    labelled = change.labelled(change.everybodys())
    return labelled.where(Alert.true_label.in_(known), Alert.judged_by.in_(team))


def _newest(session: Session, bundle: Bundle) -> Select[Any]:
    newest = _of(bundle).with_only_columns(Alert.id).order_by(Alert.id.desc())
    oldest = session.scalar(newest.offset(MAX_ROWS - 1).limit(1))
    query = _of(bundle)
    return query if oldest is None else query.where(Alert.id >= oldest)
