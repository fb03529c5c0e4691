"""Long lists: searched, filtered, sorted, paged, within bounds.

What stands in the address is checked here; a wrong value is an error at its field and
filters nothing. A search through values reads the newest rows alone, so that no word
makes the server read everything it has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import request, url_for
from sqlalchemy import Select, String, cast, func, or_, select

from evenflow.web.frame import ranges
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import visible
from evenflow.web.frame.ranges import Range
from evenflow.web.store.tables import Tally, now

PER_PAGE = 50
MAX_TEXT = 100
"""Characters of a search."""
MAX_SEARCHED = 20_000
"""Newest rows whose values a search reads."""
MAX_PAGES = 10_000
NOT_KEPT = {"page", "endpoint"}
"""Names in an address that are not handed on: ``url_for`` has its own of them."""
MAX_WORDS = 60
RECENT = timedelta(days=7)
"""How far back words to choose from are looked for."""
LABELS = {
    "assigned": "Assignee", "attacker": "Attacker", "judged": "Feedback",
    "kind": "Verdict", "label": "Class", "ongoing": "Going on",
    "q": "Search in values", "service": "Service", "level": "Severity",
    "since": "From", "source": "Source", "status": "State", "until": "To",
    "victim": "Victim", "view": "View", "whose": "Whose",
}  # fmt: skip
"""Filter -> what the page calls it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a list, and where the others are."""

    number: int
    pages: int
    total: int
    start: int
    """Place of its first row in the list, from 0."""
    prev_url: str
    next_url: str
    rows: Sequence[Any] = ()


def text(name: str, most: int = 200) -> str:
    """Return a filter of the address: no longer than that, and no NUL."""
    # PostgreSQL takes no NUL in a text
    return request.args.get(name, "").replace("\0", "").strip()[:most]


def whole(text: str, most: int = 2**31 - 1) -> int | None:
    """Return a whole number that was typed in plain digits, None for anything else.

    Examples
    --------
    >>> whole("12"), whole("-1"), whole("1e3"), whole("99", most=50)
    (12, None, None, None)
    """
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number and int(text) <= most else None


def here(number: int) -> str:
    """Return the address of this request with another page number."""
    kept = {k: v for k, v in request.args.items() if v and k not in NOT_KEPT}
    # only what the page's own filters are called: an address is built by nobody else
    kept = {k: v for k, v in kept.items() if not k.startswith("_")}
    kept |= request.view_args or {}
    return url_for(str(request.endpoint), **kept, page=number)  # type: ignore[arg-type]


def page_of(
    total: int, *, per_page: int = PER_PAGE, url: Callable[[int], str] = here
) -> Page:
    """Return the page of a list of ``total`` rows that the address names, without rows.

    ``url`` gives the address of a page by its number.
    """
    pages = max(1, math.ceil(total / per_page))
    last = min(pages, MAX_PAGES)
    number = min(max(whole(request.args.get("page", "")) or 1, 1), last)
    return Page(
        number=number,
        pages=pages,
        total=total,
        start=(number - 1) * per_page,
        prev_url=url(number - 1) if number > 1 else "",
        next_url=url(number + 1) if number < last else "",
    )


def page(
    query: Select[Any], *, per_page: int = PER_PAGE, url: Callable[[int], str] = here
) -> Page:
    """Return the page of a query in order that the address names."""
    found = page_of(count(query), per_page=per_page, url=url)
    rows = web.db.scalars(query.limit(per_page).offset(found.start)).all()
    return replace(found, rows=rows)


def count(query: Select[Any]) -> int:
    """Return how many rows a query has."""
    counted = query.order_by(None).with_only_columns(
        func.count(), maintain_column_froms=True
    )
    return int(web.db.scalar(counted) or 0)


def head(
    name: str, sort: str, url: Callable[[str], str], *, is_down_first: bool = True
) -> dict[str, str]:
    """Return where a column's head leads that sorts by it, and how it is sorted now.

    Parameters
    ----------
    sort : str
        The order of the list: a name, after a ``-`` the greatest first.
    url : callable
        Returns the address of the list in an order.
    is_down_first : bool
        Whether the first click puts the greatest first; the next one turns it.
    """
    orders = (f"-{name}", name) if is_down_first else (name, f"-{name}")
    words = {f"-{name}": "descending", name: "ascending"}
    following = orders[1] if sort == orders[0] else orders[0]
    return {"url": url(following), "sorted": words.get(sort, "")}


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """The filters of a list, as in the address."""

    typed: Mapping[str, str]
    """Every filter as it was typed, to be shown again."""
    errors: Mapping[str, str]
    range: Range
    """Event times wanted, of a table that has them; else times of arrival."""
    sort: str = "-at"
    """Name of a column; the greatest first after a ``-``."""
    clauses: tuple[Any, ...] = ()
    labels: Sequence[str] = ()
    """Classes to choose from."""

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered."""
        return any(v for k, v in self.typed.items() if k != "sort")

    @property
    def listed(self) -> list[tuple[str, str, str]]:
        """Name, label and message of each wrong filter, for ``raw_errors``."""
        return [(name, LABELS[name], text) for name, text in self.errors.items()]

    @property
    def args(self) -> dict[str, str]:
        """The filters that are set, as in an address."""
        return {k: v for k, v in self.typed.items() if v}

    def url(self, **changes: Any) -> str:
        """Return the address of the same list with some of it changed."""
        kept = self.args | changes
        values = {k: v for k, v in kept.items() if v} | (request.view_args or {})
        return url_for(str(request.endpoint), **values)

    def head(
        self, label: str, name: str, *, number: bool = False, is_down_first: bool = True
    ) -> dict[str, Any]:
        """Return a column's head that sorts by it, for the macro ``table``."""
        link = head(
            name,
            self.sort,
            lambda sort: self.url(sort=sort),
            is_down_first=is_down_first,
        )
        return {"label": label, "number": number, **link}


def criteria(
    table: Any,
    *,
    choices: Mapping[str, Sequence[str]],
    sorts: Sequence[str] = ("at", "arrived", "probability", "label", "service"),
    default: Mapping[str, str] = {},
) -> Criteria:
    """Return what the address asks for of a table with ``at``.

    Parameters
    ----------
    table : mapped class
        One with ``values`` is searched through them, one with ``service`` filtered by
        it.
    choices : mapping
        Filters by one of a few words beside that by the class: name of the column ->
        the words.
    sorts : sequence of str
        Columns it can be sorted by.
    default : mapping
        Filters as they are where the address does not name them.
    """
    known, asked = labels(), text("label")
    # a class without records is an empty list, not an error
    choices = {"label": [*known, asked[:80]], **choices}
    more = {"q": "values", "service": "service"}
    own = (name for name, column in more.items() if hasattr(table, column))
    names = (*own, *ranges.NAMES, "sort", *choices)
    typed = {
        name: text(name) if name in request.args else default.get(name, "")
        for name in names
    }
    errors: dict[str, str] = {}
    clauses: list[Any] = []
    for name, words in choices.items():
        if not typed[name]:
            continue
        if typed[name] not in words:
            errors[name] = f"Found {typed[name][:60]!r}, expected one of the list."
        elif hasattr(table, name):
            clauses.append(getattr(table, name) == typed[name])
    wanted = ranges.asked()
    errors |= wanted.errors
    typed |= {"range": "" if wanted.name == ranges.ALL else wanted.name}
    if service := typed.get("service"):
        clauses.append(table.service == service[:80])
    if len(searched := typed.get("q", "")) > MAX_TEXT:
        errors["q"] = f"Found more than {MAX_TEXT} characters, expected fewer."
    elif searched:
        clauses.append(holds(table, searched))
    if wanted.since:
        clauses.append(column(table, "at") >= wanted.since)
    if wanted.until:
        clauses.append(column(table, "at") < wanted.until)
    sort = typed["sort"] if typed["sort"].removeprefix("-") in sorts else "-at"
    return Criteria(
        typed=typed,
        errors=errors,
        range=wanted,
        sort=sort,
        clauses=tuple(clauses),
        labels=known,
    )


def listed(table: Any, criteria: Criteria, *more: Any) -> Select[Any]:
    """Return the rows that match and that the person may see, in order."""
    query = visible(select(table), table).where(*criteria.clauses, *more)
    by = column(table, criteria.sort.removeprefix("-"))
    is_down = criteria.sort.startswith("-")
    return query.order_by(
        by.desc() if is_down else by,
        table.id.desc() if is_down else table.id,
    )


def column(table: Any, name: str) -> Any:
    """Return the column of a filter or an order: ``at`` is the event time."""
    if name == "arrived":
        name = "at"
    elif name == "at" and hasattr(table, "event_at"):
        name = "event_at"
    return getattr(table, name)


def paged(table: Any, query: Select[Any], criteria: Criteria, *options: Any) -> Page:
    """Return the page of :func:`listed` that the address names.

    ``options`` say what else is loaded with the rows.
    """
    page = page_of(count(query), per_page=PER_PAGE, url=lambda n: criteria.url(page=n))
    # rows are wide: only their numbers are sorted
    sorted_ids = query.with_only_columns(table.id, maintain_column_froms=True)
    ids = web.db.scalars(sorted_ids.limit(PER_PAGE).offset(page.start)).all()
    found = web.db.scalars(select(table).where(table.id.in_(ids)).options(*options))
    rows = {row.id: row for row in found}
    return replace(page, rows=[rows[i] for i in ids if i in rows])


def services() -> list[str]:
    """Return services of the last days, as far as the person may see them, sorted."""
    return _tallied(Tally.value, Tally.facet == "service")


def labels() -> list[str]:
    """Return the verdicts of the model in use, then others of the last days."""
    bundle = web.detectors.active()
    known = () if bundle is None else bundle.verdicts
    return list(dict.fromkeys([*known, *_tallied(Tally.label, Tally.facet == "all")]))


def _tallied(column: Any, clause: Any) -> list[str]:
    # from the counts: a list of records would be read as a whole
    recent = select(column).distinct().where(clause, Tally.arrived_at >= now() - RECENT)
    query = visible(recent, Tally)
    return sorted(web.db.scalars(query.limit(MAX_WORDS)))


def day(typed: Mapping[str, str], name: str, errors: dict[str, str]) -> datetime | None:
    """Return the start of a day that was typed; what is wrong goes into ``errors``."""
    text = typed[name]
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
        if not 1970 <= found.year < 9999:
            raise ValueError
    except ValueError:
        errors[name] = f"Found {text[:40]!r}, expected a day such as 2026-03-31."
        return None
    return datetime(found.year, found.month, found.day, tzinfo=UTC)


def holds(table: Any, text: str, *columns: Any, user: Any = None) -> Any:
    """Return the clause for rows of the newest whose values or columns hold a text."""
    newest = visible(select(table.id), table, user).order_by(table.id.desc())
    in_values = json.dumps(text)[1:-1]  # as JSON stores it
    return table.id.in_(newest.limit(MAX_SEARCHED)) & or_(
        cast(table.values, String).icontains(in_values, autoescape=True),
        *(column.icontains(text, autoescape=True) for column in columns),
    )
