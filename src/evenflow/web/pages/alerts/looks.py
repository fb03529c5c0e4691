"""A person's choices for the list: its columns, and filters under a name."""

from __future__ import annotations

from flask import Response, abort, flash, request
from flask_security import current_user

from evenflow.errors import DataError
from evenflow.web.alerts import looks, queue
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import MAX_NUMBER
from evenflow.web.pages.alerts._blueprint import bp


@bp.post("/columns")
def choose_columns() -> Response:
    """Take the columns that are ticked; none at all brings the usual ones back."""
    criteria = queue.asked()
    view = "groups" if queue.is_grouped(criteria) else "alerts"
    chosen = request.form.getlist("column") or looks.USUAL[view]
    looks.choose(web.db(), current_user, view, chosen)
    web.db.commit()
    return see_other(".index", **criteria.args)


@bp.post("/filters")
def save_filter() -> Response:
    """Keep the filters of the address under a name."""
    criteria = queue.asked()
    name = request.form.get("name", "").replace("\0", "").strip()
    try:
        looks.save(web.db(), current_user, name, criteria.args)
    except DataError as error:
        web.db.rollback()
        flash(str(error), "error")
    else:
        web.db.commit()
        flash(f"The filters are saved as \u201c{name}\u201d.", "success")
    return see_other(".index", **criteria.args)


@bp.post("/filters/<int:number>/delete")
def delete_filter(number: int) -> Response:
    """Delete a saved filter of the person."""
    if number > MAX_NUMBER:
        abort(404)
    looks.forget(web.db(), current_user, number)
    web.db.commit()
    return see_other(".index", **queue.asked().args)
