"""The parts charts are made of: bars, curves, titles, and how one is written down."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from evenflow.errors import of_extra
from evenflow.files import replacing
from evenflow.judge.charts import class_colors, theme

WIDTH = 560
BAR = 26
"""Height of one bar and the gap below it, in pixels."""

CLASS = "class"
"""Title of a legend of classes, which have their own colours."""
PHONE = 250
"""Width that a narrow screen leaves for bars and the words beside them."""

Chart = Any
"""An Altair chart; Altair itself is loaded when the first one is drawn."""
Picture = tuple[str, Chart, str]
"""File name, chart, and what it shows in words."""


def altair() -> Any:
    """Return Altair, which is slow to import and not everywhere installed."""
    with of_extra("charts need altair"):
        import altair as alt
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
        Title of the legend; colours bars by ``group``. Of ``CLASS`` the groups are
        classes, each in its own colour.
    is_log : bool
        Values are counts on a logarithmic scale, so that a class of 3 rows is visible;
        else they are shares, drawn from 0 to 100 %.
    limit : int, optional
        Greatest number of bars; the rest is left out and the title says so.
    """
    alt = altair()
    shown = list(records)[:limit]
    if len(shown) < len(records):
        subtitle = f"{subtitle} · first {len(shown)} of {len(records)}".strip(" ·")
    drawn = [_labelled(r, is_log) for r in shown]
    names = list(dict.fromkeys(r["name"] for r in drawn))
    groups = list(dict.fromkeys(r["group"] for r in drawn if "group" in r))
    top = max([1, *(r["value"] or 0 for r in drawn)])
    # room for the words beside the longest bar, even on a phone
    longest = max((len(r["words"]) for r in drawn), default=0)
    room = max(1.3, 1 / (1 - min(0.5, (6.3 * longest + 8) / PHONE)))
    if is_log:
        form, scale = ",", alt.Scale(type="log", domain=[0.7, top * 25], nice=False)
        ticks = alt.Axis(format="~s", values=[10**i for i in range(9) if 10**i <= top])
    else:
        form, scale = ".1%", alt.Scale(domain=[0, room], nice=False)
        ticks = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    x = alt.X("value:Q", title=axis, scale=scale, axis=ticks)
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
        colors = {"domain": groups}
        if group == CLASS:
            colors = class_colors.scale(groups)
        named = alt.Legend(title=group, values=groups)
        encoding["color"] = alt.Color(
            "group:N",
            sort=None,
            scale=alt.Scale(**colors),
            legend=named if len(groups) > 1 else None,
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


def _labelled(record: Mapping[str, Any], is_log: bool) -> dict[str, Any]:
    """Return a bar's record with the words beside it and where they stand."""
    value = record["value"]
    usual = "undefined" if value is None else f"{value:{',.0f' if is_log else '.1%'}}"
    floor = 0.7 if is_log else 0
    shown = value if value is not None and (value > 0 or not is_log) else None
    end = max(shown if shown is not None else floor, record.get("high") or floor)
    return {"words": usual, **record, "value": shown, "end": end}


def unit_square(x: tuple[str, str], y: tuple[str, str]) -> tuple[Any, Any, Chart]:
    """Return both axes of shares from 0 to 1, each of a name and a title, and y = x."""
    alt = altair()
    scale = alt.Scale(domain=[0, 1], nice=False)
    axis = alt.Axis(format="%", tickCount=5)
    ex = alt.X(f"{x[0]}:Q", title=x[1], axis=axis, scale=scale)
    ey = alt.Y(f"{y[0]}:Q", title=y[1], axis=axis, scale=scale)
    ends = rows([{x[0]: 0, y[0]: 0}, {x[0]: 1, y[0]: 1}])
    diagonal = alt.Chart(ends).mark_line(style="chance").encode(x=ex, y=ey)
    return ex, ey, diagonal


def on_cells(
    base: Chart, text: str, size: int, tests: Mapping[str, str], tooltip: Sequence[Any]
) -> list[Chart]:
    """Return the words on the cells of a heat map: style -> the cells that have it."""
    words = altair().Text(f"{text}:N")
    return [
        base.mark_text(style=style, fontSize=size)
        .encode(text=words, tooltip=tooltip)
        .transform_filter(test)
        for style, test in tests.items()
    ]


def counts(
    records: Sequence[Mapping[str, Any]], *, subtitle: str = "", **how: Any
) -> Chart:
    """Return bars of rows on a logarithmic scale, so that rare classes show."""
    subtitle = f"{subtitle} · logarithmic scale".strip(" ·")
    return bars(records, subtitle=subtitle, axis="rows", is_log=True, **how)


@cache
def vega_lite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it."""
    return "v" + ".".join(altair().SCHEMA_VERSION.lstrip("v").split(".")[:2])


def to_spec(chart: Chart) -> dict[str, Any]:
    """Return the chart as a Vega-Lite specification under the light theme."""
    found: dict[str, Any] = chart.to_dict(validate=False)  # the tests validate
    return found | {"config": theme.config()}


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
