"""Counts -> figures with intervals; pure functions on arrays.

Words of the field: *positive* is attack, *recall* of attacks is the detection rate,
*specificity* is one minus the false alarm rate. A figure whose denominator is zero is
undefined: ``None`` here, ``null`` in JSON, never NaN and never a silent zero.

Every formula is written once, over arrays with any leading axes, so that a figure and
its bootstrap interval cannot disagree about what they measure.

References
----------
.. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
   inference", JASA 22, 1927. doi:10.1080/01621459.1927.10502953
.. [2] J. Gorodkin, "Comparing two K-category assignments by a K-category correlation
   coefficient", Comput. Biol. Chem. 28, 2004. doi:10.1016/j.compbiolchem.2004.09.006
.. [3] B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", 1993.
.. [4] S. Axelsson, "The base-rate fallacy and the difficulty of intrusion detection",
   ACM TISSEC 3(3), 2000. doi:10.1145/357830.357849
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Interval = tuple[float, float]

LEVEL = 0.95
"""Confidence level of every interval unless told otherwise."""

BINARY = (
    "accuracy", "precision", "f1", "detection_rate", "false_alarm_rate",
    "specificity", "balanced_accuracy", "mcc",
)  # fmt: skip
"""Figures of attack against benign that follow from the four counts."""
MULTICLASS = (
    "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "macro_precision",
    "macro_recall", "weighted_precision", "weighted_recall", "mcc",
)  # fmt: skip
"""Figures over all classes that are one number."""
PER_CLASS = ("recall", "precision", "f1", "specificity", "false_alarm_rate")
"""Figures of each class against the rest."""


def confusion_matrix(
    y: NDArray[np.integer[Any]], code: NDArray[np.integer[Any]], n_classes: int
) -> Counts:
    """Return how many rows of each true class were given each class.

    Parameters
    ----------
    y, code : ndarray of shape (n_samples,), int
        True and decided class codes, ``0 .. n_classes - 1``.

    Returns
    -------
    ndarray of shape (n_classes, n_classes), int64
        Rows are true classes, columns decided ones.
    """
    y, code = np.asarray(y, dtype=np.int64), np.asarray(code, dtype=np.int64)
    if y.shape != code.shape:
        raise ValueError(f"{len(y)} true classes and {len(code)} decided ones")
    if len(y) and not (0 <= min(y.min(), code.min()) <= max(y.max(), code.max()) < n_classes):  # fmt: skip  # noqa: E501
        raise ValueError(f"class codes must lie in 0 .. {n_classes - 1}")
    flat = np.bincount(y * n_classes + code, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def ratio(part: Any, whole: Any) -> Floats:
    """Return ``part / whole``, NaN where ``whole`` is zero."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def binary_arrays(matrix: NDArray[Any]) -> dict[str, Floats]:
    """Return each figure of :data:`BINARY`, NaN where undefined.

    Parameters
    ----------
    matrix : ndarray of shape (..., n_classes, n_classes)
        Confusion matrices; class 0 is benign, every other class is an attack. An
        attack given a wrong attack class is still detected.

    Notes
    -----
    With TP, FN, FP, TN of attack: accuracy ``(TP + TN) / n``, precision
    ``TP / (TP + FP)``, detection rate (recall) ``TP / (TP + FN)``, F1
    ``2 TP / (2 TP + FP + FN)``, false alarm rate ``FP / (FP + TN)``, specificity
    ``TN / (FP + TN)``, balanced accuracy the mean of detection rate and specificity,
    MCC ``(TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN))``.
    """
    m = np.asarray(matrix, dtype=np.float64)
    tn, fp = m[..., 0, 0], m[..., 0, 1:].sum(-1)
    fn, tp = m[..., 1:, 0].sum(-1), m[..., 1:, 1:].sum((-2, -1))
    detection, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    spread = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    return {
        "accuracy": ratio(tp + tn, tp + tn + fp + fn),
        "precision": ratio(tp, tp + fp),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "detection_rate": detection,
        "false_alarm_rate": ratio(fp, tn + fp),
        "specificity": specificity,
        "balanced_accuracy": (detection + specificity) / 2,
        "mcc": ratio(tp * tn - fp * fn, spread),
    }


def multiclass_arrays(matrix: NDArray[Any]) -> dict[str, Floats]:
    """Return each figure of :data:`MULTICLASS` and :data:`PER_CLASS`.

    Parameters
    ----------
    matrix : ndarray of shape (..., n_classes, n_classes)
        Confusion matrices.

    Returns
    -------
    dict of str to ndarray
        Shape ``(...)``, or ``(..., n_classes)`` for the figures of each class; NaN
        where undefined.

    Notes
    -----
    Each class against the rest: recall ``TP / support``, precision
    ``TP / predicted``, F1 ``2 TP / (support + predicted)``, specificity and false
    alarm rate over the rows of all other classes. Macro figures weigh classes alike,
    weighted ones by support. Macro recall (which is the balanced accuracy) runs over
    the classes that have rows; macro precision and F1 over the classes that have rows
    or predictions, and there a class that was never predicted counts as zero, as in
    scikit-learn: leaving it out would reward a model for ignoring a rare class.
    MCC is Gorodkin's R_K [2]_.
    """
    m = np.asarray(matrix, dtype=np.float64)
    hit = np.diagonal(m, axis1=-2, axis2=-1)
    support, predicted = m.sum(-1), m.sum(-2)
    total = support.sum(-1)
    recall, precision = ratio(hit, support), ratio(hit, predicted)
    f1 = ratio(2 * hit, support + predicted)
    rest = total[..., None] - support
    false_alarms = ratio(predicted - hit, rest)
    counted = support + predicted > 0
    zeroed = np.nan_to_num(precision)  # never predicted: nothing was right
    covariance = hit.sum(-1) * total - (support * predicted).sum(-1)
    spread = np.sqrt(total**2 - (predicted**2).sum(-1)) * np.sqrt(
        total**2 - (support**2).sum(-1)
    )
    macro_recall = _mean(recall, support > 0)
    return {
        "accuracy": ratio(hit.sum(-1), total),
        "balanced_accuracy": macro_recall,
        "macro_f1": _mean(f1, counted),
        "weighted_f1": ratio((support * np.nan_to_num(f1)).sum(-1), total),
        "macro_precision": _mean(zeroed, counted),
        "macro_recall": macro_recall,
        "weighted_precision": ratio((support * zeroed).sum(-1), total),
        "weighted_recall": ratio((support * np.nan_to_num(recall)).sum(-1), total),
        "mcc": ratio(covariance, spread),
        "recall": recall,
        "precision": precision,
        "f1": f1,
        "specificity": 1 - false_alarms,
        "false_alarm_rate": false_alarms,
    }


def _mean(values: Floats, counted: NDArray[np.bool_]) -> Floats:
    total = np.where(counted, np.nan_to_num(values), 0).sum(-1)
    return ratio(total, counted.sum(-1))


def defined(value: Any) -> float | None:
    """Return a figure as a plain number, None where it is undefined."""
    return None if value is None or not math.isfinite(value) else float(value)


def binary_figures(matrix: NDArray[Any]) -> dict[str, float | None]:
    """Return the figures of :func:`binary_arrays` for one confusion matrix."""
    return {name: defined(v) for name, v in binary_arrays(matrix).items()}


def multiclass_figures(matrix: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the figures of :func:`multiclass_arrays` for one confusion matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes)
    classes : sequence of str
        Class names, in code order.

    Returns
    -------
    dict
        Figure -> value; figures of each class are ``{class: value}``, and
        ``support`` holds each class's number of rows.
    """
    found: dict[str, Any] = {}
    for name, value in multiclass_arrays(matrix).items():
        if name in PER_CLASS:
            found[name] = dict(zip(classes, map(defined, value), strict=True))
        else:
            found[name] = defined(value)
    support = np.asarray(matrix).sum(axis=1)
    found["support"] = dict(zip(classes, map(int, support), strict=True))
    return found


def wilson(hits: int, n: int, level: float = LEVEL) -> Interval | None:
    """Return Wilson's score interval of a share [1]_.

    ``(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``; holds for few rows
    and for shares of 0 and 1, where the textbook interval has no width.

    Parameters
    ----------
    hits, n : int
        Successes and trials; None is returned for no trials.

    Examples
    --------
    >>> [round(edge, 3) for edge in wilson(0, 10)]
    [0.0, 0.278]
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n} trials")
    if n == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, spread = hits / n, z * z / n
    center = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if hits == 0 else max(0.0, center - half)
    return low, 1.0 if hits == n else min(1.0, center + half)


def resample(
    matrix: Counts, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return confusion matrices of stratified bootstrap resamples.

    Drawing a class's rows with replacement and counting what they were given is one
    multinomial draw per class: exact, and free of the number of rows.

    Returns
    -------
    ndarray of shape (n_resamples, n_classes, n_classes), int64
    """
    rows = []
    for counts in np.asarray(matrix, dtype=np.int64):
        n = int(counts.sum())
        share = counts / n if n else np.full(len(counts), 1 / len(counts))
        rows.append(rng.multinomial(n, share, size=n_resamples))
    return np.stack(rows, axis=1).astype(np.int64)


def interval(values: NDArray[Any], level: float = LEVEL) -> Interval | None:
    """Return the percentile interval of resampled figures, NaN left out."""
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def alerts(
    detection_rate: float | None,
    false_alarm_rate: float | None,
    *,
    flows_per_day: float,
    base_rate: float,
) -> dict[str, float | None]:
    """Return what an analyst would see in a day [4]_.

    Parameters
    ----------
    flows_per_day : float
        Connections judged in a day.
    base_rate : float
        Share of them that are attacks, [0, 1].

    Returns
    -------
    dict
        True and false alerts a day, attacks missed a day, and the precision at that
        base rate, ``DR b / (DR b + FAR (1 - b))``; None where undefined.
    """
    if not 0 <= base_rate <= 1 or flows_per_day < 0:
        raise ValueError("base_rate must lie in [0, 1], flows_per_day must not be < 0")
    attacks = flows_per_day * base_rate
    true = None if detection_rate is None else attacks * detection_rate
    false = (
        None
        if false_alarm_rate is None
        else (flows_per_day - attacks) * false_alarm_rate
    )
    both = None if true is None or false is None else true + false
    return {
        "flows_per_day": float(flows_per_day),
        "base_rate": float(base_rate),
        "alerts_per_day": both,
        "true_alerts_per_day": true,
        "false_alerts_per_day": false,
        "missed_per_day": None if true is None else attacks - true,
        "precision": true / both if both and true is not None else None,
    }


def detection_by_type(
    attack: NDArray[Any], is_attack: NDArray[np.bool_], *, level: float = LEVEL
) -> list[dict[str, Any]]:
    """Return how many rows of each type were flagged, largest type first.

    Parameters
    ----------
    attack : ndarray of shape (n_samples,), str
        Attack type of each row; leave benign rows out.
    is_attack : ndarray of shape (n_samples,), bool
        Whether the row was called an attack.
    """
    types, group = np.unique(attack, return_inverse=True)
    total = np.bincount(group, minlength=len(types))
    hits = np.bincount(group, np.asarray(is_attack, float), len(types)).astype(int)
    found = []
    for t in np.argsort(-total, kind="stable"):
        low, high = wilson(int(hits[t]), int(total[t]), level) or (0.0, 1.0)
        found.append(
            {
                "type": str(types[t]), "n": int(total[t]), "detected": int(hits[t]),
                "rate": float(hits[t] / total[t]), "low": low, "high": high,
            }
        )  # fmt: skip
    return found


def over_seeds(values: Iterable[float | None]) -> dict[str, Any]:
    """Return mean, standard deviation (of a sample), least and greatest value.

    Undefined values are left out; ``n`` says how many were not. The deviation of a
    single value is None: one seed says nothing of the spread.
    """
    found = np.array([v for v in values if v is not None], dtype=np.float64)
    n = len(found)
    return {
        "n": n,
        "mean": float(found.mean()) if n else None,
        "std": float(found.std(ddof=1)) if n > 1 else None,
        "low": float(found.min()) if n else None,
        "high": float(found.max()) if n else None,
    }
