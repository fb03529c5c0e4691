"""A gate that tells attacks from benign rows, and a second layer that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import FLOOR
from evenflow.errors import DataError
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems import Classifier, Model, System
from evenflow.plugins import default
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    gate: Model = default("lightgbm")
    """Model that is fitted on all rows, as attack or benign."""
    second: Classifier = default("random_forest")
    """Model that is fitted on the attack rows, to classify the attacks."""


def fit(config: Config, task: Fitting) -> Gated:
    """Fit both layers, each on rows that the recipe's sampler balances for it.

    The probability of an attack class is that of an attack, times that of the class
    among attacks.

    References
    ----------
    .. [1] N. Gupta, V. Jindal, P. Bedi, "LIO-IDS: handling class imbalance using LSTM
       and improved one-vs-one technique in intrusion detection system", Computer
       Networks 192, 2021. doi:10.1016/j.comnet.2021.108076 (the two layers; each is a
       model of choice here).
    """
    del config  # task.part reads it
    return layers(task, lambda attacks, stop: task.part("second", attacks, stop))


def layers(task: Fitting, second: Callable[[Rows, Rows], Fitted]) -> Gated:
    """Fit the part ``gate``, then a second layer on attack rows and those to stop by.

    The second layer sees the classes of attacks that training rows show, from 0 on; it
    is not fitted where they show one.
    """
    classes = task.fit.classes
    is_attack = (np.arange(len(classes)) > 0).astype(np.int64)
    sides = (classes[0], "attack")
    gate = task.part(
        "gate",
        task.fit.relabelled(is_attack, sides),
        task.valid.relabelled(is_attack, sides),
    )
    attacks, stop = task.fit.take(task.fit.y > 0), task.valid.take(task.valid.y > 0)
    present = np.unique(attacks.y)
    if len(present) < 2:
        return Gated(gate=gate, second=None, codes=present, n_classes=len(classes))
    place = np.full(len(classes), -1)
    place[present] = np.arange(len(present))
    names = tuple(classes[code] for code in present)
    named = second(
        attacks.relabelled(place, names),
        stop.take(place[stop.y] >= 0).relabelled(place, names),
    )
    return Gated(gate=gate, second=named, codes=present, n_classes=len(classes))


@dataclass(frozen=True, kw_only=True)
class Gated:
    """A fitted gate and its second layer."""

    gate: Fitted
    second: Fitted | None
    """None where training rows show one class of attacks."""
    codes: NDArray[np.int64]
    """Classes of attacks that training rows show, as the second layer orders them."""
    n_classes: int

    def __post_init__(self) -> None:
        if not len(self.codes):
            raise DataError("the training part holds no attack; expected some")

    @property
    def _parts(self) -> dict[str, Fitted]:
        parts = {"gate": self.gate, "second": self.second}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return self.gate.n_features

    @property
    def n_parameters(self) -> int:
        """Numbers learnt in both layers."""
        return sum(part.n_parameters for part in self._parts.values())

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The gate's epochs, which decide about alarms."""
        return self.gate.history

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read, by part."""
        return tuple(
            f"{name}: {text}"
            for name, part in self._parts.items()
            for text in part.notes
        )

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        out = np.full((len(X), self.n_classes), np.log(FLOOR))
        side = self.gate.log_proba(X)
        out[:, 0] = np.maximum(side[:, 0], np.log(FLOOR))
        within = 0.0 if self.second is None else self.second.log_proba(X)
        out[:, self.codes] = np.maximum(side[:, 1:] + within, np.log(FLOOR))
        return out

    def graph(self) -> ModelProto:
        """Return both layers as one ONNX graph."""
        from evenflow.learn.graphs import Graph

        graph = Graph()
        side = graph.include("gate", self.gate.graph())
        pick = np.eye(2, dtype=np.float32)
        attack = graph.node(
            "MatMul", [side, graph.constant("pick_attack", pick[:, 1:])], "attack"
        )
        benign = graph.node(
            "MatMul", [side, graph.constant("pick_benign", pick[:, :1])], "benign"
        )
        if self.second is not None:
            within = graph.include("second", self.second.graph())
            attack = graph.node("Add", [attack, within], "attacks")
        graph.node("Concat", [benign, attack], "both", axis=1)
        floor = graph.constant("log_floor", np.array(np.log(FLOOR), dtype=np.float32))
        graph.node("Max", ["both", floor], "known")
        graph.spread(np.concatenate([[0], self.codes]), self.n_classes)
        return graph.model(self.n_features, self.n_classes)


MODEL = System(fit, Config)
