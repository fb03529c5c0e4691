"""Charts of the daily work as Vega-Lite specifications: plain dicts without colours.

Classes have the colours of :mod:`evenflow.judge.charts.class_colors`. Width is the
page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from evenflow.web.charts.spec import (
    chart,
    filtered_bars,
    nominal,
    quantitative,
    temporal,
)

Bar = Mapping[str, Any]
MOMENT = "%Y-%m-%d %H:%M:%S"
COUNTED = "format(datum.value, datum.value < 10000 ? ',' : '~s')"
"""A tick of a count: 500 and not 0.5k, 20k and not 20,000."""


def over_time(
    bars: Sequence[Bar],
    colors: dict[str, Any],
    *,
    shown: Sequence[str],
    start: datetime,
    end: datetime,
    title: str,
    height: int = 190,
) -> dict[str, Any]:
    """Return stacked bars of counts over time, in the reader's zone.

    A part of the time can be selected with the mouse; ``static/charts.js`` goes there,
    and from a bar to its rows.

    Parameters
    ----------
    bars : sequence of mapping
        ``at`` and ``end``, ``class``, ``n`` and ``rank``, and what else the script
        needs of a bar.
    colors : dict
        Scale of the colours of classes.
    shown : sequence of str
        Classes that the legend names.
    start, end : datetime
        Ends of the time axis.
    title : str
        Of the axis of counts.
    """
    x = {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"domainMin": _ms(start), "domainMax": _ms(end)},
        "axis": {
            "grid": False,
            "tickCount": 8,
            "format": _format(end - start),
            "labelOverlap": True,
        },
    }
    axis = {"tickCount": 5, "labelExpr": COUNTED, "tickMinStep": 1}
    color = nominal(
        "class",
        scale=colors,
        legend={"title": None, "values": list(shown)},
    )
    tooltip = [
        temporal("at", title="from", format=MOMENT),
        temporal("end", title="to", format=MOMENT),
        nominal("utc", title="from (UTC)"),
        nominal("class", title="class"),
        quantitative("n", title=title, format=","),
    ]
    encoding = {
        "x": x,
        "x2": {"field": "to"},
        "y": quantitative("low", title=title, scale={"zero": True}, axis=axis),
        "y2": {"field": "high"},
        "color": color,
        "tooltip": tooltip,
    }
    select = {"type": "interval", "encodings": ["x"]}
    return chart(
        list(_stacked(bars)),
        height=height,
        encoding=encoding,
        mark={"type": "rect"},
        params=[{"name": "brush", "select": select}],
    )


def _format(span: timedelta) -> str:
    """Return how the ticks of a time axis are written."""
    if span <= timedelta(minutes=10):
        return "%H:%M:%S"
    if span <= timedelta(hours=36):
        return "%H:%M"
    if span <= timedelta(days=4):
        return "%d %b, %H:%M"
    return "%d %b" if span <= timedelta(days=300) else "%b %Y"


def _stacked(bars: Sequence[Bar]) -> Iterator[dict[str, Any]]:
    """Yield the bars one on the other, by rank; a gap tells each from the next one."""
    heights: dict[datetime, int] = {}
    for bar in sorted(bars, key=lambda bar: (bar["at"], bar["rank"])):
        at, end, low = bar["at"], bar["end"], heights.get(bar["at"], 0)
        heights[at] = low + bar["n"]
        shown = {k: v for k, v in bar.items() if k != "rank"} | {
            "at": at.isoformat(),
            "to": (end - (end - at) / 10).isoformat(),
            "end": end.isoformat(),
            "utc": f"{at:%Y-%m-%d %H:%M:%S}",
        }
        yield shown | {"low": low, "high": low + bar["n"]}


def _ms(at: datetime) -> dict[str, str]:
    """Return a moment as an expression: a scale takes no plain number for a time."""
    return {"expr": str(int(at.timestamp() * 1000))}


def shares(
    rows: Sequence[tuple[str, float]], colors: dict[str, Any], *, title: str
) -> dict[str, Any]:
    """Return one bar for each class, the class's name at its left.

    ``rows`` are classes and their figures in order, ``colors`` the scale of their
    colours; the title is that of the axis of figures.
    """
    axis = {"tickCount": 4, "labelExpr": COUNTED, "tickMinStep": 1}
    scale = {"domainMin": 0, "nice": True}
    color = nominal("class", scale=colors, legend=None)
    tooltip = [nominal("class"), quantitative("n", format=",", title="verdicts")]
    return chart(
        [{"class": label, "n": n} for label, n in rows],
        height=26 * len(rows),
        encoding={
            "y": nominal("class", sort=[label for label, _ in rows], title=None),
            "x": quantitative("n", title=title, axis=axis, scale=scale),
        },
        layer=[
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 2},
                "encoding": {"color": color, "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "style": "label"},
                "encoding": {"text": quantitative("n", format=",")},
            },
        ],
    )


def class_shares(
    rows: Sequence[tuple[str, float]], decided: str, colors: dict[str, Any]
) -> dict[str, Any]:
    """Return how likely each class is, by its name: the one decided stands out.

    ``colors`` is the scale of the colours of classes.
    """
    values = [
        {"class": name, "p": p, "is": "decided" if name == decided else "other"}
        for name, p in rows
    ]
    axis = {"format": "~%", "tickCount": 5}
    return chart(
        values,
        height=24 * len(rows),
        encoding={
            "y": nominal("class", sort=[name for name, _ in rows], title=None),
            "x": quantitative(
                "p", title="probability", axis=axis, scale={"domain": [0, 1]}
            ),
            "color": nominal("class", scale=colors, legend=None),
            "tooltip": [
                nominal("class"),
                quantitative("p", format=".2%", title="probability"),
            ],
        },
        layer=[
            filtered_bars("datum.is != 'decided'", cornerRadiusEnd=2, opacity=0.45),
            filtered_bars("datum.is == 'decided'", cornerRadiusEnd=2),
        ],
    )
