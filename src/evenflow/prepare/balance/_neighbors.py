"""Exact nearest neighbours among prepared rows, fast where rows hold categories.

Two rows that differ in a one-hot block are at a squared distance of 2 or more. So a
row's neighbours are looked for among the rows of its own categories, on the other
columns alone; only where the k-th of them is farther than that does the search go
over all rows. The neighbours are those of a search over everything (rows at equal
distances may come in another order); on NSL-KDD's training rows, 97 of 100 need
their own categories only, which makes it about 15 times as fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors

from evenflow.prepare.balance._sampler import Matrix, Rows
from evenflow.prepare.layout import Layout

Blocks = tuple[tuple[int, int], ...]

APART = 2.0
"""Least squared distance between rows that differ in a one-hot block."""

FEW = 4_000_000
"""Pairs of rows that one thread compares in a few tenths of a second."""


class Neighbors(BaseEstimator):  # type: ignore[misc]
    """Find the ``n_neighbors`` rows at the least Euclidean distance.

    Imbalanced-learn's samplers take it wherever they take a
    :class:`~sklearn.neighbors.NearestNeighbors`.

    Parameters
    ----------
    n_neighbors : int
        Neighbours to find; a fitted row counts as its own.
    blocks : tuple of (int, int), default=()
        First and one-past-last column of each one-hot block. Rows that do not
        hold exactly one 1 in each are found, too, only more slowly.
    """

    def __init__(self, n_neighbors: int = 5, *, blocks: Blocks = ()) -> None:
        self.n_neighbors = n_neighbors
        self.blocks = blocks

    def fit(self, X: Matrix, y: Any = None) -> Neighbors:
        """Keep the rows to search, shape ``(n_samples, n_features)``."""
        self._X = np.ascontiguousarray(X)
        self._group, pure = _groups(self._X, self.blocks)
        self._is_grouped = bool(self.blocks) and bool(pure.all())
        self._rest = np.ones(X.shape[1], dtype=bool)
        for start, stop in self.blocks:
            self._rest[start:stop] = False
        return self

    def kneighbors(
        self,
        X: Matrix | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Return distances and row numbers, nearest first.

        Parameters
        ----------
        X : ndarray of shape (n_queries, n_features), optional
            The fitted rows themselves without it (each its own neighbour).

        Returns
        -------
        distance : ndarray of shape (n_queries, n_neighbors), float64
            Only if ``return_distance``.
        row : ndarray of shape (n_queries, n_neighbors), int64
        """
        queries = self._X if X is None else np.ascontiguousarray(X)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        row = np.zeros((len(queries), k), dtype=np.int64)
        distance = np.full((len(queries), k), np.inf)
        is_open = np.ones(len(queries), dtype=bool)
        if self._is_grouped:
            group, pure = _groups(queries, self.blocks)
            for mine, theirs in _meetings(group, pure, self._group):
                if len(theirs) < k:
                    continue
                near, found = _search(
                    self._X[theirs][:, self._rest], queries[mine][:, self._rest], k
                )
                row[mine], distance[mine] = theirs[found], near
                is_open[mine] = near[:, -1] ** 2 > APART
        if is_open.any():
            distance[is_open], row[is_open] = _search(self._X, queries[is_open], k)
        return (distance, row) if return_distance else row

    def kneighbors_graph(
        self, X: Matrix | None = None, n_neighbors: int | None = None
    ) -> Any:
        """Return a sparse 0/1 matrix ``(n_queries, n_samples)`` of who is near."""
        from scipy.sparse import csr_array

        row = self.kneighbors(X, n_neighbors, return_distance=False)
        ends = np.arange(len(row) + 1) * row.shape[1]
        shape = (len(row), len(self._X))
        return csr_array((np.ones(row.size), row.ravel(), ends), shape=shape)


def nearest_others(
    X: Matrix, k: int, *, layout: Layout | None = None, rows: Rows | None = None
) -> Rows:
    """Return the ``k`` nearest rows of each row, never the row itself.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        More than ``k`` rows.
    rows : ndarray of shape (n_queries,), int64, optional
        The rows to ask for; all without it.

    Returns
    -------
    ndarray of shape (n_queries, k), int64
    """
    rows = np.arange(len(X)) if rows is None else rows
    blocks = () if layout is None else layout.blocks
    found = Neighbors(k + 1, blocks=blocks).fit(X).kneighbors(X[rows], None, False)
    # a row with more copies than k + 1 may not be among its own neighbours
    itself = found == rows[:, None]
    itself[~itself.any(axis=1), -1] = True
    others: Rows = found[~itself].reshape(len(rows), k)
    return others


def _search(
    X: Matrix, queries: Matrix, k: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Look at every row; distances are summed in float64."""
    if len(X) * len(queries) > FEW:
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(X)
        near, found = search.kneighbors(queries)
        return near, found
    # threads cost more than they bring here, and far more on a busy machine
    distance = cdist(queries.astype(np.float64), X.astype(np.float64))
    row = np.argpartition(distance, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(distance, row, axis=1)
    order = np.lexsort((row, near), axis=1)
    return np.take_along_axis(near, order, axis=1), np.take_along_axis(
        row, order, axis=1
    )


def _groups(X: Matrix, blocks: Blocks) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return one number per row for its categories, and whether it names them."""
    group = np.zeros(len(X), dtype=np.int64)
    pure = np.ones(len(X), dtype=bool)
    for start, stop in blocks:
        block = X[:, start:stop]
        pure &= ((block == 0) | (block == 1)).all(axis=1) & (block.sum(axis=1) == 1)
        group = group * (stop - start) + block.argmax(axis=1)
    return group, pure


def _meetings(
    group: Rows, pure: NDArray[np.bool_], fitted: Rows
) -> Iterator[tuple[Rows, Rows]]:
    """Yield queries and fitted rows of equal categories, as row numbers."""
    asked = np.flatnonzero(pure)
    if not len(asked):
        return
    asked = asked[np.argsort(group[asked], kind="stable")]
    order = np.argsort(fitted, kind="stable")
    keys, starts = np.unique(group[asked], return_index=True)
    lefts = np.searchsorted(fitted[order], keys, "left")
    rights = np.searchsorted(fitted[order], keys, "right")
    for mine, left, right in zip(
        np.split(asked, starts[1:]), lefts, rights, strict=True
    ):
        if right > left:
            yield mine, order[left:right]
