"""Forms of analysts, and their notes, on whatever has some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import func, select

from evenflow.errors import DataError
from evenflow.web.frame.context import web
from evenflow.web.frame.lists import whole
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import ALERT_STATES, AlertNote, IncidentNote

MAX_NOTE = 4_000
"""Characters of a note."""
MAX_NOTES = 200
"""Notes of one object."""
N = TypeVar("N", AlertNote, IncidentNote)


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form about an alert or an incident, as it is shown or was sent."""

    version: int
    """Of the object as the person saw it; 0 where there was none."""
    state: str = ""
    note: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    is_stale: bool = False
    """Somebody else changed the object since the person saw it."""

    @property
    def status(self) -> int:
        """Status of the page with this form."""
        return 409 if self.is_stale else 422 if self.errors else 200


def read(form: Mapping[str, str], *more: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields of a form that was sent, ``more`` too, and what is wrong."""
    names = ("version", "state", "note", *more)
    typed: dict[str, Any] = {
        name: form.get(name, "").replace("\0", "").strip() for name in names
    }
    errors = {}
    if typed["state"] not in ALERT_STATES:
        errors["state"] = f"Expected one of {', '.join(ALERT_STATES)}. Choose one."
    if (n := len(typed["note"])) > MAX_NOTE:
        errors["note"] = (
            f"Found {n:,} characters, expected {MAX_NOTE:,} at most. Shorten it."
        )
    return typed | {"version": whole(typed["version"]) or 0}, errors


def add_note(table: type[N], text: str, user: Any, **key: int | str) -> N:
    """Return a new note, or the same note of that person if there is one.

    The caller commits. A form or request that is sent again adds nothing. ``key`` is
    the column and value that name the object, such as ``alert_id``.

    Raises
    ------
    DataError
        The object has as many notes as it may have.
    """
    [(name, value)] = key.items()
    serialize(web.db, "notes", value)
    its = getattr(table, name) == value
    same = select(table).where(its, table.user_id == user.id, table.text == text)
    if (found := web.db.scalar(same)) is not None:
        return found
    if (web.db.scalar(select(func.count()).where(its)) or 0) >= MAX_NOTES:
        raise DataError(
            f"it has {MAX_NOTES} notes, the maximum. Keep further notes elsewhere"
        )
    note = table(user_id=user.id, text=text, **key)
    web.db.add(note)
    web.db.flush()
    return note
