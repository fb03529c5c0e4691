"""Feedback on a verdict: right or wrong, the true class, the state, a note.

Benign records have no alert until somebody gives feedback on them: a missed
attack is worth as much to the next training as a false alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_security import current_user
from sqlalchemy import select

from evenflow.schema import BENIGN
from evenflow.web.alerts import change
from evenflow.web.frame.context import web
from evenflow.web.frame.notes import Form, add_note, read
from evenflow.web.store.database import upsert
from evenflow.web.store.tables import JUDGEMENTS, Alert, AlertNote, Record

COPIED = (
    "owner_id", "at", "event_at", "source", "bundle", "label", "probability",
    "threshold", "service", "values",
)  # fmt: skip
"""Columns of a record that its alert has too."""
UNKNOWN = "?"
"""Choice of a class for who does not know it."""


@dataclass(frozen=True, kw_only=True)
class FeedbackForm(Form):
    """A form about one verdict, as it is shown or was sent."""

    judgement: str = ""
    true_label: str = ""


def of_alert(alert: Alert | None) -> FeedbackForm:
    """Return the form as it is shown first."""
    if alert is None:
        return FeedbackForm(version=0)
    label = alert.true_label or ""
    if alert.judgement == "wrong" and not label:
        label = UNKNOWN
    return FeedbackForm(
        version=alert.version,
        state=alert.state,
        judgement=alert.judgement or "",
        true_label=label if alert.judgement == "wrong" else "",
    )


def sent(
    form: Mapping[str, str], classes: list[str], *, label: str, has_state: bool = False
) -> FeedbackForm:
    """Return what was sent, with what is wrong about it.

    Parameters
    ----------
    classes : list of str
        Classes it may be.
    label : str
        Class the model decided.
    has_state : bool
        Whether the form holds the alert's state.
    """
    typed, errors = read(form, "judgement", "true_label")
    if not has_state:
        typed["state"] = ""
        errors.pop("state", None)
    if typed["judgement"] not in ("", *JUDGEMENTS):
        errors["judgement"] = "Expected right, wrong or no feedback yet. Choose one."
    if typed["judgement"] == "wrong":
        if not typed["true_label"]:
            errors["true_label"] = (
                "Found no class, expected the true class. Choose one, or “I do not "
                "know”."
            )
        elif typed["true_label"] == label:
            errors["true_label"] = (
                f"Found {label!r}, which is the model's class, expected another class. "
                "Choose it, or mark the verdict as right."
            )
        elif typed["true_label"] not in (*classes, UNKNOWN):
            errors["true_label"] = "Expected one of the classes. Choose one."
    return FeedbackForm(**typed, errors=errors)


def change_of(form: FeedbackForm, alert: Alert) -> dict[str, Any]:
    """Return what of an alert the form changes, for :func:`.change_alert`."""
    wanted: dict[str, Any] = {}
    if form.state and form.state != alert.state:
        wanted["state"] = form.state
    before = of_alert(alert)
    if (form.judgement, _class(form)) != (before.judgement, _class(before)):
        wanted["judgement"] = form.judgement
        if form.judgement == "wrong" and form.true_label != UNKNOWN:
            wanted["true_label"] = form.true_label
    return wanted


def take(alert: Alert, form: FeedbackForm) -> bool:
    """Do what a form says and commit it; False if it was about an older version.

    A note alone is always taken: notes do not overwrite each other.
    """
    wanted = change_of(form, alert)
    about = {"version": form.version, **wanted}
    try:
        if wanted:
            change.change_alert(web.db(), alert, current_user, **about)
    except change.Stale:
        web.db.rollback()
        return False
    if form.note:
        add_note(AlertNote, form.note, current_user, alert_id=alert.id)
    web.db.commit()
    return True


def alert_of(record: Record) -> Alert:
    """Return the alert of a record, made (not committed) if there is none yet."""
    mine = select(Alert).where(Alert.record_id == record.id)
    found: Alert | None = web.db.scalar(mine)
    if found is not None:
        return found
    values = {name: getattr(record, name) for name in COPIED} | {
        "record_id": record.id,
        "state": "closed" if record.label == BENIGN else "new",
        "version": 0,
    }
    # somebody else may say something at the same moment
    web.db.execute(
        upsert(web.db, Alert)
        .values(values)
        .on_conflict_do_nothing(index_elements=["record_id"])
    )
    return web.db.scalars(mine).one()


def classes_of(bundle: str, label: str) -> list[str]:
    """Return the classes a verdict of that bundle may really be, normal first."""
    found = web.detectors.find(bundle)
    known = (BENIGN, label) if found is None else found.schema.classes
    return list(dict.fromkeys(known))


def _class(form: FeedbackForm) -> str:
    return form.true_label if form.judgement == "wrong" else ""
