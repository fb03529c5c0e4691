"""Single columns: what is missing, how values spread, and how in each class."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.schema import Column, Table

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
N_BINS = 24
MAX_VALUES = 24
"""A numeric column with no more distinct values gets a bar for each of them."""
MAX_CHOICES = 20
OTHER = "other values"

Floats = NDArray[np.float64]


def describe(table: Table) -> list[dict[str, Any]]:
    """Return a description of each column, in schema order."""
    if table.y is None:
        members = {"all": np.arange(len(table))}
    else:
        members = {
            name: np.flatnonzero(table.y == code)
            for code, name in enumerate(table.schema.classes)
        }
    return [_describe(table, column, members) for column in table.schema.columns]


def _describe(
    table: Table, column: Column, members: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    values = table.frame[column.name]
    common = {
        "name": column.name,
        "kind": column.kind,
        "unit": column.unit,
        "description": column.description,
    }
    part = _numeric if column.kind == "numeric" else _category
    return common | part(values, column, members)


def _numeric(
    values: pl.Series, column: Column, members: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    x = values.to_numpy().astype(np.float64)
    infinite, missing = np.isinf(x), np.isnan(x)
    finite = ~(infinite | missing)
    good = x[finite]
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    distinct, counts = np.unique(good, return_counts=True)
    top = int(counts.argmax()) if len(counts) else 0
    by_class = {
        name: quantiles(own[np.isfinite(own)])
        for name, rows in members.items()
        if np.isfinite(own := x[rows]).any()
    }
    return {
        "missing": int(missing.sum()),
        "infinite": int(infinite.sum()),
        "out_of_bounds": int(((good < low) | (good > high)).sum()),
        "distinct": len(distinct),
        "is_constant": len(distinct) <= 1 and not infinite.any(),
        "most_common": float(distinct[top]) if len(distinct) else None,
        "most_common_share": float(counts[top] / len(x)) if len(distinct) else 0.0,
        "numeric": _figures(good),
        "category": None,
        "by_class": by_class,
        "distribution": histogram(x, column, members, distinct),
    }


def _figures(x: Floats) -> dict[str, Any]:
    if not len(x):
        return {
            "min": None, "max": None, "mean": None, "std": None, "zeros": 0.0,
            "quantiles": {},
        }  # fmt: skip
    # halved first, so that neither the mean nor the spread of huge values overflows
    scale = float(np.abs(x).max()) or 1.0
    return {
        "min": float(x.min()),
        "max": float(x.max()),
        "mean": float((x / scale).mean() * scale),
        "std": _finite((x / scale).std() * scale),
        "zeros": float((x == 0).mean()),
        "quantiles": quantiles(x),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def quantiles(x: Floats) -> dict[str, float]:
    """Return the values below which each share of LEVELS lies; empty for no rows."""
    if not len(x):
        return {}
    found = np.quantile(x, LEVELS, method="inverted_cdf")
    return {f"{q:g}": float(v) for q, v in zip(LEVELS, found, strict=True)}


def histogram(
    x: Floats,
    column: Column,
    members: dict[str, NDArray[np.int64]],
    distinct: Floats,
) -> dict[str, Any]:
    """Return row counts a bin and class; few values get a bar each.

    A column whose values spread over orders of magnitude is cut evenly on an
    inverse hyperbolic sine scale: linear around zero, logarithmic away from it, and
    as able to hold negative values.
    """
    if len(distinct) <= MAX_VALUES:
        codes = np.searchsorted(distinct, x)
        codes[~np.isfinite(x)] = -1
        labels = [f"{v:g}" for v in distinct]
        if len(set(labels)) < len(labels):  # values that differ in a late digit
            labels = [repr(float(v)) for v in distinct]
        return {
            "scale": "values",
            "labels": labels,
            "edges": None,
            "counts": _counted(codes, len(distinct), members),
        }
    edges, scale = bin_edges(distinct, is_whole=column.step == 1)
    codes = np.searchsorted(edges, x, side="right") - 1
    codes[x == edges[-1]] = len(edges) - 2
    codes[~np.isfinite(x)] = -1
    return {
        "scale": scale,
        "labels": [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)],
        "edges": edges.tolist(),
        "counts": _counted(codes, len(edges) - 1, members),
    }


def bin_edges(distinct: Floats, *, is_whole: bool) -> tuple[Floats, str]:
    """Return ascending bin edges over sorted distinct values, and the scale's name."""
    low, high = distinct[0], distinct[-1]
    size = np.abs(distinct[distinct != 0])
    most, middle = float(size.max()), float(np.median(size))
    unit = max(float(size.min()), most * 1e-9)
    is_log = most > 50 * middle or middle > 50 * float(np.quantile(size, 0.05))
    if is_log:
        ends = np.arcsinh(np.array([low, high]) / unit)
        edges = np.sinh(np.linspace(ends[0], ends[1], N_BINS + 1)) * unit
    else:  # divided first: the distance of two huge values may not be a number
        edges = np.linspace(low / most, high / most, N_BINS + 1) * most
    if is_whole:
        edges = np.round(edges)
    edges[0], edges[-1] = low, high  # the round trip may have moved them
    edges = np.unique(edges)
    edges = edges[(edges >= low) & (edges <= high) & np.isfinite(edges)]
    return edges, "log" if is_log else "linear"


def _category(
    values: pl.Series, column: Column, members: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    counts = (
        values.drop_nulls().alias("value").value_counts(name="n")
    ).sort(["n", "value"], descending=[True, False])  # fmt: skip
    top = counts.head(MAX_CHOICES)
    names = top["value"].to_list()
    labels = [*names, OTHER] if counts.height > len(names) else names
    named = (
        values.replace_strict(
            names, range(len(names)), default=len(names), return_dtype=pl.Int64
        )
        if names
        else pl.Series([-1] * len(values), dtype=pl.Int64)
    )
    codes = named.to_numpy().copy()
    codes[values.is_null().to_numpy()] = -1
    n = len(values)
    return {
        "missing": values.null_count(),
        "infinite": 0,
        "out_of_bounds": 0,
        "distinct": counts.height,
        "is_constant": counts.height <= 1,
        "most_common": names[0] if names else None,
        "most_common_share": top["n"][0] / n if names else 0.0,
        "numeric": None,
        "category": {
            "top": top.to_dicts(),
            "other": int(counts["n"].sum()) - int(top["n"].sum()),
        },
        "by_class": {},
        "distribution": {
            "scale": "values",
            "labels": labels,
            "edges": None,
            "counts": _counted(codes, len(labels), members),
        },
    }


def _counted(
    codes: NDArray[np.int64], n_bins: int, members: dict[str, NDArray[np.int64]]
) -> dict[str, list[int]]:
    """Return rows a bin for each class; the code -1 is in no bin."""
    return {
        name: np.bincount(codes[rows] + 1, minlength=n_bins + 1)[1:].tolist()
        for name, rows in members.items()
    }
