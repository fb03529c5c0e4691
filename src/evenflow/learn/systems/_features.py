"""A model that reads the features of a network: what its last layer reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evenflow.errors import RecipeError
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting
from evenflow.learn.network import FittedNetwork, logits_of, without_last_layer
from evenflow.plugins import Part
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto


def extractor(part: Part, task: Fitting) -> tuple[FittedNetwork, nn.Module]:
    """Fit the part ``extractor``; return the network, and it without its last layer.

    Raises
    ------
    RecipeError
        The part is not a network.
    """
    network = task.part("extractor", task.fit, task.valid)
    if not isinstance(network, FittedNetwork):
        raise RecipeError(
            f"the extractor is {part.name!r}, which has no features of its own; "
            "expected a network, such as cnn. Change it in [model]"
        )
    return network, without_last_layer(network.model)


def features(inner: nn.Module, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a network answers of rows, ``(n_samples, n_answers)``."""
    rows = X if len(X) else np.zeros((1, X.shape[1]), dtype=np.float32)
    x = torch.tensor(np.ascontiguousarray(rows, dtype=np.float32))
    found: NDArray[np.float32] = logits_of(inner, x).numpy()
    return found[: len(X)]


@dataclass(frozen=True, kw_only=True)
class OnFeatures:
    """A network without its last layer, and a model of some of its features."""

    network: FittedNetwork
    inner: nn.Module
    """The network, which answers the features."""
    model: Fitted
    name: str
    """That of the part that is the model."""
    mask: NDArray[np.bool_] | None = None
    """The features that are read; all of them if None."""

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return self.network.n_features

    @property
    def n_classes(self) -> int:
        """Classes of the model."""
        return self.model.n_classes

    @property
    def n_parameters(self) -> int:
        """Numbers learnt by the network, but for its last layer, and the model."""
        own = sum(int(p.numel()) for p in self.inner.parameters())
        return own + self.model.n_parameters

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The network's epochs."""
        return self.network.history

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read, by part."""
        mask = self.mask
        return (
            *(
                []
                if mask is None
                else [f"{mask.sum()} of {len(mask)} features of the network are read"]
            ),
            *(f"extractor: {text}" for text in self.network.notes),
            *(f"{self.name}: {text}" for text in self.model.notes),
        )

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        found = features(self.inner, X)
        return self.model.log_proba(found if self.mask is None else found[:, self.mask])

    def graph(self) -> ModelProto:
        """Return network, choice and model as one ONNX graph."""
        from evenflow.learn.graphs import Graph, traced

        graph = Graph()
        network = traced(self.inner, self.n_features, "features")
        read = graph.include("extractor", network)
        if self.mask is not None:
            pick = np.eye(len(self.mask), dtype=np.float32)[:, self.mask]
            read = graph.node("MatMul", [read, graph.constant("pick", pick)], "chosen")
        z = graph.include("model", self.model.graph(), reads=read)
        graph.node("Identity", [z], "log_proba")
        return graph.model(self.n_features, self.n_classes)
