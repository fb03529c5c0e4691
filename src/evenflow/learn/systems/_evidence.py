"""Evidence that a row is an attack, by its log odds among those of benign rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_KNOTS = 256
"""Points between which the evidence is interpolated, at most."""
MIN_GAP = 0.02
"""Least distance in log odds of two such points: with nearer ones the rounding of a sum
would move the evidence."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """``-log p`` of log odds, where ``p`` is their conformal p-value."""

    knots: NDArray[np.float64]
    """Log odds, ascending; before the first and after the last the evidence stays."""
    values: NDArray[np.float64]
    """``-log p`` at each of them."""

    @classmethod
    def among(cls, odds: NDArray[np.float64]) -> Evidence:
        """Return the evidence among benign rows of those log odds.

        At each point the evidence is that of a row just beyond the point before. So it
        is nowhere greater than the p-value's, and reaches it one point later.
        """
        benign = np.sort(odds)
        n = len(benign)

        def beyond(z: float) -> float:
            return float(
                np.log((n + 1) / (1 + n - np.searchsorted(benign, z, "right")))
            )

        values, first = np.unique(benign, return_index=True)
        evidence = np.append(-np.log((1 + n - first) / (n + 1)), np.log(n + 1))
        values = np.append(values, values[-1] + 1.0)  # none of theirs is as great
        wanted = np.linspace(0, evidence[-1], N_KNOTS)
        knots, found = [values[0]], [0.0]
        for value in values[np.unique(np.searchsorted(evidence, wanted - 1e-12))]:
            if value > knots[-1]:
                found.append(beyond(knots[-1]))
                knots.append(max(value, knots[-1] + MIN_GAP))
        return cls(knots=np.array(knots), values=np.array(found))

    def at(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the evidence of log odds, ``(n_samples,)``."""
        found: NDArray[np.float64] = np.interp(odds, self.knots, self.values)
        return found

    def pieces(self) -> NDArray[np.float64]:
        """Return what it is before, between and after the knots.

        Returns
        -------
        ndarray of shape (n_knots + 1, 3)
            Evidence at the left end of each piece, its slope, its left end.
        """
        rise = np.diff(self.values) / np.diff(self.knots)
        return np.column_stack(
            [
                self.values[[0, *range(len(self.knots))]],
                np.concatenate([[0.0], rise, [0.0]]),
                self.knots[[0, *range(len(self.knots))]],
            ]
        )
