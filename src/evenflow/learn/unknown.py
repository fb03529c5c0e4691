"""Learn when an attack is of an unknown kind, on training rows kept for calibration.

A model divides the probability of an attack among the classes it knows, whatever the
attack is. Where the class it would name is hardly likelier than the others, it does
not know the kind. How sure a class usually is, the calibration rows of that class tell.

References
----------
.. [1] C. K. Chow, "On optimum recognition error and reject tradeoff", IEEE
   Transactions on Information Theory 16(1), 1970. doi:10.1109/TIT.1970.1054406
.. [2] D. Hendrycks and K. Gimpel, "A baseline for detecting misclassified and
   out-of-distribution examples in neural networks", ICLR 2017 (the probability of the
   likeliest class, here among the classes of attack).
.. [3] V. Vovk, D. Lindsay, I. Nouretdinov, A. Gammerman, "Mondrian confidence machine",
   technical report, Royal Holloway, 2003 (a level for each class).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import Decision
from evenflow.errors import DataError
from evenflow.learn.calibration import threshold_at
from evenflow.schema import UNKNOWN_ATTACK


def with_unknown(
    decision: Decision,
    log_proba: NDArray[np.floating[Any]],
    y: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    budget: float,
) -> Decision:
    """Return the decision with the least certainty at which a class is named.

    Each class has its own level: the greatest that calls no more than ``budget`` of the
    calibration rows of that class, detected and rightly named, of an unknown kind. So
    a class of a dozen rows keeps its name as a class of thousands does. A class that no
    calibration row supports has the level of all of them together.

    Parameters
    ----------
    decision : Decision
        Calibration and threshold, from the same rows.
    log_proba : ndarray of shape (n_samples, n_classes)
        Of the calibration rows, as the exported model gives them.
    y : ndarray of shape (n_samples,), int64
        Class codes; 0 is benign.
    classes : tuple of str
    budget : float
        Share of rows, (0, 1).

    Raises
    ------
    DataError
        There is one class of attack only, none of the calibration rows is detected and
        rightly named, or a class has the name of the verdict.
    """
    leave = "Leave out decide.unknown_budget"
    if UNKNOWN_ATTACK in classes:
        raise DataError(
            f"found a class named {UNKNOWN_ATTACK}, expected that word for the verdict "
            f"alone. {leave}, or rename the class"
        )
    if len(classes) < 3:
        raise DataError(
            f"found {classes[1]!r} as the only class of attack, expected two or more "
            f"to tell known kinds from unknown ones. {leave}, or take another target"
        )
    scores = decision.apply(log_proba)
    right = np.flatnonzero(scores.is_attack & (scores.code == y))
    if not len(right):
        raise DataError(
            "no calibration row of an attack is detected and rightly named, expected "
            f"some, to learn how sure that is. {leave}, or raise decide.fraction"
        )
    kind = y[right]
    certainty = decision.certainty(log_proba[right], kind)
    levels = np.full(len(classes) - 1, _level(certainty, budget))
    for code in np.unique(kind):
        levels[code - 1] = _level(certainty[kind == code], budget)
    return replace(decision, unknown_budget=budget, unknown_below=levels)


def _level(certainty: NDArray[np.float64], budget: float) -> float:
    """Return the greatest level below which at most ``budget`` of the rows are."""
    every = np.ones(len(certainty), dtype=np.bool_)
    return -threshold_at(-certainty, every, budget)
