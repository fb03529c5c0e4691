"""Gaussian naive Bayes: each column normal within a class, and independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


LEAST = 1e-2
"""Below it, equal evidence for two classes is so large that float32 cannot hold what
else distinguishes them; scikit-learn's default is 1e-9, in float64."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    var_smoothing: float = 1e-2
    """Share of the greatest variance of a column that is added to all variances, 0.01
    or more. With less, one category that a class never showed decides alone."""

    def __post_init__(self) -> None:
        if not self.var_smoothing >= LEAST:
            raise RecipeError(
                f"var_smoothing is {self.var_smoothing}; expected {LEAST:g} or more: "
                "with less, evidence is too large for the numbers that a bundle holds. "
                "Change it in [model]"
            )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted Gaussian naive Bayes classifier.

    Its probabilities lie near 0 and 1, since columns are taken for independent; the
    temperature that is learnt on calibration rows brings them back.

    Raises
    ------
    RecipeError
        Classes have weights, which it cannot use.

    References
    ----------
    .. [1] G. H. John, P. Langley, "Estimating continuous distributions in Bayesian
       classifiers", UAI 1995. doi:10.48550/arXiv.1302.4964
    """
    from sklearn.naive_bayes import GaussianNB

    del n_classes, seed  # scikit-learn counts them, and draws nothing
    if class_weight is not None:
        raise RecipeError(
            "naive_bayes does not use class weights; expected a sampler that changes "
            'rows. Set balance = "ros", or use another model'
        )
    return GaussianNB(var_smoothing=config.var_smoothing)


def graph(estimator: Any) -> Graph:
    """Return the graph of a fitted naive Bayes classifier, up to ``known``.

    Evidence is taken against the first class column by column before it is summed: what
    classes share would otherwise drown, in float32, what distinguishes them.
    """
    from evenflow.learn.graphs import Graph

    mean, scale = estimator.theta_, np.sqrt(0.5 / estimator.var_)  # (classes, columns)
    constant = np.log(estimator.class_prior_) + np.log(scale).sum(axis=1)
    made = Graph()
    made.constant("mean", mean[None].astype(np.float32))
    made.constant("scale", scale[None].astype(np.float32))
    made.constant("first_mean", mean[None, :1].astype(np.float32))
    made.constant("first_scale", scale[None, :1].astype(np.float32))
    made.constant("constant", (constant - constant[0])[None].astype(np.float32))
    made.constant("classes", np.array([1], dtype=np.int64))
    made.constant("columns", np.array([2], dtype=np.int64))
    made.node("Unsqueeze", ["x", "classes"], "row")
    for each in ("", "first_"):
        made.node("Sub", ["row", f"{each}mean"], f"{each}apart")
        made.node("Mul", [f"{each}apart", f"{each}scale"], f"{each}scaled")
        made.node("Mul", [f"{each}scaled", f"{each}scaled"], f"{each}square")
    made.node("Sub", ["first_square", "square"], "evidence")
    made.node("ReduceSum", ["evidence", "columns"], "summed", keepdims=0)
    made.node("Add", ["summed", "constant"], "scores")
    made.log_softmax("scores", len(mean))
    return made


def n_parameters(estimator: Any) -> int:
    """Return the number of means, variances and shares."""
    return int(2 * estimator.theta_.size + estimator.class_prior_.size)


MODEL = Estimator(build, Config, graph=graph, n_parameters=n_parameters)
