"""Charts of reports and explorations as the pages of the web draw them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evenflow.judge.charts.base import Chart, apart


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The arguments of the macro ``chart``."""

    name: str
    title: str
    note: str
    alt: str
    spec: dict[str, Any]


def drawn(found: Iterable[tuple[str, Chart, str]]) -> dict[str, Picture]:
    """Return charts, given as name, chart and words, ready for a page, by name."""
    return {name: one(name, chart, alt) for name, chart, alt in found}


def one(name: str, chart: Chart, alt: str) -> Picture:
    """Return one chart, ready for a page."""
    title, note, spec = apart(chart)
    return Picture(name=name, title=title, note=note, alt=alt, spec=spec)
