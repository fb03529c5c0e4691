"""How many rows of each class a sampler shall make or keep."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from evenflow.errors import DataError
from evenflow.prepare.balance._sampler import Labels

Strategy = Literal["auto"] | dict[int, int]
Count = Annotated[int, Field(ge=1)]


def counts(y: Labels) -> dict[int, int]:
    """Return class code -> number of rows, ascending by code."""
    labels, found = np.unique(y, return_counts=True)
    return dict(zip(labels.tolist(), found.tolist(), strict=True))


def targets(
    strategy: Strategy, y: Labels, *, max_rows_per_class: int | None = None
) -> dict[int, int]:
    """Return class code -> rows wanted, for every class there is.

    Parameters
    ----------
    strategy : 'auto' or dict of {int: int}
        ``'auto'`` wants every class as large as the largest, or as large as
        ``max_rows_per_class`` where that is less; a class that already has more
        rows keeps them. A dict names the classes to change; the cap holds for
        those that grow.
    max_rows_per_class : int, optional
        No class is grown beyond it.

    Raises
    ------
    DataError
        A class of the dict has no row, or a count is not positive.
    """
    found = counts(y)
    cap = max(found.values()) if max_rows_per_class is None else max_rows_per_class
    if cap < 1:
        raise DataError(f"max_rows_per_class is {cap}; expected 1 or more")
    if strategy == "auto":
        cap = min(cap, max(found.values()))
        return {label: max(n, cap) for label, n in found.items()}
    wanted = dict(found)
    # the keys of a TOML table are text
    for label, n in sorted((int(k), int(v)) for k, v in strategy.items()):
        if label not in found:
            raise DataError(
                f"sampling_strategy asks for {n} rows of class {label}, which has "
                f"none in training; expected classes among {sorted(found)}"
            )
        if n < 1:
            raise DataError(
                f"sampling_strategy asks for {n} rows of class {label}; expected 1 "
                "or more"
            )
        capped = n if max_rows_per_class is None else max(found[label], cap)
        wanted[label] = min(n, capped)
    return wanted


def rows_to_add(
    strategy: Strategy, y: Labels, *, max_rows_per_class: int | None = None
) -> dict[int, int]:
    """Return class code -> rows to make, for the classes that grow, ascending.

    Raises
    ------
    DataError
        The strategy wants fewer rows of a class than there are.
    """
    found = counts(y)
    wanted = targets(strategy, y, max_rows_per_class=max_rows_per_class)
    for label, n in wanted.items():
        if n < found[label]:
            raise DataError(
                f"sampling_strategy asks for {n} rows of class {label}, which has "
                f"{found[label]}: over-sampling only adds rows. Ask for "
                f"{found[label]} or more, or use 'rus' or 'hybrid'"
            )
    return {k: n - found[k] for k, n in wanted.items() if n > found[k]}


def rows_to_keep(
    strategy: Strategy, y: Labels, *, max_rows_per_class: int | None = None
) -> dict[int, int]:
    """Return class code -> rows to keep, for every class, ascending.

    ``'auto'`` keeps as many rows of each class as the smallest class has, or
    ``max_rows_per_class`` where that is given.

    Raises
    ------
    DataError
        The strategy wants more rows of a class than there are.
    """
    found = counts(y)
    if strategy == "auto":
        keep = max_rows_per_class or min(found.values())
        return {label: min(n, keep) for label, n in found.items()}
    wanted = targets(strategy, y)
    for label, n in wanted.items():
        if n > found[label]:
            raise DataError(
                f"sampling_strategy asks for {n} rows of class {label}, which has "
                f"{found[label]}: under-sampling only removes rows. Ask for "
                f"{found[label]} or fewer, or use an over-sampler"
            )
    return wanted
