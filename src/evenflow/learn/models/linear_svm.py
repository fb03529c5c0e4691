"""Linear support vector machine: a hyperplane for each class against all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import logsumexp
from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator
from evenflow.learn.models.logistic_regression import graph, n_parameters


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    C: float = 1.0
    """Inverse strength of the L2 penalty on the weights."""
    max_iter: int = 1000
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
    """Return an unfitted linear support vector machine (squared hinge loss).

    A support vector machine answers margins. The exported scores are their softmax, of
    two classes the logistic function; the temperature and the biases that are learnt on
    calibration rows make probabilities of them, of two classes by Platt's method [2]_.

    References
    ----------
    .. [1] R.-E. Fan et al., "LIBLINEAR: a library for large linear classification",
       JMLR 9, 2008. https://www.jmlr.org/papers/v9/fan08a.html
    .. [2] J. C. Platt, "Probabilistic outputs for support vector machines and
       comparisons to regularized likelihood methods", Advances in Large Margin
       Classifiers, MIT Press, 1999.
    """
    from sklearn.svm import LinearSVC

    del n_classes  # scikit-learn counts them

    class LinearSVM(LinearSVC):  # type: ignore[misc]
        def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
            margin = np.asarray(self.decision_function(X), dtype=np.float64)
            if margin.ndim == 1:
                margin = np.stack([np.zeros(len(margin)), margin], axis=1)
            return np.exp(margin - logsumexp(margin.T)[:, None])

    return LinearSVM(
        C=config.C,
        dual=False,
        max_iter=config.max_iter,
        class_weight=class_weight,
        random_state=seed,
    )


MODEL = Estimator(build, Config, graph=graph, n_parameters=n_parameters)
