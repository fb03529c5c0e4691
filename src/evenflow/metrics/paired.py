"""Two models on the same rows: which is right more often, and by chance or not.

References
----------
.. [1] Q. McNemar, "Note on the sampling error of the difference between correlated
   proportions or percentages", Psychometrika 12, 1947. doi:10.1007/BF02295996 (here
   with the exact binomial probability).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evenflow.metrics.counts import LEVEL, Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """Rows that each of two models decides rightly."""

    n: int
    before: int
    """Right by the first model."""
    after: int
    """Right by the second one."""
    gained: int
    """Right by the second one alone."""
    lost: int
    """Right by the first one alone."""

    @property
    def difference(self) -> float:
        """Share of rows by which the second model is right more often, [-1, 1]."""
        return (self.after - self.before) / self.n if self.n else 0.0

    @property
    def interval(self) -> Interval:
        """The interval of 95 % of the difference, if rows are independent."""
        if not self.n:
            return -1.0, 1.0
        apart = self.gained + self.lost
        spread = max(apart - self.difference**2 * self.n, 1.0)
        half = NormalDist().inv_cdf(0.5 + LEVEL / 2) * math.sqrt(spread) / self.n
        return max(self.difference - half, -1.0), min(self.difference + half, 1.0)

    @property
    def p_gain(self) -> float:
        """Probability of so many gains among the rows decided differently by chance."""
        return _at_least(self.gained, self.gained + self.lost)

    @property
    def p_loss(self) -> float:
        """Probability of so many losses among the rows decided differently."""
        return _at_least(self.lost, self.gained + self.lost)


def paired(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Paired:
    """Compare two models by which rows each decides rightly.

    Examples
    --------
    >>> paired(np.array([True, False, False]), np.array([True, True, False])).gained
    1
    """
    return Paired(
        n=len(before),
        before=int(before.sum()),
        after=int(after.sum()),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
    )


def _at_least(k: int, n: int) -> float:
    """Return the probability of ``k`` heads or more in ``n`` throws of a fair coin."""
    if k <= 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
        for i in range(k, n + 1)
    ]
    return min(math.fsum(math.exp(x - n * math.log(2)) for x in logs), 1.0)
