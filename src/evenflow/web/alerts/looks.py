"""Looks of the list of alerts, by person: columns, and filters with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select

from evenflow.errors import DataError
from evenflow.web.store.database import AnySession, serialize, upsert
from evenflow.web.store.tables import Preference, SavedFilter

COLUMNS = {
    "n": "Alerts", "severity": "Severity", "src": "Source", "dst": "Destination",
    "service": "Service", "reason": "First reason", "probability": "Probability",
    "first": "First", "at": "Last", "arrived": "Arrived", "state": "State",
    "assignee": "Assignee", "source": "Came by", "bundle": "Model", "owner": "Whose",
}  # fmt: skip
"""Column -> its head; the class stands first, always."""
ONLY = {"groups": ("n", "first"), "alerts": ("arrived", "source")}
"""Columns that one of the views has alone."""
USUAL = {
    "groups": ("n", "severity", "src", "service", "reason", "at", "state"),
    "alerts": ("at", "arrived", "src", "service", "reason", "probability", "state"),
}
"""View -> columns, until a person chooses others."""
MAX_NAME = 60
MAX_FILTERS = 20
"""Filters that one person may save."""


def known(view: str, *, is_team: bool) -> dict[str, str]:
    """Return the columns of a view, and what they are called."""
    others = {name for other, names in ONLY.items() if other != view for name in names}
    if not is_team:
        others.add("owner")
    found = {name: head for name, head in COLUMNS.items() if name not in others}
    return found if view == "groups" else found | {"at": "Time"}


def columns(session: AnySession, user: Any, view: str) -> Sequence[str]:
    """Return the columns that a person chose for a view, in their order."""
    kept = session.scalar(
        select(Preference.value).where(
            Preference.user_id == user.id, Preference.name == _name(view)
        )
    )
    wanted = set(USUAL[view] if kept is None else kept["columns"])
    is_team = user.role != "viewer"
    return [name for name in known(view, is_team=is_team) if name in wanted]


def choose(session: AnySession, user: Any, view: str, chosen: Sequence[str]) -> None:
    """Keep the columns that a person wants; the caller commits.

    Raises
    ------
    DataError
        There is no such view.
    """
    if view not in USUAL:
        raise DataError("There is no such list.")
    value = {"columns": [name for name in COLUMNS if name in chosen]}
    row = upsert(session, Preference).values(
        user_id=user.id, name=_name(view), value=value
    )
    keys = ["user_id", "name"]
    session.execute(
        row.on_conflict_do_update(index_elements=keys, set_={"value": value})
    )


def filters(session: AnySession, user: Any) -> Sequence[SavedFilter]:
    """Return the filters that a person saved, by name."""
    mine = select(SavedFilter).where(SavedFilter.user_id == user.id)
    return session.scalars(mine.order_by(SavedFilter.name)).all()


def save(session: AnySession, user: Any, name: str, query: Mapping[str, str]) -> None:
    """Keep filters under a name, instead of those it had; the caller commits.

    Raises
    ------
    DataError
        The name is empty or too long, or there are as many as may be.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise DataError(f"Expected a name of 1 to {MAX_NAME} characters. Write one.")
    serialize(session, "saved_filter", user.id)
    others = select(func.count()).where(
        SavedFilter.user_id == user.id, SavedFilter.name != name
    )
    if (session.scalar(others) or 0) >= MAX_FILTERS:
        raise DataError(
            f"You have {MAX_FILTERS} saved filters, the maximum. Delete one first."
        )
    row = upsert(session, SavedFilter).values(
        user_id=user.id, name=name, query=dict(query)
    )
    keys = ["user_id", "name"]
    session.execute(
        row.on_conflict_do_update(index_elements=keys, set_={"query": dict(query)})
    )


def forget(session: AnySession, user: Any, number: int) -> None:
    """Delete a filter of a person; the caller commits."""
    its = (SavedFilter.id == number, SavedFilter.user_id == user.id)
    session.execute(delete(SavedFilter).where(*its))


def _name(view: str) -> str:
    return f"alerts.{view}"
