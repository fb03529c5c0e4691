"""Changes of many alerts at once, each in a few statements, and their undoing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, case, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from evenflow.errors import DataError
from evenflow.schema import BENIGN, UNKNOWN_ATTACK
from evenflow.web.alerts import suppress
from evenflow.web.alerts.feedback import UNKNOWN, classes_of
from evenflow.web.frame.permissions import audit
from evenflow.web.store.database import n_changed
from evenflow.web.store.tables import (
    CLOSE_REASONS,
    Alert,
    BulkAct,
    BulkItem,
    Suppression,
    now,
)

ACTIONS = {
    "true": "closed as a true alarm",
    "false": "closed as a false alarm",
    "later": "left open",
    "close": "closed",
    "assign": "assigned",
    "severity": "given another severity",
    "suppress": "suppressed",
}
"""Name of an action -> what was done to the alerts."""
UNDO_FOR = timedelta(minutes=30)
"""Age until which the last act of a person can be undone."""
BEFORE = (
    "state", "judgement", "true_label", "judged_by", "judged_at", "close_reason",
    "severity", "assignee_id",
)  # fmt: skip
"""Columns of an alert that an act may change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One change of many alerts."""

    action: str
    true_label: str = ""
    """Of true alarms: the attack class; empty for the one decided."""
    close_reason: str = ""
    severity: int = 0
    assignee_id: int | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise DataError("Choose an action.")
        if self.close_reason not in ("", *CLOSE_REASONS):
            raise DataError("Choose a reason from the list.")
        if self.action == "severity" and self.severity not in (1, 2, 3):
            raise DataError("Choose a severity: high, medium or low.")

    def values(self, user: Any) -> dict[str, Any]:
        """Return what it sets in the table of alerts."""
        closed = {"state": "closed", "close_reason": ""}
        judged = closed | {"judged_by": user.id, "judged_at": now()}
        unjudged = dict.fromkeys(("judgement", "true_label", "judged_by", "judged_at"))
        known = case((Alert.label == UNKNOWN_ATTACK, None), else_=Alert.label)
        return {
            "true": judged | self._true(known),
            "false": judged
            | {
                "judgement": case((Alert.label == BENIGN, "right"), else_="wrong"),
                "true_label": BENIGN,
            },
            "later": {"state": "open", "close_reason": "", **unjudged},
            "close": {"state": "closed", "close_reason": self.close_reason},
            "assign": {"assignee_id": self.assignee_id},
            "severity": {"severity": self.severity},
            "suppress": {"state": "closed", "close_reason": "suppressed"},
        }[self.action]

    def _true(self, known: Any) -> dict[str, Any]:
        if not self.true_label:
            return {"judgement": "right", "true_label": known}
        if self.true_label == UNKNOWN:
            return {"judgement": "wrong", "true_label": None}
        is_same = Alert.label == self.true_label
        return {
            "judgement": case((is_same, "right"), else_="wrong"),
            "true_label": self.true_label,
        }


def possible(session: Session, wanted: Select[Any], act: Act) -> Select[Any]:
    """Return the alerts an act can change: its class is one of their model."""
    if act.action == "suppress":
        return wanted.where(Alert.state != "closed")
    if act.action != "true":
        return wanted
    if not act.true_label:
        return wanted.where(Alert.label != BENIGN)
    if act.true_label == UNKNOWN:
        return wanted
    bundles = wanted.with_only_columns(Alert.bundle).order_by(None).distinct()
    known = [
        bundle
        for bundle in session.scalars(bundles)
        if act.true_label in set(classes_of(bundle, act.true_label)) - {BENIGN}
    ]
    return wanted.where(Alert.bundle.in_(known))


def apply(
    session: Session,
    user: Any,
    wanted: Select[Any],
    act: Act,
    *,
    about: Mapping[str, Any],
) -> int:
    """Change all alerts of a query; return how many. The caller commits.

    What they were before is kept, so that :func:`undo` brings it back.

    Parameters
    ----------
    wanted : Select
        The alerts, less those that the person may not see.
    about : mapping
        What the log says of which alerts they were.
    """
    session.execute(delete(BulkAct).where(BulkAct.user_id == user.id))
    kept = BulkAct(user_id=user.id, words=ACTIONS[act.action])
    session.add(kept)
    session.flush()
    columns = [getattr(Alert, name) for name in BEFORE]
    rows = (
        possible(session, wanted, act)
        .with_only_columns(literal(kept.id), Alert.id, Alert.version + 1, *columns)
        .order_by(None)
        .order_by(Alert.id)  # two people who change the same wait, and do not block
        .with_for_update(of=Alert)
    )
    names = ["act_id", "alert_id", "version", *BEFORE]
    session.execute(insert(BulkItem).from_select(names, rows))
    its = select(BulkItem.alert_id).where(BulkItem.act_id == kept.id)
    changed = update(Alert).where(Alert.id.in_(its))
    n = n_changed(
        session,
        changed.values(version=Alert.version + 1, **act.values(user)).execution_options(
            synchronize_session=False
        ),
    )
    if not n:
        session.delete(kept)
        return 0
    kept.words = f"{counted(n)} {ACTIONS[act.action]}"
    detail = {k: v for k, v in asdict(act).items() if v and k != "action"}
    detail |= {"what": act.action, **about}
    audit("alert.bulk", counted(n), user=user, **detail)
    session.expire_all()
    return n


def counted(n: int) -> str:
    """Return a number of alerts in words."""
    return f"{n:,} alert{'' if n == 1 else 's'}"


def last(session: Session, user: Any) -> BulkAct | None:
    """Return the last act of a person, while it can be undone."""
    return session.scalar(
        select(BulkAct)
        .where(BulkAct.user_id == user.id, BulkAct.at > now() - UNDO_FOR)
        .order_by(BulkAct.id.desc())
        .limit(1)
    )


def undo(session: Session, user: Any, act: BulkAct) -> tuple[int, int]:
    """Bring back what an act changed; return how many, and how many it left.

    Left are alerts that somebody changed after it. The caller commits.
    """
    its = select(BulkItem).where(BulkItem.act_id == act.id)
    total = session.scalar(select(func.count()).select_from(its.subquery())) or 0
    back = (
        update(Alert)
        .where(
            BulkItem.act_id == act.id,
            Alert.id == BulkItem.alert_id,
            Alert.version == BulkItem.version,
        )
        .values(
            version=Alert.version + 1,
            **{name: getattr(BulkItem, name) for name in BEFORE},
        )
        .execution_options(synchronize_session=False)
    )
    n = n_changed(session, back)
    suppress.revoke(session, Suppression.act_id == act.id)
    audit("alert.undo", counted(n), user=user, what=act.words)
    session.delete(act)
    session.expire_all()
    return n, total - n
