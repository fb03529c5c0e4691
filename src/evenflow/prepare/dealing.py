"""Rows dealt to parts: rows with equal features always fall into one."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError, RecipeError
from evenflow.registry import nearest
from evenflow.schema import Table

Rows = NDArray[np.int64]


def hold_out(
    table: Table, *, fraction: float, seed: int, group: str | None = None
) -> tuple[Rows, Rows]:
    """Return row numbers to keep and row numbers held out, both ascending.

    Classes keep their proportions; a class of two or more distinct rows has at least
    one row on the side that is kept. Duplicates stay together.

    Parameters
    ----------
    fraction : float
        Share of the rows to hold out, (0, 1).
    group : str, optional
        Column whose values are groups. Whole groups are held out instead, in random
        order, as many as bring the share nearest to ``fraction`` and at least one; a
        group that alone has a class is kept.

    Raises
    ------
    DataError
        A side would be empty.
    RecipeError
        There is no such column.
    """
    if group is not None:
        return _hold_out_groups(table, group, fraction=fraction, seed=seed)
    part = stratified_parts(table, np.array([1 - fraction, fraction]), seed)
    kept, held = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    if not len(kept) or not len(held):
        raise DataError(
            f"{len(table)} rows ({len(np.unique(groups(table)))} distinct) are too "
            f"few to hold out {fraction:.0%}; expected rows on both sides. "
            "Bring more rows"
        )
    return kept, held


def _hold_out_groups(
    table: Table, group: str, *, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    values = column(table, group, where="[decide] group")
    names, of_row = np.unique(equal_rows(values.to_frame()), return_inverse=True)
    counts = np.zeros((len(names), len(table.schema.classes)), np.int64)
    np.add.at(counts, (of_row, table.labels), 1)
    kept = counts.sum(axis=0)
    owed = fraction * len(table)
    held = np.zeros(len(names), np.bool_)
    for code in np.random.default_rng(seed).permutation(len(names)):
        left = kept - counts[code]
        n_rows = counts[code].sum()
        if ((kept > 0) <= (left > 0)).all() and (n_rows / 2 <= owed or not held.any()):
            held[code], kept, owed = True, left, owed - n_rows
    if not held.any():
        raise DataError(
            f"{group} has {len(names)} values, and none of these groups can be held "
            "out without the only rows of a class. Bring rows of more groups, or leave "
            "out decide.group"
        )
    is_held = held[of_row]
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def groups(table: Table) -> Rows:
    """Return a number for each row, equal for rows with equal features."""
    return equal_rows(table.frame.select(table.schema.features))


def equal_rows(frame: pl.DataFrame) -> Rows:
    """Return for each row of a frame the number of the first one that equals it."""
    names, row = frame.columns, "row"
    while row in names:
        row += "_"
    first = frame.with_row_index(row).select(pl.col(row).min().over(names))
    return first.to_series().to_numpy().astype(np.int64)


def stratified_parts(table: Table, shares: NDArray[np.float64], seed: int) -> Rows:
    """Deal each class's groups of equal rows to the parts, by rows still owed."""
    rng = np.random.default_rng(seed)
    group, y = groups(table), table.labels
    leaders, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    label = y[leaders]
    part_of = np.zeros(len(leaders), dtype=np.int64)
    for code in np.unique(label):
        mine = rng.permutation(np.flatnonzero(label == code))
        mine = mine[np.argsort(-sizes[mine], kind="stable")]
        owed = shares * sizes[mine].sum()
        ones = np.flatnonzero(sizes[mine] == 1)
        big = mine[sizes[mine] > 1]
        for leader in big:
            part = int(owed.argmax())
            part_of[leader] = part
            owed[part] -= sizes[leader]
        # single rows fill what is left of every part, in shuffled order
        singles = mine[ones]
        owed = np.maximum(owed, 0)
        if len(singles):
            total = owed.sum() or 1.0
            cuts = np.round(np.cumsum(owed) / total * len(singles)).astype(int)
            part_of[singles] = np.searchsorted(cuts, np.arange(len(singles)), "right")
            part_of[singles] = np.minimum(part_of[singles], len(shares) - 1)
    return part_of[member]


def column(table: Table, name: str, *, where: str) -> pl.Series:
    """Return a column of a table, a feature or an extra one.

    Raises
    ------
    RecipeError
        There is none; the message says ``where`` it was named.
    """
    for frame in (table.frame, table.extra):
        if frame is not None and name in frame.columns:
            return frame[name]
    extra = [] if table.extra is None else table.extra.columns
    known = [*table.schema.names, *extra]
    raise RecipeError(f"{where}: no column {name!r}; {nearest(name, known)}")


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
        values, n = np.unique(benign.drop_nulls().to_numpy(), return_counts=True)
        part = np.floor((np.cumsum(n) - n / 2) / n.sum() * k)
        found = [values[part == f] for f in range(k)]
        if not all(map(len, found)):
            raise DataError(
                f"unseen: {len(values)} benign values of {kinds.name} cannot be cut "
                f"into {k} ranges; lower k in [split], or use another column"
            )
        low, high = found[fold].min(), found[fold].max()
        chosen = kinds.is_between(low, high).fill_null(value=False)
        return chosen.to_numpy(), f"{low:g} to {high:g}"
    names = largest_first(benign)
    if len(names) < k:
        raise DataError(
            f"unseen: {len(names)} benign values of {kinds.name} cannot make {k} "
            "folds; lower k in [split], or use another column"
        )
    mine = names[fold::k]
    words = kinds.cast(pl.String).fill_null("")
    return words.is_in(mine).to_numpy(), ", ".join(mine)
