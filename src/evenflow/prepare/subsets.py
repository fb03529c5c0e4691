"""Searches among sets of columns: their settings, and what a set costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.prepare.layout import Layout
from evenflow.prepare.pruned_tree import PrunedTree

Mask = NDArray[np.bool_]
Search = Callable[["Cost", "Config", np.random.Generator], Mask]
"""``search(cost, config, rng)`` returns the best set of columns that it met."""
SIZE_WEIGHT = 0.01
"""What all columns cost beside what an error on all rows costs, 1."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written in a recipe."""

    population: int = 20
    """Sets of columns at a time."""
    iterations: int = 15
    """Times that all of them change; one search tries at most as many sets as both
    multiplied, and the first ones. ``pso_ant_genetic`` runs three searches."""
    n_rows: int = 4000
    """Training rows drawn to evaluate sets by; all of them where there are fewer."""

    def __post_init__(self) -> None:
        for name, low in (("population", 4), ("iterations", 1), ("n_rows", 40)):
            if getattr(self, name) < low:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected {low} or more. Change "
                    "it in the recipe"
                )


class Cost:
    """The cost of a set of columns: errors of a pruned tree, and a little for its size.

    A tree is grown on half of the rows drawn and pruned by a quarter; its errors are
    those on the last quarter. All rows are training rows. A set is evaluated once.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
    y : ndarray of shape (n_samples,), int64
    groups : sequence of ndarray
        The features of each column.
    rng : Generator
        Draws the rows.
    n_rows : int
        Rows to draw.
    """

    def __init__(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.int64],
        groups: Sequence[NDArray[np.int64]],
        *,
        rng: np.random.Generator,
        n_rows: int,
    ) -> None:
        rows = rng.permutation(len(y))[:n_rows]
        half, most = len(rows) // 2, 3 * len(rows) // 4
        cuts = (rows[:half], rows[half:most], rows[most:])
        self.parts = [(X[part], y[part]) for part in cuts]
        self.groups = groups
        self.seed = int(rng.integers(2**31))
        self.known: dict[bytes, float] = {}

    @property
    def n_columns(self) -> int:
        """Columns to choose among."""
        return len(self.groups)

    def __call__(self, mask: Mask) -> float:
        """Return the cost of a set of columns; that of no column is the greatest."""
        key = np.packbits(mask).tobytes()
        if key not in self.known:
            self.known[key] = self._of(mask) if mask.any() else 2.0
        return self.known[key]

    def _of(self, mask: Mask) -> float:
        which = np.concatenate([self.groups[k] for k in np.flatnonzero(mask).tolist()])
        (X, y), (X_prune, y_prune), (X_held, y_held) = self.parts
        tree = PrunedTree(self.seed).fit(X[:, which], y, X_prune[:, which], y_prune)
        errors = float((tree.predict(X_held[:, which]) != y_held).mean())
        return errors + SIZE_WEIGHT * float(mask.mean())


class Best:
    """The best set met so far."""

    def __init__(self, cost: Cost) -> None:
        self.cost = cost
        self.mask, self.least = np.ones(cost.n_columns, dtype=bool), np.inf

    def of(self, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the costs of some sets, ``(n_sets,)``, and keep the best."""
        costs = np.array([self.cost(mask) for mask in masks])
        if costs.min() < self.least:
            self.least = float(costs.min())
            self.mask = masks[costs.argmin()].copy()
        return costs


def choose_by(
    search: Search,
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns that a search finds."""
    groups = list(layout.groups.values())
    cost = Cost(X, y, groups, rng=rng, n_rows=config.n_rows)
    mask = search(cost, config, rng)
    return [name for name, is_in in zip(layout.groups, mask, strict=True) if is_in]
