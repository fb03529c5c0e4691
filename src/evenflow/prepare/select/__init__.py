"""Selectors: which columns a model reads; one file each.

A file holds ``SELECTOR = Selector(choose, Config)``; its name is what a recipe writes
under ``[select]``. Columns are chosen as a record has them: a category with its whole
one-hot block, a number with the mark of its absence. The bundle's contract then holds
these columns and no other, so a sensor need not measure the rest. A publication that
picks single one-hot columns is not reproduced to the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.prepare.layout import Layout

__all__ = ["Selector"]

Choose = Callable[
    [Any, NDArray[np.float32], NDArray[np.int64], Layout, np.random.Generator],
    Sequence[str],
]


@dataclass(frozen=True)
class Selector:
    """A plug-in of ``select``.

    Parameters
    ----------
    choose : callable
        ``choose(config, X, y, layout, rng)`` returns names of raw columns, keys of
        ``layout.groups``. ``X`` ``(n_samples, n_features)`` and ``y`` are training
        rows, prepared and not balanced.
    Config : dataclass
        The parameters that a recipe may set.
    """

    choose: Choose
    Config: type

    def columns(
        self,
        config: Any,
        X: NDArray[np.float32],
        y: NDArray[np.int64],
        layout: Layout,
        *,
        seed: int,
    ) -> tuple[str, ...]:
        """Return the columns chosen, in the order of the prepared matrix.

        Raises
        ------
        DataError
            No column was chosen, or one that is not there.
        """
        rng = np.random.default_rng(seed)
        chosen = set(self.choose(config, X, y, layout, rng))
        if not chosen or not chosen <= set(layout.groups):
            raise DataError(
                f"the selector chose {sorted(chosen)[:9]}; expected some of the "
                f"{len(layout.groups)} columns. Change [select]"
            )
        return tuple(name for name in layout.groups if name in chosen)
