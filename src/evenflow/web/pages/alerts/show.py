"""One alert, or the group of its kind: the record, why, and the decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, make_response, render_template, request
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from evenflow.web.alerts import change as changes
from evenflow.web.alerts import feedback, queue, suppress
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import found_or_404, visible
from evenflow.web.pages.alerts._blueprint import bp
from evenflow.web.pages.alerts.listed import shown
from evenflow.web.store.tables import Alert, AlertGroup, Suppression
from evenflow.web.verdicts import stored

DONE = {
    "true": "Alert {} was closed as a true alarm.",
    "false": "Alert {} was closed as a false alarm.",
    "later": "Alert {} stays open.",
}


@bp.get("/groups/<int:number>")
def group(number: int) -> str:
    """Show a group: what its alerts have in common, the newest one, and all of them."""
    group: AlertGroup = found_or_404(AlertGroup, number)
    criteria = queue.asked(group.id)
    values: dict[str, Any] = shown(criteria)
    newest = web.db.scalar(
        visible(select(Alert), Alert)
        .where(Alert.group_id == group.id)
        .order_by(Alert.id.desc())
        .limit(1)
    )
    first, last, n = web.db.execute(
        visible(
            select(
                func.min(Alert.event_at), func.max(Alert.event_at), func.sum(Alert.n)
            ),
            Alert,
        ).where(Alert.group_id == group.id)
    ).one()
    return render_template(
        "alerts/group.html",
        **values,
        first=first,
        last_at=last,
        n=n or 0,
        group=group,
        stored=None if newest is None else _verdict(newest),
        newest=newest,
        suppressed=web.db.scalar(
            suppress.that_apply()
            .where(Suppression.group_id == group.id)
            .options(joinedload(Suppression.user))
        ),
    )


@bp.get("/<int:number>")
def show(number: int) -> Response:
    """Show an alert: the record, why, and what was decided about it."""
    alert = _found(number)
    return _page(alert, feedback.of_alert(alert))


@bp.post("/<int:number>")
def change(number: int) -> Response:
    """Take a decision and go to the next alert of the list the person came from."""
    alert, criteria = _found(number), queue.asked()
    classes = feedback.classes_of(alert.bundle, alert.label)
    form = feedback.sent(request.form, classes, label=alert.label)
    if form.errors:
        return _page(alert, form)
    following = queue.following(alert, criteria)
    if not feedback.take(alert, form):
        return _page(_found(number), replace(form, is_stale=True))
    if form.decision == "note":
        return see_other(".show", "The note was added.", number=number, **criteria.args)
    done = DONE[form.decision].format(number)
    if following is None:
        done += " No other alert matches the filters."
        args = {k: v for k, v in criteria.args.items() if k != "group"}
        return see_other(".index", done, **args)
    return see_other(".show", done, number=following, **criteria.args)


def _found(number: int) -> Alert:
    parts = (joinedload(Alert.judge), joinedload(Alert.group))
    alert: Alert = found_or_404(Alert, number, changes.WITH_NOTES, *parts)
    return alert


def _verdict(alert: Alert) -> stored.StoredVerdict:
    kept = alert.record.view if alert.record is not None else None
    return stored.of_row(alert, kept)


def _page(alert: Alert, form: feedback.FeedbackForm) -> Response:
    criteria = queue.asked()
    page = render_template(
        "alerts/show.html",
        alert=alert,
        stored=_verdict(alert),
        form=form,
        classes=feedback.classes_of(alert.bundle, alert.label),
        unknown=feedback.UNKNOWN,
        outcome=feedback.outcome(alert),
        following=queue.following(alert, criteria),
        criteria=criteria,
    )
    return make_response(page, form.status)
