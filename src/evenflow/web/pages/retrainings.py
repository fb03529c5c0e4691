"""Retrain a model with feedback, and see both models on the same rows."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, render_template, request
from flask_security import current_user

from evenflow.errors import DataError
from evenflow.web.frame import polling
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import RETRAIN
from evenflow.web.models import feedback
from evenflow.web.pages import Pages
from evenflow.web.store.tables import Job
from evenflow.web.trainings import manage

bp = Pages("retrainings", "/retrainings", role="analyst")
CHECKS = {
    "test: attacks detected": "Attacks detected, test rows",
    "test: benign rows passed": "Benign rows passed, test rows",
    "feedback: decided rightly": "Feedback decided correctly, held-out rows",
}
"""A comparison -> what the page calls it."""


@bp.post("")
def start() -> Response:
    """Retrain a model with the feedback of now."""
    name = request.form.get("model", "")
    bundle = web.detectors.find(name)
    if bundle is None:
        abort(404)
    try:
        job = feedback.start(web.db(), web.home, web.settings, current_user, bundle)
    except DataError as error:
        return see_other("models.show", sentence(error), "error", name=name)
    return see_other("retrainings.show", job_id=job.id)


@bp.get("/<job_id>")
def show(job_id: str) -> str:
    """Show how far a retraining is, or the comparison."""
    return render_template("retrainings/show.html", **_state(_job(job_id)))


@bp.get("/<job_id>/state")
def state(job_id: str) -> Response:
    """Answer how far a retraining is, 304 if nothing has changed."""
    shown = _state(_job(job_id))
    return polling.fresh("retrainings/_state.html", shown, shown["etag"])


@bp.post("/<job_id>/stop")
def stop(job_id: str) -> Response:
    """Ask a retraining to stop."""
    job = _job(job_id)
    queue.request_stop(web.db(), job)
    audit("model.retrain_stop", job.id)
    web.db.commit()
    said = "Stopping after the current step."
    return see_other("retrainings.show", said, "info", job_id=job.id)


def _state(job: Job) -> dict[str, Any]:
    made = str((job.result or {}).get("bundle", ""))
    return {
        "job": job,
        "job_progress": job.progress or {},
        "epochs": manage.epochs(job),
        "checks": CHECKS,
        "is_active": bool(made) and web.detectors.active_name() == made,
        "is_there": made in web.detectors.names(),
        "etag": manage.state_word(job),
        "is_live": job.state in queue.LIVE,
    }


def _job(job_id: str) -> Job:
    is_id = job_id.isascii() and job_id.isalnum() and len(job_id) < 33
    job = web.db.get(Job, job_id) if is_id else None
    if job is None or job.kind != RETRAIN.name:
        abort(404)
    return job
