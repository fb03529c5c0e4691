"""Charts of the daily work as Vega-Lite specifications: plain dicts without colours.

Classes take the theme's colours by their place in ``domain``, so that one class has
the same colour in every chart and range. Width is the page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from evenflow.runtime.explanation import VEGA_LITE

Bar = Mapping[str, Any]
COUNTED = "format(datum.value, datum.value < 10000 ? ',' : '~s')"
"""A tick of a count: 500 and not 0.5k, 20k and not 20,000."""


def over_time(
    bars: Sequence[Bar],
    domain: Sequence[str],
    *,
    shown: Sequence[str],
    start: datetime,
    end: datetime,
    title: str,
    height: int = 190,
) -> dict[str, Any]:
    """Return stacked bars of counts over time.

    Parameters
    ----------
    bars : sequence of mapping
        ``at`` and ``to`` (ISO 8601, UTC), ``class``, ``n`` and ``rank``.
    domain : sequence of str
        Classes in the order of their colours.
    shown : sequence of str
        Classes that the legend names.
    start, end : datetime
        Ends of the time axis.
    title : str
        Of the axis of counts.
    """
    is_day = end - start <= timedelta(days=1)
    label = "%H:%M" if is_day else "%d %b"
    return {
        "$schema": VEGA_LITE,
        "width": "container",
        "height": height,
        "data": {"values": list(_stacked(bars))},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {
                "field": "at",
                "type": "temporal",
                "title": None,
                "scale": {
                    "type": "utc",
                    "domainMin": _ms(start),
                    "domainMax": _ms(end),
                },
                "axis": {
                    "grid": False,
                    "tickCount": 8,
                    "format": label,
                    "labelOverlap": True,
                },
            },
            "x2": {"field": "to"},
            "y": {
                "field": "low",
                "type": "quantitative",
                "title": title,
                "scale": {"zero": True},
                "axis": {"tickCount": 5, "labelExpr": COUNTED, "tickMinStep": 1},
            },
            "y2": {"field": "high"},
            "color": {
                "field": "class",
                "type": "nominal",
                "scale": {"domain": list(domain)},
                "legend": {"title": None, "values": list(shown)},
            },
            "tooltip": [
                {"field": "from", "type": "nominal", "title": "from (UTC)"},
                {"field": "class", "type": "nominal", "title": "class"},
                {"field": "n", "type": "quantitative", "title": "verdicts",
                 "format": ","},
            ],
        },
    }  # fmt: skip


def _stacked(bars: Sequence[Bar]) -> Iterator[dict[str, Any]]:
    """Yield the bars one on the other, by rank."""
    heights: dict[str, int] = {}
    for bar in sorted(bars, key=lambda bar: (bar["at"], bar["rank"])):
        low = heights.get(bar["at"], 0)
        heights[bar["at"]] = low + bar["n"]
        shown = {k: v for k, v in bar.items() if k != "rank"}
        yield shown | {"low": low, "high": low + bar["n"]}


def _ms(at: datetime) -> dict[str, str]:
    """Return a moment as an expression: a scale takes no plain number for a time."""
    return {"expr": str(int(at.timestamp() * 1000))}


def shares(
    rows: Sequence[tuple[str, float]], domain: Sequence[str], *, title: str
) -> dict[str, Any]:
    """Return one bar for each class, the class's name at its left.

    Parameters
    ----------
    rows : sequence of (str, float)
        Class and its figure, in order.
    domain : sequence of str
        Classes in the order of their colours.
    title : str
        Of the axis of figures.
    """
    return {
        "$schema": VEGA_LITE,
        "width": "container",
        "height": 26 * len(rows),
        "data": {"values": [{"class": label, "n": n} for label, n in rows]},
        "encoding": {
            "y": {
                "field": "class",
                "type": "nominal",
                "sort": [label for label, _ in rows],
                "title": None,
            },
            "x": {
                "field": "n",
                "type": "quantitative",
                "title": title,
                "axis": {"tickCount": 4, "labelExpr": COUNTED, "tickMinStep": 1},
                "scale": {"domainMin": 0, "nice": True},
            },
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 2},
                "encoding": {
                    "color": {
                        "field": "class",
                        "type": "nominal",
                        "scale": {"domain": list(domain)},
                        "legend": None,
                    },
                    "tooltip": [
                        {"field": "class", "type": "nominal"},
                        {"field": "n", "type": "quantitative", "format": ",",
                         "title": "verdicts"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "style": "label"},
                "encoding": {
                    "text": {"field": "n", "type": "quantitative", "format": ","}
                },
            },
        ],
    }  # fmt: skip


def class_shares(rows: Sequence[tuple[str, float]], decided: str) -> dict[str, Any]:
    """Return how likely each class is: the one decided stands out.

    Parameters
    ----------
    rows : sequence of (str, float)
        Name of the class in plain words and its probability, [0, 1].
    decided : str
        Name of the class that was decided.
    """
    values = [
        {"class": name, "p": p, "is": "decided" if name == decided else "other"}
        for name, p in rows
    ]
    bar = {"type": "bar", "cornerRadiusEnd": 2}
    layer = [
        {
            "transform": [{"filter": "datum.is != 'decided'"}],
            "mark": {**bar, "opacity": 0.45},
        },
        {"transform": [{"filter": "datum.is == 'decided'"}], "mark": bar},
    ]
    return {
        "$schema": VEGA_LITE,
        "width": "container",
        "height": 24 * len(rows),
        "data": {"values": values},
        "encoding": {
            "y": {
                "field": "class",
                "type": "nominal",
                "sort": [name for name, _ in rows],
                "title": None,
            },
            "x": {
                "field": "p",
                "type": "quantitative",
                "title": "probability",
                "axis": {"format": "~%", "tickCount": 5},
                "scale": {"domain": [0, 1]},
            },
            "tooltip": [
                {"field": "class", "type": "nominal"},
                {"field": "p", "type": "quantitative", "format": ".2%",
                 "title": "probability"},
            ],
        },
        "layer": layer,
    }  # fmt: skip
