"""A classifier and a novelty detector: a row that either calls an attack is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import FLOOR, logsumexp
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting
from evenflow.learn.systems import Classifier, Model, System
from evenflow.plugins import default
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTILES = (0.5, 0.95)
"""Of the log odds of benign rows, between which both scores are brought to one scale;
the upper one is where a false-alarm budget of 5 % sets a threshold."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    classifier: Classifier = default("lightgbm")
    """Model that classifies: benign and each class of attacks."""
    detector: Model = default("isolation_forest")
    """Model that separates attacks from benign rows, such as a novelty detector."""


def fit(config: Config, task: Fitting) -> Either:
    """Fit both, then bring their scores to the scale that benign rows give them.

    The log odds of attack are the greater of both. A threshold on them is a threshold
    on each score, and both are passed by like shares of the benign rows: the rule "or"
    for two detectors whose scores are normalised [1]_. The class is the classifier's.

    References
    ----------
    .. [1] J. Kittler et al., "On combining classifiers", IEEE Transactions on Pattern
       Analysis and Machine Intelligence 20, 1998. doi:10.1109/34.667881 (the max rule).
    """
    del config  # task.part reads it
    classes = task.fit.classes
    is_attack = (np.arange(len(classes)) > 0).astype(np.int64)
    sides = (classes[0], "attack")
    classifier = task.part("classifier", task.fit, task.valid)
    detector = task.part(
        "detector",
        task.fit.relabelled(is_attack, sides),
        task.valid.relabelled(is_attack, sides),
    )
    benign = task.valid.benign()
    X = (benign if len(benign) >= 2 else task.fit.benign()).X
    middle, high = np.quantile(log_odds(classifier, X), QUANTILES)
    its_middle, its_high = np.quantile(log_odds(detector, X), QUANTILES)
    scale = (high - middle) / (its_high - its_middle) if its_high > its_middle else 1.0
    scale = np.clip(scale, 1e-3, 1e3)
    return Either(
        classifier=classifier,
        detector=detector,
        codes=np.unique(task.fit.y[task.fit.y > 0]),
        scale=float(scale),
        shift=float(middle - scale * its_middle),
    )


def log_odds(fitted: Fitted, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log odds of attack of prepared rows, ``(n_samples,)``."""
    z = fitted.log_proba(X).T
    odds: NDArray[np.float64] = logsumexp(z[1:]) - z[0]
    return odds


@dataclass(frozen=True, kw_only=True)
class Either:
    """A classifier, and a detector whose log odds are ``scale * odds + shift``."""

    classifier: Fitted
    detector: Fitted
    codes: NDArray[np.int64]
    """Classes of attacks that training rows show: one of them is named."""
    scale: float
    shift: float

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return self.classifier.n_features

    @property
    def n_classes(self) -> int:
        """Classes of the classifier."""
        return self.classifier.n_classes

    @property
    def n_parameters(self) -> int:
        """Numbers learnt in both."""
        return self.classifier.n_parameters + self.detector.n_parameters

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The classifier's epochs."""
        return self.classifier.history

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read, by part."""
        return (
            *(f"classifier: {text}" for text in self.classifier.notes),
            *(f"detector: {text}" for text in self.detector.notes),
        )

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        if not len(X):
            return np.empty((0, self.n_classes))
        z = self.classifier.log_proba(X)
        among = z[:, self.codes] - logsumexp(z[:, self.codes].T)[:, None]
        novel = self.scale * log_odds(self.detector, X) + self.shift
        odds = np.maximum(log_odds(self.classifier, X), novel)
        benign, attack = -np.logaddexp(0, odds), -np.logaddexp(0, -odds)
        out = np.full((len(X), self.n_classes), np.log(FLOOR))
        out[:, 0], out[:, self.codes] = benign, attack[:, None] + among
        floored: NDArray[np.float64] = np.maximum(out, np.log(FLOOR))
        return floored

    def graph(self) -> ModelProto:
        """Return both as one ONNX graph."""
        from evenflow.learn.graphs import Graph

        graph, n = Graph(), self.n_classes

        def numbers(name: str, value: object) -> str:
            return graph.constant(name, np.array(value, dtype=np.float32))

        z = graph.include("classifier", self.classifier.graph())
        its = graph.include("detector", self.detector.graph())
        pick = np.eye(n)
        graph.node("MatMul", [z, numbers("pick_benign", pick[:, :1])], "benign")
        graph.node("MatMul", [z, numbers("pick_all", pick[:, 1:])], "all")
        graph.node("ReduceLogSumExp", ["all"], "attack", axes=[1], keepdims=1)
        graph.node("Sub", ["attack", "benign"], "odds")
        scaled = numbers("scaled", [[-self.scale], [self.scale]])
        graph.node("MatMul", [its, scaled], "its_odds")
        graph.node("Add", ["its_odds", numbers("shift", [[self.shift]])], "novel")
        graph.node("Max", ["odds", "novel"], "either")
        graph.node("Mul", ["either", numbers("zero", [[0.0]])], "none")
        graph.node("Concat", ["none", "either"], "pair", axis=1)
        graph.node("LogSoftmax", ["pair"], "sides", axis=1)
        graph.node("MatMul", ["sides", numbers("first", [[1.0], [0.0]])], "calm")
        graph.node("MatMul", ["sides", numbers("second", [[0.0], [1.0]])], "alarm")
        graph.node("MatMul", [z, numbers("pick_some", pick[:, self.codes])], "some")
        graph.node("ReduceLogSumExp", ["some"], "any", axes=[1], keepdims=1)
        graph.node("Sub", ["some", "any"], "among")
        graph.node("Add", ["alarm", "among"], "named")
        graph.node("Concat", ["calm", "named"], "both", axis=1)
        graph.node("Max", ["both", numbers("log_floor", np.log(FLOOR))], "known")
        graph.spread(np.concatenate([[0], self.codes]), n)
        return graph.model(self.n_features, n)


MODEL = System(fit, Config)
NOT_MEASURED = "the fusion that detectors of the unseen are measured in, a later group"
