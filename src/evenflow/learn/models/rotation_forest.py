"""A forest whose trees see rotated features, and bags of trees within a rotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.learn.estimator import Estimator

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph

KEPT_ROWS = 0.75
"""Share of the rows of the drawn classes that the axes of a group are computed from."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_rotations: int = 10
    """Rotations of the features."""
    n_bagged: int = 10
    """Trees of each rotation, each on rows drawn with replacement; 1 draws none."""
    group_size: int = 3
    """Features that are rotated together."""
    max_depth: int | None = None
    """Maximum depth of a tree; None for unlimited."""
    min_samples_leaf: int = 1
    """Minimum number of training rows in a leaf."""

    def __post_init__(self) -> None:
        names = ("n_rotations", "n_bagged", "group_size", "max_depth")
        for name in (*names, "min_samples_leaf"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(
                    f"{name} is {value}; expected 1 or more. Change it in [model]"
                )


def build(
    config: Config, *, n_classes: int, class_weight: dict[int, float] | None, seed: int
) -> Any:
    """Return an unfitted rotation forest whose base is a bag of trees.

    Features are dealt out to groups at random. The principal axes of each group, of
    rows of some classes, become its new features [1]_; all are kept. A bag of trees
    [2]_ is grown on all rows so rotated: the two levels of TSE-IDS [3]_.
    Deviations from [3]_: trees are those of CART and not pruned; its settings are not
    known to us; every class is drawn with a probability of one half.

    References
    ----------
    .. [1] J. J. Rodríguez, L. I. Kuncheva, C. J. Alonso, "Rotation forest: a new
       classifier ensemble method", IEEE Trans. Pattern Analysis and Machine
       Intelligence 28(10), 2006. doi:10.1109/TPAMI.2006.211
    .. [2] L. Breiman, "Bagging predictors", Machine Learning 24, 1996.
       doi:10.1007/BF00058655
    .. [3] B. A. Tama, M. Comuzzi, K.-H. Rhee, "TSE-IDS: a two-stage classifier ensemble
       for intelligent anomaly-based intrusion detection system", IEEE Access 7, 2019.
       doi:10.1109/ACCESS.2019.2928048
    """
    return RotationForest(config, n_classes, class_weight, seed)


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """New features, each a sum of ``group_size`` old ones, or fewer.

    A sum of few terms in a fixed order: float32 gives it the same bits wherever it is
    computed, so that a row falls on the side of a threshold that it fell on in
    training.
    """

    terms: tuple[tuple[NDArray[np.int64], NDArray[np.float32]], ...]
    """For each term: which old feature, and its weight, for each new one."""

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return rotated rows."""
        total: NDArray[np.float32] | None = None
        for which, weight in self.terms:
            part = X[:, which] * weight
            total = part if total is None else total + part
        assert total is not None  # noqa: S101
        return total


class RotationForest:
    """Rotations, and the trees that were grown on each.

    Parameters
    ----------
    config : Config
    n_classes : int
    class_weight : dict of {int: float} or None
        Weight of each class in a tree's questions.
    seed : int
    """

    def __init__(
        self,
        config: Config,
        n_classes: int,
        class_weight: dict[int, float] | None,
        seed: int,
    ) -> None:
        self.config, self.n_classes = config, n_classes
        self.class_weight, self.seed = class_weight, seed

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> Self:
        """Rotate the rows and grow the trees, one rotation after the other."""
        from sklearn.tree import DecisionTreeClassifier

        rng = np.random.default_rng(self.seed)
        X = np.asarray(X, dtype=np.float32)
        self.rotations: list[tuple[Rotation, list[Any]]] = []
        for _ in range(self.config.n_rotations):
            rotation = rotated(X, y, self.config.group_size, rng)
            Z, trees = rotation(X), []
            for _ in range(self.config.n_bagged):
                weight = np.ones(len(y))
                if self.config.n_bagged > 1:
                    drawn = rng.integers(len(y), size=len(y))
                    weight = np.bincount(drawn, minlength=len(y)).astype(np.float64)
                    for code in set(range(self.n_classes)) - set(y[drawn].tolist()):
                        weight[np.flatnonzero(y == code)[0]] = 1  # no class is lost
                tree = DecisionTreeClassifier(
                    max_depth=self.config.max_depth,
                    min_samples_leaf=self.config.min_samples_leaf,
                    class_weight=self.class_weight,
                    random_state=int(rng.integers(2**31)),
                )
                trees.append(tree.fit(Z, y, sample_weight=weight))
            self.rotations.append((rotation, trees))
        return self

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean probabilities of all trees, ``(n_samples, n_classes)``."""
        total = np.zeros((len(X), self.n_classes))
        for rotation, trees in self.rotations:
            Z = rotation(np.asarray(X, dtype=np.float32))
            for tree in trees:
                total += tree.predict_proba(Z)
        mean: NDArray[np.float64] = total / sum(len(t) for _, t in self.rotations)
        return mean


def rotated(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    group_size: int,
    rng: np.random.Generator,
) -> Rotation:
    """Return a rotation by the principal axes of groups of features."""
    n = X.shape[1]
    order = rng.permutation(n)
    which = np.zeros((group_size, n), dtype=np.int64)
    weight = np.zeros((group_size, n), dtype=np.float32)
    present = np.unique(y)
    for start in range(0, n, group_size):
        group = order[start : start + group_size]
        classes = present[rng.random(len(present)) < 0.5]
        rows = np.flatnonzero(np.isin(y, classes if len(classes) else present))
        rows = rng.choice(rows, size=max(int(KEPT_ROWS * len(rows)), 1), replace=False)
        part = X[np.ix_(rows, group)].astype(np.float64)
        part -= part.mean(axis=0)
        _, axes = np.linalg.eigh(part.T @ part)
        new = np.arange(start, start + len(group))
        which[: len(group), new] = group[:, None]
        weight[: len(group), new] = axes
    return Rotation(terms=tuple(zip(which, weight, strict=True)))


def graph(forest: RotationForest) -> Graph:
    """Return the graph of a fitted forest, up to ``known``."""
    from evenflow.learn.graphs import Graph
    from evenflow.learn.trees import sklearn_trees, tree_node

    made, total = Graph(), ""
    for number, (rotation, trees) in enumerate(forest.rotations):
        new = ""
        for k, (which, weight) in enumerate(rotation.terms):
            pick = np.zeros((len(which), len(which)), dtype=np.float32)
            pick[which, np.arange(len(which))] = 1.0
            name = f"{number}_{k}"
            made.constant(f"pick_{name}", pick)
            made.constant(f"weight_{name}", weight[None])
            old = made.node("MatMul", ["x", f"pick_{name}"], f"old_{name}")
            term = made.node("Mul", [old, f"weight_{name}"], f"term_{name}")
            new = made.node("Add", [new, term], f"new_{name}") if new else term
        parts = [tree.tree_ for tree in trees]
        proba = [part.value[:, 0, :] for part in parts]
        n = len(parts) * len(forest.rotations)
        shares = [p / p.sum(axis=1, keepdims=True) / n for p in proba]
        votes = tree_node(sklearn_trees(parts, shares), f"votes_{number}", reads=new)
        made.nodes.append(votes)
        total = (
            made.node("Add", [total, f"votes_{number}"], f"total_{number}")
            if total
            else f"votes_{number}"
        )
    made.log(total)
    return made


def n_parameters(forest: RotationForest) -> int:
    """Return the number of tree nodes and of weights of the rotations."""
    return sum(
        sum(tree.tree_.node_count for tree in trees)
        + sum(weight.size for _, weight in rotation.terms)
        for rotation, trees in forest.rotations
    )


MODEL = Estimator(build, Config, graph=graph, n_parameters=n_parameters)
