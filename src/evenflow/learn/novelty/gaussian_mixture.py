"""A Gaussian mixture of benign rows: rows that it finds unlikely are novel."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import logsumexp
from evenflow.errors import RecipeError
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.novelty import Novelty, bounded, bounded_input

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_components: int = 8
    """Normal distributions."""
    reg_covar: float = 1e-2
    """Added to the variance of each column: the width of one that never varies."""
    max_rows: int = 20_000
    """Benign rows that the mixture is fitted on, drawn at random."""

    def __post_init__(self) -> None:
        if self.n_components < 1 or self.max_rows < 2 or not self.reg_covar > 0:
            raise RecipeError(
                f"n_components is {self.n_components}, reg_covar {self.reg_covar} and "
                f"max_rows {self.max_rows}; expected 1 or more, a number above 0, and "
                "2 or more. Change them in [model]"
            )


def build(config: Config, rows: Rows, task: Fitting) -> MixtureScorer:
    """Return a mixture of normal distributions with full covariances.

    The score is the negative logarithm of the density.

    References
    ----------
    .. [1] C. M. Bishop, "Novelty detection and neural network validation", IEE
       Proceedings - Vision, Image and Signal Processing 141, 1994.
       doi:10.1049/ip-vis:19941330
    """
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(task.seed)
    X = rows.X[np.sort(rng.permutation(len(rows))[: config.max_rows])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations are enough for a score
        mixture = GaussianMixture(
            n_components=min(config.n_components, len(X)),
            reg_covar=config.reg_covar,
            max_iter=50,
            random_state=task.seed,
        ).fit(X.astype(np.float64))
    # of each: log(weight) + log determinant of the root of the precision
    roots = mixture.precisions_cholesky_
    constants = (
        np.log(mixture.weights_)
        + np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        - X.shape[1] / 2 * np.log(2 * np.pi)
    )
    return MixtureScorer(
        roots=roots,
        shifts=np.einsum("kd,kde->ke", mixture.means_, roots),
        constants=constants,
    )


@dataclass(frozen=True, kw_only=True)
class MixtureScorer:
    """Scores a row by the negative logarithm of its density."""

    roots: NDArray[np.float64]
    """Upper roots of the precisions, ``(n_components, n_features, n_features)``."""
    shifts: NDArray[np.float64]
    """Means times roots, ``(n_components, n_features)``."""
    constants: NDArray[np.float64]
    """Log weight and log determinant of each, ``(n_components,)``."""

    @property
    def n_parameters(self) -> int:
        """Numbers learnt: means, covariances and weights."""
        k, d = self.shifts.shape
        return int(k * (d + d * (d + 1) // 2 + 1))

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike benign rows each row is, ``(n_samples,)``."""
        X = bounded(X)
        each = [
            constant - 0.5 * ((X @ root - shift) ** 2).sum(axis=1)
            for root, shift, constant in zip(
                self.roots, self.shifts, self.constants, strict=True
            )
        ]
        return -logsumexp(np.stack(each))

    def graph(self) -> Graph:
        """Return a graph that turns ``x`` into ``score``."""
        from evenflow.learn.graphs import Graph

        graph, (k, d) = Graph(), self.shifts.shape

        def constant(name: str, value: NDArray[np.float64]) -> str:
            return graph.constant(name, value.astype(np.float32))

        # all components side by side, then the sum of squares of each
        roots = constant("roots", np.concatenate(list(self.roots), axis=1))
        turned = graph.node("MatMul", [bounded_input(graph), roots], "turned")
        shifts = constant("shifts", self.shifts.reshape(1, -1))
        moved = graph.node("Sub", [turned, shifts], "moved")
        square = graph.node("Mul", [moved, moved], "square")
        halves = constant("halves", np.repeat(-0.5 * np.eye(k), d, axis=0))
        far = graph.node("MatMul", [square, halves], "far")
        added = constant("constants", self.constants[None])
        log = graph.node("Add", [far, added], "log")
        density = graph.node("ReduceLogSumExp", [log], "density", axes=[1], keepdims=1)
        graph.node("Mul", [density, constant("minus", np.array([[-1.0]]))], "score")
        return graph


MODEL = Novelty(build, Config)
