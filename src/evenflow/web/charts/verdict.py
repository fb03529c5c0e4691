"""The contributions of an explanation as a Vega-Lite specification for a page.

Colours are the theme's: bars take its first colour, those towards attack the style
``here``. The side of the axis tells them apart too, so colour carries nothing alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenflow.runtime.explanation import BARS
from evenflow.web.charts.spec import chart, filtered_bars, nominal, quantitative

TOWARDS, AWAY = "towards attack", "towards benign"
NAMED = 3
"""Columns the text alternative names."""


def contributions_chart(contributions: Sequence[Any]) -> dict[str, Any] | None:
    """Return bars of the largest contributions; None if there are none."""
    bars: list[dict[str, Any]] = [
        {
            # short: the tooltip has all
            "bar": f"{c.column}: {c.value.split(' (')[0]}",
            "column": c.label,
            "value": c.value,
            "normal": c.normal,
            "contribution": c.contribution,
            "direction": TOWARDS if c.contribution > 0 else AWAY,
        }
        for c in contributions[:BARS]
    ]
    if not bars:
        return None
    layer = []
    # a layer without a bar has no extent, which the browser's console is told
    if any(bar["contribution"] <= 0 for bar in bars):
        layer.append(filtered_bars("datum.contribution <= 0", cornerRadius=2))
    if any(bar["contribution"] > 0 for bar in bars):
        layer.append(
            filtered_bars("datum.contribution > 0", cornerRadius=2, style="here")
        )
    # two lines: one is cut off on a phone
    title = [
        "\u2190 towards benign \u00b7 towards attack \u2192",
        "contribution to the log odds",
    ]
    return chart(
        bars,
        height=24 * len(bars),
        encoding={
            "y": nominal("bar", sort=[bar["bar"] for bar in bars], title=None),
            "x": quantitative("contribution", title=title),
            "tooltip": [
                nominal("column", title="column"),
                nominal("value", title="this record"),
                nominal("normal", title="benign traffic"),
                quantitative("contribution", format="+.2f"),
                nominal("direction", title="direction"),
            ],
        },
        layer=layer,
    )


def contributions_alt(contributions: Sequence[Any]) -> str:
    """Return what the chart shows, for who cannot see it."""
    if not contributions:
        return ""
    sides = []
    for side, is_side in ((TOWARDS, True), (AWAY, False)):
        named = [c.label for c in contributions if (c.contribution > 0) == is_side]
        if named:
            sides.append(f"{side}, most of all {', '.join(named[:NAMED])}")
    return f"Bars: the contribution of each column; {'; '.join(sides)}."
