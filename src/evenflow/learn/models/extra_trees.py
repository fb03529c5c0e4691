"""Extremely randomised trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evenflow.learn.estimator import Estimator
from evenflow.learn.models.random_forest import check_forest, forest
from evenflow.learn.trees import forest_graph, n_nodes


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_estimators: int = 100
    """Trees."""
    max_depth: int | None = None
    """Maximum depth of a tree; None for unlimited."""
    min_samples_leaf: int = 2
    """Minimum number of training rows in a leaf; with 1 the file is larger, and attacks
    of unseen types may be detected better where false alarms are few."""
    max_features: Literal["sqrt", "log2"] | float = "sqrt"
    """Features considered at each split: a rule, or a share in (0, 1]."""
    n_jobs: int = 2
    """Maximum number of threads in training; the result does not depend on it."""

    def __post_init__(self) -> None:
        check_forest(self)


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted forest of extremely randomised trees.

    References
    ----------
    .. [1] P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine
       Learning 63, 2006. doi:10.1007/s10994-006-6226-1
    """
    from sklearn.ensemble import ExtraTreesClassifier

    del n_classes  # scikit-learn counts them
    return forest(ExtraTreesClassifier, config, class_weight, seed)


MODEL = Estimator(build, Config, graph=forest_graph, n_parameters=n_nodes)
