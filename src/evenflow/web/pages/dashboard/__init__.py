"""The first page: what was scored, what waits, what runs; kept fresh cheaply.

The parts poll with the tag they were made from; nothing is counted and no chart is
drawn again until that tag has changed.
"""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, url_for
from flask_security import current_user

from evenflow.web.frame import lists, polling, ranges
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least, is_guest
from evenflow.web.frame.ranges import Range
from evenflow.web.jobs.kinds import KINDS
from evenflow.web.pages import Entry, Pages
from evenflow.web.pages.dashboard import queries, span
from evenflow.web.store.database import FINE_S, floor
from evenflow.web.store.tables import Job, now

bp = Pages("dashboard")
NAV = (
    Entry(label="Dashboard", endpoint="dashboard.index", icon="dashboard", order=10),
)

MINUTE_S = 60
EVERY_S = {"15m": FINE_S, "24h": 600, "7d": 3600, "30d": 3600}
"""Seconds after which the bars of a range that ends now have moved."""


@bp.get("/")
def index() -> str:
    """Show the dashboard, or to a new person what to do first."""
    session = web.db()
    if queries.is_new(session):
        return render_template("dashboard/first.html")
    asked = ranges.asked()
    return render_template(
        "dashboard/index.html",
        asked=asked,
        range_errors=[(n, lists.LABELS[n], text) for n, text in asked.errors.items()],
        verdicts_etag=_verdicts_etag(asked),
        work_etag=_work_etag(),
        **_verdicts(asked),
        **_work(),
    )


@bp.get("/dashboard/live")
def live() -> Response:
    """Return the charts, 304 if nothing has changed."""
    asked = ranges.asked()
    return polling.fresh(
        "dashboard/_verdicts.html", lambda: _verdicts(asked), _verdicts_etag(asked)
    )


@bp.get("/dashboard/work")
def work() -> Response:
    """Return queued and running work, 304 if nothing has changed."""
    return polling.fresh("dashboard/_work.html", _work, _work_etag())


def _verdicts_etag(asked: Range) -> str:
    # a range that ends now moves on with its bars
    every_s = EVERY_S.get(asked.name, MINUTE_S)
    more = *asked.args.items(), floor(now(), every_s)
    return queries.verdicts_revision(
        web.db(), *more, current_user.id, current_user.role
    )


def _work_etag() -> str:
    return queries.work_revision(
        web.db(), current_user.id, current_user.role, web.detectors.active_name()
    )


def _verdicts(asked: Range) -> dict[str, Any]:
    bundle = web.detectors.active()
    classes = () if bundle is None else bundle.verdicts
    shown = span.resolved(web.db(), asked)
    found = queries.verdicts(web.db(), shown, classes)
    alerts = url_for("alerts.index", status="any")
    rows = {"attack": alerts, "benign": url_for("history.index", kind="normal")}
    for name in ("traffic", "attacks"):
        if found[name] is not None:
            found[name]["usermeta"] = {"zoom": url_for(".index"), "rows": rows}
    return {"verdicts": found, "shown": shown, "stamp": ranges.stamp}


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
