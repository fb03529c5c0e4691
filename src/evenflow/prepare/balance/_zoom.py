"""New rows of a class from its own rows, within its own bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.balance._neighbors import Neighbors
from evenflow.prepare.balance._sampler import Matrix, Rows
from evenflow.prepare.layout import Layout


def categories(X: Matrix, layout: Layout | None) -> tuple[Rows, NDArray[np.bool_]]:
    """Return a number for each row's categories, and which columns are numbers.

    Without a layout, columns that hold 0 and 1 only count as categories.

    Returns
    -------
    group : ndarray of shape (n_samples,), int64
    continuous : ndarray of shape (n_features,), bool
    """
    if layout is None:
        continuous = ~((X == 0) | (X == 1)).all(axis=0)
    else:
        continuous = layout.continuous
    if continuous.all():
        return np.zeros(len(X), dtype=np.int64), continuous
    bits = np.packbits(X[:, ~continuous] > 0.5, axis=1)
    key = np.ascontiguousarray(bits).view(f"V{bits.shape[1]}").ravel()
    return np.unique(key, return_inverse=True)[1].astype(np.int64), continuous


@dataclass(frozen=True, kw_only=True)
class Nursery:
    """The rows of one class and who may grow towards whom."""

    X: Matrix
    """Rows of the class, ``(n_rows, n_features)``."""
    neighbor: Rows
    """Near rows of the same categories, ``(n_rows, k)``; the row itself where
    there are fewer."""
    n_neighbors: Rows
    """How many of them are other rows, ``(n_rows,)``; they come first."""
    continuous: NDArray[np.bool_]
    low: Matrix
    """Least value of the class in each column, ``(n_features,)``."""
    high: Matrix
    zoom: int
    layout: Layout | None

    @classmethod
    def of(cls, X: Matrix, layout: Layout | None, *, k: int, zoom: int) -> Self:
        """Find the neighbours of the rows of one class."""
        group, continuous = categories(X, layout)
        numbers = X[:, continuous]
        neighbor = np.tile(np.arange(len(X))[:, None], (1, k))
        n_neighbors = np.zeros(len(X), dtype=np.int64)
        for key in np.unique(group):
            rows = np.flatnonzero(group == key)
            n = min(k, len(rows) - 1)
            if n and continuous.any():
                found = (
                    Neighbors(n + 1).fit(numbers[rows]).kneighbors(None, None, False)
                )
                neighbor[rows, :n] = rows[found[:, 1:]]
                n_neighbors[rows] = n
        return cls(
            X=X,
            neighbor=neighbor,
            n_neighbors=n_neighbors,
            continuous=continuous,
            low=X.min(axis=0),
            high=X.max(axis=0),
            zoom=zoom,
            layout=layout,
        )

    def child(self, parent: Rows, rng: np.random.Generator) -> Matrix:
        """Return one new row for each parent, its categories the parent's.

        Parameters
        ----------
        parent : ndarray of shape (n_new,), int64
            Numbers of rows of the class.

        Returns
        -------
        ndarray of shape (n_new, n_features), float32
        """
        new = self.X[parent]
        which = (rng.random(len(parent)) * self.n_neighbors[parent]).astype(np.int64)
        other = self.X[self.neighbor[parent, which]]
        part = rng.random((len(parent), 1), dtype=np.float32)
        new += part * (other - new)
        alone = (other == self.X[parent])[:, self.continuous].all(axis=1)
        new[alone] = self._zoomed(new[alone], rng)
        new[:, ~self.continuous] = self.X[parent][:, ~self.continuous]
        return new

    def _zoomed(self, X: Matrix, rng: np.random.Generator) -> Matrix:
        """Scale the numbers of each row by ``1 +- 1/n``, ``n`` from ``zoom`` up."""
        n = rng.integers(self.zoom, self.zoom + max(len(self.X), 10), size=len(X))
        factor = 1 + rng.choice([-1.0, 1.0], size=len(X)) / n
        out = zoomed(X, factor, self.continuous, self.layout)
        return np.clip(out, self.low, self.high)


def zoomed(
    X: Matrix,
    factor: NDArray[np.float64],
    continuous: NDArray[np.bool_],
    layout: Layout | None,
) -> Matrix:
    """Return rows with their numbers multiplied, in raw units where a layout is given.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32
    factor : ndarray of shape (n_rows,)
    continuous : ndarray of shape (n_features,), bool
        The columns that are numbers.
    """
    out = X.copy()
    if layout is None:
        out[:, continuous] = X[:, continuous] * factor[:, None]
    else:
        raw = layout.scaler.inverse(X[:, continuous].astype(np.float64))
        out[:, continuous] = layout.scaler.forward(raw * factor[:, None])
    return out
