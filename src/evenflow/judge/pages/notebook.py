"""Reports and comparisons as a notebook shows them: short, bounded, escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from evenflow.judge.comparison import Comparison
from evenflow.judge.report import Report
from evenflow.judge.tables import comparison as comparison_tables
from evenflow.judge.tables import report as report_tables
from evenflow.judge.tables.grid import Grid, numbers

MAX_ROWS = 20
"""Rows of a table that are shown."""
MAX_COLUMNS = 16
"""Columns of a table that are shown."""
MAX_TEXT = 300
"""Characters of a text that are shown."""


def line(report: Report) -> str:
    """Return a report in a line, as Python shows the object."""
    figure = {
        "detection rate": report.binary["detection_rate"],
        "false alarm rate": report.binary["false_alarm_rate"],
        "macro F1": report.multiclass["macro_f1"],
    }
    shown = ", ".join(f"{k} {report_tables.percent(v, 1)}" for k, v in figure.items())
    rows = f"{report.n_rows:,} rows"
    return f"<Report {report.dataset}, {report.protocol}, {rows}: {shown}>"


def report(report: Report) -> str:
    """Return the figures of a report that matter most, as markup."""
    counts = ", ".join(f"{name} {n:,}" for name, n in report.class_counts.items())
    headlines = Grid(
        title="At the threshold",
        columns=numbers("figure", "value", f"{report.intervals['level']:.0%} interval"),
        rows=tuple(report_tables.headlines(report)),
    )
    marks = report_tables.marks(report)[:10]
    parts = [
        _element("h4", f"{report.dataset}, protocol {report.protocol}"),
        _element("p", f"{report.n_rows:,} test rows: {counts}."),
        *(_element("p", f"Warning: {mark}") for mark in marks),
        _table(headlines),
        _table(report_tables.classes(report)),
    ]
    if report.attacks:
        parts.append(_table(report_tables.attacks(report)))
    return "".join(parts)


def comparison(comparison: Comparison) -> str:
    """Return the tables of a comparison's own rows, as markup."""
    own = comparison_tables.grids(comparison)[:2] if comparison.rows else []
    failed = [f"{f.name}, seed {f.seed}: {f.error}" for f in comparison.failed]
    tables = [_table(grid) for grid in own]
    return "".join(tables + [_element("p", f"Failed: {text}") for text in failed[:10]])


def _table(grid: Grid) -> str:
    """Return a table, cut where it is long or wide; the caption says so."""
    rows, columns = len(grid.rows), len(grid.head)
    cut = []
    if rows > MAX_ROWS:
        cut.append(f"the first {MAX_ROWS} of {rows:,} rows")
    if columns > MAX_COLUMNS:
        cut.append(f"the first {MAX_COLUMNS} of {columns:,} columns")
    caption = grid.title + (f" ({' and '.join(cut)})" if cut else "")
    return "<table>{}<thead>{}</thead><tbody>{}</tbody></table>".format(
        _element("caption", caption),
        _row("th", grid.head),
        "".join(_row("td", row) for row in grid.rows[:MAX_ROWS]),
    )


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(_element(tag, cell) for cell in cells[:MAX_COLUMNS])}</tr>"


def _element(tag: str, text: str) -> str:
    shown = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
    return f"<{tag}>{html.escape(shown)}</{tag}>"
