"""TSODE: a search chooses among a network's features, and a classifier reads these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evenflow.errors import RecipeError
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.network import FittedNetwork, logits_of, without_last_layer
from evenflow.learn.systems import Classifier, System
from evenflow.plugins import default
from evenflow.prepare.select import tsode as selector
from evenflow.prepare.subsets import Config as Search
from evenflow.prepare.subsets import Cost
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    extractor: Classifier = default("cnn")
    """Network whose features are chosen from: what its last layer reads."""
    classifier: Classifier = default("logistic_regression")
    """Model that is fitted on the chosen features: one whose scores change little where
    features do, since rounding differs between libraries; not a tree."""
    population: int = 16
    """Sets of features at a time."""
    iterations: int = 12
    """Times that all of them change."""
    n_rows: int = 3000
    """Training rows drawn to evaluate sets by; all of them where there are fewer."""

    def __post_init__(self) -> None:
        self.search()

    def search(self) -> Search:
        """Return the settings of the search."""
        return Search(
            population=self.population, iterations=self.iterations, n_rows=self.n_rows
        )


def fit(config: Config, task: Fitting) -> OnFeatures:
    """Fit a network, choose among its features, and fit the classifier on these.

    Features are chosen by transient search with differential evolution, on training
    rows. Deviations from [1]_: those of the selector ``tsode``; the layers of its
    network and its classifier are not known to us, ours stand in.

    References
    ----------
    .. [1] A. Fatani, M. Abd Elaziz, A. Dahou, M. A. A. Al-Qaness, S. Lu, "IoT intrusion
       detection system using deep learning and enhanced transient search optimization",
       IEEE Access 9, 2021. doi:10.1109/ACCESS.2021.3109081

    Raises
    ------
    RecipeError
        The extractor is not a network.
    """
    network = task.part("extractor", task.fit, task.valid)
    if not isinstance(network, FittedNetwork):
        raise RecipeError(
            f"the extractor is {config.extractor.name!r}, which has no features of its "
            "own; expected a network, such as cnn. Change it in [model]"
        )
    inner = without_last_layer(network.model)
    X = features(inner, task.fit.X)
    rng = np.random.default_rng(task.seed)
    each = [np.array([k]) for k in range(X.shape[1])]
    cost = Cost(X, task.fit.y, each, rng=rng, n_rows=config.n_rows)
    mask = selector.search(cost, config.search(), rng)

    def chosen(rows: Rows) -> Rows:
        return replace(rows, X=features(inner, rows.X)[:, mask], layout=None)

    classifier = task.part("classifier", chosen(task.fit), chosen(task.valid))
    return OnFeatures(network=network, inner=inner, mask=mask, classifier=classifier)


def features(inner: nn.Module, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a network answers of rows, ``(n_samples, n_answers)``."""
    rows = X if len(X) else np.zeros((1, X.shape[1]), dtype=np.float32)
    x = torch.tensor(np.ascontiguousarray(rows, dtype=np.float32))
    found: NDArray[np.float32] = logits_of(inner, x).numpy()
    return found[: len(X)]


@dataclass(frozen=True, kw_only=True)
class OnFeatures:
    """A network without its last layer, and a classifier of some of its features."""

    network: FittedNetwork
    inner: nn.Module
    """The network, which answers the features."""
    mask: NDArray[np.bool_]
    """The features that are read."""
    classifier: Fitted

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return self.network.n_features

    @property
    def n_classes(self) -> int:
        """Classes of both."""
        return self.network.n_classes

    @property
    def n_parameters(self) -> int:
        """Numbers learnt by the network, but for its last layer, and the classifier."""
        own = sum(int(p.numel()) for p in self.inner.parameters())
        return own + self.classifier.n_parameters

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The network's epochs."""
        return self.network.history

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read, by part."""
        return (
            f"{self.mask.sum()} of {len(self.mask)} features of the network are read",
            *(f"extractor: {text}" for text in self.network.notes),
            *(f"classifier: {text}" for text in self.classifier.notes),
        )

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        return self.classifier.log_proba(features(self.inner, X)[:, self.mask])

    def graph(self) -> ModelProto:
        """Return network, choice and classifier as one ONNX graph."""
        from evenflow.learn.graphs import Graph, traced

        graph = Graph()
        network = traced(self.inner, self.n_features, "features")
        found = graph.include("extractor", network)
        pick = np.eye(len(self.mask), dtype=np.float32)[:, self.mask]
        graph.node("MatMul", [found, graph.constant("pick", pick)], "chosen")
        z = graph.include("classifier", self.classifier.graph(), reads="chosen")
        graph.node("Identity", [z], "log_proba")
        return graph.model(self.n_features, self.n_classes)


MODEL = System(fit, Config)
NOT_MEASURED = "a published system whose group is not run yet"
