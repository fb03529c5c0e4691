"""Charts of an exploration: what is in a data set before anything is learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.judge.charts.base import WIDTH, Chart, altair, bars, counts, rows, titled

MANY_CELLS = 3_600
"""Cells of a heat map from which only the columns that matter most are drawn."""


def distribution(column: Mapping[str, Any], label: str) -> Chart:
    """Return how one column's values spread in each class.

    Every class is a row of cells; a cell is the darker the more of that class's rows
    fall into the bin, so a class of 50 rows shows as plainly as one of 50,000.

    Parameters
    ----------
    column : mapping
        One of an exploration's ``columns``.
    label : str
        The column in plain words.
    """
    alt = altair()
    found = column["distribution"]
    labels = found["labels"]
    cells = [
        {"bin": label, "class": name, "n": n, "share": n / total}
        for name, binned in found["counts"].items()
        if (total := sum(binned))
        for label, n in zip(labels, binned, strict=True)
        if n
    ]
    classes = [name for name, binned in found["counts"].items() if sum(binned)]
    is_text = column["kind"] == "category"
    axis = alt.Axis(
        labelAngle=-50 if is_text else 0,
        labelLimit=70,
        labelOverlap=False if is_text else "greedy",
        labelSeparation=6,
        labelFontSize=10,
        ticks=False,
        # a bin is named by where it starts; the tooltip tells the rest
        **({} if is_text else {"labelExpr": "split(datum.label, ' to ')[0]"}),
    )
    unit = f" ({column['unit']})" if column["unit"] else ""
    scale = f"{found['scale']} bins" if found["scale"] != "values" else "single values"
    dark = alt.Scale(domain=[0, 1], type="sqrt")
    color = alt.Color("share:Q", scale=dark, legend=None)
    plain: dict[str, Any] = {"sort": None, "title": None}
    chart = (
        alt.Chart(rows(cells))
        .mark_rect()
        .encode(
            x=alt.X("bin:O", scale=alt.Scale(domain=labels), **plain, axis=axis),
            y=alt.Y("class:N", scale=alt.Scale(domain=classes), **plain),
            color=color,
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("bin:O", title=column["name"]),
                alt.Tooltip("n:Q", title="rows", format=","),
                alt.Tooltip("share:Q", title="share of the class", format=".2%"),
            ],
        )
        .properties(width=WIDTH - 260, height=max(24, 20 * len(classes)))
    )  # fmt: skip
    words = " · ".join(filter(None, [column["description"], scale]))
    return titled(chart, f"{label}{unit}", words)


def correlation(
    columns: Sequence[str],
    matrix: Sequence[Sequence[float | None]],
    *,
    title: str,
    subtitle: str = "",
) -> Chart:
    """Return a heat map of coefficients between -1 and 1; grey where undefined."""
    alt = altair()
    kept = range(len(columns))
    if len(columns) ** 2 > MANY_CELLS:
        strongest = [
            max((abs(r) for r in (*row[:i], *row[i + 1 :]) if r is not None), default=0)
            for i, row in enumerate(matrix)
        ]
        most = sorted(kept, key=lambda i: -strongest[i])[: int(MANY_CELLS**0.5)]
        subtitle += f" · the {len(most)} of {len(columns)} columns most alike"
        kept = sorted(most)  # type: ignore[assignment]
    cells = [
        {"a": columns[i], "b": columns[j], "r": r}
        for i in kept
        for j in kept
        if (r := matrix[i][j]) is not None
    ]
    names = [columns[i] for i in kept]
    axis = alt.Axis(labelFontSize=9, labelLimit=120, ticks=False, grid=False)
    plain: dict[str, Any] = {"sort": None, "title": None}
    chart = (
        alt.Chart(rows(cells))
        .mark_rect()
        .encode(
            x=alt.X("a:N", scale=alt.Scale(domain=names), **plain, axis=axis),
            y=alt.Y("b:N", scale=alt.Scale(domain=names), **plain, axis=axis),
            color=alt.Color(
                "r:Q",
                scale=alt.Scale(domain=[-1, 1], domainMid=0, range="diverging"),
                legend=alt.Legend(title="coefficient", gradientLength=180),
            ),
            tooltip=["a:N", "b:N", alt.Tooltip("r:Q", format=".3f")],
        )
        .properties(width=WIDTH, height=max(120, 14 * len(names)))
    )  # fmt: skip
    return titled(chart, title, subtitle)


def information(columns: Sequence[Mapping[str, Any]], *, subtitle: str = "") -> Chart:
    """Return which share of the label each column tells, most telling first."""
    shares = {c["name"]: c["mutual_information_share"] for c in columns}
    records = [{"name": n, "value": v} for n, v in shares.items() if v is not None]
    records.sort(key=lambda r: (-r["value"], r["name"]))
    return bars(
        records,
        title="Information of each column about the class",
        subtitle=f"{subtitle} · mutual information as a share of the label's entropy",
        axis="share of the label",
        limit=60,
    )


def splits(found: Mapping[str, Mapping[str, int]], *, subtitle: str = "") -> Chart:
    """Return rows of each class in each split, on a logarithmic scale.

    Parameters
    ----------
    found : mapping
        Split -> class -> rows.
    """
    records = [
        {"name": name, "value": n, "group": split}
        for split, classes in found.items()
        for name, n in classes.items()
    ]
    title = "Rows of each class in each split"
    return counts(records, title=title, subtitle=subtitle, group="split")
