"""Charts of a comparison: systems as rows of dots, recalls as a table of colours.

A system's name stands above its dots, not beside them, and its figures at the right
end of the same line: thirty long names fit on a phone, and nobody reads values off
an axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.judge.charts.base import WIDTH, Chart, altair, on_cells, rows, titled

LINE = 34
"""Height of one system, its name and the dots below it, in pixels."""
CELL = 40
"""Width of one figure at the end of the line, in pixels."""
SHAPES = ("circle", "square", "triangle-up", "diamond")

System = Mapping[str, Any]
"""``name``, ``is_published``, ``cells`` (text of the first columns) and ``figures``
(name -> ``(value, spread)``; either may be None)."""


def dots(
    groups: Mapping[str, Sequence[System]],
    columns: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
) -> Chart:
    """Return systems one below the other; published figures hollow, ours filled.

    Parameters
    ----------
    groups : mapping
        Heading -> systems. Systems under one heading stand under one protocol.
    columns : sequence of str
        Heads of the systems' ``cells``.
    """
    alt = altair()
    lines, points = _lines(groups, columns)
    low = max(0, math.floor(10 * min((p["value"] for p in points), default=0)) / 10)
    low = min(low, 0.9)
    step = 0.05 if low >= 0.8 else 0.1 if low >= 0.5 else 0.2
    ticks = [round(1 - k * step, 2) for k in range(round((1 - low) / step) + 1)]
    margin = 0.02 * (1 - low)  # a dot at 100 % is drawn whole
    scale = alt.Scale(domain=[low - margin, 1 + margin], nice=False)
    axis = alt.Axis(format="%", values=sorted(ticks), title=None)
    x = alt.X("value:Q", scale=scale, axis=axis)
    place = alt.Scale(domain=list(range(len(lines))))
    y = alt.Y("line:O", scale=place, axis=None)
    found = list(dict.fromkeys(p["figure"] for p in points))
    legend = alt.Legend(title=None, orient="top", columns=2) if len(found) > 1 else None
    named: dict[str, Any] = {"sort": None, "legend": legend}
    color = alt.Color("figure:N", scale=alt.Scale(domain=found), **named)
    forms = alt.Scale(domain=found, range=list(SHAPES[: len(found)]))
    shape = alt.Shape("figure:N", scale=forms, **named)
    tooltip = [
        alt.Tooltip("name:N", title="system"),
        alt.Tooltip("figure:N"),
        alt.Tooltip("value:Q", format=".2%"),
        alt.Tooltip("whose:N"),
    ]
    text = alt.Chart(rows(lines)).encode(y=y)
    dot = alt.Chart(rows(points)).encode(y=y)
    names, ranged = "!datum.is_heading", "isValid(datum.low)"
    guide = text.transform_filter(names).mark_rule(style="guide", yOffset=8)
    spread = dot.transform_filter(ranged).mark_rule(style="edge", yOffset=8)
    layers = [
        guide.encode(x=alt.XValue(0), x2=alt.X2Value("width")),
        spread.encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q"), color=color),
    ]
    for is_published, test in ((False, "!"), (True, "")):
        some = dot.transform_filter(f"{test}datum.is_published")
        mark = some.mark_point(
            filled=not is_published, size=64, yOffset=8, opacity=0.9, strokeWidth=1.8
        )
        layers.append(mark.encode(x=x, color=color, shape=shape, tooltip=tooltip))
    # the columns' heads stand below a heading, or they would meet on a phone
    for test, style, down in (("", "heading", 9), ("!", "name", -7)):
        some = text.transform_filter(f"{test}datum.is_heading")
        shown = some.mark_text(style=style, align="left", dy=-7)
        layers.append(shown.encode(x=alt.XValue(0), text=alt.Text("name:N")))
        for k in range(len(columns)):
            right = CELL * (len(columns) - 1 - k)
            shown = some.mark_text(style=style, align="right", dy=down, dx=-right)
            cell = {"x": alt.XValue("width"), "text": alt.Text(f"cell_{k}:N")}
            layers.append(shown.encode(**cell))
    chart = alt.layer(*layers).properties(width=WIDTH - 40, height=LINE * len(lines))
    return titled(chart, title, subtitle)


def _lines(
    groups: Mapping[str, Sequence[System]], columns: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what is written and what is dotted, line by line."""
    lines: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []

    def write(name: str, cells: Sequence[str], is_heading: bool) -> int:
        texts = {f"cell_{k}": "".join(cells[k : k + 1]) for k in range(len(columns))}
        line = len(lines)
        lines.append({"line": line, "name": name, "is_heading": is_heading, **texts})
        return line

    for heading, systems in groups.items():
        write(heading, columns, True)
        for system in systems:
            line = write(system["name"], system["cells"], False)
            whose = "as published" if system["is_published"] else "measured here"
            points += [
                {
                    "line": line,
                    "name": system["name"],
                    "figure": figure,
                    "value": value,
                    "low": None if spread is None else value - spread,
                    "high": None if spread is None else value + spread,
                    "is_published": system["is_published"],
                    "whose": whose,
                }
                for figure, (value, spread) in system["figures"].items()
                if value is not None
            ]
    return lines, points


def recalls(
    found: Mapping[str, Mapping[str, float | None]],
    *,
    title: str,
    subtitle: str = "",
) -> Chart:
    """Return a table of recipes and classes, each cell its recall in per cent.

    Parameters
    ----------
    found : mapping
        Recipe -> class -> recall, None where it is undefined.
    """
    alt = altair()
    classes = list(dict.fromkeys(name for recall in found.values() for name in recall))
    digits = 1 if len(classes) <= 6 else 0
    cells = [
        {
            "recipe": recipe,
            "class": name,
            "recall": value,
            "words": "-" if value is None else f"{100 * value:.{digits}f}",
        }
        for recipe, recall in found.items()
        for name, value in recall.items()
    ]
    is_short = len(classes) <= 6 and max(map(len, classes), default=0) <= 7
    plain: dict[str, Any] = {"sort": None, "title": None}
    top = alt.Axis(orient="top", labelAngle=0 if is_short else -40, ticks=False)
    side = alt.Axis(labelLimit=200, ticks=False)
    base = alt.Chart(rows(cells)).encode(
        x=alt.X("class:N", scale=alt.Scale(domain=classes), **plain, axis=top),
        y=alt.Y("recipe:N", scale=alt.Scale(domain=list(found)), **plain, axis=side),
    )
    tooltip = [
        alt.Tooltip("recipe:N"),
        alt.Tooltip("class:N"),
        alt.Tooltip("recall:Q", format=".2%"),
    ]
    color = alt.Color("recall:Q", scale=alt.Scale(domain=[0, 1]), legend=None)
    heat = base.transform_filter("isValid(datum.recall)").mark_rect()
    tests = {
        "weak": "!isValid(datum.recall) || datum.recall <= 0.5",
        "strong": "datum.recall > 0.5",
    }
    words = on_cells(base, "words", 12 if digits else 10, tests, tooltip)
    chart = alt.layer(heat.encode(color=color, tooltip=tooltip), *words)
    chart = chart.properties(width=WIDTH - 160, height=max(40, 25 * len(found)))
    return titled(chart, title, subtitle)
