"""The first page: what was scored, what waits, what runs; kept fresh cheaply.

The parts poll with the tag they were made from; nothing is counted and no chart is
drawn again until that tag has changed.
"""

from __future__ import annotations

from typing import Any

from flask import Response, abort, render_template, request, url_for
from flask_security import current_user

from evenflow.web.frame import polling
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least, is_guest
from evenflow.web.jobs.kinds import KINDS
from evenflow.web.pages import Entry, Pages
from evenflow.web.pages.dashboard import queries
from evenflow.web.store.tables import Job

bp = Pages("dashboard")
NAV = (
    Entry(label="Dashboard", endpoint="dashboard.index", icon="dashboard", order=10),
)

USUAL = "7d"
WORDS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}


@bp.get("/")
def index() -> str:
    """Show the dashboard, or to a new person what to do first."""
    range_name = request.args.get("range", USUAL)
    if range_name not in queries.RANGES:
        range_name = USUAL
    session = web.db()
    if queries.is_new(session):
        return render_template("dashboard/first.html")
    return render_template(
        "dashboard/index.html",
        range_name=range_name,
        ranges=WORDS,
        verdicts_etag=_verdicts_etag(range_name),
        work_etag=_work_etag(),
        **_verdicts(range_name),
        **_work(),
    )


@bp.get("/dashboard/live")
def live() -> Response:
    """Return the charts, 304 if nothing has changed."""
    range_name = request.args.get("range", USUAL)
    if range_name not in queries.RANGES:
        abort(404)
    return polling.fresh(
        "dashboard/_verdicts.html",
        lambda: _verdicts(range_name),
        _verdicts_etag(range_name),
    )


@bp.get("/dashboard/work")
def work() -> Response:
    """Return queued and running work, 304 if nothing has changed."""
    return polling.fresh("dashboard/_work.html", _work, _work_etag())


def _verdicts_etag(range_name: str) -> str:
    return queries.verdicts_revision(
        web.db(), range_name, current_user.id, current_user.role
    )


def _work_etag() -> str:
    return queries.work_revision(
        web.db(), current_user.id, current_user.role, web.detectors.active_name()
    )


def _verdicts(range_name: str) -> dict[str, Any]:
    bundle = web.detectors.active()
    classes = () if bundle is None else bundle.verdicts
    return {
        "verdicts": queries.verdicts(web.db(), range_name, classes),
        "words": WORDS[range_name],
        "bar": queries.BARS[queries.RANGES[range_name][1]],
    }


def _work() -> dict[str, Any]:
    bundle = web.detectors.active()
    return {
        "work": queries.work(web.db()),
        "bundle": bundle,
        "report": {} if bundle is None else bundle.report,
        "is_team": at_least("analyst") or is_guest(),
        "job_url": _job_url,
    }


def _job_url(job: Job) -> str:
    """Return the address of the page of a job, empty where the role is too low."""
    kind = KINDS.get(job.kind)
    if kind is None or not at_least(kind.role):
        return ""
    if kind.page_of:
        return url_for(kind.page, name=job.payload[kind.page_of])
    return url_for(kind.page, job_id=job.id)
