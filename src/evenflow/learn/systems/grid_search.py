"""A grid of parameters: each is tried on folds of the training rows, the best stays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting
from evenflow.learn.network import macro_f1
from evenflow.learn.systems import Classifier, System
from evenflow.plugins import Part, complete, default
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto

MOST = 200
"""Combinations; each is fitted once for each fold."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    model: Classifier = default("lightgbm")
    """Model whose parameters are searched."""
    grid: dict[str, list[Any]] = field(default_factory=dict)
    """Values to try for each parameter of the model, in all combinations."""
    n_folds: int = 3
    """Folds of the training rows; each is held out once."""

    def __post_init__(self) -> None:
        if self.n_folds < 2:
            raise RecipeError(
                f"n_folds is {self.n_folds}; expected 2 or more. Change it in [model]"
            )
        if empty := [name for name, values in self.grid.items() if not values]:
            raise RecipeError(
                f"grid has no value for {empty[0]!r}; expected some to try. Add them "
                "in [model.grid]"
            )
        n = int(np.prod([len(values) for values in self.grid.values()], dtype=object))
        if n > MOST:
            raise RecipeError(
                f"grid has {n} combinations; expected {MOST} at most. Remove values "
                "in [model.grid]"
            )
        for params in combinations(self.grid):
            changed = Part(name=self.model.name, params=self.model.params | params)
            complete("models", changed, "[model.grid]")


def combinations(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of the values of a grid, the last name fastest.

    Examples
    --------
    >>> combinations({"a": [1, 2], "b": [3]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    return [
        dict(zip(grid, values, strict=True))
        for values in itertools.product(*grid.values())
    ]


def fit(config: Config, task: Fitting) -> Searched:
    """Fit each combination on all folds but one in turn; fit the best on all rows.

    Best is the highest mean macro F1 on the folds held out; of equals, the first. A
    fold is held out before the sampler sees rows, and nothing stops by it. With trees
    that are boosted it is the system of [1]_; deviations there: the parameters and
    values of their grid are not known to us, LightGBM stands in for their GBM.

    References
    ----------
    .. [1] B. A. Tama, K.-H. Rhee, "An in-depth experimental study of anomaly detection
       using gradient boosted machine", Neural Computing and Applications 31, 2019.
       doi:10.1007/s00521-017-3128-z
    """
    rows, tried = task.fit, combinations(config.grid)
    rows.check()
    if len(tried) == 1:
        fitted = task.part("model", rows, task.valid, params=tried[0])
        return Searched(fitted=fitted, found="the grid has one combination: no search")
    fold = folds(rows.y, config.n_folds, task.seed)
    scores = []
    for params in tried:
        found = []
        for number in range(config.n_folds):
            held = rows.take(fold == number)
            part = task.part(
                "model", rows.take(fold != number), task.valid, params=params
            )
            found.append(macro_f1(held.y, part.log_proba(held.X).argmax(axis=1)))
        scores.append(float(np.mean(found)))
    best = int(np.argmax(scores))
    words = ", ".join(f"{name} = {value}" for name, value in tried[best].items())
    return Searched(
        fitted=task.part("model", rows, task.valid, params=tried[best]),
        found=f"best of {len(tried)} combinations: {words} (macro F1 "
        f"{scores[best]:.4f} in {config.n_folds} folds, least {min(scores):.4f})",
    )


def folds(y: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row: each class is dealt out to all in turn."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    out = np.empty(len(y), dtype=np.int64)
    out[order] = np.arange(len(y)) % n
    return out


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The model of the best combination."""

    fitted: Fitted
    found: str
    """Parameters found, in words."""

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return self.fitted.n_features

    @property
    def n_classes(self) -> int:
        """Classes of the model."""
        return self.fitted.n_classes

    @property
    def n_parameters(self) -> int:
        """Numbers learnt."""
        return self.fitted.n_parameters

    @property
    def history(self) -> tuple[Epoch, ...]:
        """Epochs of the fit on all rows."""
        return self.fitted.history

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read."""
        return (self.found, *self.fitted.notes)

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        return self.fitted.log_proba(X)

    def graph(self) -> ModelProto:
        """Return the model as ONNX."""
        return self.fitted.graph()


MODEL = System(fit, Config)
