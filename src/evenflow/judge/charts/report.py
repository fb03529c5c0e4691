"""Charts of a report, as Vega-Lite: one specification for picture, page and web.

Every function returns an Altair chart with a title in plain words whose second line
names the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.judge.charts.base import (
    CLASS,
    WIDTH,
    Chart,
    altair,
    bars,
    counts,
    on_cells,
    rows,
    titled,
    unit_square,
)
from evenflow.judge.report import Report
from evenflow.judge.tables.report import rows_of


def subtitle(report: Report) -> str:
    """Return the line that stands under every title: data, protocol, warnings."""
    marks = {"OPTIMISTIC": report.is_optimistic, "SYNTHETIC ROWS": report.is_synthetic}
    return " · ".join([*(mark for mark in marks if marks[mark]), rows_of(report)])


def confusion_matrix(
    labels: Sequence[str],
    matrix: Sequence[Sequence[int]],
    *,
    title: str = "Confusion matrix",
    subtitle: str = "",
) -> Chart:
    """Return counts as text on cells coloured by their share of the true class."""
    alt = altair()
    cells = [
        {
            "true": t,
            "decided": d,
            "n": n,
            "share": n / total if (total := sum(row)) else 0,
            "count": f"{n:,}",
        }
        for t, row in zip(labels, matrix, strict=True)
        for d, n in zip(labels, row, strict=True)
    ]
    axis = alt.Axis(labelAngle=-35 if len(labels) <= 10 else -90)
    x = alt.X("decided:N", sort=None, title="decided", axis=axis)
    y = alt.Y("true:N", sort=None, title="true class")
    base = alt.Chart(rows(cells)).encode(x=x, y=y)
    tooltip = [
        alt.Tooltip("true:N", title="true class"),
        alt.Tooltip("decided:N"),
        alt.Tooltip("n:Q", title="rows", format=","),
        alt.Tooltip("share:Q", title="share of the class", format=".1%"),
    ]
    color = alt.Color(
        "share:Q",
        scale=alt.Scale(domain=[0, 1]),
        legend=alt.Legend(
            title="share of the true class", format="%", gradientLength=180
        ),
    )
    heat = base.mark_rect().encode(color=color, tooltip=tooltip)
    size = 13 if len(labels) <= 8 else 9
    tests = {"weak": "datum.share <= 0.5", "strong": "datum.share > 0.5"}
    words, height = on_cells(base, "count", size, tests, tooltip), 46 * len(labels)
    if len(labels) > 16:  # counts would not be legible
        words, height = [], 22 * len(labels)
    height = max(120, height)
    chart = alt.layer(heat, *words).properties(width=WIDTH - 120, height=height)
    return titled(chart, title, subtitle)


CURVES = {
    "roc": (
        "Attacks found against false alarms (ROC)",
        ("false_alarm_rate", "share of benign rows flagged"),
        ("detection_rate", "share of attacks found"),
    ),
    "pr": (
        "Precision against attacks found",
        ("recall", "share of attacks found"),
        ("precision", "share of alerts that are attacks"),
    ),
}
"""Curve of a report -> title, and the name and the axis of both its sides."""


def curves(
    kind: str,
    named: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    here: Mapping[str, tuple[float, float]],
    subtitle: str = "",
) -> Chart:
    """Return curves of one kind in the unit square, a dot where each threshold stands.

    Parameters
    ----------
    kind : str
        One of ``CURVES``.
    named : mapping
        Name -> both sides of its curve.
    here : mapping
        Name -> both sides at the threshold.
    """
    alt = altair()
    title, (x, x_title), (y, y_title) = CURVES[kind]
    points = [
        {"name": name, "x": a, "y": b, "order": i}
        for name, curve in named.items()
        for i, (a, b) in enumerate(zip(curve[x], curve[y], strict=True))
    ]
    ex, ey, diagonal = unit_square(("x", x_title), ("y", y_title))
    legend = alt.Legend(title=None) if len(named) > 1 else None
    color = alt.Color("name:N", sort=None, legend=legend)
    line = alt.Chart(rows(points)).mark_line(interpolate="linear", clip=True)
    layers = [line.encode(x=ex, y=ey, color=color, order=alt.Order("order:O"))]
    if kind == "roc":
        layers.insert(0, diagonal)
    if here:
        dots = [{"name": n, "x": a, "y": b} for n, (a, b) in here.items()]
        tooltip = [
            alt.Tooltip("name:N", title="at the threshold"),
            alt.Tooltip("x:Q", title=x_title, format=".2%"),
            alt.Tooltip("y:Q", title=y_title, format=".2%"),
        ]
        mark = alt.Chart(rows(dots)).encode(x=ex, y=ey)
        layers.append(mark.mark_point(style="here", size=110).encode(tooltip=tooltip))
        if len(named) == 1:
            [(right, _)] = here.values()  # the words must not leave the chart
            side, dx = ("right", -10) if right > 0.6 else ("left", 10)
            words = mark.mark_text(style="label", align=side, dx=dx, dy=12)
            layers.append(words.encode(text=alt.TextValue("the threshold")))
    chart = alt.layer(*layers).properties(width=WIDTH - 140, height=340)
    return titled(chart, title, subtitle)


def _with_level(report: Report) -> str:
    return f"{subtitle(report)} · lines: {report.intervals['level']:.0%} intervals"


def per_class(report: Report, figure: str = "recall") -> Chart:
    """Return a figure of each class with its interval, the class's rows beside it."""
    asked = {
        "recall": "Share of each class's rows that were recognised (recall)",
        "precision": "Share of each class's verdicts that were right (precision)",
        "f1": "F1 of each class",
        "specificity": "Specificity of each class",
        "false_alarm_rate": "Rows of other classes classified as each class",
    }
    values, edges = report.multiclass[figure], report.intervals["multiclass"]
    support = report.multiclass["support"]
    records = []
    for name, value in values.items():
        edge = edges.get(figure, {}).get(name) if value is not None else None
        low, high = ((edge or {}).get(key) for key in ("low", "high"))
        n, shown = support[name], f"{name} (n = {support[name]:,})"
        bar = {"name": shown, "value": value, "low": low, "high": high, "n": n}
        records.append(bar)
    return bars(
        records,
        title=asked[figure],
        subtitle=_with_level(report),
        axis="F1" if figure == "f1" else figure.replace("_", " "),
    )


def attack_detection(report: Report) -> Chart:
    """Return the share of each attack type's rows that were flagged."""
    kinds = {False: "seen in training", True: "unseen in training †"}
    records = [
        {
            "name": a["type"] + " †" * a["is_unseen"],
            "value": a["rate"],
            "low": a["low"],
            "high": a["high"],
            "n": a["n"],
            "group": kinds[a["is_unseen"]],
            "words": f"{a['detected']:,}/{a['n']:,}",
        }
        for a in report.attacks
    ]
    return bars(
        records,
        title="Attacks found, by type",
        subtitle=_with_level(report),
        axis="share of rows flagged as attack",
        group="attack type",
        limit=60,
    )


def balancing(
    before: Mapping[str, int], after: Mapping[str, int], subtitle: str = ""
) -> Chart:
    """Return training rows of each class before and after balancing, log scale."""
    records = [
        {"name": name, "value": part.get(name, 0), "group": when}
        for name in dict.fromkeys([*before, *after])
        for when, part in (("before balancing", before), ("after balancing", after))
    ]
    title = "Training rows of each class"
    return counts(records, title=title, subtitle=subtitle, group="when")


def class_counts(
    found: Mapping[str, int],
    *,
    title: str = "Rows of each class",
    subtitle: str = "",
    groups: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> Chart:
    """Return rows of each class on a logarithmic scale, so the rare ones show."""
    records = [
        {"name": name, "value": n}
        | ({"group": groups.get(name, name)} if groups else {})
        for name, n in found.items()
    ]
    group = CLASS if groups else None
    return counts(records, title=title, subtitle=subtitle, group=group, limit=limit)


def training_curves(
    history: Sequence[Mapping[str, Any]], *, subtitle: str = ""
) -> list[Chart]:
    """Return loss and validation macro F1 by epoch, one chart each."""
    alt = altair()
    names = {
        "loss": "training rows",
        "valid_loss": "validation rows",
        "valid_macro_f1": "validation rows",
    }
    charts = []
    numbers = [epoch["number"] for epoch in history]
    ticks = numbers[:: 1 + len(numbers) // 12]  # whole epochs, not too many
    epochs = alt.Axis(values=ticks, format="d", grid=False)
    x = alt.X("epoch:Q", title="epoch", axis=epochs)
    for keys, title in (
        (("loss", "valid_loss"), "Loss by epoch"),
        (("valid_macro_f1",), "Macro F1 by epoch"),
    ):
        points = [
            {"epoch": epoch["number"], "value": epoch[key], "rows": names[key]}
            for key in keys
            for epoch in history
            if epoch.get(key) is not None
        ]
        best = max((p["value"] for p in points), default=1)
        share = keys == ("valid_macro_f1",)
        scale = alt.Scale(domain=[0, 1] if share else [0, best * 1.05 or 1], nice=False)
        legend = alt.Legend(title=None) if len(keys) > 1 else None
        axis = alt.Axis(format="%" if share else "~g")
        chart = (
            alt.Chart(rows(points))
            .mark_line(point=True)
            .encode(
                x=x,
                y=alt.Y("value:Q", title=None, scale=scale, axis=axis),
                color=alt.Color("rows:N", sort=None, legend=legend),
                tooltip=["epoch:Q", alt.Tooltip("value:Q", format=".4f"), "rows:N"],
            )
            .properties(width=WIDTH - 140, height=220)
        )
        charts.append(titled(chart, title, subtitle))
    return charts


def reliability(report: Report) -> Chart:
    """Return predicted against observed probability of attack."""
    alt = altair()
    found = report.calibration
    x, y, diagonal = unit_square(
        ("proba", "predicted probability"), ("share", "observed share of attacks")
    )
    base = alt.Chart(rows(found["bins"])).encode(x=x, y=y)
    dots = base.mark_point().encode(
        size=alt.Size("n:Q", legend=None),
        tooltip=[
            alt.Tooltip("proba:Q", title="predicted", format=".1%"),
            alt.Tooltip("share:Q", title="observed", format=".1%"),
            alt.Tooltip("n:Q", title="rows", format=","),
        ],
    )
    chart = alt.layer(diagonal, base.mark_line(), dots)
    return titled(
        chart.properties(width=WIDTH - 140, height=320),
        "Calibration of the probabilities",
        f"{subtitle(report)} · larger dots: more rows",
    )
