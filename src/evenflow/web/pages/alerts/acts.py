"""Actions on many alerts: those selected, or all that match; and their undoing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from flask import Response, flash, request
from flask_security import current_user
from sqlalchemy import Select, select, tuple_

from evenflow.errors import DataError
from evenflow.web.alerts import bulk, queue, suppress
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import MAX_NUMBER, audit, visible
from evenflow.web.pages.alerts._blueprint import bp
from evenflow.web.pages.alerts.listed import people
from evenflow.web.store.tables import Alert, AlertGroup, now

MAX_PICKED = 200
"""Maximum number of rows selected on a page."""


@bp.post("/bulk")
def do_bulk() -> Response:
    """Change the alerts that are selected, or all that match the filters.

    Alerts that came after the page was loaded, or changed since, are left alone.
    """
    criteria = queue.asked()
    form = request.form
    try:
        act = _act()
        wanted, n_wanted = _wanted(criteria)
        ends = _suppressed(wanted, criteria) if act.action == "suppress" else None
        n = bulk.apply(
            web.db(), current_user, wanted, act, about={"filter": criteria.args}
        )
        if ends is not None:
            _suppress(ends)
        web.db.commit()
    except DataError as error:
        web.db.rollback()
        flash(str(error), "error")
        return _back(criteria)
    if n:
        flash(f"{bulk.counted(n)} {bulk.ACTIONS[act.action]}.", "success")
    if n_wanted > n and act.action != "suppress":
        why = "they changed in the meantime"
        if act.action == "true":
            why = "they changed, or their model has no such attack class"
        flash(f"{n_wanted - n:,} skipped: {why}. Reload and repeat.", "warning")
    elif not n_wanted:
        flash("No alert matches any longer.", "warning")
    if form.get("scope") == "group":  # of its own page: the next work is in the list
        args = {k: v for k, v in criteria.args.items() if k != "group"}
        return see_other(".index", **args)
    return _back(criteria)


@bp.post("/undo")
def undo() -> Response:
    """Bring back what the person's last bulk act changed."""
    act = bulk.last(web.db(), current_user)
    if act is None:
        flash("There is nothing to undo: it was undone, or is too old.", "warning")
        return _back(queue.asked())
    n, left = bulk.undo(web.db(), current_user, act)
    web.db.commit()
    flash(f"Undone: {bulk.counted(n)} as before.", "success")
    if left:
        flash(f"{left:,} changed since and were left as they are.", "warning")
    return _back(queue.asked())


def _act() -> bulk.Act:
    """Return what the form wants to be done.

    Raises
    ------
    DataError
        There is no such action, or its field is missing.
    """
    form = request.form
    action = form.get("action", "")
    person = lists.whole(form.get("assignee", ""))
    if action == "assign" and person and person not in {one.id for one in people()}:
        raise DataError("Choose a person from the list.")
    return bulk.Act(
        action=action,
        true_label=form.get("true_label", "").replace("\0", "")[:80],
        close_reason=form.get("close_reason", "") if action == "close" else "",
        severity=lists.whole(form.get("set_level", "")) or 0,
        assignee_id=person or None,
    )


def _wanted(criteria: lists.Criteria) -> tuple[Select[Any], int]:
    """Return the alerts that are meant, and how many were.

    Raises
    ------
    DataError
        None is selected, or too many.
    """
    form = request.form
    seen = lists.whole(form.get("seen", ""), most=MAX_NUMBER)
    matching = queue.query(criteria).order_by(None)
    if form.get("scope") in ("all", "group"):
        if seen is None:
            raise DataError("The page is incomplete. Reload it and repeat.")
        wanted = matching.where(Alert.id <= seen)
        return wanted, lists.count(wanted)
    picked = form.getlist("picked")
    if not picked:
        raise DataError("No alert is selected. Select rows first.")
    if len(picked) > MAX_PICKED:
        raise DataError(
            f"Found {len(picked)} rows, expected {MAX_PICKED} at most. Select fewer."
        )
    if queue.is_grouped(criteria):
        numbers = [lists.whole(text, most=MAX_NUMBER) for text in picked]
        wanted = matching.where(Alert.group_id.in_(numbers), Alert.id <= (seen or 0))
        return wanted, lists.count(wanted)
    pairs = list(_pairs(picked))
    mine = visible(select(Alert), Alert)
    n = lists.count(mine.where(Alert.id.in_([number for number, _ in pairs])))
    return mine.where(tuple_(Alert.id, Alert.version).in_(pairs)), n


def _pairs(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield number and version of each alert that was selected."""
    for text in texts:
        number, version = (
            lists.whole(part, most=MAX_NUMBER) for part in text.partition("-")[::2]
        )
        if number is not None and version is not None:
            yield number, version


def _suppressed(
    wanted: Select[Any], criteria: lists.Criteria
) -> tuple[list[int], str, datetime]:
    """Return the groups to suppress, why, and until when.

    Raises
    ------
    DataError
        The reason is missing, or the day.
    """
    reason = request.form.get("why", "").replace("\0", "").strip()
    if not 0 < len(reason) <= suppress.MAX_REASON:
        raise DataError(
            "Found no reason to suppress these alerts, or one of more than "
            f"{suppress.MAX_REASON} characters. Write one."
        )
    errors: dict[str, str] = {}
    until = lists.day({"until": request.form.get("ends", "")}, "until", errors)
    last = now() + timedelta(days=suppress.MAX_DAYS)
    if until is None or not now() < until <= last:
        raise DataError(
            f"Expected a day after today and within {suppress.MAX_DAYS} days, until "
            "which the alerts are suppressed. Choose one."
        )
    groups = set(web.db.scalars(wanted.with_only_columns(Alert.group_id).distinct()))
    if number := lists.whole(criteria.typed["group"], most=MAX_NUMBER):
        groups.add(number)  # also where none of its alerts waits
    return sorted(groups), reason, until


def _suppress(wanted: tuple[list[int], str, datetime]) -> None:
    groups, reason, until = wanted
    act = bulk.last(web.db(), current_user)
    mine = visible(select(AlertGroup.id), AlertGroup)
    for number in web.db.scalars(mine.where(AlertGroup.id.in_(groups))).all():
        suppress.add(web.db(), number, current_user, reason, until, act)
    audit(
        "alert.suppress",
        f"{len(groups)} groups",
        reason=reason,
        until=f"{until:%Y-%m-%d}",
    )


def _back(criteria: lists.Criteria) -> Response:
    """Return the way back to the list, or the group, that the form was on."""
    args = dict(criteria.args)
    if number := lists.whole(args.get("group", ""), most=MAX_NUMBER):
        args.pop("group")
        return see_other(".group", number=number, **args)
    return see_other(".index", **args)
