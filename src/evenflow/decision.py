"""From a model's log-probabilities to a verdict: calibration, threshold, class.

Two places decide: training, when it sets the threshold, and a sensor, when it
scores. Both call this, so live is as tested.

References
----------
.. [1] C. Guo et al., "On calibration of modern neural networks", ICML 2017.
.. [2] A. Alexandari, A. Kundaje, A. Shrikumar, "Maximum likelihood with
   bias-corrected calibration is hard-to-beat at label shift adaptation", ICML 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.schema import UNKNOWN_ATTACK

FLOOR = 1e-12
"""Smallest probability distinguished from zero: forests vote exact zeros."""
TIE = 1e-5
"""Log-probabilities that differ by less are equal: float32 sums differ so much from
one processor, or one batch size, to the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """The decisions of a model on some rows."""

    proba: NDArray[np.float64]
    """Calibrated class probabilities, ``(n_samples, n_classes)``; rows sum to 1."""
    attack: NDArray[np.float64]
    """Log odds of attack against benign, ``(n_samples,)``; ranks the rows."""
    is_attack: NDArray[np.bool_]
    """Whether the log odds exceed the threshold, ``(n_samples,)``."""
    code: NDArray[np.int64]
    """Class decided: the likeliest attack class where ``is_attack``, else 0; the
    first of those that tie."""
    argmax: NDArray[np.int64]
    """Likeliest class, whatever the threshold; benign where it ties."""
    is_unknown: NDArray[np.bool_]
    """Whether the row is called an attack and the evidence for ``code`` is too weak to
    name it, ``(n_samples,)``."""

    @property
    def verdict(self) -> NDArray[np.int64]:
        """Index of each verdict in :meth:`Decision.verdicts`, ``(n_samples,)``."""
        return np.where(self.is_unknown, self.proba.shape[1], self.code)

    def __len__(self) -> int:
        return len(self.attack)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Calibration and threshold, learnt on rows that neither fitted nor stopped."""

    temperature: float
    bias: NDArray[np.float64]
    """Added to ``log p / temperature`` of each class, ``(n_classes,)``."""
    threshold: float
    """Log odds above which a row is called an attack; a row at it is benign."""
    false_alarm_budget: float
    """Share of benign calibration rows allowed above the threshold, [0, 1]."""
    unknown_budget: float | None = None
    """Share of rightly named calibration attacks allowed to be of an unknown kind."""
    unknown_below: NDArray[np.float64] | None = None
    """Log odds of each class of attack against the others together, below which a row
    that would be given that class is of an unknown kind, ``(n_classes - 1,)``."""

    @classmethod
    def neutral(cls, n_classes: int) -> Self:
        """Return the decision that changes nothing and takes the likelier side."""
        return cls(
            temperature=1.0,
            bias=np.zeros(n_classes),
            threshold=0.0,
            false_alarm_budget=1.0,
        )

    def log_odds(self, log_proba: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the calibrated log odds of attack, ``(n_samples,)``."""
        z = self._scale(log_proba)
        odds: NDArray[np.float64] = logsumexp(z[1:]) - z[0]
        return odds

    def apply(self, log_proba: NDArray[np.floating[Any]]) -> Scores:
        """Decide rows.

        Parameters
        ----------
        log_proba : ndarray of shape (n_samples, n_classes)
            Log-probabilities (or logits) of the model.

        Raises
        ------
        DataError
            A row has no finite log odds: NaN exceeds no threshold, and would be
            called benign.
        """
        z = self._scale(log_proba)
        with np.errstate(all="ignore"):
            attack = logsumexp(z[1:]) - z[0]
        if not np.isfinite(attack).all():
            row = int(np.flatnonzero(~np.isfinite(attack))[0])
            raise DataError(
                f"row {row + 1}: found log-probabilities "
                f"{np.asarray(log_proba)[row].tolist()}, expected numbers whose log "
                "odds of attack are finite. Check the values of that row"
            )
        proba = np.exp(z - logsumexp(z)).T
        is_attack = attack > self.threshold
        code = np.where(is_attack, 1 + _likeliest(z[1:]), 0)
        is_unknown = np.zeros_like(is_attack)
        if self.unknown_below is not None:
            hits = np.flatnonzero(is_attack)
            kind = code[hits] - 1
            is_unknown[hits] = _against(z[1:, hits], kind) < self.unknown_below[kind]
        return Scores(
            proba=proba,
            attack=attack,
            is_attack=is_attack,
            code=code,
            argmax=_likeliest(z),
            is_unknown=is_unknown,
        )

    def certainty(
        self, log_proba: NDArray[np.floating[Any]], code: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the log odds of a class of attack against the others together.

        Parameters
        ----------
        log_proba : ndarray of shape (n_samples, n_classes)
        code : ndarray of shape (n_samples,), int64
            Class of attack whose odds are wanted of each row, from 1.
        """
        return _against(self._scale(log_proba)[1:], code - 1)

    def verdicts(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Return every verdict there may be: the classes, and an unknown kind last."""
        unknown = () if self.unknown_below is None else (UNKNOWN_ATTACK,)
        return (*classes, *unknown)

    def _scale(self, log_proba: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return calibrated logits, ``(n_classes, n_samples)``: long rows are fast."""
        z = np.ascontiguousarray(np.asarray(log_proba).T, dtype=np.float64)
        scaled: NDArray[np.float64] = z / self.temperature + self.bias[:, None]
        return scaled

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as plain JSON values."""
        value: dict[str, Any] = {
            "temperature": self.temperature,
            "bias": self.bias.tolist(),
            "threshold": self.threshold,
            "threshold_probability": float(1 / (1 + np.exp(-self.threshold))),
            "false_alarm_budget": self.false_alarm_budget,
        }
        if self.unknown_below is not None:
            value["unknown_budget"] = self.unknown_budget
            value["unknown_below"] = self.unknown_below.tolist()
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the decision that :meth:`to_dict` described."""
        below = value.get("unknown_below")
        return cls(
            temperature=float(value["temperature"]),
            bias=np.asarray(value["bias"], dtype=np.float64),
            threshold=float(value["threshold"]),
            false_alarm_budget=float(value["false_alarm_budget"]),
            unknown_budget=value.get("unknown_budget"),
            unknown_below=None if below is None else np.asarray(below, np.float64),
        )


def _likeliest(z: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first of the classes that are within ``TIE`` of the likeliest."""
    first: NDArray[np.int64] = (z >= z.max(axis=0) - TIE).argmax(axis=0)
    return first


def _against(z: NDArray[np.float64], kind: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one logit of each column of ``z`` less the log-sum-exp of the others."""
    others = z.copy()
    columns = np.arange(z.shape[1])
    others[kind, columns] = -np.inf
    odds: NDArray[np.float64] = z[kind, columns] - logsumexp(others)
    return odds


def logsumexp(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``log(sum(exp(z)))`` over the first axis without overflow."""
    top = z.max(axis=0)
    total: NDArray[np.float64] = top + np.log(np.exp(z - top).sum(axis=0))
    return total
