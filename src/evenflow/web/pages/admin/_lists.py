"""Lists of the administration, a page at a time."""

from __future__ import annotations

import math
from typing import Any

from flask import request, url_for
from sqlalchemy import Select, func

from evenflow.web.frame.context import web
from evenflow.web.frame.lists import Page

PER_PAGE = 50
NOT_KEPT = {"page", "endpoint"}
"""Names in an address that are not handed on: ``url_for`` has its own of them."""


def page(query: Select[Any]) -> Page:
    """Return the page of a query that the address names, the first for no number."""
    counted = query.order_by(None).with_only_columns(
        func.count(), maintain_column_froms=True
    )
    total = web.db.scalar(counted) or 0
    pages = max(1, math.ceil(total / PER_PAGE))
    asked = request.args.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    number = min(max(number, 1), pages)
    rows = web.db.scalars(query.limit(PER_PAGE).offset((number - 1) * PER_PAGE))
    return Page(
        rows=list(rows),
        number=number,
        pages=pages,
        total=total,
        prev_url=_url(number - 1) if number > 1 else "",
        next_url=_url(number + 1) if number < pages else "",
    )


def text(name: str, most: int = 200) -> str:
    """Return a filter of the address: no longer than that, and no NUL."""
    return request.args.get(name, "").replace("\0", "").strip()[:most]


def _url(number: int) -> str:
    kept = {k: v for k, v in request.args.items() if v and k not in NOT_KEPT}
    # only what the page's own filters are called: an address is built by nobody else
    kept = {k: v for k, v in kept.items() if not k.startswith("_")}
    return url_for(str(request.endpoint), **kept, page=number)  # type: ignore[arg-type]
