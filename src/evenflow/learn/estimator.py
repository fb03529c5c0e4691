"""Fit a scikit-learn-like estimator: trees, and the linear baseline."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import FLOOR
from evenflow.learn.fitted import check_rows
from evenflow.progress import Epoch, Note, OnEvent, Progress, ignore


@dataclass(frozen=True, kw_only=True)
class FittedEstimator:
    """A fitted estimator, and the classes its columns stand for."""

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
        return _n_parameters(self.estimator)

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

    def to_onnx(self) -> bytes:
        """Return the estimator as ONNX: ``x`` (N, n_features) to ``log_proba``.

        Raises
        ------
        BundleError
            What ONNX Runtime computes differs from what this object computes.
        """
        from evenflow.learn.export import estimator_to_onnx

        return estimator_to_onnx(self)


def fit_estimator(
    build: Callable[..., Any],
    config: Any,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    X_valid: NDArray[np.float32],
    y_valid: NDArray[np.int64],
    *,
    n_classes: int,
    class_weight: NDArray[np.float64] | None = None,
    seed: int = 7,
    on_event: OnEvent = ignore,
) -> FittedEstimator:
    """Fit an estimator and return it.

    Parameters
    ----------
    build : callable
        ``build(config, n_classes=, class_weight=, seed=)`` returns an unfitted
        estimator.
    config : dataclass
        The model's hyper-parameters.
    X : ndarray of shape (n_samples, n_features), float32
        Prepared, balanced training rows.
    y : ndarray of shape (n_samples,), int64
        Class codes below ``n_classes``; some may be missing.
    X_valid, y_valid : ndarray
        Rows that stop an estimator which asks for some (``eval_set``); may be empty.
    class_weight : ndarray of shape (n_classes,), optional
        Weight of each class in the loss.
    on_event : callable
        Gets a ``Progress`` now and then.

    Raises
    ------
    DataError
        The rows cannot train a model.
    """
    check_rows(X, y, n_classes=n_classes)
    codes, y_found = np.unique(y, return_inverse=True)
    weights = None
    if class_weight is not None:
        weights = {k: float(class_weight[code]) for k, code in enumerate(codes)}
    estimator = build(config, n_classes=len(codes), class_weight=weights, seed=seed)
    on_event(Progress(step="train", done=0, total=1, unit="models"))
    notes = []
    extra: dict[str, Any] = {}
    accepted = inspect.signature(estimator.fit).parameters
    is_stopped = type(estimator).__module__.startswith("lightgbm.")
    if is_stopped:
        known = np.isin(y_valid, codes)
        if known.any():
            rows, labels = X_valid[known], np.searchsorted(codes, y_valid[known])
            if "eval_X" in accepted:
                extra |= {"eval_X": rows, "eval_y": labels}
            else:  # before LightGBM 4.7
                extra["eval_set"] = [(rows, labels)]
        else:
            estimator.set_params(early_stopping_round=None)
            notes.append("no validation rows: every round was boosted")
        extra["callbacks"] = [_teller(on_event)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y_found, **extra)
    for text in sorted({_first_sentence(str(w.message)) for w in caught}):
        on_event(Note(text=text, is_warning=True))
    on_event(Progress(step="train", done=1, total=1, unit="models"))
    if is_stopped and estimator.best_iteration_:
        notes.append(f"{estimator.best_iteration_} rounds of boosting kept")
    if len(codes) < n_classes:
        notes.append(
            f"{n_classes - len(codes)} classes have no training row; their "
            f"probability is {FLOOR:g}"
        )
    return FittedEstimator(
        estimator=estimator,
        codes=codes.astype(np.int64),
        n_features=X.shape[1],
        n_classes=n_classes,
        notes=tuple(notes),
    )


def _teller(on_event: OnEvent) -> Callable[[Any], None]:
    """Return a LightGBM callback that passes on how many rounds are done."""

    def tell(env: Any) -> None:
        on_event(
            Progress(
                step="train",
                done=env.iteration + 1 - env.begin_iteration,
                total=env.end_iteration - env.begin_iteration,
                unit="rounds",
            )
        )

    return tell


def _first_sentence(text: str) -> str:
    return text.strip().split(".\n")[0].split("\n")[0]


def _n_parameters(estimator: Any) -> int:
    if hasattr(estimator, "estimators_"):
        parts = np.asarray(estimator.estimators_, dtype=object).ravel()
        trees = [part.tree_ for part in parts if hasattr(part, "tree_")]
        return int(sum(tree.node_count for tree in trees))
    if hasattr(estimator, "coef_"):
        return int(np.size(estimator.coef_) + np.size(estimator.intercept_))
    if hasattr(estimator, "booster_"):
        from evenflow.learn.trees import lightgbm_trees

        return len(lightgbm_trees(estimator.booster_).tree)
    return 0
