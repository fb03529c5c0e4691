"""K-means as a classifier: a row has the classes of the clusters near to it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import logsumexp
from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_clusters: int = 100
    """Clusters; no more than there are training rows."""
    sharpness: float = 10.0
    """How fast the part of a cluster falls with its distance: the greater, the nearer
    to the nearest cluster alone."""

    def __post_init__(self) -> None:
        if self.n_clusters < 1 or not self.sharpness > 0:
            raise RecipeError(
                f"n_clusters is {self.n_clusters} and sharpness {self.sharpness}; "
                "expected numbers over 0. Change them in [model]"
            )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted classifier by k-means.

    Clusters are found without labels; each has the classes of its training rows, in
    their shares. A row has those of the clusters, weighted by ``softmax(-sharpness d**2
    / m)``, where ``m`` is the mean squared distance of a training row to its cluster: a
    mixture of equal spheres, of which k-means is the limit. Deviation from the usual
    vote of the nearest cluster alone: it has scores that a threshold can be set on.

    References
    ----------
    .. [1] S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory
       28(2), 1982. doi:10.1109/TIT.1982.1056489
    """
    weight = np.ones(n_classes)
    for code, value in (class_weight or {}).items():
        weight[code] = value
    return Clusters(config, weight, seed)


class Clusters:
    """Centres and the shares of classes around each.

    Parameters
    ----------
    config : Config
    weight : ndarray of shape (n_classes,)
        What a row of each class counts.
    seed : int
    """

    def __init__(self, config: Config, weight: NDArray[np.float64], seed: int) -> None:
        self.config, self.weight, self.seed = config, weight, seed

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> Self:
        """Find the clusters and count the classes in each."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        means = KMeans(
            n_clusters=min(self.config.n_clusters, len(X)),
            n_init=1,
            random_state=self.seed,
        )
        # one thread: sums in the order threads finish would differ from run to run
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows may be equal: fewer clusters
            means.fit(X)
        cluster = np.unique(means.labels_, return_inverse=True)[1]
        self.centres = means.cluster_centers_[np.unique(means.labels_)]
        mean_square = max(means.inertia_ / len(X), 1e-6)
        self.inverse = self.config.sharpness / mean_square
        counts = np.zeros((len(self.centres), len(self.weight)))
        np.add.at(counts, (cluster, y), self.weight[y])
        self.shares = counts / counts.sum(axis=1, keepdims=True)
        return self

    def scores(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights ``(n_features, n_clusters)`` and biases of the softmax."""
        centres = self.centres.astype(np.float64)
        return 2 * self.inverse * centres.T, -self.inverse * (centres**2).sum(axis=1)

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return probabilities ``(n_samples, n_classes)``."""
        weights, bias = self.scores()
        z = X.astype(np.float64) @ weights + bias
        proba: NDArray[np.float64] = np.exp(z - logsumexp(z.T)[:, None]) @ self.shares
        return proba


def graph(clusters: Clusters) -> Graph:
    """Return the graph of fitted clusters, up to ``known``."""
    from evenflow.learn.graphs import Graph

    weights, bias = clusters.scores()
    made = Graph()
    made.constant("weights", weights.astype(np.float32))
    made.constant("bias", bias.astype(np.float32))
    made.constant("shares", clusters.shares.astype(np.float32))
    made.node("Gemm", ["x", "weights", "bias"], "near")
    made.node("Softmax", ["near"], "part")
    made.node("MatMul", ["part", "shares"], "proba")
    made.log("proba")
    return made


def n_parameters(clusters: Clusters) -> int:
    """Return the number of coordinates and shares."""
    return int(clusters.centres.size + clusters.shares.size)


MODEL = Estimator(build, Config, graph=graph, n_parameters=n_parameters)
