"""The age of verdicts: how long after a connection was known its verdict came."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEAST_S, PER_DECADE, N_BINS = 1e-4, 10, 91
"""From a tenth of a millisecond to 10**5 seconds; a bin is a quarter wide."""


class Ages:
    """Seconds, counted in bins, so that a year of them needs no more room than one."""

    def __init__(self) -> None:
        self.counts = np.zeros(N_BINS, np.int64)
        self.max_s = 0.0

    def add(self, seconds: NDArray[np.float64] | float, n: int = 1) -> None:
        """Count ages; one for ``n`` verdicts, or one for each."""
        ages = np.atleast_1d(np.asarray(seconds, np.float64))
        if not len(ages):
            return
        self.max_s = max(self.max_s, float(ages.max()))
        places = np.log10(np.maximum(ages, LEAST_S) / LEAST_S) * PER_DECADE
        bins = np.minimum(np.ceil(places).astype(np.int64), N_BINS - 1)
        np.add.at(self.counts, bins, n)

    def quantile(self, share: float) -> float:
        """Return the age that this share of the verdicts does not exceed."""
        total = int(self.counts.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(self.counts.cumsum(), math.ceil(share * total)))
        return float(min(LEAST_S * 10 ** (place / PER_DECADE), self.max_s))
