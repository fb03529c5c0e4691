"""The history of records and verdicts: search, download, show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import Response, abort, make_response, render_template, request
from flask_security import current_user
from sqlalchemy.orm import defer, joinedload

from evenflow.schema import BENIGN
from evenflow.web.alerts import feedback as alert_feedback
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.download import (
    MAX_DOWNLOADED,
    as_csv,
    as_json,
    attachment,
    downloaded,
)
from evenflow.web.frame.permissions import at_least, found_or_404
from evenflow.web.pages import Entry, Pages
from evenflow.web.store.tables import Record
from evenflow.web.verdicts import stored

bp = Pages("history", "/records")
NAV = (Entry(label="History", endpoint="history.index", icon="history", order=13),)

CHOICES = {
    "source": ("form", "api"),
    "kind": ("attack", "normal"),
    "whose": ("mine",),
}


@bp.get("")
def index() -> str:
    """Show a page of the records the person may see."""
    criteria = lists.criteria(Record, choices=CHOICES)
    query = lists.listed(Record, criteria, *_more(criteria))
    also = (joinedload(Record.alert), joinedload(Record.owner))
    page = lists.paged(Record, query, criteria, *also)
    return render_template(
        "history/index.html",
        criteria=criteria,
        page=page,
        services=lists.services(),
        is_empty=not page.total and not criteria.is_narrow,
        most=MAX_DOWNLOADED,
        searched=lists.MAX_SEARCHED,
    )


@bp.get("/download")
def download() -> Response:
    """Send the first records of the list as CSV or JSON."""
    kind = request.args.get("format", "csv")
    if kind not in ("csv", "json"):
        abort(404, "There is no such download; expected csv or json.")
    criteria = lists.criteria(Record, choices=CHOICES)
    query = lists.listed(Record, criteria, *_more(criteria))
    # explanations are large and not in it
    query = query.options(joinedload(Record.alert), defer(Record.view))
    rows: Sequence[Record] = downloaded(query)
    if kind == "csv":
        body = as_csv([flat(_facts(row), row.values) for row in rows])
    else:
        body = as_json([{**_facts(r), "values": r.values} for r in rows])
    return attachment(body, f"records.{kind}")


@bp.get("/<int:number>")
def show(number: int) -> Response:
    """Show one verdict, why, and what to do."""
    record: Record = found_or_404(Record, number)
    return _page(record, alert_feedback.of_alert(record.alert))


@bp.post("/<int:number>/feedback")
def feedback(number: int) -> Response:
    """Take what a person says of a verdict."""
    record: Record = found_or_404(Record, number)
    classes = alert_feedback.classes_of(record.bundle, record.label)
    form = alert_feedback.sent(request.form, classes, label=record.label)
    if form.errors:
        return _page(record, form)
    if record.label == BENIGN and form.decision == "true" and record.alert is None:
        form = replace(form, state="new")  # a missed attack is for the queue
    alert = alert_feedback.alert_of(record)
    if not alert_feedback.take(alert, form):
        return _page(found_or_404(Record, number), replace(form, is_stale=True))
    thanks = "Thank you: the feedback is stored with the record."
    if at_least("analyst"):
        thanks += " “Retrain with feedback” on the page of a model uses it."
    return see_other(".show", thanks, number=number, _anchor="feedback")


def _page(record: Record, form: alert_feedback.FeedbackForm) -> Response:
    found = stored.of_row(record, record.view)
    page = render_template(
        "history/show.html",
        record=record,
        alert=record.alert,
        outcome=alert_feedback.outcome(record.alert),
        stored=found,
        form=form,
        classes=alert_feedback.classes_of(record.bundle, record.label),
        unknown=alert_feedback.UNKNOWN,
        is_mine=record.owner_id == current_user.id,
    )
    return make_response(page, form.status)


def _more(criteria: lists.Criteria) -> Iterator[Any]:
    if criteria.typed["kind"] in CHOICES["kind"]:
        yield Record.is_attack.is_(criteria.typed["kind"] == "attack")
    if criteria.typed["whose"] == "mine" and at_least("analyst"):
        yield Record.owner_id == current_user.id


def _facts(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at.isoformat(timespec="seconds"),
        "event_at": row.event_at.isoformat(timespec="seconds"),
        "source": row.source,
        "model": row.bundle,
        "verdict": row.label,
        "is_attack": row.is_attack,
        "attack_probability": row.probability,
        "threshold": row.threshold,
        "judgement": row.alert.judgement if row.alert else None,
        "true_label": row.alert.true_label if row.alert else None,
    }


def flat(facts: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts and values in one row; a column that is named as a fact is told."""
    named = {f"{k} (column)" if k in facts else str(k): v for k, v in values.items()}
    return {**facts, **named}
