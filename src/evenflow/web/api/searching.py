"""Narrow a list of records or alerts: by time, and by a text that they hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, String, cast, or_, select

from evenflow.web.accounts.bearer import Caller
from evenflow.web.api import bodies
from evenflow.web.frame.permissions import visible

MOST_SEARCHED = 20_000
"""Newest rows that a search reads."""


def between(
    query: Select[Any], table: Any, since: datetime | None, until: datetime | None
) -> Select[Any]:
    """Return the rows of a time; a time without a zone is of UTC."""
    if since is not None:
        query = query.where(table.at >= _utc(since, "since"))
    if until is not None:
        query = query.where(table.at < _utc(until, "until"))
    return query


def holds(table: Any, text: str, caller: Caller, *columns: Any) -> Any:
    """Return the clause for rows of the newest that hold a text somewhere."""
    newest = visible(select(table.id), table, caller).order_by(table.id.desc())
    in_values = json.dumps(text)[1:-1]  # as JSON stores it
    return table.id.in_(newest.limit(MOST_SEARCHED)) & or_(
        cast(table.values, String).icontains(in_values, autoescape=True),
        *(
            column.icontains(text, autoescape=True)
            for column in (table.service, table.label, *columns)
        ),
    )


def _utc(at: datetime, name: str) -> datetime:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not 1970 <= aware.year < 9999:
        bodies.refuse({name: f"found the year {at.year}, expected 1970 to 9998"})
    return aware.astimezone(UTC)
