"""An isolation forest: rows that few random questions set apart are novel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.novelty import Novelty
from evenflow.learn.threads import threads
from evenflow.learn.trees import Trees, n_nodes, sklearn_trees, tree_node

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_estimators: int = 100
    """Trees."""
    max_samples: int = 256
    """Benign rows drawn for each tree; all of them where there are fewer."""
    n_jobs: int = 2
    """Maximum number of threads in training; the result does not depend on it."""

    def __post_init__(self) -> None:
        least = {"n_estimators": 1, "max_samples": 2, "n_jobs": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected {low} or more. "
                    "Change it in [model]"
                )


def build(config: Config, rows: Rows, task: Fitting) -> IsolationScorer:
    """Return an isolation forest fitted on benign rows.

    References
    ----------
    .. [1] F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation forest", ICDM 2008.
       doi:10.1109/ICDM.2008.17
    """
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(
        n_estimators=config.n_estimators,
        max_samples=min(config.max_samples, len(rows)),
        n_jobs=threads(config.n_jobs),
        random_state=task.seed,
    ).fit(rows.X)
    return IsolationScorer(forest=forest)


@dataclass(frozen=True, kw_only=True)
class IsolationScorer:
    """Scores a row by ``-E[h] / c``: its mean path length against that of a search.

    The anomaly score of the paper is ``2 ** (-E[h] / c)``, which rises with it.
    """

    forest: Any

    @property
    def n_parameters(self) -> int:
        """Number of tree nodes."""
        return n_nodes(self.forest)

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike benign rows each row is, ``(n_samples,)``."""
        found: NDArray[np.float64] = np.log2(-self.forest.score_samples(X))
        return found

    def graph(self) -> Graph:
        """Return a graph that turns ``x`` into ``score``."""
        from evenflow.learn.graphs import Graph

        graph = Graph()
        graph.nodes.append(tree_node(self._trees(), "score"))
        return graph

    def _trees(self) -> Trees:
        """Return the trees, each leaf with its share of the score."""
        parts = [tree.tree_ for tree in self.forest.estimators_]
        share = len(parts) * _path_length(np.array([self.forest.max_samples_]))[0]
        values = [
            -(_depths(p) + _path_length(p.n_node_samples))[:, None] / share
            for p in parts
        ]
        return sklearn_trees(parts, values)


def _depths(tree: Any) -> NDArray[np.int64]:
    """Return how many questions lead to each node; a parent comes before its nodes."""
    depth = np.zeros(tree.node_count, dtype=np.int64)
    for node in np.flatnonzero(tree.children_left >= 0):
        depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return depth


def _path_length(n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean depth of a failed search among ``n`` rows, equation 1 of [1]."""
    n = n.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        many = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(n <= 1, 0.0, np.where(n <= 2, 1.0, many))


MODEL = Novelty(build, Config)
