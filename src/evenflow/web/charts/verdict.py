"""The pushes of an explanation as a Vega-Lite specification for a page.

Colours are the theme's: bars take its first colour, those towards attack the style
``here``. The side of the axis tells them apart too, so colour carries nothing alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenflow.runtime.explanation import BARS, VEGA_LITE

TOWARDS, AWAY = "towards attack", "towards benign"
Bar = tuple[str, str, str, float]
"""Label, value of the record, value of normal traffic, push."""
NAMED = 3
"""Columns the text alternative names."""


def pushes_chart(pushes: Sequence[Bar]) -> dict[str, Any] | None:
    """Return bars of the strongest pushes; None if there are none."""
    bars: list[dict[str, Any]] = [
        {
            "bar": f"{label}: {value.split(' (')[0]}",  # short: the tooltip has all
            "column": label,
            "value": value,
            "normal": normal,
            "push": push,
            "direction": TOWARDS if push > 0 else AWAY,
        }
        for label, value, normal, push in pushes[:BARS]
    ]
    if not bars:
        return None
    mark = {"type": "bar", "cornerRadius": 2}
    layers: list[dict[str, Any]] = []
    # a layer without a bar has no extent, which the browser's console is told
    if any(bar["push"] <= 0 for bar in bars):
        away = {"filter": "datum.push <= 0"}
        layers.append({"transform": [away], "mark": mark})
    if any(bar["push"] > 0 for bar in bars):
        towards = {"filter": "datum.push > 0"}
        layers.append({"transform": [towards], "mark": {**mark, "style": "here"}})
    return {
        "$schema": VEGA_LITE,
        "width": "container",
        "height": 24 * len(bars),
        "data": {"values": bars},
        "encoding": {
            "y": {
                "field": "bar",
                "type": "nominal",
                "sort": [bar["bar"] for bar in bars],
                "title": None,
            },
            "x": {
                "field": "push",
                "type": "quantitative",
                # two lines: one is cut off on a phone
                "title": [
                    "\u2190 towards benign \u00b7 towards attack \u2192",
                    "contribution to the log odds",
                ],
            },
            "tooltip": [
                {"field": "column", "type": "nominal", "title": "column"},
                {"field": "value", "type": "nominal", "title": "this record"},
                {"field": "normal", "type": "nominal", "title": "benign traffic"},
                {"field": "push", "type": "quantitative", "format": "+.2f"},
                {"field": "direction", "type": "nominal", "title": "pushes"},
            ],
        },
        "layer": layers,
    }


def pushes_alt(pushes: Sequence[tuple[str, float]]) -> str:
    """Return what the chart shows, for who cannot see it."""
    if not pushes:
        return ""
    sides = []
    for side, is_side in ((TOWARDS, True), (AWAY, False)):
        named = [label for label, push in pushes if (push > 0) == is_side][:NAMED]
        if named:
            sides.append(f"{side}, most of all {', '.join(named)}")
    return f"Bars: the contribution of each column; {'; '.join(sides)}."
