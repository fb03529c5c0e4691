"""The queue of alerts: find, open, give feedback, close, and download the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from flask import (
    Response,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_security import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from evenflow.errors import DataError
from evenflow.runtime.writers import OutputFormat
from evenflow.web.alerts import change as changes
from evenflow.web.alerts import feedback
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.permissions import (
    MAX_NUMBER,
    audit,
    found_or_404,
    require,
    visible,
)
from evenflow.web.pages import Entry, Pages
from evenflow.web.store.tables import ALERT_STATES, JUDGEMENTS, Alert
from evenflow.web.verdicts import stored

bp = Pages("alerts", "/alerts")
NAV = (Entry(label="Alerts", endpoint="alerts.index", icon="alerts", order=14),)

KINDS = ("csv", "jsonl", "parquet")
MAX_BULK = 200
"""Maximum number of alerts changed by one request."""
CHOICES = {
    "status": ("waiting", *ALERT_STATES, "any"),
    "judged": ("yes", "no", *JUDGEMENTS),
    "source": ("form", "api", "upload"),
}
ACTIONS = {
    "open": {"state": "open"},
    "close": {"state": "closed"},
    "right": {"judgement": "right"},
    "wrong": {"judgement": "wrong"},
}


@bp.get("")
def index() -> str:
    """Show a page of the alerts the person may see; those that wait, first."""
    criteria = lists.criteria(Alert, choices=CHOICES, default={"status": "waiting"})
    query = lists.listed(Alert, criteria, *_more(criteria))
    page = lists.paged(Alert, query, criteria, joinedload(Alert.owner))
    return render_template(
        "alerts/index.html",
        criteria=criteria,
        page=page,
        classes=_classes(criteria.labels),
        services=lists.services(),
        is_empty=not page.total and _has_none(),
        most_bulk=MAX_BULK,
        back=request.query_string.decode("utf-8", "replace"),
        unknown=feedback.UNKNOWN,
    )


@bp.post("/bulk")
def bulk() -> Any:
    """Apply a bulk action, skipping alerts changed since the page was loaded."""
    back = url_for(".index") + _query(request.form.get("back", ""))
    picked = dict(_picked(request.form.getlist("picked")))
    action = request.form.get("action", "")
    label = request.form.get("true_label", "").replace("\0", "")
    n = len(picked)
    if action not in ACTIONS:
        flash("Choose an action.", "error")
    elif not picked:
        flash("No alert is selected. Tick the boxes at the left first.", "warning")
    elif n > MAX_BULK:
        flash(f"Found {n} alerts, expected {MAX_BULK} at most. Select fewer.", "error")
    elif action == "wrong" and not label:
        flash(
            "Found no class, expected the true class of the selected alerts. Choose "
            "it beside the button, or \u201cI do not know\u201d.",
            "error",
        )
    else:
        _all(picked, action, label)
    return redirect(back, code=303)


def _all(picked: dict[int, int], action: str, label: str) -> None:
    found = web.db.scalars(
        visible(select(Alert), Alert).where(Alert.id.in_(picked)).order_by(Alert.id)
    ).all()
    classes: dict[str, list[str]] = {}
    done, stale, odd = 0, 0, 0
    for alert in found:
        wanted: dict[str, Any] = dict(ACTIONS[action])
        if action == "wrong":
            if alert.bundle not in classes:
                classes[alert.bundle] = feedback.classes_of(alert.bundle, alert.label)
            known = (*classes[alert.bundle], feedback.UNKNOWN)
            if label not in known or label == alert.label:
                odd += 1
                continue
            wanted["true_label"] = None if label == feedback.UNKNOWN else label
        try:
            changes.change_alert(
                web.db(), alert, current_user, version=picked[alert.id], **wanted
            )
            done += 1
        except changes.Stale:  # nothing was written of it
            stale += 1
    web.db.commit()
    words = {"open": "opened", "close": "closed", "right": "marked right",
             "wrong": "marked wrong"}  # fmt: skip
    if done:
        flash(f"{done} alert{'' if done == 1 else 's'} {words[action]}.", "success")
    if stale:
        flash(
            f"{stale} changed in the meantime and {'was' if stale == 1 else 'were'} "
            "skipped. Reload and repeat.",
            "warning",
        )
    if odd:
        flash(
            f"{odd} cannot be {label!r}: it is the class that the model decided, or "
            "not a class of that model. They were skipped.",
            "warning",
        )
    if not (done or stale or odd):
        flash("The selected alerts do not exist any longer.", "warning")


@bp.get("/<int:number>")
def show(number: int) -> Response:
    """Show an alert: the record, why, and what was made of it."""
    alert = _found(number)
    return _page(alert, feedback.of_alert(alert))


@bp.post("/<int:number>")
def change(number: int) -> Response:
    """Take a new state, feedback, a note."""
    alert = _found(number)
    classes = feedback.classes_of(alert.bundle, alert.label)
    form = feedback.sent(request.form, classes, label=alert.label, has_state=True)
    if form.errors:
        return _page(alert, form)
    if not feedback.take(alert, form):
        return _page(_found(number), replace(form, is_stale=True))
    return see_other(".show", "Saved.", number=number)


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


def _found(number: int) -> Alert:
    alert: Alert = found_or_404(Alert, number, changes.WITH_NOTES)
    return alert


def _page(alert: Alert, form: feedback.FeedbackForm) -> Response:
    kept = alert.record.view if alert.record is not None else None
    found = stored.of_row(alert, kept)
    page = render_template(
        "alerts/show.html",
        alert=alert,
        stored=found,
        form=form,
        classes=feedback.classes_of(alert.bundle, alert.label),
        unknown=feedback.UNKNOWN,
        following=_following(alert),
    )
    return make_response(page, form.status)


def _following(alert: Alert) -> int | None:
    """Return the number of the next alert that waits, the older first."""
    waits = visible(select(Alert.id), Alert).where(
        Alert.state != "closed", Alert.judgement.is_(None), Alert.id != alert.id
    )
    older = waits.where(Alert.id < alert.id).order_by(Alert.id.desc()).limit(1)
    number = web.db.scalar(older)
    if number is None:
        number = web.db.scalar(waits.order_by(Alert.id.desc()).limit(1))
    return None if number is None else int(number)


def _more(criteria: lists.Criteria) -> Iterator[Any]:
    status, judged = criteria.typed["status"], criteria.typed["judged"]
    if status == "waiting":
        yield Alert.state != "closed"
    elif status in ALERT_STATES:
        yield Alert.state == status
    if judged in JUDGEMENTS:
        yield Alert.judgement == judged
    elif judged in ("yes", "no"):
        is_none = Alert.judgement.is_(None)
        yield is_none if judged == "no" else ~is_none


def _has_none() -> bool:
    return web.db.scalar(visible(select(Alert.id), Alert).limit(1)) is None


def _classes(labels: Sequence[str]) -> list[str]:
    """Return the classes that picked alerts may really be."""
    bundle = web.detectors.active_name()
    found = feedback.classes_of(bundle, "benign") if bundle else ["benign"]
    return list(dict.fromkeys([*found, *labels]))


def _picked(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield number and version of each alert that was picked."""
    for text in texts[: MAX_BULK + 1]:
        number, version = (
            lists.whole(part, most=MAX_NUMBER) for part in text.partition("-")[::2]
        )
        if number is not None and version is not None:
            yield number, version


def _query(text: str) -> str:
    """Return the address' query to go back to; never another address."""
    return f"?{text}" if text and len(text) <= 2_000 and text.isprintable() else ""
