"""The list of alerts, in groups or one by one, and the download of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from flask import Response, abort, render_template, request
from flask_security import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from evenflow.errors import DataError
from evenflow.runtime.writers import OutputFormat
from evenflow.schema import BENIGN
from evenflow.web.alerts import bulk, feedback, looks, queue
from evenflow.web.alerts import change as changes
from evenflow.web.frame import lists, polling
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.permissions import at_least, audit, name_of, require, visible
from evenflow.web.pages.alerts._blueprint import bp
from evenflow.web.store.tables import ROLES, Alert, User

KINDS = ("csv", "jsonl", "parquet")
MAX_PEOPLE = 200
"""People that an alert may be assigned to, as a list shows them."""


@bp.get("")
def index() -> str:
    """Show a page of the alerts the person may see; those that wait, first."""
    criteria = queue.asked()
    return render_template("alerts/index.html", **shown(criteria), is_empty=_has_none())


@bp.get("/new")
def news() -> Response:
    """Return how many alerts that match have come since a page was loaded."""
    criteria = queue.asked()
    seen = lists.whole(request.args.get("seen", "")) or 0
    newer = queue.query(criteria).where(Alert.id > seen)
    n = int(web.db.scalar(newer.order_by(None).with_only_columns(func.count())) or 0)
    return polling.fresh(
        "alerts/_news.html", {"n": n, "criteria": criteria}, polling.word(n)
    )


def shown(criteria: lists.Criteria) -> dict[str, Any]:
    """Return what a list of alerts is drawn from."""
    grouped = queue.is_grouped(criteria)
    page = (
        queue.grouped(criteria)
        if grouped
        else lists.paged(
            Alert,
            queue.query(criteria),
            criteria,
            *(joinedload(part) for part in (Alert.owner, Alert.group, Alert.assignee)),
        )
    )
    view = "groups" if grouped else "alerts"
    return {
        "criteria": criteria,
        "page": page,
        "view": view,
        "columns": looks.columns(web.db(), current_user, view),
        "known": looks.known(view, is_team=at_least("analyst")),
        "saved": looks.filters(web.db(), current_user),
        "assignees": queue.assignees([one.group.id for one in page.rows])
        if grouped
        else {},
        "people": {user.id: name_of(user) for user in people()},
        "classes": _classes(criteria.labels),
        "services": lists.services(),
        "seen": queue.newest(),
        "last": bulk.last(web.db(), current_user),
        "unknown": feedback.UNKNOWN,
        "outcome": feedback.outcome,
    }


@bp.get("/export")
@require(guests=False)
def export() -> Response:
    """Send the alerts with feedback as labelled rows, to train on."""
    kind = request.args.get("format", "csv")
    if kind not in KINDS:
        abort(404, f"There is no such export; expected {', '.join(KINDS)}.")
    bundle = web.detectors.active()
    if bundle is None:
        raise DataError(
            "found no active model, expected one: the export has its columns. "
            "Activate one under Models"
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"labelled.{kind}"
        query = visible(select(Alert), Alert)
        n = changes.export(
            web.db(), query, bundle.schema, path, cast("OutputFormat", kind)
        )
        body = path.read_bytes()
    audit("alert.export", f"labelled.{kind}", rows=n)
    web.db.commit()
    return attachment(body, f"labelled.{kind}")


def people() -> Sequence[User]:
    """Return who alerts may be assigned to: analysts, and oneself."""
    team = User.role.in_(ROLES[1:]) & User.active
    if not at_least("analyst"):  # a viewer learns of no other account
        return [current_user]
    mine = User.id == current_user.id
    query = select(User).where(team | mine).order_by(User.email)
    return web.db.scalars(query.limit(MAX_PEOPLE)).all()


def _has_none() -> bool:
    return web.db.scalar(visible(select(Alert.id), Alert).limit(1)) is None


def _classes(labels: Sequence[str]) -> list[str]:
    """Return the attack classes that selected alerts may really be."""
    bundle = web.detectors.active_name()
    found = feedback.classes_of(bundle, BENIGN) if bundle else []
    return [name for name in dict.fromkeys([*found, *labels]) if name != BENIGN]
