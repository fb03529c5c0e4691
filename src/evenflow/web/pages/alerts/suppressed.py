"""Suppressions: those in force, what they closed, and their end."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, render_template
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from evenflow.web.alerts import suppress
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import MAX_NUMBER, audit, visible
from evenflow.web.pages.alerts._blueprint import bp
from evenflow.web.store.tables import AlertGroup, Suppression, now


@bp.get("/suppressions")
def suppressions() -> str:
    """Show a page of the suppressions the person may see, the newest first."""
    parts = (joinedload(Suppression.group), joinedload(Suppression.user))
    page = lists.page(_mine().options(*parts))
    return render_template("alerts/suppressions.html", page=page, now=now())


@bp.post("/suppressions/<int:number>/revoke")
def revoke(number: int) -> Response:
    """End a suppression: alerts of its group wait again from now on."""
    found = None
    if number <= MAX_NUMBER:
        found = web.db.scalar(_mine().where(Suppression.id == number))
    if found is None:
        abort(404)
    if suppress.revoke(web.db(), Suppression.id == found.id):
        audit("alert.unsuppress", found.group_id)
        web.db.commit()
    return see_other(".suppressions", "Suppression revoked.")


def _mine() -> Select[Any]:
    """Return the query of those the person may see, the newest first."""
    query = select(Suppression).join(AlertGroup)
    return visible(query, AlertGroup).order_by(Suppression.id.desc())
