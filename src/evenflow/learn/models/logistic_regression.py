"""Multinomial logistic regression: the baseline every other model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    C: float = 1.0
    """Inverse strength of the L2 penalty on the weights."""
    max_iter: int = 300
    """Maximum number of iterations of the solver."""

    def __post_init__(self) -> None:
        if self.C <= 0 or self.max_iter < 1:
            raise RecipeError(
                f"C is {self.C} and max_iter {self.max_iter}; expected numbers over 0. "
                "Change them in [model]"
            )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted logistic regression.

    References
    ----------
    .. [1] D. C. Liu, J. Nocedal, "On the limited memory BFGS method for large scale
       optimization", Mathematical Programming 45, 1989. doi:10.1007/BF01589116
    """
    from sklearn.linear_model import LogisticRegression

    del n_classes  # scikit-learn counts them
    return LogisticRegression(
        C=config.C,
        max_iter=config.max_iter,
        class_weight=class_weight,
        random_state=seed,
    )


def graph(estimator: Any) -> Graph:
    """Return the graph of a fitted logistic regression, up to ``known``."""
    from evenflow.learn.graphs import Graph

    made = Graph()
    made.constant("coef", estimator.coef_.T.astype(np.float32))
    made.constant("intercept", estimator.intercept_.astype(np.float32))
    made.node("Gemm", ["x", "coef", "intercept"], "scores")
    made.log_softmax("scores", len(estimator.coef_))
    return made


def n_parameters(estimator: Any) -> int:
    """Return the number of weights."""
    return int(estimator.coef_.size + estimator.intercept_.size)


MODEL = Estimator(build, Config, graph=graph, n_parameters=n_parameters)
