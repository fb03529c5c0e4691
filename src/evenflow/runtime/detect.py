"""From scores to verdicts: one row's result as a person or a sink reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.bands import Band, Bands
from evenflow.decision import Decision, Scores
from evenflow.schema import Schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The verdict on one row."""

    line: int
    """Line of the row in its source, or its number; counted from 1."""
    label: str
    """Class decided: ``benign``, an attack class or ``unknown_attack``."""
    is_attack: bool
    probability: float
    """Calibrated probability of an attack, [0, 1]."""
    threshold: float
    """Probability above which a row is called an attack, [0, 1]."""
    classes: Mapping[str, float]
    """Calibrated probability of each class; sums to 1."""
    band: Band | None = None
    """Test rows of such scores; None where the bundle holds none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return {
            "line": self.line,
            "verdict": self.label,
            "is_attack": self.is_attack,
            "attack_probability": self.probability,
            "threshold": self.threshold,
            "classes": dict(self.classes),
            "test_rows": None if self.band is None else self.band.to_dict(),
        }


def verdicts(
    scores: Scores,
    schema: Schema,
    decision: Decision,
    *,
    bands: Bands | None = None,
    lines: NDArray[np.int64] | None = None,
) -> Iterator[Verdict]:
    """Yield one verdict for each scored row.

    Parameters
    ----------
    scores : Scores
        What the bundle said of the rows.
    schema : Schema
        Names the classes.
    decision : Decision
        Holds the threshold, and when the kind of an attack is unknown.
    bands : Bands, optional
        The test rows of the bundle, by score.
    lines : ndarray of shape (n_samples,), int64, optional
        Where the rows came from; without it they are counted from 1.
    """
    threshold, labels = _once(decision.threshold), decision.verdicts(schema.classes)
    numbers = np.arange(1, len(scores) + 1) if lines is None else lines
    found: Iterable[Band | None] = repeat(None, len(scores))
    if bands is not None:
        places = bands.place(scores.attack - decision.threshold)
        found = (bands.bands[place] for place in places.tolist())
    for line, number, is_attack, odds, proba, band in zip(
        numbers.tolist(),
        scores.verdict.tolist(),
        scores.is_attack.tolist(),
        scores.attack.tolist(),
        scores.proba.tolist(),
        found,
        strict=True,
    ):
        yield Verdict(
            line=line,
            label=labels[number],
            is_attack=is_attack,
            probability=sigmoid(odds),
            threshold=threshold,
            classes=dict(zip(schema.classes, proba, strict=True)),
            band=band,
        )


@lru_cache(maxsize=64)
def _once(threshold: float) -> float:
    """Return the probability of a threshold, which each record asks for."""
    return sigmoid(threshold)


def sigmoid(odds: float) -> float:
    """Return the probability of log odds."""
    return float(attack_probability(np.array([odds]))[0])


def attack_probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log odds, ``(n_samples,)``, without overflow."""
    small = np.exp(-np.abs(odds))
    proba: NDArray[np.float64] = np.where(odds >= 0, 1.0, small) / (1.0 + small)
    return proba
