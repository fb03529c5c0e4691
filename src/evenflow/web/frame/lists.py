"""Long lists of records or alerts: searched, filtered, sorted, paged, within bounds.

What stands in the address is checked here; a wrong value is an error at its field and
filters nothing. A search through values reads the newest rows alone, so that no word
makes the server read everything it has.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from flask import request, url_for
from flask_security import current_user
from sqlalchemy import Select, String, cast, func, select

from evenflow.errors import DataError
from evenflow.runtime.writers import inert
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least, visible
from evenflow.web.store.tables import Tally, now

PER_PAGE = 50
MOST_TEXT = 100
"""Characters of a search."""
MOST_SEARCHED = 20_000
"""Newest rows whose values a search reads."""
MOST_DOWNLOADED = 10_000
"""Rows of one download, the first ones of the list."""
MOST_CHARACTERS = 2**26
"""Characters of the values in one download: it is made in memory."""
MOST_COLUMNS = 1_000
"""Columns of a CSV: records of strangers may each have hundreds of their own."""
MOST_PAGES = 10_000
MOST_WORDS = 60
RECENT = timedelta(days=7)
"""How far back words to choose from are looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a list, and where the others are."""

    number: int
    pages: int
    total: int
    prev_url: str
    next_url: str
    rows: Sequence[Any] = ()


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What a list is narrowed to, as it stands in the address."""

    typed: Mapping[str, str]
    """Every filter as it was typed, to be shown again."""
    errors: Mapping[str, str]
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    sort: str = "-at"
    """Name of a column; the greatest first after a ``-``."""
    clauses: tuple[Any, ...] = field(default=())

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered."""
        return any(v for k, v in self.typed.items() if k != "sort")

    def url(self, **changes: Any) -> str:
        """Return the address of the same list with some of it changed."""
        kept = {k: v for k, v in self.typed.items() if v} | changes
        return url_for(str(request.endpoint), **{k: v for k, v in kept.items() if v})

    def head(self, label: str, name: str, *, number: bool = False) -> dict[str, Any]:
        """Return a column's head that sorts by it, for the macro ``table``."""
        is_down, is_up = self.sort == f"-{name}", self.sort == name
        return {
            "label": label,
            "number": number,
            "url": self.url(sort=name if is_down else f"-{name}"),
            "sorted": "descending" if is_down else "ascending" if is_up else "",
        }


def criteria(
    table: Any,
    *,
    choices: Mapping[str, Sequence[str]],
    sorts: Sequence[str] = ("at", "probability", "label", "service"),
    default: Mapping[str, str] = {},
) -> Criteria:
    """Return what the address asks for of a table with ``at`` and ``values``.

    Parameters
    ----------
    table : mapped class
        ``Record`` or ``Alert``.
    choices : mapping
        Filters by one of a few words: name of the column -> the words.
    sorts : sequence of str
        Columns it can be sorted by.
    default : mapping
        Filters as they are where the address does not name them.
    """
    names = ("q", "service", "since", "until", "sort", *choices)
    typed = {
        # PostgreSQL takes no NUL in a text
        name: request.args.get(name, default.get(name, "")).replace("\0", "").strip()
        for name in names
    }
    typed = {name: text[:200] for name, text in typed.items()}
    errors: dict[str, str] = {}
    clauses: list[Any] = []
    for name, words in choices.items():
        if not typed[name]:
            continue
        if typed[name] not in words:
            errors[name] = f"Found {typed[name][:60]!r}, expected one of the list."
        elif hasattr(table, name):
            clauses.append(getattr(table, name) == typed[name])
    since, until = (_day(typed, name, errors) for name in ("since", "until"))
    if since and until and since > until:
        errors["until"] = "Found a day before the start, expected a later day."
        until = None
    if typed["service"]:
        clauses.append(table.service == typed["service"][:80])
    if len(typed["q"]) > MOST_TEXT:
        errors["q"] = f"Found more than {MOST_TEXT} characters, expected fewer."
    elif typed["q"]:
        clauses.append(_holds(table, typed["q"]))
    if since:
        clauses.append(table.at >= since)
    if until:
        until += timedelta(days=1)
        clauses.append(table.at < until)
    sort = typed["sort"] if typed["sort"].removeprefix("-") in sorts else "-at"
    return Criteria(
        typed=typed,
        errors=errors,
        since=since,
        until=until,
        sort=sort,
        clauses=tuple(clauses),
    )


def listed(table: Any, asked: Criteria, *more: Any) -> Select[Any]:
    """Return the rows asked for that the person may see, in order."""
    query = visible(select(table), table).where(*asked.clauses, *more)
    column = getattr(table, asked.sort.removeprefix("-"))
    is_down = asked.sort.startswith("-")
    return query.order_by(
        column.desc() if is_down else column,
        table.id.desc() if is_down else table.id,
    )


def paged(table: Any, query: Select[Any], asked: Criteria, *options: Any) -> Page:
    """Return the page of the list that the address names.

    Parameters
    ----------
    table : mapped class
    query : Select
        Of :func:`listed`.
    asked : Criteria
    *options
        What else is loaded with the rows.
    """
    counted = query.order_by(None).with_only_columns(
        func.count(), maintain_column_froms=True
    )
    total = int(web.db.scalar(counted) or 0)
    pages = max(1, math.ceil(total / PER_PAGE))
    text = request.args.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
    number = min(max(number, 1), pages, MOST_PAGES)
    # rows are wide: only their numbers are sorted
    sorted_ids = query.with_only_columns(table.id, maintain_column_froms=True)
    ids = web.db.scalars(
        sorted_ids.limit(PER_PAGE).offset((number - 1) * PER_PAGE)
    ).all()
    found = web.db.scalars(select(table).where(table.id.in_(ids)).options(*options))
    rows = {row.id: row for row in found}
    return Page(
        number=number,
        pages=pages,
        total=total,
        rows=[rows[i] for i in ids if i in rows],
        prev_url=asked.url(page=number - 1) if number > 1 else "",
        next_url=asked.url(page=number + 1) if number < min(pages, MOST_PAGES) else "",
    )


def services() -> list[str]:
    """Return services of the last days, as far as the person may see them, sorted."""
    return _tallied(Tally.value, Tally.facet == "service")


def labels() -> list[str]:
    """Return the classes of the model in use, then others of the last days."""
    bundle = web.detectors.active()
    known = () if bundle is None else bundle.schema.classes
    return list(dict.fromkeys([*known, *_tallied(Tally.label, Tally.facet == "all")]))


def _tallied(column: Any, clause: Any) -> list[str]:
    # from the counts: a list of records would be read as a whole
    query: Any = select(column).distinct().where(clause, Tally.hour >= now() - RECENT)
    if not at_least("analyst"):
        query = query.where(Tally.owner_id == current_user.id)
    return sorted(web.db.scalars(query.limit(MOST_WORDS)))


def downloaded(query: Select[Any]) -> list[Any]:
    """Return the first rows of a list that holds values, for one download.

    Raises
    ------
    DataError
        Their values are larger than one download may be.
    """
    rows: list[Any] = []
    size = 0
    limited = query.limit(MOST_DOWNLOADED).execution_options(yield_per=500)
    for row in web.db.scalars(limited):
        size += sum(len(str(name)) + len(str(v)) for name, v in row.values.items())
        if size > MOST_CHARACTERS:
            raise DataError(
                f"these rows hold more than {MOST_CHARACTERS:,} characters, expected "
                "a download that fits in memory. Narrow the filters, by date for "
                "instance"
            )
        rows.append(row)
    return rows


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV that no spreadsheet runs anything of."""
    frame = pl.DataFrame(
        {name: _series(name, rows) for name in _names(rows)}, strict=False
    )
    return inert(frame).write_csv().encode()


def as_json(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as a JSON array."""
    return json.dumps(list(rows), indent=1, ensure_ascii=False, default=str).encode()


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of a table: of more than fit those that most rows have."""
    counts = Counter(name for row in rows for name in row)
    if len(counts) <= MOST_COLUMNS:
        return list(counts)
    kept = {name for name, _ in counts.most_common(MOST_COLUMNS)}
    return [name for name in counts if name in kept]


def _series(name: str, rows: Sequence[Mapping[str, Any]]) -> pl.Series:
    cells = [_cell(row.get(name)) for row in rows]
    is_number = all(c is None or isinstance(c, int | float) for c in cells)
    if is_number:
        return pl.Series(name, cells, strict=False)
    return pl.Series(name, [None if c is None else str(c) for c in cells])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float | str):
        return value
    return json.dumps(value, default=str)


def _day(
    typed: Mapping[str, str], name: str, errors: dict[str, str]
) -> datetime | None:
    text = typed[name]
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        if not 1970 <= day.year < 9999:
            raise ValueError
    except ValueError:
        errors[name] = f"Found {text[:40]!r}, expected a day such as 2026-03-31."
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _holds(table: Any, text: str) -> Any:
    """Return the clause for rows of the newest whose values hold a text."""
    newest = visible(select(table.id), table).order_by(table.id.desc())
    found = json.dumps(text)[1:-1]  # as JSON stores it
    return table.id.in_(newest.limit(MOST_SEARCHED)) & cast(
        table.values, String
    ).icontains(found, autoescape=True)


def errors_of(asked: Criteria, labels: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield name, label and message of each wrong filter, for ``raw_errors``."""
    for name, message in asked.errors.items():
        yield name, labels.get(name, name), message
