"""A random forest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator
from evenflow.learn.threads import threads
from evenflow.learn.trees import forest_graph, n_nodes


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_estimators: int = 100
    """Trees."""
    max_depth: int | None = None
    """Maximum depth of a tree; None for unlimited."""
    min_samples_leaf: int = 1
    """Minimum number of training rows in a leaf; larger leaves make a smaller file, and
    miss more of the attack types hidden from training."""
    max_features: Literal["sqrt", "log2"] | float = "sqrt"
    """Features considered at each split: a rule, or a share in (0, 1]."""
    n_jobs: int = 2
    """Maximum number of threads in training; the result does not depend on it."""

    def __post_init__(self) -> None:
        check_forest(self)


def check_forest(config: Any) -> None:
    """Refuse sizes no forest can have.

    Raises
    ------
    RecipeError
        A count is not positive or a share outside (0, 1].
    """
    for name in ("n_estimators", "max_depth", "min_samples_leaf", "n_jobs"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise RecipeError(
                f"{name} is {value}; expected 1 or more. Change it in [model]"
            )
    share = config.max_features
    if not isinstance(share, str) and not 0 < share <= 1:
        raise RecipeError(
            f"max_features is {share}; expected sqrt, log2 or a share in (0, 1]. "
            "Change it in [model]"
        )


def forest(
    kind: Callable[..., Any],
    config: Any,
    class_weight: dict[int, float] | None,
    seed: int,
) -> Any:
    """Return an unfitted forest of scikit-learn's class ``kind``."""
    return kind(
        n_estimators=config.n_estimators,
        max_depth=config.max_depth,
        min_samples_leaf=config.min_samples_leaf,
        max_features=config.max_features,
        n_jobs=threads(config.n_jobs),
        class_weight=class_weight,
        random_state=seed,
    )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted random forest.

    References
    ----------
    .. [1] L. Breiman, "Random forests", Machine Learning 45, 2001.
       doi:10.1023/A:1010933404324
    """
    from sklearn.ensemble import RandomForestClassifier

    del n_classes  # scikit-learn counts them
    return forest(RandomForestClassifier, config, class_weight, seed)


MODEL = Estimator(build, Config, graph=forest_graph, n_parameters=n_nodes)
