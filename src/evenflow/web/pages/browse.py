"""Rows of a data set: filtered, sorted, counted by value, linked, downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Response, abort, redirect, render_template, request, url_for

from evenflow import datasets
from evenflow.runtime.writers import inert
from evenflow.web.datasets import explorations
from evenflow.web.datasets.rows import (
    MAX_DOWNLOADED,
    MAX_FILTERS,
    MAX_ROWS,
    MAX_SHOWN,
    OPERATORS,
    Asked,
    Condition,
    Rows,
    path_of,
)
from evenflow.web.frame import lists
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.permissions import require
from evenflow.web.pages import Pages

bp = Pages("browse", "/explore")
PER_PAGE = 50
MAX_FACETS = 3
CUT = 60
"""Characters of a value that a table shows."""


@bp.get("/<name>/rows")
@require(guests=False)
def rows(name: str) -> Any:
    """Show the rows of a data set that the address asks for."""
    found = _found(name)
    if "column" in request.args:  # the form of a new condition: its own address
        return redirect(_with_condition(name, found))
    asked, columns = _asked(found), _columns(found)
    page = lists.page_of(
        found.count(asked),
        per_page=PER_PAGE,
        url=lambda n: _url(name, asked, page=n),
    )
    part = found.page(asked, columns, start=page.start, n_rows=PER_PAGE)
    shown = [one | {"values": [*map(_cell, one["values"])]} for one in part]

    def head(column: str) -> dict[str, Any]:
        link = lists.head(
            column,
            asked.sort,
            lambda sort: _url(name, replace(asked, sort=sort)),
            is_down_first=found.is_number(column),
        )
        return {"label": column, "number": found.is_number(column), **link}

    return render_template(
        "explore/rows.html",
        name=name,
        found=found,
        asked=asked,
        columns=columns,
        heads=[head(column) for column in columns],
        page=replace(page, rows=shown),
        facets=[(c, _facet(name, found, asked, c)) for c in asked.facets],
        conditions=[(one, _url(name, asked.but(one))) for one in asked.conditions],
        facet_urls=[(c, _facet_url(name, asked, c)) for c in found.columns],
        operators=OPERATORS,
        download_url=_url(name, asked, endpoint="browse.download"),
        reset_url=url_for("browse.rows", name=name),
        max_rows=MAX_ROWS,
        max_downloaded=MAX_DOWNLOADED,
    )


@bp.get("/<name>/rows.csv")
@require(guests=False)
def download(name: str) -> Response:
    """Send the rows that the address asks for as CSV, the first ones of very many."""
    found = _found(name)
    return attachment(_csv(found, _asked(found)), f"{name}-rows.csv")


def _csv(found: Rows, asked: Asked) -> Iterator[bytes]:
    is_first = True
    for part in found.parts(asked):
        if is_first or part.height:
            yield inert(part).write_csv(include_header=is_first).encode()
        is_first = False


def _found(name: str) -> Rows:
    is_own = explorations.find(web.db(), name) is not None
    if not is_own and name not in datasets.names():
        abort(404)
    return Rows(path_of(web.home, name))


def _asked(found: Rows) -> Asked:
    """Return what the address asks for; what is invalid in it asks for nothing."""
    given = [found.condition(text) for text in request.args.getlist("where")]
    facets = [c for c in request.args.getlist("facet") if c in found.columns]
    sort = request.args.get("sort", "")
    return Asked(
        conditions=tuple(one for one in given if one is not None)[:MAX_FILTERS],
        sort=sort if sort.removeprefix("-") in found.columns else "",
        facets=tuple(dict.fromkeys(facets))[:MAX_FACETS],
    )


def _columns(found: Rows) -> list[str]:
    """Return the columns that are shown: the chosen ones, or the first ones."""
    chosen = [c for c in request.args.getlist("show") if c in found.columns]
    return list(dict.fromkeys(chosen)) or found.columns[:MAX_SHOWN]


def _with_condition(name: str, found: Rows) -> str:
    """Return the address with the condition of the form beside the others."""
    asked = _asked(found)
    text = ":".join(request.args.get(n, "") for n in ("column", "operator", "value"))
    one = found.condition(text)
    return _url(name, asked if one is None else asked.also(one))


def _facet(
    name: str, found: Rows, asked: Asked, column: str
) -> list[tuple[str, int, str]]:
    """Return values of a column with their counts, and the address of each."""
    out = []
    for value, n in found.facet(asked, column):
        is_none = value is None or value != value
        one = Condition(
            column=column,
            operator="none" if is_none else "eq",
            value="" if is_none else _plain(value),
        )
        shown = "missing" if is_none else _plain(value)
        out.append((shown[:CUT] or "(empty)", n, _url(name, asked.also(one))))
    return out


def _facet_url(name: str, asked: Asked, column: str) -> str:
    """Return the address with a facet of the column, or without it if it is there."""
    rest = tuple(c for c in asked.facets if c != column)
    facets = rest if column in asked.facets else (*rest[-MAX_FACETS + 1 :], column)
    return _url(name, replace(asked, facets=facets))


def _url(
    name: str, asked: Asked, *, page: int = 1, endpoint: str = "browse.rows"
) -> str:
    given: dict[str, Any] = {
        "where": [one.text for one in asked.conditions],
        "sort": asked.sort or None,
        "facet": list(asked.facets),
        "show": request.args.getlist("show"),
        "page": page if page > 1 else None,
    }
    return url_for(endpoint, name=name, **given)


def _cell(value: Any) -> str:
    """Return a value as the table shows it: a dash where it is missing."""
    text = "–" if value is None or value != value else _plain(value)
    return text if len(text) <= CUT else f"{text[:CUT]}…"


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
