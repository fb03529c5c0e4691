"""One look for every chart: colours that everybody can distinguish, in light and dark.

Charts name roles (``range`` entries and mark ``style``), never colours, wherever a
theme must be able to change them; a theme is a Vega-Lite ``config``.

References
----------
.. [1] M. Okabe and K. Ito, "Color universal design: how to make figures and
   presentations that are friendly to colorblind people", 2008.
"""

from __future__ import annotations

from typing import Any

from evenflow.judge.charts import class_colors

FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#7A7A7A"

_LIGHT = {
    "ink": "#1d2731",
    "quiet": "#5b6770",
    "line": "#dfe4e8",
    "paper": "#ffffff",
    "category": [BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, "#8C6D00", GREY],
    "heat": ["#f4f7fa", "#c6dbef", "#6baed6", "#0072B2", "#08437a"],
    "diverging": ["#D55E00", "#f3c19b", "#f4f4f4", "#9cc9e8", "#0072B2"],
    "weak": "#1d2731",
    "strong": "#ffffff",
}
_DARK = {
    "ink": "#e6ebef",
    "quiet": "#a3afb9",
    "line": "#33404b",
    "paper": "#151c22",
    "category": [
        "#3b8bc0", "#b8800f", "#1f9a7a", "#d1652a", "#b0629a", "#7f9fe0", "#a89b2c",
        "#8d8d8d",
    ],
    "heat": ["#1c262e", "#1d4460", "#1f6ea3", "#3f9bd8", "#a5d8ff"],
    "diverging": ["#f0803c", "#7a4a2c", "#26313a", "#2d5f80", "#56B4E9"],
    "weak": "#e6ebef",
    "strong": "#0c1216",
}  # fmt: skip


def config(dark: bool = False) -> dict[str, Any]:
    """Return the Vega-Lite ``config`` of the light or the dark theme."""
    c: dict[str, Any] = _DARK if dark else _LIGHT
    first, second = c["category"][0], c["category"][3]
    words = {
        "labelColor": c["ink"],
        "titleColor": c["quiet"],
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return {
        "background": None if dark else c["paper"],
        "font": FONT,
        "view": {"stroke": None},
        "range": {
            "category": c["category"],
            "ordinal": list(class_colors.DARK if dark else class_colors.LIGHT),
            "heatmap": c["heat"],
            "ramp": c["heat"],
            "diverging": c["diverging"],
        },
        "title": {
            "color": c["ink"],
            "subtitleColor": c["quiet"],
            "fontSize": 15,
            "subtitleFontSize": 12,
            "fontWeight": 600,
            "anchor": "start",
            "offset": 12,
            "subtitlePadding": 4,
        },
        "axis": {
            **words,
            "gridColor": c["line"],
            "domainColor": c["line"],
            "tickColor": c["line"],
            "labelLimit": 170,
        },
        "legend": {
            **words,
            "orient": "bottom",
            "labelLimit": 260,
            "columns": 2,
            "symbolStrokeWidth": 2,
        },
        "header": {"labelColor": c["ink"], "titleColor": c["quiet"]},
        "bar": {"color": first},
        "line": {"color": first, "strokeWidth": 2},
        "point": {"color": first, "filled": True, "size": 60},
        "text": {"color": c["ink"], "fontSize": 12},
        "style": {
            # words on a heat map: on pale cells, on saturated ones
            "weak": {"color": c["weak"]},
            "strong": {"color": c["strong"]},
            "chance": {"color": c["quiet"], "strokeDash": [4, 4], "strokeWidth": 1},
            "edge": {"color": c["ink"], "strokeWidth": 1.5},
            "label": {"color": c["ink"], "fontSize": 11},
            "guide": {"color": c["line"], "strokeWidth": 1},
            "heading": {"color": c["quiet"], "fontSize": 12, "fontWeight": 600},
            "name": {"color": c["ink"], "fontSize": 12},
            "here": {"color": second, "opacity": 1},
        },
    }
