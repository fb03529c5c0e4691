"""Notes of analysts, on whatever has some."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import func, select

from evenflow.errors import DataError
from evenflow.web.frame.context import web
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import AlertNote, IncidentNote

MAX_NOTE = 4_000
"""Characters of a note."""
MAX_NOTES = 200
"""Notes of one object."""
N = TypeVar("N", AlertNote, IncidentNote)


def too_long(text: str) -> str:
    """Return what is wrong with the length of a note; empty where nothing is."""
    if len(text) <= MAX_NOTE:
        return ""
    return f"Found {len(text):,} characters, expected {MAX_NOTE:,} at most. Shorten it."


def add_note(table: type[N], text: str, user: Any, **key: int | str) -> N:
    """Return a new note, or the same note of that person if there is one.

    The caller commits. A form or request that is sent again adds nothing.

    Parameters
    ----------
    table : mapped class
        That of the notes.
    **key
        Column and value that name the object, such as ``alert_id``.

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
