"""Results as plain text: aligned columns, figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CONTROL = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def plain(value: object) -> str:
    """Return a value on one line, with control characters written as escapes.

    Text of a bundle or a record may hold some that move the cursor or clear the
    screen.
    """
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(value))


def plain_lines(text: str) -> str:
    """Return a text with its lines, each as :func:`plain` writes it."""
    return "\n".join(map(plain, text.splitlines()))


def columns(
    head: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[int] = ()
) -> str:
    """Return rows as aligned columns under a ruled head, never cut.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequences
        Cells; ``None`` is shown as a dash.
    right : iterable of int
        Numbers of the columns whose cells are flush right.
    """
    cells = [["-" if c is None else plain(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    flush = set(right)

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if k in flush else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(list(head)), rule, *map(line, cells)])


def pairs(facts: Mapping[str, Any]) -> str:
    """Return ``name  value`` lines, names padded to one width."""
    width = max(map(len, facts), default=0)
    return "\n".join(
        f"{name.ljust(width)}  {plain(value)}" for name, value in facts.items()
    )


def percent(value: float | None, digits: int = 2) -> str:
    """Return a share of one as per cent; a dash where it is undefined."""
    return "-" if value is None else f"{100 * value:.{digits}f}"
