"""A novelty detector: the distance from the mean benign row."""

from dataclasses import dataclass

import numpy as np

from evenflow.learn import Novelty
from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[model]`` in a recipe."""

    least_spread: float = 0.1


def build(config, rows, task):
    """Return a scorer fitted on benign rows; ``task`` has seed and device."""
    spread = np.maximum(rows.X.std(axis=0), config.least_spread)
    return Distance(mean=rows.X.mean(axis=0), spread=spread)


@dataclass(frozen=True, kw_only=True)
class Distance:
    """The mean squared distance, each column by its spread."""

    mean: np.ndarray
    spread: np.ndarray

    @property
    def n_parameters(self):
        """Return how many numbers were learnt."""
        return 2 * len(self.mean)

    def score(self, X):
        """Return how unlike benign rows each row is."""
        return (((X - self.mean) / self.spread) ** 2).mean(axis=1)

    def graph(self):
        """Return the same in ONNX, from ``x`` to ``score``."""
        graph, n = Graph(), len(self.mean)
        mean = graph.constant("mean", self.mean[None])
        spread = graph.constant("spread", self.spread[None])
        share = graph.constant("share", np.full((n, 1), 1 / n, dtype=np.float32))
        graph.node("Sub", ["x", mean], "moved")
        graph.node("Div", ["moved", spread], "scaled")
        graph.node("Mul", ["scaled", "scaled"], "squared")
        graph.node("MatMul", ["squared", share], "score")
        return graph


MODEL = Novelty(build, Config)
