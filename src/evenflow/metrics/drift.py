"""Distances between two samples of counts, and the class shares behind verdicts.

A distance alone says little: with few rows it is large by chance, with many the
smallest change is significant. So each comes with the probability of such a distance
between samples of one distribution.

References
----------
.. [1] N. V. Smirnov, "Table for estimating the goodness of fit of empirical
   distributions", Annals of Mathematical Statistics 19, 1948.
   doi:10.1214/aoms/1177730256.
.. [2] B. Yurdakul, J. Naranjo, "Statistical properties of the population stability
   index", Journal of Risk Model Validation 14, 2020. doi:10.21314/JRMV.2020.227 (the
   index over ``1/n + 1/m`` is chi-squared with a degree less than bins).
.. [3] Z. C. Lipton, Y.-X. Wang, A. Smola, "Detecting and correcting for label shift
   with black box predictors", ICML 2018. doi:10.48550/arXiv.1802.03916.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.metrics.counts import LEVEL, Interval

N_DRAWS = 200
TERMS = 100
SINGULAR = 1e-3
"""Least singular value of a confusion matrix that is inverted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """How far two samples are apart in one column."""

    psi: float
    psi_p: float
    """Probability of such an index, or a greater one, without a change."""
    ks: float
    ks_p: float


def distance(before: NDArray[np.int64], now: NDArray[np.int64]) -> Distance:
    """Return how far two samples are apart, from their counts in the same bins.

    The statistic of Kolmogorov and Smirnov is the greatest difference at the edges of
    the bins, at most that of the values; its probability is conservative for ties.

    Parameters
    ----------
    before, now : ndarray of shape (n_bins,), int
        In the order of the values. Bins that are empty in both count for nothing.

    Examples
    --------
    >>> distance(np.array([50, 50]), np.array([10, 90])).ks
    0.4
    """
    there = before + now > 0
    before, now = before[there], now[there]
    n, m = int(before.sum()), int(now.sum())
    if not n or not m:
        return Distance(psi=0.0, psi_p=1.0, ks=0.0, ks_p=1.0)
    bins = len(before)
    # half a row in each bin: an empty one has no logarithm
    a = (before + 0.5) / (n + bins / 2)
    b = (now + 0.5) / (m + bins / 2)
    psi = float(((b - a) * np.log(b / a)).sum())
    ks = float(np.abs(np.cumsum(before / n - now / m)).max())
    return Distance(
        psi=psi,
        psi_p=chi_squared_tail(psi / (1 / n + 1 / m), bins - 1),
        ks=round(ks, 12),
        ks_p=kolmogorov_tail(ks * math.sqrt(n * m / (n + m))),
    )


def chi_squared_tail(x: float, degrees: int) -> float:
    """Return the probability that chi-squared of that many degrees is ``x`` or more.

    Examples
    --------
    >>> round(chi_squared_tail(3.841, 1), 3), round(chi_squared_tail(5.991, 2), 3)
    (0.05, 0.05)
    """
    if degrees < 1 or x <= 0:
        return 1.0
    half, odd = x / 2, degrees % 2
    total = math.erfc(math.sqrt(half)) if odd else 0.0
    for i in range(degrees // 2):
        power = i + odd / 2
        total += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
    return min(total, 1.0)


def kolmogorov_tail(x: float) -> float:
    """Return the limiting probability that the scaled statistic is ``x`` or more.

    Examples
    --------
    >>> round(kolmogorov_tail(1.358), 3)
    0.05
    """
    if x < 0.2:  # where the series converges slowly, it is 1 to 12 digits
        return 1.0
    total = math.fsum(
        (-1.0) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, TERMS)
    )
    return min(max(2 * total, 0.0), 1.0)


def class_shares(
    confusion: NDArray[np.int64], decided: NDArray[np.int64], *, seed: int = 0
) -> tuple[NDArray[np.float64], tuple[Interval, ...]] | None:
    """Return the share of each class behind verdicts, with intervals of 95 %.

    It holds where classes look as they did and only their shares changed; the
    intervals are of 200 draws of both samples.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Rows of known classes: true class, then decided class.
    decided : ndarray of shape (n_classes,)
        Verdicts by class on the rows in question.
    seed : int
        Of the draws.

    Returns
    -------
    tuple of (ndarray of shape (n_classes,), tuple of Interval) or None
        None where the confusion matrix does not tell: a class has no rows, or two
        classes get the same verdicts.
    """
    sizes = confusion.sum(axis=1)
    n = int(decided.sum())
    if not n or not sizes.all():
        return None
    found = _solved(confusion / sizes[:, None], decided / n)
    if found is None:
        return None
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(N_DRAWS):
        drawn = np.stack(
            [
                rng.multinomial(size, row / size)
                for row, size in zip(confusion, sizes, strict=True)
            ]
        )
        one = _solved(drawn / sizes[:, None], rng.multinomial(n, decided / n) / n)
        if one is not None:
            draws.append(one)
    if len(draws) < N_DRAWS / 2:
        return None
    ends = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return found, tuple((float(a), float(b)) for a, b in ends.T)


def _solved(
    rates: NDArray[np.float64], decided: NDArray[np.float64]
) -> NDArray[Any] | None:
    """Return the shares of classes that explain the shares of verdicts."""
    if np.linalg.svd(rates, compute_uv=False)[-1] < SINGULAR:
        return None
    shares = np.maximum(np.linalg.solve(rates.T, decided), 0.0)
    total: float = shares.sum()
    return shares / total if total > 0 else None
