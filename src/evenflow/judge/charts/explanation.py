"""Chart of an explanation: how far each column moved the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.judge.charts import class_colors
from evenflow.judge.charts.base import WIDTH, Chart, altair, rows, titled
from evenflow.judge.tables.explanation import with_unit

LINE = 40
"""Height of one bar and the name above it, in pixels."""
SHOWN = 12
"""Columns in the chart; the table holds all of them."""


def contribution_bars(
    contributions: Sequence[Mapping[str, Any]], *, quantity: str
) -> Chart:
    """Return bars to the right for attack, to the left for benign."""
    alt = altair()
    shown = contributions[:SHOWN]
    records = [
        {
            "name": f"{c['column']} = {with_unit(c['value'], c['unit'])}",
            "contribution": c["contribution"],
            "towards": "attack" if c["contribution"] > 0 else "benign",
            "normal": with_unit(c["normal_value"], c["unit"]),
            "words": f"{c['contribution']:+.2f}",
        }
        for c in shown
    ]
    reach = 1.3 * max((abs(r["contribution"]) for r in records), default=1.0) or 1.0
    y = alt.Y(
        "name:N",
        sort=None,
        title=None,
        scale=alt.Scale(domain=[r["name"] for r in records], padding=0.58),
        axis=None,
    )
    x = alt.X(
        "contribution:Q",
        title=f"contribution to {quantity}",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(tickCount=5, format="+.2~f"),
    )
    towards = alt.Color(
        "towards:N",
        scale=alt.Scale(**class_colors.scale(["benign", "attack"])),
        legend=alt.Legend(title="contributes towards", values=["benign", "attack"]),
    )
    base = alt.Chart(rows(records)).encode(y=y)
    tooltip = [
        alt.Tooltip("name:N", title="this record"),
        alt.Tooltip("normal:N", title="benign traffic"),
        alt.Tooltip("contribution:Q", format="+.3f"),
    ]
    layers = [base.mark_bar().encode(x=x, color=towards, tooltip=tooltip)]
    for side, align, dx in (("attack", "left", 6), ("benign", "right", -6)):
        words = base.mark_text(style="label", align=align, dx=dx)
        words = words.encode(x=x, text=alt.Text("words:N"))
        layers.append(words.transform_filter(f"datum.towards === '{side}'"))
    # a name stands above its bar: beside it, it would leave a phone no room for bars
    above = base.mark_text(style="name", align="left", dy=-18)
    layers.append(above.encode(x=alt.XValue(0), text=alt.Text("name:N")))
    left_out = len(contributions) - len(shown)
    chart = alt.layer(*layers).properties(
        width=WIDTH - 40, height=max(60, LINE * len(records))
    )
    return titled(
        chart,
        "Contributions of the columns to the verdict",
        f"strongest {len(shown)} of {len(contributions)}" if left_out else "",
    )
