"""Figures of merit: counts to figures with intervals, scores to curves and areas."""

from evenflow.metrics.counts import (
    BINARY,
    LEVEL,
    MULTICLASS,
    PER_CLASS,
    Counts,
    Interval,
    alerts,
    binary_arrays,
    binary_figures,
    confusion_matrix,
    defined,
    detection_by_type,
    interval,
    multiclass_arrays,
    multiclass_figures,
    over_seeds,
    resample,
    wilson,
)
from evenflow.metrics.drift import Distance, class_shares, distance
from evenflow.metrics.ranking import Ranking, calibration

__all__ = [
    "BINARY", "LEVEL", "MULTICLASS", "PER_CLASS", "Counts", "Distance", "Interval",
    "Ranking", "alerts", "binary_arrays", "binary_figures", "calibration",
    "class_shares", "confusion_matrix", "defined", "detection_by_type", "distance",
    "interval", "multiclass_arrays", "multiclass_figures", "over_seeds", "resample",
    "wilson",
]  # fmt: skip
