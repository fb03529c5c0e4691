"""Long lists in parts: ``limit``, ``cursor`` and ``next``, the same everywhere.

A cursor says after which row the next part begins: a walk meets each row once, however
many are added meanwhile. Bundles and the rows of a result have no number that orders
them; there a cursor says how many were given.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Generic, NoReturn, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter
from sqlalchemy import Select, select

from evenflow.conform import shown
from evenflow.web.api import bodies
from evenflow.web.api.bodies import Query
from evenflow.web.frame.context import web
from evenflow.web.frame.lists import MAX_SEARCHED, holds
from evenflow.web.frame.permissions import visible

LIMIT, MAX_LIMIT = 50, 200
MAX_CURSOR = 200
MAX_NUMBER = 2**62
"""Above all numbers of rows; twice it still fits in 64 bits, with what is added."""
Item = TypeVar("Item")
_NUMBER = TypeAdapter(tuple[Annotated[int, Field(strict=True, ge=0, lt=MAX_NUMBER)]])
_MOMENT = TypeAdapter(tuple[AwareDatetime, str])


class Paged(Query):
    """Parent of the queries of lists."""

    limit: int = Field(
        LIMIT, ge=1, le=MAX_LIMIT, description="Maximum number of items in one answer."
    )
    cursor: str | None = Field(
        None,
        max_length=MAX_CURSOR,
        description="The `next` of the previous answer.",
    )

    @property
    def start(self) -> int:
        """Place of the first row, where the cursor says how many were given."""
        return number(self.cursor) or 0


class Part(BaseModel, Generic[Item]):
    """Some items of a list, and where the next ones are."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next part; null at the end.")


def part(
    rows: Sequence[Any], limit: int, key: Callable[[Any], list[Any]]
) -> dict[str, Any]:
    """Return a part of a list of which one row more than ``limit`` was asked for.

    ``key`` gives of a row what the next part is found by, JSON values.
    """
    shown = rows[:limit]
    more = len(rows) > limit
    return {"items": shown, "next": encode(*key(shown[-1])) if more else None}


def by_place(asked: Paged, total: int, rows: Sequence[Any]) -> dict[str, Any]:
    """Return the rows from :attr:`Paged.start` on, of so many, as a part."""
    stop = asked.start + asked.limit
    return {"items": rows, "next": encode(stop) if total > stop else None}


def newest(query: Select[Any], table: Any, asked: Paged) -> dict[str, Any]:
    """Return a part of a list by number, the newest first, as :func:`part` does."""
    before = number(asked.cursor)
    if before is not None:
        query = query.where(table.id < before)
    rows = web.db.scalars(query.order_by(table.id.desc()).limit(asked.limit + 1)).all()
    return part(rows, asked.limit, lambda row: [row.id])


def latest(query: Select[Any], table: Any, column: Any, asked: Paged) -> dict[str, Any]:
    """Return a part of a list by a time and a text id, the latest first."""
    after = moment(asked.cursor)
    if after is not None:
        at, key = after
        query = query.where((column < at) | ((column == at) & (table.id < key)))
    query = query.order_by(column.desc(), table.id.desc())
    rows = web.db.scalars(query.limit(asked.limit + 1)).all()
    time_of = attrgetter(column.key)
    return part(rows, asked.limit, lambda row: [time_of(row).isoformat(), row.id])


def encode(*key: Any) -> str:
    """Return a cursor."""
    data = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(cursor: str | None) -> int | None:
    """Return the number that a cursor holds; 422 if it is none of ours."""
    return None if cursor is None else _decode(cursor, _NUMBER)[0]


def moment(cursor: str | None) -> tuple[datetime, str] | None:
    """Return the time and id that a cursor holds; 422 if it is none of ours."""
    if cursor is None:
        return None
    at, key = _decode(cursor, _MOMENT)
    if not 1970 <= at.year < 9999 or "\0" in key:
        _refuse(cursor)
    return at, key


def _decode(cursor: str, kind: TypeAdapter[Item]) -> Item:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        return kind.validate_json(data)
    except ValueError:
        _refuse(cursor)


def _refuse(cursor: str) -> NoReturn:
    bodies.refuse(
        "cursor",
        f"found {shown(cursor)}, expected the 'next' of a previous answer. Begin again "
        "without it",
    )


class Search(Query):
    """Parent of the queries that filter alerts and records."""

    label: str | None = Field(None, max_length=80, description="Class decided.")
    since: datetime | None = Field(None, description="Events not before this time.")
    until: datetime | None = Field(None, description="Events before this time.")
    q: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="A text in the values, the service or the source; searched for "
        f"among the newest {MAX_SEARCHED:,} of them.",
    )

    def select(self, table: Any, *columns: Any, user: Any) -> Select[Any]:
        """Return the rows of ``Alert`` or ``Record`` that match and a person may see.

        A text is looked for in ``columns`` and in the values.
        """
        query = visible(select(table), table, user)
        if self.label:
            query = query.where(table.label == self.label)
        if self.since is not None:  # a time without a zone is of UTC
            query = query.where(table.event_at >= utc(self.since, "since"))
        if self.until is not None:
            query = query.where(table.event_at < utc(self.until, "until"))
        if self.q:
            query = query.where(holds(table, self.q, *columns, user=user))
        return query


def utc(at: datetime, name: str) -> datetime:
    """Return a time of an address in UTC; 422 if it is out of bounds."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not 1970 <= aware.year < 9999:
        bodies.refuse(name, f"found the year {at.year}, expected 1970 to 9998")
    return aware.astimezone(UTC)
