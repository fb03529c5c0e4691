"""Learn calibration and threshold on training rows kept for nothing else.

Balancing changes the class shares a model sees, so its probabilities are off for
real traffic; a temperature and a bias for each class bring them back. The threshold
is then the least one that calls no more of the benign calibration rows an attack
than the budget allows, midway between two scores that occur: forests vote in steps,
so the budget's quantile lies on a tie nearly always, and a threshold on a tie decides
by the last bit of a sum.

Shares of attack classes may count connections where they should count attacks: one
flood makes as many as a hundred series of log-ins. With equal shares each class of
attack is taken for as likely as the next, and benign rows for as likely as before.

References
----------
.. [1] A. Alexandari, A. Kundaje, A. Shrikumar, "Maximum likelihood with
   bias-corrected calibration is hard-to-beat at label shift adaptation", ICML 2020
   (bias-corrected temperature scaling).
.. [2] M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the outputs of a classifier
   to new a priori probabilities", Neural Computation 14 (2002),
   doi:10.1162/089976602753284446.
.. [3] V. Vovk, "Conditional validity of inductive conformal predictors", Machine
   Learning 92, 2013. doi:10.1007/s10994-013-5355-6 (the certified threshold).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betainc

from evenflow.decision import Decision, logsumexp
from evenflow.errors import DataError

BIAS_PENALTY = 1.0
"""Weight of the squared bias against the summed log loss: a class with a handful of
calibration rows, or none, keeps a bias near zero."""

MARGIN = 1e-3
"""Least distance in log odds between the two scores around a threshold: a hundred
times what float32 arithmetic differs by between processors."""


def fit_decision(
    log_proba: NDArray[np.floating[Any]],
    y: NDArray[np.int64],
    *,
    false_alarm_budget: float,
    attack_shares: Literal["training", "equal"] = "training",
    certify: float | None = None,
) -> Decision:
    """Return calibration and threshold.

    Parameters
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        Of the calibration rows, as the exported model gives them.
    y : ndarray of shape (n_samples,), int64
        Class codes; 0 is benign.
    false_alarm_budget : float
        Share of benign calibration rows that may be called attacks, (0, 1).
    attack_shares : {'training', 'equal'}
        How frequent the classes of attack are taken to be: as in the calibration rows,
        or all alike.
    certify : float, optional
        Confidence, (0, 1), that no more than the budget of other benign rows, drawn
        one by one like those of the calibration, are called attacks. Without it the
        budget holds for the calibration rows, and for others on average.

    Raises
    ------
    DataError
        No calibration row is benign, or too few are to certify the budget.
    """
    benign = y == 0
    if not benign.any():
        raise DataError(
            "no benign row is left for the threshold; expected benign rows among "
            "the training rows. Bring some, or raise decide.fraction in the recipe"
        )
    exact = np.asarray(log_proba, dtype=np.float64)
    temperature, bias = _bias_corrected_temperature(exact, y)
    if attack_shares == "equal":
        bias = bias + _to_equal_shares(y, len(bias))
    decision = Decision(
        temperature=temperature,
        bias=bias,
        threshold=0.0,
        false_alarm_budget=false_alarm_budget,
    )
    odds = decision.log_odds(exact)
    share = false_alarm_budget
    if certify is not None:
        share = certified(int(benign.sum()), false_alarm_budget, certify)
    return replace(decision, threshold=threshold_at(odds, benign, share))


def certified(n: int, budget: float, confidence: float) -> float:
    """Return the share of ``n`` benign rows that may exceed a certified threshold.

    The true false-alarm rate at the r-th largest of ``n`` scores is distributed as
    ``Beta(r, n + 1 - r)``, whatever the scores are, as long as later rows are drawn
    like these [3]_. Of traffic that drifts it says nothing.

    Raises
    ------
    DataError
        Not even the greatest score certifies it.

    Examples
    --------
    >>> int(1000 * certified(1000, budget=0.05, confidence=0.9))
    40
    """
    ranks = np.arange(1, n + 1)
    holds = ranks[betainc(ranks, n + 1 - ranks, budget) >= confidence]
    if not len(holds):
        least = math.ceil(math.log(1 - confidence) / math.log(1 - budget))
        raise DataError(
            f"{n} benign calibration rows cannot certify {budget:.2%} false alarms at "
            f"{confidence:.0%} confidence; expected {least} or more. Bring rows, raise "
            "decide.fraction or decide.false_alarm_budget, or leave out decide.certify"
        )
    return float((holds[-1] - 0.5) / n)


def _to_equal_shares(y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return what the bias gains; a class without rows counts as if it had one."""
    rows = np.bincount(y, minlength=n_classes)[1:] + 1.0
    return np.append(0.0, np.log(rows.mean() / rows))


def threshold_at(
    odds: NDArray[np.float64], benign: NDArray[np.bool_], budget: float
) -> float:
    """Return the least threshold that at most ``budget`` of the benign rows exceed.

    It lies midway between two neighbouring scores that are ``MARGIN`` or more apart;
    scores closer than that count as one.

    Parameters
    ----------
    odds : ndarray of shape (n_samples,)
        Log odds of attack of the calibration rows, benign and attacks.
    benign : ndarray of shape (n_samples,), bool
    budget : float
        Share of the benign rows, (0, 1).

    Examples
    --------
    >>> odds = np.array([0.0, 1.0, 2.0, 3.0])
    >>> threshold_at(odds, np.full(4, True), budget=0.25)
    2.5
    """
    falling = np.sort(odds[benign])[::-1]
    least = falling[min(math.floor(budget * len(falling)), len(falling) - 1)]
    values = np.unique(odds[odds >= least])
    gaps = np.append(np.diff(values), 2 * MARGIN)  # nothing occurs above the greatest
    k = int(np.argmax(gaps >= MARGIN))
    return float(values[k] + gaps[k] / 2)


def _bias_corrected_temperature(
    log_proba: NDArray[np.float64], y: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64]]:
    n, n_classes = log_proba.shape
    hit = np.zeros((n, n_classes))
    hit[np.arange(n), y] = 1.0

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        inverse, bias = np.exp(theta[0]), theta[1:]
        z = log_proba * inverse + bias
        log_p = z - logsumexp(z.T)[:, None]
        error = np.exp(log_p) - hit
        value = -log_p[hit > 0].sum() + BIAS_PENALTY * (bias @ bias)
        slope = np.empty_like(theta)
        slope[0] = (error * log_proba).sum() * inverse
        slope[1:] = error.sum(axis=0) + 2 * BIAS_PENALTY * bias
        return float(value) / n, slope / n

    start = np.zeros(1 + n_classes)
    bounds: list[Any] = [(math.log(0.05), math.log(20.0))] + [(-10, 10)] * n_classes
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(np.exp(-best.x[0])), best.x[1:]
