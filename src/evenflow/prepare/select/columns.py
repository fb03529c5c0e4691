"""The columns that a recipe names."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[select]`` in a recipe."""

    names: tuple[str, ...] = ()
    """Columns to keep; all of them where none is named."""
    without: tuple[str, ...] = ()
    """Columns to leave out."""


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns named, but for those to leave out.

    A model that is to score live traffic is trained on the columns that connections
    give: a contract of ``evenflow flows`` lists them.

    Raises
    ------
    RecipeError
        A name is not that of a column, or the column has one value in all training
        rows; or none is left.
    """
    del X, y, rng
    for name in (*config.names, *config.without):
        if name not in layout.groups:
            near = difflib.get_close_matches(name, layout.groups) or list(layout.groups)
            raise RecipeError(
                f"[select] names {name!r}; expected a column whose value varies in the "
                f"training rows, such as {' or '.join(near[:3])}. Correct or remove it"
            )
    kept = [n for n in config.names or layout.groups if n not in config.without]
    if not kept:
        raise RecipeError("[select] leaves out all columns. Keep one or more")
    return kept


SELECTOR = Selector(choose, Config)
