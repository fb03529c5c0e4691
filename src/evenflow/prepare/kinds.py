"""Kinds of rows, such as attack types and services, dealt into folds."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError


def largest_first(values: pl.Series) -> list[str]:
    """Return the values of a column, the most frequent first, then by name."""
    named = values.cast(pl.String).fill_null("").alias("value")
    counts = named.value_counts(name="n").sort(["n", "value"], descending=[True, False])
    return counts["value"].to_list()


def of_fold(
    kinds: pl.Series, is_benign: NDArray[np.bool_], k: int, fold: int
) -> tuple[NDArray[np.bool_], str]:
    """Return which rows are of the fold's kinds, and these in words."""
    benign = kinds.filter(pl.Series(is_benign))
    if kinds.dtype.is_numeric():
        values, n = np.unique(benign.to_numpy(), return_counts=True)
        part = np.floor((np.cumsum(n) - n / 2) / n.sum() * k)
        found = [values[part == f] for f in range(k)]
        if not all(map(len, found)):
            raise DataError(
                f"unseen: {len(values)} benign values of {kinds.name} cannot be cut "
                f"into {k} ranges; lower k in [split], or use another column"
            )
        low, high = found[fold].min(), found[fold].max()
        return kinds.is_between(low, high).to_numpy(), f"{low:g} to {high:g}"
    names = largest_first(benign)
    if len(names) < k:
        raise DataError(
            f"unseen: {len(names)} benign values of {kinds.name} cannot make {k} "
            "folds; lower k in [split], or use another column"
        )
    mine = names[fold::k]
    words = kinds.cast(pl.String).fill_null("")
    return words.is_in(mine).to_numpy(), ", ".join(mine)
