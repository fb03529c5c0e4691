"""The queue of alerts: what it is filtered by, its order, and which alert is next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, or_

from evenflow.web.frame import lists
from evenflow.web.frame.context import web
from evenflow.web.store.tables import ALERT_STATES, JUDGEMENTS, Alert

CHOICES = {
    "status": ("waiting", *ALERT_STATES, "any"),
    "judged": ("yes", "no", *JUDGEMENTS),
    "source": ("form", "api", "upload"),
}
WAITING = ("new", "open")
SORTS = ("at", "probability", "label", "service")


def asked() -> lists.Criteria:
    """Return what the address asks for; without anything, alerts that wait."""
    return lists.criteria(
        Alert, choices=CHOICES, default={"status": "waiting"}, sorts=SORTS
    )


def query(criteria: lists.Criteria) -> Select[Any]:
    """Return the alerts that match and that the person may see, in order."""
    return lists.listed(Alert, criteria, *_more(criteria))


def following(alert: Alert, criteria: lists.Criteria) -> int | None:
    """Return the number of the alert after this one in a list, from its end the first.

    None where no other alert matches.
    """
    name = criteria.sort.removeprefix("-")
    column, own = getattr(Alert, name), getattr(alert, name)
    if criteria.sort.startswith("-"):
        after = or_(column < own, and_(column == own, Alert.id < alert.id))
    else:
        after = or_(column > own, and_(column == own, Alert.id > alert.id))
    others = query(criteria).with_only_columns(Alert.id).where(Alert.id != alert.id)
    number = web.db.scalar(others.where(after).limit(1))
    if number is None:
        number = web.db.scalar(others.limit(1))
    return None if number is None else int(number)


def _more(criteria: lists.Criteria) -> Iterator[Any]:
    status, judged = criteria.typed["status"], criteria.typed["judged"]
    if status == "waiting":
        yield Alert.state.in_(WAITING)
    elif status in ALERT_STATES:
        yield Alert.state == status
    if judged in JUDGEMENTS:
        yield Alert.judgement == judged
    elif judged in ("yes", "no"):
        is_none = Alert.judgement.is_(None)
        yield is_none if judged == "no" else ~is_none
