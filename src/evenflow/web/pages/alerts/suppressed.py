"""Suppressions: those in force, what they closed, and their end."""

from __future__ import annotations

from flask import Response, abort, render_template
from sqlalchemy.orm import joinedload

from evenflow.web.alerts import suppress
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import MAX_NUMBER, audit
from evenflow.web.pages.alerts._blueprint import bp
from evenflow.web.store.tables import Suppression, now


@bp.get("/suppressions")
def suppressions() -> str:
    """Show a page of the suppressions the person may see, the newest first."""
    parts = (joinedload(Suppression.group), joinedload(Suppression.user))
    page = lists.page(suppress.mine().options(*parts))
    return render_template("alerts/suppressions.html", page=page, now=now())


@bp.post("/suppressions/<int:number>/revoke")
def revoke(number: int) -> Response:
    """End a suppression: alerts of its group wait again from now on."""
    found = None
    if number <= MAX_NUMBER:
        found = web.db.scalar(suppress.mine().where(Suppression.id == number))
    if found is None:
        abort(404)
    if suppress.revoke(web.db(), Suppression.id == found.id):
        audit("alert.unsuppress", found.group_id)
        web.db.commit()
    return see_other(".suppressions", "Suppression revoked.")
