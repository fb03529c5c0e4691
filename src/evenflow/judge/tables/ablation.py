"""The table of an ablation."""

from __future__ import annotations

from evenflow.judge.ablation import FIGURES, Ablation, Line
from evenflow.judge.tables.comparison import mean
from evenflow.judge.tables.grid import DASH, Grid, numbers, text


def grid(found: Ablation) -> Grid:
    """Return the figures of each line and, behind each, the change from the first."""
    protocols = dict.fromkeys(row.protocol for row in found.comparison.rows)
    return Grid(
        title="What each part brings",
        note="Per cent. Mean over the runs, +/- their standard deviation; in brackets "
        "the change from the recipe, run by run. Protocol: "
        f"{', '.join(protocols) or DASH}.",
        columns=(*text("recipe"), *numbers("runs", *FIGURES)),
        rows=tuple(
            (line.what, str(line.runs), *(_cell(line, head, k) for head in FIGURES))
            for k, line in enumerate(found.lines)
        ),
    )


def _cell(line: Line, head: str, number: int) -> str:
    figure = mean(line.figures[head])
    change = line.changes[head]["mean"]
    if not number or change is None:
        return figure
    return f"{figure} ({100 * change:+.2f})"
