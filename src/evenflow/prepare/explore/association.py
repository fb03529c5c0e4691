"""How columns hang together: with each other and with the label."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.schema import Table

N_LEVELS = 64
"""Bins of equal row counts into which a numeric column is cut for information."""

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def correlation(table: Table) -> dict[str, Any]:
    """Return Pearson's and Spearman's coefficients between numeric columns.

    A missing or infinite value takes the mean of the column (of its ranks), so it
    pulls no pair either way.
    """
    names = [c.name for c in table.schema.numeric]
    if not names:
        return {"columns": [], "pearson": [], "spearman": []}
    frame = table.frame.select(names)
    finite = pl.when(pl.all().is_finite()).then(pl.all())
    ranks = frame.select(finite.rank("average").cast(pl.Float64))
    return {
        "columns": names,
        "pearson": _coefficients(_filled(frame.select(finite))),
        "spearman": _coefficients(_filled(ranks)),
    }


def _filled(frame: pl.DataFrame) -> Floats:
    """Return the columns centred on zero, with zero where nothing is."""
    x = frame.to_numpy().astype(np.float64)
    size = np.nanmax(np.abs(x), axis=0, initial=0.0)
    x = x / np.where(size > 0, size, 1.0)
    seen = np.isfinite(x)
    mean = np.where(seen, x, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(seen, x - mean, 0.0)


def _coefficients(x: Floats) -> list[list[float | None]]:
    norm = np.sqrt((x * x).sum(axis=0))
    # what rounding leaves of a constant column is no spread
    is_flat = norm <= 1e-12 * np.sqrt(len(x))
    z = x / np.where(is_flat, 1.0, norm)
    r = np.clip(z.T @ z, -1.0, 1.0)
    np.fill_diagonal(r, 1.0)
    return [
        [
            None if is_flat[i] or is_flat[j] else round(float(r[i, j]), 6)
            for j in range(len(r))
        ]
        for i in range(len(r))
    ]


def label_entropy(table: Table) -> float | None:
    """Return the entropy of the class in bits; None without labels."""
    return None if table.y is None else _entropy(np.bincount(table.y))


def mutual_information(table: Table) -> list[float | None]:
    """Return what each column tells about the class, in bits; None without labels.

    The plug-in estimate over at most ``N_LEVELS`` bins of equal row counts (each
    value of a category is a bin; missing and infinite values are bins of their own),
    less its bias to first order, ``(r - 1)(c - 1) / (2 n ln 2)`` with ``r`` bins and
    ``c`` classes met, and never below zero. With so many bins and few rows the rest
    of the bias shows as some hundredths of a bit in a column of pure chance.

    References
    ----------
    .. [1] G. A. Miller, "Note on the bias of information estimates", Information
       Theory in Psychology, 1955.
    .. [2] L. Paninski, "Estimation of entropy and mutual information", Neural
       Computation 15(6), 2003. doi:10.1162/089976603321780272
    """
    if table.y is None:
        return [None] * len(table.schema.columns)
    return [
        information(
            _levels(table.frame[c.name]) if c.kind == "numeric"
            else _choices(table.frame[c.name]),
            table.y,
        )
        for c in table.schema.columns
    ]  # fmt: skip


def information(x: Codes, y: Codes) -> float:
    """Return the mutual information of two coded columns in bits, bias taken off."""
    n_x, n_y = int(x.max()) + 1, int(y.max()) + 1
    joint = np.bincount(x * n_y + y, minlength=n_x * n_y).reshape(n_x, n_y)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    plug_in = _entropy(rows) + _entropy(columns) - _entropy(joint.ravel())
    free = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
    return float(max(0.0, plug_in - free / (2 * len(x) * np.log(2))))


def _entropy(counts: NDArray[np.int64]) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def _levels(values: pl.Series) -> Codes:
    x = values.to_numpy().astype(np.float64)
    finite = np.isfinite(x)
    codes = np.select([np.isnan(x), np.isposinf(x), np.isneginf(x)], [0, 1, 2], 3)
    good = x[finite]
    if len(good):
        inner = np.linspace(0, 1, N_LEVELS + 1)[1:-1]
        cuts = np.unique(np.quantile(good, inner, method="inverted_cdf"))
        # both sides of a cut: a value shared by many rows is a bin of its own
        codes[finite] += np.searchsorted(cuts, good, "left")
        codes[finite] += np.searchsorted(cuts, good, "right")
    return codes.astype(np.int64)


def _choices(values: pl.Series) -> Codes:
    return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)
