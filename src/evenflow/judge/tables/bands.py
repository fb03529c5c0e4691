"""The table of attacks by score, made once for every format."""

from __future__ import annotations

from evenflow.bands import Bands
from evenflow.judge.report import Report
from evenflow.judge.tables.grid import DASH, Grid, numbers, text


def bands(report: Report) -> Grid | None:
    """Return the share of attacks by score; None where it was not counted."""
    if report.bands is None:
        return None
    rows = []
    for band in Bands.from_dict(report.bands).bands:
        share, edges = DASH, DASH
        if band.share is not None and band.interval is not None:
            low, high = band.interval
            share = f"{100 * band.share:.2f} %"
            edges = f"{100 * low:.2f} to {100 * high:.2f}"
        side = "attack" if band.is_attack else "benign"
        counts = f"{band.rows:,}", f"{band.attacks:,}"
        rows.append((band.name, side, *counts, share, edges))
    return Grid(
        title="Attacks among rows of each score",
        note="Odds of an attack against those of the threshold. Where attacks are "
        "rarer than among these rows, so are they at each score. Intervals: Wilson, "
        f"{report.intervals['level']:.0%}.",
        columns=(
            *text("odds", "verdict"),
            *numbers("rows", "attacks", "share", "interval"),
        ),
        rows=tuple(rows),
    )
