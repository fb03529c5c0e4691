"""Decisions on verdicts: true alarm, false alarm, later; the true class and a note.

Benign records have no alert until somebody gives feedback on them: a missed
attack is worth as much to a retraining as a false alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_security import current_user
from sqlalchemy import select

from evenflow.schema import BENIGN
from evenflow.web.alerts import change, groups
from evenflow.web.frame.context import web
from evenflow.web.frame.notes import Form, add_note, read
from evenflow.web.store.database import upsert
from evenflow.web.store.tables import Alert, AlertNote, Record
from evenflow.web.verdicts.facets import DESTINATIONS, SOURCES, facet
from evenflow.web.verdicts.reason import first_reason

COPIED = (
    "owner_id", "at", "event_at", "source", "bundle", "label", "probability",
    "threshold", "service", "values",
)  # fmt: skip
"""Columns of a record that its alert has too."""
UNKNOWN = "?"
"""Choice of a class for who does not know it."""
DECISIONS = ("true", "false", "later", "note")
"""True and false alarm close an alert, later leaves or reopens it; a note alone
changes nothing."""
Outcome = Literal["true", "false", "unclear", ""]


@dataclass(frozen=True, kw_only=True)
class FeedbackForm(Form):
    """A form about one verdict, as it is shown or was sent."""

    decision: str = ""
    true_label: str = ""


def outcome(alert: Alert | None) -> Outcome:
    """Return what the feedback on an alert says; empty without any.

    ``unclear`` is an attack whose class is wrong, and the true one unknown.
    """
    if alert is None or alert.judgement is None:
        return ""
    if alert.judgement == "right":
        return "false" if alert.label == BENIGN else "true"
    if alert.true_label == BENIGN:
        return "false"
    return "true" if alert.true_label or alert.label == BENIGN else "unclear"


def of_alert(alert: Alert | None) -> FeedbackForm:
    """Return the form as it is shown first."""
    if alert is None:
        return FeedbackForm(version=0)
    is_other = alert.judgement == "wrong" and alert.true_label != BENIGN
    label = (alert.true_label or UNKNOWN) if is_other else ""
    return FeedbackForm(version=alert.version, true_label=label)


def sent(form: Mapping[str, str], classes: list[str], *, label: str) -> FeedbackForm:
    """Return what was sent, with what is wrong about it.

    Parameters
    ----------
    classes : list of str
        Classes it may be.
    label : str
        Class the model decided.
    """
    typed, errors = read(form, "decision", "true_label")
    errors.pop("state", None)
    typed["state"] = ""
    if typed["decision"] not in DECISIONS:
        errors["decision"] = "Expected true alarm, false alarm or later. Choose one."
    elif typed["decision"] == "note" and not typed["note"]:
        errors["note"] = "Found no note, expected some words. Write them."
    if typed["decision"] == "true":
        attacks = [name for name in classes if name != BENIGN]
        if typed["true_label"] == label != BENIGN:
            typed["true_label"] = ""
        if not typed["true_label"] and label == BENIGN:
            errors["true_label"] = (
                "Found no class, expected that of the attack. Choose one, or “I do not "
                "know”."
            )
        elif typed["true_label"] not in ("", *attacks, UNKNOWN):
            errors["true_label"] = "Expected one of the attack classes. Choose one."
    return FeedbackForm(**typed, errors=errors)


def values_of(decision: str, true_label: str, label: str) -> dict[str, Any]:
    """Return what a decision changes of an alert, for :func:`.change_alert`.

    Parameters
    ----------
    decision : str
        One of :data:`DECISIONS`.
    true_label : str
        Attack class it really is; empty for the one decided.
    label : str
        Class the model decided.
    """
    if decision == "later":
        return {"state": "open", "judgement": ""}
    if decision == "false":
        right, true_label = label == BENIGN, BENIGN
    elif decision == "true":
        right = true_label in ("", label) and label != BENIGN
    else:
        return {}
    if right:
        return {"judgement": "right"}
    return {
        "judgement": "wrong",
        "true_label": None if true_label == UNKNOWN else true_label,
    }


def take(alert: Alert, form: FeedbackForm) -> bool:
    """Do what a form says and commit it; False if it was about an older version.

    A note alone is always taken: notes do not overwrite each other.
    """
    wanted = values_of(form.decision, form.true_label, alert.label)
    if form.state:
        wanted["state"] = form.state
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
        "src": facet(record.values, SOURCES)[:64],
        "dst": facet(record.values, DESTINATIONS)[:64],
    }
    model = web.detectors.find(record.bundle)
    groups.assign(web.db, [values], lambda _: first_reason(model, record.values))
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
