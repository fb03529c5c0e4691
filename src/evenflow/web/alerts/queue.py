"""The queue of alerts: what it is filtered by, its order, and which alert is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask_security import current_user
from sqlalchemy import Select, and_, case, func, or_, select

from evenflow.web.frame import lists
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import MAX_NUMBER, visible
from evenflow.web.store.tables import ALERT_STATES, JUDGEMENTS, Alert, AlertGroup

CHOICES = {
    "status": ("waiting", *ALERT_STATES, "suppressed", "any"),
    "judged": ("yes", "no", *JUDGEMENTS),
    "source": ("form", "api", "upload"),
    "level": ("1", "2", "3"),
    "assigned": ("me", "nobody"),
    "view": ("groups", "alerts"),
}
WAITING = ("new", "open")
SORTS = ("at", "arrived", "probability", "label", "service", "severity", "n")
TYPED = {"src": 64, "group": 20}
"""Filters that are typed, and their characters."""
DEFAULT = {"status": "waiting"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A group as a list shows it: counts of its alerts that match."""

    group: AlertGroup
    n: int
    """Records, equal ones too."""
    n_new: int
    n_open: int
    first: datetime
    last: datetime
    probability: float
    """The highest."""
    severity: int
    """The most severe; 1 is the highest."""


def asked(group: int | None = None) -> lists.Criteria:
    """Return what the address asks for; without anything, alerts that wait.

    ``group`` is that of the page, which shows its members.
    """
    found = lists.criteria(Alert, choices=CHOICES, default=DEFAULT, sorts=SORTS)
    more = {name: lists.text(name, most) for name, most in TYPED.items()}
    if group is not None:
        more["group"] = str(group)
    return replace(found, typed={**found.typed, **more})


def is_grouped(criteria: lists.Criteria) -> bool:
    """Return whether groups are listed, and not each alert."""
    return criteria.typed["view"] != "alerts" and not criteria.typed["group"]


def query(criteria: lists.Criteria) -> Select[Any]:
    """Return the alerts that match and that the person may see, in order."""
    return lists.listed(Alert, criteria, *_more(criteria))


def grouped(criteria: lists.Criteria) -> lists.Page:
    """Return the page of groups with alerts that match, each as :class:`Listed`."""
    counts = (
        query(criteria)
        .with_only_columns(
            Alert.group_id,
            func.sum(Alert.n).label("n"),
            _n(Alert.state == "new").label("n_new"),
            _n(Alert.state == "open").label("n_open"),
            func.min(Alert.event_at).label("first"),
            func.max(Alert.event_at).label("last"),
            func.max(Alert.probability).label("probability"),
            func.min(Alert.severity).label("severity"),
        )
        .order_by(None)
        .group_by(Alert.group_id)
        .subquery()
    )
    total = int(web.db.scalar(select(func.count()).select_from(counts)) or 0)
    page = lists.page_of(total, url=lambda n: criteria.url(page=n))
    name = criteria.sort.removeprefix("-")
    column = {"at": counts.c.last, "arrived": AlertGroup.created_at}.get(name)
    if column is None:
        column = counts.c[name] if name in counts.c else getattr(AlertGroup, name)
    is_down = criteria.sort.startswith("-")
    rows = web.db.execute(
        select(AlertGroup, *list(counts.c)[1:])
        .join(counts, counts.c.group_id == AlertGroup.id)
        .order_by(column.desc() if is_down else column, AlertGroup.id.desc())
        .limit(lists.PER_PAGE)
        .offset(page.start)
    )
    names = ("group", *counts.c.keys()[1:])
    found = [Listed(**dict(zip(names, row, strict=True))) for row in rows]
    return replace(page, rows=found)


def following(alert: Alert, criteria: lists.Criteria) -> int | None:
    """Return the number of the alert after this one in a list, from its end the first.

    None where no other alert matches.
    """
    column = lists.column(Alert, criteria.sort.removeprefix("-"))
    own = getattr(alert, column.key)
    if criteria.sort.startswith("-"):
        after = or_(column < own, and_(column == own, Alert.id < alert.id))
    else:
        after = or_(column > own, and_(column == own, Alert.id > alert.id))
    others = query(criteria).with_only_columns(Alert.id).where(Alert.id != alert.id)
    number = web.db.scalar(others.where(after).limit(1))
    if number is None:
        number = web.db.scalar(others.limit(1))
    return None if number is None else int(number)


def newest() -> int:
    """Return the number of the newest alert that the person may see; 0 without any."""
    ids = visible(select(Alert.id), Alert).order_by(Alert.id.desc())
    return web.db.scalar(ids.limit(1)) or 0


def assignees(groups: Sequence[int]) -> dict[int, list[int]]:
    """Return the numbers of who has alerts of these groups that wait, by group."""
    rows = web.db.execute(
        select(Alert.group_id, Alert.assignee_id)
        .where(
            Alert.group_id.in_(groups),
            Alert.assignee_id.is_not(None),
            Alert.state.in_(WAITING),
        )
        .distinct()
    ).all()
    found: dict[int, list[int]] = {}
    for group, person in rows:
        found.setdefault(group, []).append(int(person or 0))
    return found


def _n(clause: Any) -> Any:
    return func.sum(case((clause, Alert.n), else_=0))


def _more(criteria: lists.Criteria) -> Iterator[Any]:
    typed = criteria.typed
    status, judged = typed["status"], typed["judged"]
    if status == "waiting":
        yield Alert.state.in_(WAITING)
    elif status == "suppressed":
        yield and_(Alert.state == "closed", Alert.close_reason == "suppressed")
    elif status in ALERT_STATES:
        yield Alert.state == status
    if judged in JUDGEMENTS:
        yield Alert.judgement == judged
    elif judged in ("yes", "no"):
        is_none = Alert.judgement.is_(None)
        yield is_none if judged == "no" else ~is_none
    if typed["assigned"] == "me":
        yield Alert.assignee_id == current_user.id
    elif typed["assigned"] == "nobody":
        yield Alert.assignee_id.is_(None)
    if typed["level"] in CHOICES["level"]:
        yield Alert.severity == int(typed["level"])
    if typed["src"]:
        yield Alert.src == typed["src"]
    if typed["group"]:
        yield Alert.group_id == (lists.whole(typed["group"], most=MAX_NUMBER) or 0)
