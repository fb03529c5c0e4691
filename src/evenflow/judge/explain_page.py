"""A page that says why one record got its verdict: words, chart, every column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.judge import page
from evenflow.judge.drawing import WIDTH, Chart, altair, rows, titled

LINE = 40
"""Height of one bar and the name above it, in pixels."""
SHOWN = 12
"""Columns in the chart; the table holds all of them."""


def html(
    explanation: Mapping[str, Any], *, source: str, is_synthetic: bool = False
) -> str:
    """Return the page.

    Parameters
    ----------
    explanation : mapping
        ``verdict {verdict, is_attack, attack_probability, threshold, classes}``,
        ``contributions [{column, value, normal_value, push, unit, description}]``,
        ``text``, ``method`` and ``quantity``.
    source : str
        Where the record came from.
    """
    verdict = explanation["verdict"]
    contributions = explanation["contributions"]
    likely = max(verdict["classes"].items(), key=lambda pair: pair[1])
    mark = "Synthetic rows: a program made the data this detector was trained on"
    return page.document(
        f"Why this record was called {verdict['verdict']}",
        page.tiles(
            [
                ("verdict", verdict["verdict"], ""),
                (
                    "probability of attack",
                    f"{verdict['attack_probability']:.3g}",
                    f"attack above {verdict['threshold']:.3g}",
                ),
                ("likeliest class", likely[0], f"{likely[1]:.1%}"),
            ]
        ),
        page.section(
            "In words",
            *map(page.paragraph, explanation["text"].splitlines()),
        ),
        page.section(
            "What pushed the verdict",
            page.figure(
                pushes(contributions, quantity=explanation["quantity"]),
                "Bars: how far each column pushed the verdict; also in the table.",
            ),
            page.table(
                "Every column that differs from normal traffic",
                ("column", "this record", "normal traffic", "push", "meaning"),
                [
                    (
                        c["column"],
                        with_unit(c["value"], c["unit"]),
                        with_unit(c["normal_value"], c["unit"]),
                        f"{c['push']:+.3f}",
                        c["description"],
                    )
                    for c in contributions
                ],
                note=f"{explanation['method']}; pushes in {explanation['quantity']}",
                text=(0, 1, 2, 4),
            ),
        ),
        subtitle=page.paragraph(source),
        marks=[mark] if is_synthetic else [],
    )


def pushes(
    contributions: Sequence[Mapping[str, Any]], *, quantity: str, title: str = ""
) -> Chart:
    """Return bars to the right for attack, to the left for benign."""
    alt = altair()
    shown = contributions[:SHOWN]
    records = [
        {
            "name": f"{c['column']} = {with_unit(c['value'], c['unit'])}",
            "push": c["push"],
            "towards": "attack" if c["push"] > 0 else "benign",
            "normal": with_unit(c["normal_value"], c["unit"]),
            "words": f"{c['push']:+.2f}",
        }
        for c in shown
    ]
    reach = 1.3 * max((abs(r["push"]) for r in records), default=1.0) or 1.0
    y = alt.Y(
        "name:N",
        sort=None,
        title=None,
        scale=alt.Scale(domain=[r["name"] for r in records], padding=0.58),
        axis=None,
    )
    x = alt.X(
        "push:Q",
        title=f"push, in {quantity}",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(tickCount=5, format="+.2~f"),
    )
    towards = alt.Color(
        "towards:N",
        scale=alt.Scale(domain=["benign", "attack"]),
        legend=alt.Legend(title="pushes towards"),
    )
    base = alt.Chart(rows(records)).encode(y=y)
    tooltip = [
        alt.Tooltip("name:N", title="this record"),
        alt.Tooltip("normal:N", title="normal traffic"),
        alt.Tooltip("push:Q", format="+.3f"),
    ]
    layers = [base.mark_bar().encode(x=x, color=towards, tooltip=tooltip)]
    for side, align, dx in (("attack", "left", 6), ("benign", "right", -6)):
        words = base.mark_text(style="label", align=align, dx=dx)
        layers.append(
            words.encode(x=x, text=alt.Text("words:N")).transform_filter(
                f"datum.towards === '{side}'"
            )
        )
    # a name stands above its bar: beside it, it would leave a phone no room for bars
    above = base.mark_text(style="name", align="left", dy=-18)
    layers.append(above.encode(x=alt.XValue(0), text=alt.Text("name:N")))
    left_out = len(contributions) - len(shown)
    chart = alt.layer(*layers).properties(
        width=WIDTH - 40, height=max(60, LINE * len(records))
    )
    return titled(
        chart,
        title or "Which columns pushed the verdict",
        f"strongest {len(shown)} of {len(contributions)}" if left_out else "",
    )


def with_unit(value: float | str | None, unit: str) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "missing"
    shown = f"{value + 0.0:,.6g}" if isinstance(value, int | float) else value
    return f"{shown} {unit}".strip()
