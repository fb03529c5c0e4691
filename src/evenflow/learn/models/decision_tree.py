"""One decision tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator
from evenflow.learn.trees import voting_graph

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    max_depth: int | None = None
    """Maximum depth; None for unlimited."""
    min_samples_leaf: int = 1
    """Minimum number of training rows in a leaf."""

    def __post_init__(self) -> None:
        for name in ("max_depth", "min_samples_leaf"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(
                    f"{name} is {value}; expected 1 or more. Change it in [model]"
                )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted decision tree (CART, split by the Gini index).

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone, "Classification and
       regression trees", Wadsworth, 1984. doi:10.1201/9781315139470
    """
    from sklearn.tree import DecisionTreeClassifier

    del n_classes  # scikit-learn counts them
    return DecisionTreeClassifier(
        max_depth=config.max_depth,
        min_samples_leaf=config.min_samples_leaf,
        class_weight=class_weight,
        random_state=seed,
    )


def graph(tree: Any) -> Graph:
    """Return the graph of a fitted tree, up to ``known``."""
    return voting_graph([tree])


def n_parameters(tree: Any) -> int:
    """Return the number of nodes."""
    return int(tree.tree_.node_count)


MODEL = Estimator(build, Config, graph=graph, n_parameters=n_parameters)
