"""Synthetic rows against real ones: five statistics, distances, coverage.

Rows are prepared ones: numbers first, then a one-hot block for each category.

References
----------
.. [1] M. F. Naeem et al., "Reliable fidelity and diversity metrics for generative
   models", ICML 2020. doi:10.48550/arXiv.2002.09797 (coverage).
.. [2] J. Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
   Information Theory 37, 1991. doi:10.1109/18.61115
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
Blocks = tuple[tuple[int, int], ...]

STATISTICS = ("ks", "wasserstein", "jensen_shannon", "correlation", "moments")
"""Names of the five statistics, each 0 for equal distributions."""
N_NEAR = 5
"""Neighbours within which a real row counts as covered."""
FEW = 4_000_000
"""Pairs of rows that are compared at a time."""


def statistics(
    real: Matrix, other: Matrix, *, width: NDArray[np.float64], blocks: Blocks
) -> dict[str, float | None]:
    """Return five distances between the distributions of two samples of one class.

    Parameters
    ----------
    real, other : ndarray of shape (n, n_features)
        One row or more each.
    width : ndarray of shape (n_numbers,)
        Range of each number among training rows; a number of width 0 counts for
        nothing.
    blocks : tuple of (int, int)
        First and one-past-last column of each one-hot block.

    Returns
    -------
    dict of {str: float or None}
        ``ks``: statistic of Kolmogorov and Smirnov, mean over the numbers.
        ``wasserstein``: distance of order 1 as a share of the range, mean over the
        numbers. ``jensen_shannon``: divergence of the shares of categories in bits,
        mean over the category columns. ``correlation``: absolute difference of
        Pearson's coefficients, mean over pairs of numbers that vary in both samples.
        ``moments``: absolute differences of means and of standard deviations as a
        share of the range, mean over both and over the numbers. None where no column
        tells.

    Examples
    --------
    >>> real = np.array([[0.0], [1.0]])
    >>> found = statistics(real, real + 1, width=np.array([2.0]), blocks=())
    >>> found["ks"], found["wasserstein"], found["moments"]
    (0.5, 0.5, 0.25)
    """
    used = np.flatnonzero(width > 0)
    a, b = (part[:, used].astype(np.float64) / width[used] for part in (real, other))
    gaps = [_gap(a[:, j], b[:, j]) for j in range(len(used))]
    means = np.abs(a.mean(axis=0) - b.mean(axis=0))
    spreads = np.abs(a.std(axis=0) - b.std(axis=0))
    return {
        "ks": _mean([ks for ks, _ in gaps]),
        "wasserstein": _mean([distance for _, distance in gaps]),
        "jensen_shannon": _mean(
            [
                _divergence(real[:, i:j].mean(axis=0), other[:, i:j].mean(axis=0))
                for i, j in blocks
            ]
        ),
        "correlation": _correlation(a, b),
        "moments": _mean([*means, *spreads]),
    }


def _mean(values: list[Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _gap(a: Matrix, b: Matrix) -> tuple[float, float]:
    """Return the greatest gap of two distribution functions, and the area between."""
    a, b = np.sort(a), np.sort(b)
    grid = np.sort(np.concatenate([a, b]))
    gap = np.abs(
        np.searchsorted(a, grid, "right") / len(a)
        - np.searchsorted(b, grid, "right") / len(b)
    )
    return float(gap.max()), float((gap[:-1] * np.diff(grid)).sum())


def _divergence(p: Matrix, q: Matrix) -> float:
    def bits(share: Matrix) -> float:
        share = share[share > 0].astype(np.float64)
        return float(-(share * np.log2(share)).sum())

    return max(bits((p + q) / 2) - (bits(p) + bits(q)) / 2, 0.0)


def _correlation(a: Matrix, b: Matrix) -> float | None:
    varies = (a.std(axis=0) > 1e-9) & (b.std(axis=0) > 1e-9)
    if varies.sum() < 2:
        return None
    of_a, of_b = (np.corrcoef(part[:, varies], rowvar=False) for part in (a, b))
    pairs = np.triu_indices(int(varies.sum()), k=1)
    return float(np.abs(of_a - of_b)[pairs].mean())


def nearest(
    queries: Matrix, rows: Matrix, k: int = 1, *, are_same: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the Euclidean distances and the numbers of the ``k`` nearest rows.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
    rows : ndarray of shape (n_samples, n_features)
        ``k`` or more.
    are_same : bool
        Whether both are the same rows; a row is then no neighbour of itself.

    Returns
    -------
    distance : ndarray of shape (n_queries, k), float64
        Ascending in each row.
    row : ndarray of shape (n_queries, k), int64

    Examples
    --------
    >>> rows = np.array([[0.0], [3.0], [4.0]])
    >>> nearest(rows, rows, are_same=True)[0].ravel().tolist()
    [3.0, 1.0, 1.0]
    """
    # a difference of great squares is no distance: in float64, and about the middle
    middle = rows.mean(axis=0, dtype=np.float64)
    rows, queries = rows - middle, queries - middle
    size = max(FEW // len(rows), 1)
    squares = np.square(rows).sum(axis=1)
    found = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        gap = squares - 2 * (part @ rows.T)  # but for the square of the query
        if are_same:
            here = np.arange(len(part))
            gap[here, start + here] = np.inf
        found[start : start + size] = np.argpartition(gap, k - 1, axis=1)[:, :k]
    distance = np.sqrt(np.square(rows[found] - queries[:, None]).sum(axis=2))
    order = np.argsort(distance, axis=1, kind="stable")
    return (
        np.take_along_axis(distance, order, axis=1),
        np.take_along_axis(found, order, axis=1),
    )


def coverage(real: Matrix, new: Matrix) -> float | None:
    """Return the share of real rows that have a new row among their neighbours [1]_.

    That is, one no farther than the fifth nearest other real row. None for a class of
    one row.

    Examples
    --------
    >>> real = np.arange(12.0).reshape(12, 1)
    >>> coverage(real, real), coverage(real, real[:1] - 4)
    (1.0, 0.08333333333333333)
    """
    k = min(N_NEAR, len(real) - 1)
    if not k:
        return None
    radius = nearest(real, real, k, are_same=True)[0][:, -1]
    return float((nearest(real, new)[0][:, 0] <= radius).mean())


def spread(rows: Matrix) -> float:
    """Return the mean distance between two of the rows; 0 for one row.

    Examples
    --------
    >>> spread(np.array([[0.0], [3.0], [6.0]]))
    4.0
    """
    n = len(rows)
    if n < 2:
        return 0.0
    x = rows.astype(np.float64)
    squares = np.square(x).sum(axis=1)
    gap = np.maximum(squares[:, None] + squares - 2 * (x @ x.T), 0.0)
    np.fill_diagonal(gap, 0.0)
    return float(np.sqrt(gap).sum() / (n * (n - 1)))
