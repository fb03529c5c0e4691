"""Models that are scikit-learn-like estimators: trees, and the linear baseline."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import FLOOR
from evenflow.learn.fitting import Fitting, Rows
from evenflow.progress import Epoch, Note, OnEvent, Progress

if TYPE_CHECKING:
    from onnx import ModelProto

    from evenflow.learn.graphs import Graph

Learn = Callable[[Any, Rows, Rows, OnEvent], Iterable[str]]
"""``learn(estimator, fit, valid, on_event)`` fits an estimator and returns notes."""


def learn(estimator: Any, fit: Rows, valid: Rows, on_event: OnEvent) -> Iterable[str]:
    """Fit an estimator that needs no rows to stop by."""
    del valid, on_event
    estimator.fit(fit.X, fit.y)
    return ()


@dataclass(frozen=True)
class Estimator:
    """A plug-in of ``models``: how to make, fit and write an estimator.

    Parameters
    ----------
    build : callable
        ``build(config, *, n_classes, class_weight, seed)`` returns an unfitted
        estimator with ``fit(X, y)`` and ``predict_proba(X)``. Its classes are
        ``0 .. n_classes - 1``, those of the training rows; ``class_weight`` is a
        dictionary of them, or None.
    Config : dataclass
        The hyper-parameters that a recipe may set.
    graph : callable, optional
        ``graph(estimator)`` returns a ``Graph`` that turns ``x`` into ``known``: the
        log-probabilities of the estimator's classes. skl2onnx writes it without.
    n_parameters : callable, optional
        ``n_parameters(estimator)`` counts the numbers learnt; those of the graph
        are counted without it.
    learn : callable, optional
        Fits the estimator in place of ``fit(X, y)``: see ``Learn``.
    """

    build: Callable[..., Any]
    Config: type
    graph: Callable[[Any], Graph] | None = None
    n_parameters: Callable[[Any], int] | None = None
    learn: Learn = learn

    balances: ClassVar[str] = "rows"
    names_classes: ClassVar[bool] = True
    takes_loss: ClassVar[bool] = False
    compared_with_trees: ClassVar[bool] = False

    def fit(self, config: Any, task: Fitting) -> FittedEstimator:
        """Balance the training rows and fit the estimator on them.

        Raises
        ------
        DataError
            The rows cannot train a model.
        """
        rows = task.balance(task.fit)
        rows.check()
        codes = np.unique(rows.y)
        weights = None
        if rows.class_weight is not None:
            weights = {k: float(rows.class_weight[c]) for k, c in enumerate(codes)}
        estimator = self.build(
            config, n_classes=len(codes), class_weight=weights, seed=task.seed
        )
        task.on_event(Progress(step="train", done=0, total=1, unit="models"))
        place = np.full(rows.n_classes, -1)
        place[codes] = np.arange(len(codes))
        names = tuple(rows.classes[code] for code in codes)
        valid = task.valid.take(place[task.valid.y] >= 0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            notes = [
                *self.learn(
                    estimator,
                    rows.relabelled(place, names),
                    valid.relabelled(place, names),
                    task.on_event,
                )
            ]
        for text in sorted({_first_sentence(str(w.message)) for w in caught}):
            task.on_event(Note(text=text, is_warning=True))
        task.on_event(Progress(step="train", done=1, total=1, unit="models"))
        if len(codes) < rows.n_classes:
            notes.append(
                f"{rows.n_classes - len(codes)} classes have no training row; their "
                f"probability is {FLOOR:g}"
            )
        return FittedEstimator(
            plug_in=self,
            estimator=estimator,
            codes=codes.astype(np.int64),
            n_features=rows.X.shape[1],
            n_classes=rows.n_classes,
            notes=tuple(notes),
        )


@dataclass(frozen=True, kw_only=True)
class FittedEstimator:
    """A fitted estimator, and the classes its columns stand for."""

    plug_in: Estimator
    estimator: Any
    codes: NDArray[np.int64]
    """Class code of each column of ``predict_proba``: the classes that trained."""
    n_features: int
    n_classes: int
    notes: tuple[str, ...] = ()
    history: tuple[Epoch, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of tree nodes, or of weights."""
        if self.plug_in.n_parameters is not None:
            return self.plug_in.n_parameters(self.estimator)
        from evenflow.learn.graphs import n_numbers

        return n_numbers(self.graph())

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows.

        None is under ``log(FLOOR)``, which also stands for a class that no training
        row showed.
        """
        out = np.full((len(X), self.n_classes), np.log(FLOOR))
        if len(X):
            proba = self.estimator.predict_proba(np.asarray(X, dtype=np.float32))
            proba = proba.astype(np.float64)
            proba /= proba.sum(axis=1, keepdims=True)
            out[:, self.codes] = np.log(np.clip(proba, FLOOR, 1.0))
        return out

    def graph(self) -> ModelProto:
        """Return the estimator as ONNX."""
        from evenflow.learn.graphs import by_skl2onnx

        if self.plug_in.graph is not None:
            graph = self.plug_in.graph(self.estimator)
        else:
            graph = by_skl2onnx(self.estimator, self.n_features)
        graph.spread(self.codes, self.n_classes)
        return graph.model(self.n_features, self.n_classes)


def _first_sentence(text: str) -> str:
    return text.strip().split(".\n")[0].split("\n")[0]
