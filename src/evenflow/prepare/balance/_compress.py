"""Fewer rows of a class: centres of its clusters, or the real rows next to them."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evenflow.prepare.balance._sampler import Matrix, Rows

N_PASSES = 10
"""Passes of k-means: centres need not settle, only spread."""


def compressed(
    X: Matrix, rows: Rows, n_keep: int, group: Rows, rng: np.random.Generator
) -> Rows:
    """Return ``n_keep`` of ``rows`` that stand for all of them.

    Each group gives rows in proportion to its size; within it k-means makes as many
    clusters, and the real row nearest to each centre stays.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
        Columns in which rows of one group differ.
    rows : ndarray of shape (n_rows,), int64
        Rows to choose from.
    n_keep : int
        From 0 to ``n_rows``.
    group : ndarray of shape (n_samples,), int64
        Rows of different groups never share a cluster.

    Returns
    -------
    ndarray of shape (n_keep,), int64
        Ascending.
    """
    if n_keep >= len(rows):
        return np.sort(rows)
    keys, sizes = np.unique(group[rows], return_counts=True)
    kept = [
        _medoids(X, rows[group[rows] == key], n, rng)
        for key, n in zip(keys, shared(n_keep, sizes), strict=True)
        if n
    ]
    chosen: Rows = np.sort(np.concatenate([rows[:0], *kept]))
    return chosen


def shared(n: int, sizes: Rows) -> Rows:
    """Split ``n`` in proportion to ``sizes``, by largest remainder.

    Examples
    --------
    >>> shared(4, np.array([5, 3, 1])).tolist()
    [2, 1, 1]
    """
    exact = n * sizes / sizes.sum()
    share: Rows = np.floor(exact).astype(np.int64)
    rest = np.argsort(share - exact, kind="stable")
    share[rest[: n - int(share.sum())]] += 1
    return share


def centres(X: Matrix, rows: Rows, n: int, rng: np.random.Generator) -> Matrix:
    """Return the centres of ``n`` clusters of ``rows``, fewer where rows are equal.

    Returns
    -------
    ndarray of shape (n_centres, n_features), float32
    """
    means, _ = _clusters(X[rows], n, rng)
    found: Matrix = means.cluster_centers_[np.unique(means.labels_)]
    return found.astype(np.float32)


def _clusters(
    points: Matrix, n: int, rng: np.random.Generator
) -> tuple[KMeans, NDArray[np.float64]]:
    """Return k-means of points and the distance of each to each centre."""
    means = KMeans(
        n_clusters=n,
        init=points[rng.choice(len(points), size=n, replace=False)],
        n_init=1,
        max_iter=N_PASSES,
        tol=0,
    )
    # one thread: sums in the order threads finish would differ from run to run
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows may be equal: fewer clusters than n
        distance = means.fit_transform(points)
    return means, distance


def _medoids(X: Matrix, rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    if n == len(rows):
        return rows
    means, distance = _clusters(X[rows], n, rng)
    cluster = means.labels_
    own = distance[np.arange(len(rows)), cluster]
    # the nearest row to each centre; of equally near ones the first
    order = np.lexsort((np.arange(len(rows)), own, cluster))
    first = np.unique(cluster[order], return_index=True)[1]
    chosen = order[first]
    left = np.setdiff1d(np.arange(len(rows)), chosen)
    more = rng.choice(left, size=n - len(chosen), replace=False)
    picked: Rows = rows[np.concatenate([chosen, more])]
    return picked
