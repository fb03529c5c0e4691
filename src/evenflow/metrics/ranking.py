"""Quality of scores before a threshold is set: curves, areas, calibration.

References
----------
.. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27,
   2006. doi:10.1016/j.patrec.2005.10.010
.. [2] J. Davis and M. Goadrich, "The relationship between precision-recall and ROC
   curves", ICML 2006. doi:10.1145/1143844.1143874
.. [3] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated
   probabilities using Bayesian binning", AAAI 2015.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evenflow.metrics.counts import ratio

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows counted by score, highest first; equal scores share an entry.

    The area under the ROC curve is the chance that an attack outranks a benign row,
    ties counting half. The area under the precision-recall curve is the average
    precision ``sum (R_k - R_{k-1}) P_k``, without interpolation.
    """

    score: Floats
    """Distinct scores, descending, ``(n_scores,)``."""
    attacks: Counts
    """Attack rows of each score."""
    benign: Counts
    """Benign rows of each score."""

    @classmethod
    def of(cls, is_true_attack: NDArray[np.bool_], score: NDArray[Any]) -> Self:
        """Count rows.

        Parameters
        ----------
        is_true_attack : ndarray of shape (n_samples,), bool
        score : ndarray of shape (n_samples,)
            Higher means likelier an attack; infinite is allowed, NaN is not.
        """
        score = np.asarray(score, dtype=np.float64)
        if np.isnan(score).any():
            raise ValueError("scores must not be NaN")
        distinct, group = np.unique(-score, return_inverse=True)
        truth, n = np.asarray(is_true_attack, dtype=bool), len(distinct)
        attacks = np.bincount(group[truth], minlength=n)
        return cls(-distinct, attacks, np.bincount(group[~truth], minlength=n))

    def areas(self) -> tuple[float, float]:
        """Return ROC-AUC and average precision; NaN where undefined."""
        return _areas(self.attacks, self.benign)

    def roc(self, points: int = 200) -> tuple[Floats, Floats]:
        """Return false alarm rates and detection rates, thinned to ``points``."""
        if not self.attacks.sum() or not self.benign.sum():
            return np.empty(0), np.empty(0)
        far = np.concatenate([[0], np.cumsum(self.benign)]) / self.benign.sum()
        rate = np.concatenate([[0], np.cumsum(self.attacks)]) / self.attacks.sum()
        return _thin(far, rate, points)

    def precision_recall(self, points: int = 200) -> tuple[Floats, Floats]:
        """Return recalls and precisions, thinned to ``points``."""
        if not self.attacks.sum():
            return np.empty(0), np.empty(0)
        hits = np.cumsum(self.attacks)
        flagged = hits + np.cumsum(self.benign)
        return _thin(hits / hits[-1], hits / flagged, points)

    def bootstrap(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Return both areas of resamples, attacks and benign rows drawn apart.

        Returns
        -------
        ndarray of shape (2, n_resamples), float64
        """
        out, n = np.full((2, n_resamples), np.nan), len(self.score)
        parts = [np.repeat(np.arange(n), c) for c in (self.attacks, self.benign)]
        for b in range(n_resamples if n else 0):
            drawn = [
                np.bincount(p[rng.integers(len(p), size=len(p))], minlength=n)
                if len(p)
                else np.zeros(n, dtype=np.int64)
                for p in parts
            ]
            out[:, b] = _areas(*drawn)
        return out


def _areas(attacks: Counts, benign: Counts) -> tuple[float, float]:
    hits, alarms = np.cumsum(attacks), np.cumsum(benign)
    if not len(hits) or not hits[-1]:
        return math.nan, math.nan
    flagged = hits + alarms
    precision = hits / np.maximum(flagged, 1)
    average = float((attacks * precision).sum() / hits[-1])
    if not alarms[-1]:
        return math.nan, average
    # an attack beats the benign rows below it, and half of those beside it
    below = (alarms[-1] - alarms) + benign / 2
    return float((attacks * below).sum() / (hits[-1] * float(alarms[-1]))), average


def _thin(x: Floats, y: Floats, points: int) -> tuple[Floats, Floats]:
    """Return at most ``points`` of a curve, evenly spaced along it, ends included."""
    if len(x) <= points:
        return x, y
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], points)
    keep = np.unique(np.searchsorted(along, wanted).clip(0, len(x) - 1))
    keep[-1] = len(x) - 1
    return x[keep], y[keep]


def calibration(
    is_true_attack: NDArray[np.bool_], proba: NDArray[Any], n_bins: int = 15
) -> dict[str, Any]:
    """Return how well the probability of attack is calibrated.

    Parameters
    ----------
    is_true_attack : ndarray of shape (n_samples,), bool
    proba : ndarray of shape (n_samples,)
        Probability of attack, [0, 1].

    Returns
    -------
    dict
        ``ece``: expected calibration error [3]_, ``sum n_b/n |share_b - mean p_b|``
        over ``n_bins`` bins of equal width; ``brier``: mean ``(p - y)^2``; ``bins``:
        mean probability, share of attacks and rows of each bin that has rows.
    """
    p, truth = np.asarray(proba, np.float64), np.asarray(is_true_attack, np.float64)
    if not len(p):
        return {"ece": None, "brier": None, "bins": []}
    place = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    claimed = ratio(np.bincount(place, p, n_bins), n)
    was = ratio(np.bincount(place, truth, n_bins), n)
    return {
        "ece": float(np.nansum(n * np.abs(claimed - was)) / len(p)),
        "brier": float(np.mean((p - truth) ** 2)),
        "bins": [
            {"proba": float(claimed[b]), "share": float(was[b]), "n": int(n[b])}
            for b in np.flatnonzero(n)
        ],
    }
