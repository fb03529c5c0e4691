"""Actions on an upload: stop, run again, delete, open a row as an alert."""

from __future__ import annotations

from typing import Any

from flask import Response, abort
from flask_security import current_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from evenflow.errors import DataError
from evenflow.web.alerts import groups
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import queue
from evenflow.web.pages.uploads._blueprint import bp
from evenflow.web.store.tables import Alert, Job, now
from evenflow.web.uploads import alerts, manage
from evenflow.web.uploads.job import SENT
from evenflow.web.uploads.results import Results
from evenflow.web.verdicts.reason import first_reason


def results_of(job: Job) -> Results:
    """Return the verdicts of an upload that is done, else 404."""
    if job.state != "done":
        abort(404)
    return manage.results_of(job)


def row_or_404(job: Job, line: int) -> tuple[Results, dict[str, Any]]:
    """Return the results and one row of them by its line, else 404."""
    results = results_of(job)
    row = results.row(line) if line < 2**53 else None
    if row is None:
        abort(404)
    return results, row


@bp.post("/<job_id>/stop")
def stop(job_id: str) -> Response:
    """Ask an upload's job to stop."""
    job = manage.found(job_id)
    queue.request_stop(web.db(), job)
    audit("upload.stop", job.id, name=job.title)
    web.db.commit()
    return _to(job, "Stopping. This can take a few seconds.")


@bp.post("/<job_id>/again")
def again(job_id: str) -> Response:
    """Queue a job that was stopped or failed again."""
    job = manage.found(job_id)
    if not (web.home.uploads / job.id / SENT).is_file():
        return _to(job, "The file does not exist any longer. Upload it again.", "error")
    try:
        is_queued = queue.requeue(
            web.db(), job, most_waiting=web.settings.max_waiting_jobs
        )
    except DataError as error:
        web.db.rollback()
        return _to(job, sentence(error), "error")
    if not is_queued:
        return _to(job, "This upload is already queued or running.", "warning")
    audit("upload.again", job.id, name=job.title)
    web.db.commit()
    return _to(job, "The upload is queued again.")


@bp.post("/<job_id>/delete")
def delete(job_id: str) -> Response:
    """Delete an upload with its results; its alerts stay."""
    job = manage.found(job_id)
    if not manage.may_discard(job, current_user):
        abort(403)
    if not manage.discard(job, current_user):
        why = "This upload is still in progress. Stop it before deleting it."
        return _to(job, why, "warning")
    return see_other("uploads.index", f"{job.title} and its results were deleted.")


@bp.post("/<job_id>/rows/<int:line>/alert")
def open_alert(job_id: str, line: int) -> Response:
    """Open one row as an alert, unless it is one."""
    job = manage.found(job_id)
    results, row = row_or_404(job, line)
    bundle = str(job.result["bundle"])
    model = web.detectors.find(bundle)
    names = model.schema.names if model else ()  # without, columns come as they stood
    values = alerts.alert(results, row, job=job, names=names, at=now(), bundle=bundle)
    given = values["values"]
    groups.assign(web.db, [values], lambda _: first_reason(model, given))
    web.db.add(Alert(**values))
    audit("alert.open", f"{job.id}:{line}", name=job.title)
    try:
        web.db.commit()
    except IntegrityError:  # it is one: by the job, or in another tab
        web.db.rollback()
    number = web.db.scalar(
        select(Alert.id).where(Alert.job_id == job_id, Alert.line == line)
    )
    return see_other("alerts.show", number=number)


def _to(job: Job, say: str, kind: str = "success") -> Response:
    return see_other("uploads.show", say, kind, job_id=job.id)
