"""Gradient-boosted trees by LightGBM."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator
from evenflow.learn.fitting import Rows
from evenflow.learn.threads import threads
from evenflow.learn.trees import lightgbm_trees, tree_node
from evenflow.progress import OnEvent, Progress

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_estimators: int = 200
    """Maximum number of boosting rounds; each grows one tree per class."""
    learning_rate: float = 0.05
    """Learning rate: the share of each tree's output that is added."""
    num_leaves: int = 31
    """Maximum number of leaves of a tree."""
    min_child_samples: int = 20
    """Minimum number of training rows in a leaf."""
    reg_lambda: float = 1.0
    """L2 penalty on leaf values: keeps rare classes' leaves from running away."""
    subsample: float = 1.0
    """Share of the rows drawn for each tree, (0, 1]."""
    colsample_bytree: float = 0.8
    """Share of the features drawn for each tree, (0, 1]."""
    early_stopping_rounds: int = 20
    """Rounds without a lower validation loss before boosting stops; 0 boosts every
    round: the loss may rise with rounds that still rank rows better."""
    n_jobs: int = 2
    """Maximum number of threads in training; the result does not depend on it."""

    def __post_init__(self) -> None:
        least = {
            "n_estimators": 1,
            "num_leaves": 2,
            "min_child_samples": 1,
            "early_stopping_rounds": 0,
            "n_jobs": 1,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected {low} or more. "
                    "Change it in [model]"
                )
        for name in ("learning_rate", "subsample", "colsample_bytree"):
            if not 0 < getattr(self, name) <= 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected a number in (0, 1]. "
                    "Change it in [model]"
                )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted LightGBM classifier.

    References
    ----------
    .. [1] G. Ke et al., "LightGBM: a highly efficient gradient boosting decision
       tree", NIPS 2017. https://papers.nips.cc/paper/6907
    """
    from lightgbm import LGBMClassifier

    del n_classes  # LightGBM counts them
    return LGBMClassifier(
        n_estimators=config.n_estimators,
        learning_rate=config.learning_rate,
        num_leaves=config.num_leaves,
        min_child_samples=config.min_child_samples,
        reg_lambda=config.reg_lambda,
        subsample=config.subsample,
        subsample_freq=int(config.subsample < 1),
        colsample_bytree=config.colsample_bytree,
        early_stopping_round=config.early_stopping_rounds or None,
        n_jobs=threads(config.n_jobs),
        class_weight=class_weight,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )


def learn(estimator: Any, fit: Rows, valid: Rows, on_event: OnEvent) -> list[str]:
    """Boost until the loss on the validation rows stops falling."""
    extra: dict[str, Any] = {"callbacks": [_rounds(on_event)]}
    notes = []
    if not estimator.get_params()["early_stopping_round"]:
        notes.append("every round was boosted (early_stopping_rounds is 0)")
    elif not len(valid):
        estimator.set_params(early_stopping_round=None)
        notes.append("no validation rows: every round was boosted")
    elif "eval_X" in inspect.signature(estimator.fit).parameters:
        extra |= {"eval_X": valid.X, "eval_y": valid.y}
    else:  # before LightGBM 4.7
        extra["eval_set"] = [(valid.X, valid.y)]
    estimator.fit(fit.X, fit.y, **extra)
    if estimator.best_iteration_:
        notes.append(f"{estimator.best_iteration_} rounds of boosting kept")
    return notes


def _rounds(on_event: OnEvent) -> Callable[[Any], None]:
    """Return a callback that passes on how many rounds are done."""

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


def graph(estimator: Any) -> Graph:
    """Return the graph of fitted boosted trees, up to ``known``."""
    from evenflow.learn.graphs import Graph

    made, trees = Graph(), lightgbm_trees(estimator.booster_)
    made.nodes.append(tree_node(trees, "scores"))
    made.log_softmax("scores", trees.value.shape[1])
    return made


def n_parameters(estimator: Any) -> int:
    """Return the number of tree nodes."""
    return len(lightgbm_trees(estimator.booster_).tree)


MODEL = Estimator(build, Config, graph, n_parameters, learn)
