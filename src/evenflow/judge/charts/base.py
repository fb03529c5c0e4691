"""The parts charts are made of: bars, curves, titles, and how one is written down."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from evenflow.errors import MissingExtraError
from evenflow.files import replacing
from evenflow.judge.charts import theme

WIDTH = 560
BAR = 26
"""Height of one bar and the gap below it, in pixels."""

PHONE = 250
"""Width that a narrow screen leaves for bars and the words beside them."""

Chart = Any
"""An Altair chart; Altair itself is loaded when the first one is drawn."""
Picture = tuple[str, Chart, str]
"""File name, chart, and what it shows in words."""


def altair() -> Any:
    """Return Altair, which is slow to import and not everywhere installed."""
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
    alt = altair()
    lines = textwrap.wrap(subtitle, 84)
    text = textwrap.wrap(title, 66)
    return chart.properties(title=alt.TitleParams(text=text, subtitle=lines))


def rows(records: Sequence[Mapping[str, Any]]) -> Any:
    """Return records as data inside the specification."""
    return altair().Data(values=[dict(r) for r in records])


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
    alt = altair()
    shown = list(records)[:limit]
    if len(shown) < len(records):
        subtitle = f"{subtitle} · first {len(shown)} of {len(records)}".strip(" ·")
    form = ".1%" if is_share else ","
    drawn = [labelled(r, is_share=is_share, is_log=is_log) for r in shown]
    names = list(dict.fromkeys(r["name"] for r in drawn))
    groups = list(dict.fromkeys(r["group"] for r in drawn if "group" in r))
    top = max((r.get("high") or r["value"] or 0 for r in drawn), default=1)
    # room for the words beside the longest bar, even on a phone
    longest = max((len(r["words"]) for r in drawn), default=0)
    room = max(1.3, 1 / (1 - min(0.5, (6.3 * longest + 8) / PHONE)))
    if is_log:
        scale = alt.Scale(type="log", domain=[0.7, max(top, 1) * 25], nice=False)
    else:
        scale = alt.Scale(domain=[0, room * (1 if is_share else top or 1)], nice=False)
    ticks: dict[str, Any] = {"values": [0, 0.25, 0.5, 0.75, 1]} if is_share else {}
    if is_log:
        ticks = {"values": [10**i for i in range(9) if 10**i <= max(top, 1)]}
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
        layers.append(edge.encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), **offset))
    words = base.mark_text(style="label", align="left", dx=6)
    layers.append(words.encode(x=alt.X("end:Q"), text=alt.Text("words:N"), **offset))
    each = BAR if not stacked else max(BAR, 17 * len(groups) + 6)
    chart = alt.layer(*layers).properties(
        width=WIDTH - 130, height=max(60, each * len(names))
    )
    return titled(chart, title, subtitle)


def labelled(
    record: Mapping[str, Any], *, is_share: bool = True, is_log: bool = False
) -> dict[str, Any]:
    """Return a bar's record with the words beside it and where they stand."""
    value = record["value"]
    words = record.get("words")
    if words is None:
        words = in_words(value, is_share)
    floor = 0.7 if is_log else 0
    shown = value if value is not None and (value > 0 or not is_log) else None
    end = max(shown if shown is not None else floor, record.get("high") or floor)
    return {**record, "value": shown, "words": words, "end": end}


def in_words(value: float | None, is_share: bool = True) -> str:
    """Return a figure as it stands beside its bar."""
    if value is None:
        return "undefined"
    if is_share:
        return f"{value:.1%}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"


def curves(
    named: Mapping[str, Mapping[str, Sequence[float]]],
    x: tuple[str, str],
    y: tuple[str, str],
    here: Mapping[str, tuple[float, float]],
    title: str,
    subtitle: str,
    diagonal: bool = False,
) -> Chart:
    """Return named curves in the unit square, dots of the same names upon them."""
    alt = altair()
    points = [
        {"name": name, "x": a, "y": b, "order": i}
        for name, curve in named.items()
        for i, (a, b) in enumerate(zip(curve[x[0]], curve[y[0]], strict=True))
    ]
    axis = alt.Axis(format="%", tickCount=5)
    scale = alt.Scale(domain=[0, 1], nice=False)
    ex = alt.X("x:Q", title=x[1], axis=axis, scale=scale)
    ey = alt.Y("y:Q", title=y[1], axis=axis, scale=scale)
    several = len(named) > 1
    legend = alt.Legend(title=None) if several else None
    color = alt.Color("name:N", sort=None, legend=legend)
    line = (
        alt.Chart(rows(points))
        .mark_line(interpolate="linear", clip=True)
        .encode(x=ex, y=ey, color=color, order=alt.Order("order:O"))
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
            right = (
                next(iter(here.values()))[0] > 0.6
            )  # the words must not leave the chart
            words = mark.mark_text(
                style="label",
                align="right" if right else "left",
                dx=-10 if right else 10,
                dy=12,
            )
            layers.append(words.encode(x=ex, y=ey, text=alt.TextValue("the threshold")))
    chart = alt.layer(*layers).properties(width=WIDTH - 140, height=340)
    return titled(chart, title, subtitle)


@cache
def vega_lite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it."""
    return "v" + ".".join(altair().SCHEMA_VERSION.lstrip("v").split(".")[:2])


def to_spec(chart: Chart, *, dark: bool = False) -> dict[str, Any]:
    """Return the chart as a Vega-Lite specification under a theme."""
    found: dict[str, Any] = chart.to_dict(validate=False)  # the tests validate
    return found | {"config": theme.config(dark)}


def apart(chart: Chart) -> tuple[str, str, dict[str, Any]]:
    """Return title, subtitle and the specification less both, to be set in a page.

    Theme and width are the page's own.
    """
    spec: dict[str, Any] = chart.to_dict(validate=False)  # the tests validate
    title = spec.pop("title", {})
    for key in ("config", "width"):
        spec.pop(key, None)
    return _line(title.get("text", "")), _line(title.get("subtitle", "")), spec


def _line(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else " ".join(text)


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


def to_pngs(pictures: Iterable[Picture], folder: Path, scale: float = 2) -> list[Path]:
    """Draw charts into ``folder``, made if missing; return the paths.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    paths = []
    for name, chart, _ in pictures:
        paths.append(folder / f"{name}.png")
        to_png(chart, paths[-1], scale)
    return paths
