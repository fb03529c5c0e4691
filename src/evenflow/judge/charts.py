"""Charts of a report, as Vega-Lite: one specification for picture, page and web.

Every function returns an Altair chart with a title in plain words whose second line
names the protocol. Nothing here reads a file except :func:`to_png`, which writes one.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from evenflow.errors import MissingExtraError
from evenflow.files import replacing
from evenflow.judge import theme
from evenflow.judge.report import Report

WIDTH = 560
BAR = 26
"""Height of one bar and the gap below it, in pixels."""

Chart = Any
"""An Altair chart; Altair itself is loaded when the first one is drawn."""


def _altair() -> Any:
    try:
        import altair as alt
    except ImportError as error:
        raise MissingExtraError(
            "charts need altair, which is not installed; expected the extra 'train'. "
            "Install it: pip install 'evenflow[train]'"
        ) from error
    return alt


def titled(chart: Chart, title: str, subtitle: str = "") -> Chart:
    """Return the chart under a title, long lines broken."""
    alt = _altair()
    lines = textwrap.wrap(subtitle, 84)
    text = textwrap.wrap(title, 66)
    return chart.properties(title=alt.TitleParams(text=text, subtitle=lines))


def rows(records: Sequence[Mapping[str, Any]]) -> Any:
    """Return records as data inside the specification."""
    return _altair().Data(values=[dict(r) for r in records])


def said(report: Report) -> str:
    """Return the line that stands under every title: data, protocol, warnings."""
    marks = [
        *(["OPTIMISTIC"] if report.is_optimistic else []),
        *(["SYNTHETIC ROWS"] if report.is_synthetic else []),
    ]
    base = f"{report.dataset}, protocol {report.protocol}, {report.n_rows:,} rows"
    return " · ".join([*marks, base])


def confusion_matrix(
    labels: Sequence[str],
    matrix: Sequence[Sequence[int]],
    *,
    title: str = "What each class was taken for",
    subtitle: str = "",
) -> Chart:
    """Return counts as text on cells coloured by their share of the true class."""
    alt = _altair()
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
    x = alt.X("decided:N", sort=None, title="decided", axis=alt.Axis(labelAngle=-35))
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
    words = [
        base.mark_text(style=style, fontSize=size)
        .encode(text="count:N", tooltip=tooltip)
        .transform_filter(f"datum.share {test} 0.5")
        for style, test in (("weak", "<="), ("strong", ">"))
    ]
    if len(labels) > 16:  # counts would not be legible
        words = []
    height = max(120, 46 * len(labels)) if len(labels) <= 16 else 22 * len(labels)
    chart = alt.layer(heat, *words).properties(width=WIDTH - 120, height=height)
    return titled(chart, title, subtitle)


def roc(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    here: Mapping[str, tuple[float, float]] | None = None,
    title: str = "Attacks found against false alarms (ROC)",
    subtitle: str = "",
) -> Chart:
    """Return ROC curves, a dot where the threshold stands.

    Parameters
    ----------
    curves : mapping
        Name -> ``{false_alarm_rate, detection_rate}``.
    here : mapping, optional
        Name -> (false alarm rate, detection rate) at the threshold.
    """
    return _curves(
        curves,
        ("false_alarm_rate", "share of benign rows flagged"),
        ("detection_rate", "share of attacks found"),
        here or {},
        title,
        subtitle,
        diagonal=True,
    )


def precision_recall(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    here: Mapping[str, tuple[float, float]] | None = None,
    title: str = "Precision against attacks found",
    subtitle: str = "",
) -> Chart:
    """Return precision-recall curves; ``curves`` holds ``{recall, precision}``."""
    return _curves(
        curves,
        ("recall", "share of attacks found"),
        ("precision", "share of alerts that are attacks"),
        here or {},
        title,
        subtitle,
    )


def _curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    x: tuple[str, str],
    y: tuple[str, str],
    here: Mapping[str, tuple[float, float]],
    title: str,
    subtitle: str,
    diagonal: bool = False,
) -> Chart:
    alt = _altair()
    points = [
        {"name": name, "x": a, "y": b, "order": i}
        for name, curve in curves.items()
        for i, (a, b) in enumerate(zip(curve[x[0]], curve[y[0]], strict=True))
    ]
    axis = alt.Axis(format="%", tickCount=5)
    scale = alt.Scale(domain=[0, 1], nice=False)
    ex = alt.X("x:Q", title=x[1], axis=axis, scale=scale)
    ey = alt.Y("y:Q", title=y[1], axis=axis, scale=scale)
    several = len(curves) > 1
    legend = alt.Legend(title=None) if several else None
    color = alt.Color("name:N", sort=None, legend=legend)
    line = (
        alt.Chart(rows(points))
        .mark_line(interpolate="linear", clip=True)
        .encode(x=ex, y=ey, color=color, order="order:O")
    )
    layers = [line]
    if diagonal:
        ends = rows([{"x": 0, "y": 0}, {"x": 1, "y": 1}])
        layers.insert(0, alt.Chart(ends).mark_line(style="chance").encode(x=ex, y=ey))
    if here:
        dots = [{"name": n, "x": a, "y": b} for n, (a, b) in here.items()]
        tooltip = [
            alt.Tooltip("name:N", title="at the threshold"),
            alt.Tooltip("x:Q", title=x[1], format=".2%"),
            alt.Tooltip("y:Q", title=y[1], format=".2%"),
        ]
        mark = alt.Chart(rows(dots))
        dot = mark.mark_point(style="here", size=110).encode(x=ex, y=ey)
        layers.append(dot.encode(tooltip=tooltip))
        if not several:
            words = mark.mark_text(style="label", align="left", dx=10, dy=12)
            layers.append(words.encode(x=ex, y=ey, text=alt.value("the threshold")))
    chart = alt.layer(*layers).properties(width=WIDTH - 140, height=340)
    return titled(chart, title, subtitle)


def bars(
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    subtitle: str = "",
    axis: str = "",
    group: str | None = None,
    is_share: bool = True,
    is_log: bool = False,
    limit: int | None = None,
) -> Chart:
    """Return horizontal bars, each with its value and, where given, its interval.

    Parameters
    ----------
    records : sequence of mapping
        ``name`` and ``value``; optionally ``low`` and ``high``, ``group`` and ``n``.
        A value of None draws no bar and says so.
    axis : str
        What the values are.
    group : str, optional
        Title of the legend; colours bars by ``group``.
    is_share : bool
        Values are shares, drawn from 0 to 100 %.
    is_log : bool
        Counts on a logarithmic scale, so that a class of 3 rows is visible.
    limit : int, optional
        Greatest number of bars; the rest is left out and the title says so.
    """
    alt = _altair()
    shown = list(records)[:limit]
    if len(shown) < len(records):
        subtitle = f"{subtitle} · first {len(shown)} of {len(records)}".strip(" ·")
    form = ".1%" if is_share else ","
    drawn = [_bar(r, is_share, is_log) for r in shown]
    names = list(dict.fromkeys(r["name"] for r in drawn))
    groups = list(dict.fromkeys(r["group"] for r in drawn if "group" in r))
    top = max((r.get("high") or r["value"] or 0 for r in drawn), default=1)
    # room for the words beside the longest bar
    if is_log:
        scale = alt.Scale(type="log", domain=[0.7, max(top, 1) * 6], nice=False)
    else:
        scale = alt.Scale(domain=[0, 1.15 if is_share else top * 1.2 or 1], nice=False)
    ticks: dict[str, Any] = {"values": [0, 0.25, 0.5, 0.75, 1]} if is_share else {}
    if is_log:
        ticks = {"values": [10**i for i in range(9) if 10**i <= max(top, 1) * 6]}
    x = alt.X(
        "value:Q",
        title=axis,
        scale=scale,
        axis=alt.Axis(format="%" if is_share else "~s", **ticks),
    )
    y = alt.Y("name:N", sort=None, title=None, scale=alt.Scale(domain=names))
    base = alt.Chart(rows(drawn)).encode(y=y)
    shared: dict[str, Any] = {}
    if len(groups) > 1:
        shared["yOffset"] = alt.YOffset("group:N", sort=None, scale=alt.Scale(domain=groups))  # fmt: skip  # noqa: E501
    stacked = len(groups) > 1 and len(drawn) > len(names)
    offset = shared if stacked else {}
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("value:Q", title=axis or "value", format=form)]  # fmt: skip  # noqa: E501
    tooltip += [alt.Tooltip(f"{k}:{t}") for k, t in (("group", "N"), ("n", "Q")) if any(k in r for r in drawn)]  # fmt: skip  # noqa: E501
    encoding = dict(offset)
    if groups:
        encoding["color"] = alt.Color(
            "group:N",
            sort=None,
            scale=alt.Scale(domain=groups),
            legend=alt.Legend(title=group) if len(groups) > 1 else None,
        )
    from_ = {"x2": alt.datum(0.7)} if is_log else {}
    layers = [base.mark_bar(cornerRadiusEnd=2).encode(x=x, tooltip=tooltip, **encoding, **from_)]  # fmt: skip  # noqa: E501
    if any(r.get("low") is not None for r in drawn):
        edge = base.transform_filter("isValid(datum.low)").mark_rule(style="edge")
        layers.append(edge.encode(x=alt.X("low:Q"), x2="high:Q", **offset))
    words = base.mark_text(style="label", align="left", dx=6)
    layers.append(words.encode(x=alt.X("end:Q"), text="words:N", **offset))
    each = BAR if not stacked else max(BAR, 17 * len(groups) + 6)
    chart = alt.layer(*layers).properties(
        width=WIDTH - 130, height=max(60, each * len(names))
    )
    return titled(chart, title, subtitle)


def _bar(record: Mapping[str, Any], is_share: bool, is_log: bool) -> dict[str, Any]:
    value = record["value"]
    words = record.get("words")
    if words is None:
        words = _words(value, is_share)
    floor = 0.7 if is_log else 0
    shown = value if value is not None and (value > 0 or not is_log) else None
    end = max(shown if shown is not None else floor, record.get("high") or floor)
    return {**record, "value": shown, "words": words, "end": end}


def _words(value: float | None, is_share: bool) -> str:
    if value is None:
        return "undefined"
    if is_share:
        return f"{value:.1%}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"


def per_class(report: Report, figure: str = "recall") -> Chart:
    """Return a figure of each class with its interval, the class's rows beside it."""
    asked = {
        "recall": "Share of each class's rows that were recognised (recall)",
        "precision": "Share of each class's verdicts that were right (precision)",
        "f1": "F1 of each class",
        "specificity": "Specificity of each class",
        "false_alarm_rate": "Rows of other classes taken for each class",
    }
    values, edges = report.multiclass[figure], report.intervals["multiclass"]
    support = report.multiclass["support"]
    records = []
    for name, value in values.items():
        edge = edges.get(figure, {}).get(name) or {}
        n = support[name]
        records.append(
            {
                "name": name,
                "value": value,
                "low": edge.get("low") if value is not None else None,
                "high": edge.get("high") if value is not None else None,
                "n": n,
                "words": f"{_words(value, True)} (n = {n:,})",
            }
        )
    return bars(
        records,
        title=asked[figure],
        subtitle=f"{said(report)} · lines: {report.intervals['level']:.0%} intervals",
        axis=figure.replace("_", " "),
    )


def attack_detection(report: Report) -> Chart:
    """Return the share of each attack type's rows that were flagged."""
    kinds = {False: "seen in training", True: "unseen in training"}
    records = [
        {
            "name": a["type"],
            "value": a["rate"],
            "low": a["low"],
            "high": a["high"],
            "n": a["n"],
            "group": kinds[a["is_unseen"]],
            "words": f"{a['detected']:,} of {a['n']:,}",
        }
        for a in report.attacks
    ]
    return bars(
        records,
        title="Attacks found, by type",
        subtitle=f"{said(report)} · lines: {report.intervals['level']:.0%} intervals",
        axis="share of rows flagged as attack",
        group="attack type",
        limit=60,
    )


def balancing(
    before: Mapping[str, int], after: Mapping[str, int], subtitle: str = ""
) -> Chart:
    """Return training rows of each class before and after balancing, log scale."""
    records = [
        {"name": name, "value": counts.get(name, 0), "group": when}
        for name in dict.fromkeys([*before, *after])
        for when, counts in (("before balancing", before), ("after balancing", after))
    ]
    return bars(
        records,
        title="Training rows of each class",
        subtitle=f"{subtitle} · logarithmic scale".strip(" ·"),
        axis="rows",
        group="when",
        is_share=False,
        is_log=True,
    )


def class_counts(
    counts: Mapping[str, int],
    *,
    title: str = "Rows of each class",
    subtitle: str = "",
    groups: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> Chart:
    """Return rows of each class on a logarithmic scale, so the rare ones show."""
    records: list[dict[str, Any]] = [
        {"name": name, "value": n} for name, n in counts.items()
    ]
    for record in records if groups else ():
        record["group"] = (groups or {}).get(record["name"], record["name"])
    return bars(
        records,
        title=title,
        subtitle=f"{subtitle} · logarithmic scale".strip(" ·"),
        axis="rows",
        group="class" if groups else None,
        is_share=False,
        is_log=True,
        limit=limit,
    )


def training_curves(
    history: Sequence[Mapping[str, Any]], *, subtitle: str = ""
) -> list[Chart]:
    """Return loss and validation macro F1 by epoch, one chart each."""
    alt = _altair()
    names = {
        "loss": "training rows",
        "valid_loss": "validation rows",
        "valid_macro_f1": "validation rows",
    }
    charts = []
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
        chart = (
            alt.Chart(rows(points))
            .mark_line(point=True)
            .encode(
                x=alt.X(
                    "epoch:Q",
                    title="epoch",
                    axis=alt.Axis(tickMinStep=1, format="d", grid=False),
                ),
                y=alt.Y(
                    "value:Q",
                    title=None,
                    scale=scale,
                    axis=alt.Axis(format="%" if share else "~g"),
                ),
                color=alt.Color("rows:N", sort=None, legend=legend),
                tooltip=["epoch:Q", alt.Tooltip("value:Q", format=".4f"), "rows:N"],
            )
            .properties(width=WIDTH - 140, height=220)
        )
        charts.append(titled(chart, title, subtitle))
    return charts


def reliability(report: Report) -> Chart:
    """Return said against observed probability of attack."""
    alt = _altair()
    found = report.calibration
    scale = alt.Scale(domain=[0, 1], nice=False)
    axis = alt.Axis(format="%", tickCount=5)
    x = alt.X("proba:Q", title="probability said", axis=axis, scale=scale)
    y = alt.Y("share:Q", title="share that were attacks", axis=axis, scale=scale)
    ends = rows([{"proba": 0, "share": 0}, {"proba": 1, "share": 1}])
    diagonal = alt.Chart(ends).mark_line(style="chance").encode(x=x, y=y)
    base = alt.Chart(rows(found["bins"])).encode(x=x, y=y)
    dots = base.mark_point().encode(
        size=alt.Size("n:Q", title="rows", legend=alt.Legend(format="~s", columns=4)),
        tooltip=[
            alt.Tooltip("proba:Q", title="said", format=".1%"),
            alt.Tooltip("share:Q", title="observed", format=".1%"),
            alt.Tooltip("n:Q", title="rows", format=","),
        ],
    )
    chart = alt.layer(diagonal, base.mark_line(), dots)
    return titled(
        chart.properties(width=WIDTH - 140, height=320),
        "Can the probability be taken at its word?",
        said(report),
    )


def comparison(
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    subtitle: str = "",
    axis: str = "",
) -> Chart:
    """Return systems side by side, published figures hollow, ours filled.

    Parameters
    ----------
    records : sequence of mapping
        ``name``, ``value``, ``is_published``; optionally ``low`` and ``high`` and
        ``words`` (beside the bar, for example protocol and tag).
    """
    alt = _altair()
    drawn = [
        _bar({"low": None, "high": None, **r}, True, False)
        | {"whose": "as published" if r["is_published"] else "measured here"}
        for r in records
    ]
    names = list(dict.fromkeys(r["name"] for r in drawn))
    scale = alt.Scale(domain=[0, 1.35], nice=False)
    ticks = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    x = alt.X("value:Q", title=axis, scale=scale, axis=ticks)
    y = alt.Y(
        "name:N",
        sort=None,
        title=None,
        scale=alt.Scale(domain=names),
        axis=alt.Axis(labelLimit=230),
    )
    base = alt.Chart(rows(drawn)).encode(y=y)
    whose = ["measured here", "as published"]
    legend = alt.Legend(title=None)
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("value:Q", format=".2%"), "whose:N"]
    filled = base.mark_bar(cornerRadiusEnd=2, strokeWidth=1.5).encode(
        x=x,
        fillOpacity=alt.FillOpacity(
            "whose:N", scale=alt.Scale(domain=whose, range=[1, 0]), legend=legend
        ),
        fill=alt.Fill("whose:N", scale=alt.Scale(domain=whose), legend=legend),
        stroke=alt.Stroke("whose:N", scale=alt.Scale(domain=whose), legend=legend),
        tooltip=tooltip,
    )
    edge = base.transform_filter("isValid(datum.low)").mark_rule(style="edge")
    words = base.mark_text(style="label", align="left", dx=6)
    chart = alt.layer(
        filled,
        edge.encode(x=alt.X("low:Q"), x2="high:Q"),
        words.encode(x=alt.X("end:Q"), text="words:N"),
    ).properties(width=WIDTH - 200, height=max(60, BAR * len(names)))
    return titled(chart, title, subtitle)


@cache
def vega_lite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it."""
    return "v" + ".".join(_altair().SCHEMA_VERSION.lstrip("v").split(".")[:2])


def to_spec(chart: Chart, *, dark: bool = False) -> dict[str, Any]:
    """Return the chart as a Vega-Lite specification under a theme."""
    found: dict[str, Any] = chart.to_dict()
    return found | {"config": theme.config(dark)}


def to_png(chart: Chart, path: Path, scale: float = 2) -> None:
    """Draw the chart into a PNG file, whole or not at all.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    import vl_convert

    png = vl_convert.vegalite_to_png(
        json.dumps(to_spec(chart)), vl_version=vega_lite_version(), scale=scale
    )
    with replacing(path) as part:
        part.write_bytes(png)
