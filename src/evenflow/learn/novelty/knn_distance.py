"""Distance to the k-th nearest benign row: rows far from all of them are novel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.novelty import Novelty, bounded, bounded_input

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph

SHRINKAGE = 0.01
"""Of the mean variance, added to each direction's: one that no benign row moves in
would otherwise weigh without bound."""
SOFTENING = 1e-3
"""Of the median squared distance, added to each: the difference of two large numbers
that a small one is computed from is not exact."""
BATCH_ROWS = 1024
MOST_K = 1_000_000
MOST_REFERENCE = 20_000
"""Rows that a bundle may hold; each row scored is compared with all of them."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    k: int = 500
    """The neighbour whose distance counts, among all benign training rows."""
    n_reference: int = 2000
    """Benign rows that are kept, drawn at random; of these, the neighbour of the same
    share counts."""

    def __post_init__(self) -> None:
        for name, most in (("k", MOST_K), ("n_reference", MOST_REFERENCE)):
            if not 1 <= getattr(self, name) <= most:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected 1 to {most:,}. Change "
                    "it in [model]"
                )


def build(config: Config, rows: Rows, task: Fitting) -> NeighborScorer:
    """Return the distance to benign rows in whitened space.

    A bundle holds ``n_reference`` rows, not all of them. The distance to the k-th of
    ``n`` rows is estimated by that to the neighbour number ``k n_reference / n`` of
    those kept. The logarithm of the squared distance is the score.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi, K. Shim, "Efficient algorithms for mining outliers
       from large data sets", SIGMOD 2000. doi:10.1145/342009.335437 (whitening and the
       bound on the rows are ours).
    """
    n = len(rows)
    X = rows.X.astype(np.float64)
    center = X.mean(axis=0)
    variance, axes = np.linalg.eigh((X - center).T @ (X - center) / n)
    variance = np.maximum(variance, 0)
    whiten = axes / np.sqrt(variance + SHRINKAGE * (variance.mean() or 1.0))
    chosen = np.random.default_rng(task.seed).permutation(n)[: config.n_reference]
    kept = len(chosen)
    scorer = NeighborScorer(
        center=center.astype(np.float32),
        whiten=whiten.astype(np.float32),
        reference=((X[np.sort(chosen)] - center) @ whiten).astype(np.float32),
        k=min(max(1, round(config.k * kept / n)), kept),
        softening=1.0,
    )
    typical = float(np.median(scorer.squared(rows.X[chosen])))
    return scorer.softened(max(SOFTENING * typical, 1e-6))


@dataclass(frozen=True, kw_only=True)
class NeighborScorer:
    """Scores a row by the logarithm of its squared distance to a neighbour."""

    center: NDArray[np.float32]
    whiten: NDArray[np.float32]
    """Shape ``(n_features, n_features)``."""
    reference: NDArray[np.float32]
    """Benign rows, whitened, ``(n_reference, n_features)``."""
    k: int
    """Number of the neighbour among those."""
    softening: float

    def softened(self, softening: float) -> NeighborScorer:
        """Return the scorer that adds so much to each squared distance."""
        return replace(self, softening=softening)

    @property
    def n_parameters(self) -> int:
        """Numbers kept."""
        return self.center.size + self.whiten.size + self.reference.size

    def squared(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the squared distance to the neighbour, ``(n_samples,)``."""
        out = np.empty(len(X))
        norms = (self.reference**2).sum(axis=1)
        for start in range(0, len(X), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            z = (bounded(X[part]) - self.center) @ self.whiten
            d = (z**2).sum(axis=1, keepdims=True) + (norms - 2 * (z @ self.reference.T))
            out[part] = np.partition(d, self.k - 1, axis=1)[:, self.k - 1]
        return np.maximum(out, 0)

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike benign rows each row is, ``(n_samples,)``."""
        found: NDArray[np.float64] = np.log(self.squared(X) + self.softening)
        return found

    def graph(self) -> Graph:
        """Return a graph that turns ``x`` into ``score``."""
        from evenflow.learn.graphs import Graph

        graph = Graph()

        def constant(name: str, value: object) -> str:
            return graph.constant(name, np.asarray(value, dtype=np.float32))

        def node(kind: str, inputs: list[str], output: str, **how: object) -> str:
            return graph.node(kind, inputs, output, **how)

        norms = (self.reference**2).sum(axis=1)[None]
        centred = node(
            "Sub",
            [bounded_input(graph), constant("center", self.center[None])],
            "centred",
        )
        z = node("MatMul", [centred, constant("whiten", self.whiten)], "z")
        square = node("Mul", [z, z], "square")
        axes = graph.constant("axes", np.array([1], dtype=np.int64))
        own = node("ReduceSum", [square, axes], "own", keepdims=1)
        product = node(
            "MatMul", [z, constant("reference", -2 * self.reference.T)], "product"
        )
        theirs = node("Add", [product, constant("norms", norms)], "theirs")
        nearest = graph.node(
            "TopK",
            [theirs, graph.constant("k", np.array([self.k], dtype=np.int64))],
            "nearest",
            "which",
            axis=1,
            largest=0,
            sorted=1,
        )
        last = np.zeros((self.k, 1))
        last[-1] = 1
        kth = node("MatMul", [nearest, constant("last", last)], "kth")
        apart = node("Add", [own, kth], "apart")
        floored = node("Max", [apart, constant("zero", 0.0)], "squared")
        soft = node("Add", [floored, constant("soft", self.softening)], "soft_squared")
        node("Log", [soft], "score")
        return graph


MODEL = Novelty(build, Config)
