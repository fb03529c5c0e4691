"""Exact Shapley values of a tree ensemble's verdict on one record.

The trees are read from the bundle's own ONNX model, so what is explained is what
scores. A player is a column of the record, with all its features (the one-hot block
of a category moves as one); an absent column takes its value from a background row,
and the values are averages over the background rows.

References
----------
.. [1] S. M. Lundberg et al., "From local explanations to global understanding with
   explainable AI for trees", Nature Machine Intelligence 2, 2020.
   doi:10.1038/s42256-019-0138-9 (interventional TreeSHAP; players here are columns).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import Decision
from evenflow.errors import BundleError, of_extra

LEAF = -1
VOTING = {"TreeEnsembleRegressor", "Clip", "Log"}
BOOSTED = {"TreeEnsembleRegressor", "LogSoftmax", "Max"}
PLACING = {"Mul", "Concat", "Identity", "Gemm"}
"""Operators of the graphs that evenflow writes for trees."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree: arrays over its nodes; node 0 is the root."""

    feature: NDArray[np.int64]
    """Feature compared, LEAF at a leaf, ``(n_nodes,)``."""
    threshold: NDArray[np.float32]
    """``x[feature] <= threshold`` goes to ``low``, else to ``high``."""
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    value: NDArray[np.float64]
    """What each class of the bundle gets at a leaf, ``(n_nodes, n_classes)``."""


@dataclass(frozen=True, kw_only=True)
class TreeShap:
    """Which columns moved a quantity from its base to its value."""

    quantity: str
    """What is explained, in words."""
    value: float
    """Of the record; ``base`` plus all contributions."""
    base: float
    """Mean over the background rows."""
    contributions: dict[str, float]
    """Column -> exact Shapley value; above 0 is towards attack."""


def tree_shap(
    model: bytes,
    x: NDArray[np.float32],
    background: NDArray[np.float32],
    groups: Mapping[str, Sequence[int] | NDArray[np.int64]],
    classes: Sequence[str],
    *,
    decision: Decision | None = None,
    attack: int | None = None,
) -> TreeShap:
    """Explain one prepared record.

    Parameters
    ----------
    model : bytes
        ONNX with one tree ensemble.
    x : ndarray of shape (n_features,), float32
        The prepared record.
    background : ndarray of shape (n_rows, n_features), float32
        Prepared benign rows that stand for "column absent".
    groups : mapping
        Column -> its features in the prepared matrix.
    classes : sequence of str
        Class names, benign first.
    decision : Decision, optional
        Calibration of the scores of boosted trees; none without it.
    attack : int, optional
        Code of the attack class that is explained where the trees score each class;
        the likeliest one without it, or where no training row was of that class.

    Raises
    ------
    BundleError
        The model holds no tree ensemble, or there is no background row.
    MissingExtraError
        The package onnx is not installed.
    """
    if not len(background):
        raise BundleError(
            "this bundle holds no reference rows, expected benign training rows to "
            "compare with. Train it again"
        )
    trees, codes, is_vote = read_trees(model, len(classes))
    both = np.concatenate([x[None], background]).astype(np.float32)
    totals = sum((_predict(tree, both) for tree in trees), np.zeros((1, 1)))
    weights, constant = np.zeros(len(classes)), 0.0
    if is_vote:
        weights[1:] = 1.0
        quantity = "share of votes for an attack"
    else:
        decision = decision or Decision.neutral(len(classes))
        odds = totals[0] / decision.temperature + decision.bias
        trained = [int(code) for code in codes if code != 0]
        if attack not in trained:
            attack = max(trained, key=lambda code: odds[code])
        weights[attack], weights[0] = 1.0, -1.0
        constant = float(weights @ decision.bias)
        weights /= decision.temperature
        quantity = f"log odds of {classes[attack]} against {classes[0]}"
    names = list(groups)
    column = np.full(x.shape[0], -1, dtype=np.int64)
    for k, name in enumerate(names):
        column[np.asarray(groups[name], dtype=np.int64)] = k
    contributions = np.zeros(len(names))
    for tree in trees:
        _walk(tree, tree.value @ weights, x, background, column, contributions)
    values, means = totals @ weights + constant, contributions / len(background)
    return TreeShap(
        quantity=quantity,
        value=float(values[0]),
        base=float(values[1:].mean()),
        contributions=dict(zip(names, means.tolist(), strict=True)),
    )


def read_trees(
    model: bytes, n_classes: int
) -> tuple[list[Tree], NDArray[np.int64], bool]:
    """Return a model's trees, the codes of its trained classes, whether trees vote.

    Voting trees sum to class probabilities, boosted ones to class scores. Values
    stand at the bundle's classes: a class without a training row gets nothing, and
    of two boosted classes the second gets the one score there is.
    """
    needed = "exact values of trees need the package onnx"
    with of_extra(needed, instead=", or use --method occlusion"):
        import onnx
    graph = onnx.load_from_string(model).graph
    kinds = {node.op_type for node in graph.node}
    found = [node for node in graph.node if node.op_type == "TreeEnsembleRegressor"]
    is_vote = kinds - PLACING == VOTING
    if len(found) != 1 or not (is_vote or kinds - PLACING == BOOSTED):
        raise BundleError(
            "the model of this bundle is not a tree ensemble; expected a forest or "
            "boosted trees for exact values. Use --method occlusion"
        )
    value = {a.name: onnx.helper.get_attribute_value(a) for a in found[0].attribute}
    modes = set(value["nodes_modes"]) - {b"BRANCH_LEQ", b"LEAF"}
    if modes or value.get("aggregate_function", b"SUM") != b"SUM":
        raise BundleError(
            f"the trees of this bundle compare with {sorted(modes)}; expected <= "
            "alone, as evenflow writes them. Use --method occlusion"
        )
    constants = {each.name: each for each in graph.initializer}
    codes = np.arange(n_classes)
    if "place" in constants:  # one row for each trained class, as learn.export writes
        codes = onnx.numpy_helper.to_array(constants["place"]).argmax(axis=1)
    outputs = codes if value["n_targets"] > 1 else codes[1:]
    if len(outputs) != value["n_targets"] or codes.max() >= n_classes:
        raise BundleError(
            f"the trees of this bundle have {value['n_targets']} outputs for "
            f"{len(codes)} classes; expected one for each class, or one for two. "
            "Use --method occlusion"
        )
    return _trees(value, n_classes, outputs), codes, is_vote


def _trees(
    value: Mapping[str, Any], n_classes: int, outputs: NDArray[np.int64]
) -> list[Tree]:
    """Return the trees; ``outputs`` holds the class code of each of their outputs."""
    owner = np.asarray(value["nodes_treeids"])
    ids = np.asarray(value["nodes_nodeids"])
    is_leaf = np.array([mode == b"LEAF" for mode in value["nodes_modes"]])
    target_owner = np.asarray(value["target_treeids"])
    trees = []
    for number in np.unique(owner):
        mine, leaves = np.flatnonzero(owner == number), target_owner == number
        place = np.full(ids[mine].max() + 1, -1)
        place[ids[mine]] = np.arange(len(mine))
        added = np.zeros((len(mine), n_classes))
        rows = place[np.asarray(value["target_nodeids"])[leaves]]
        codes = outputs[np.asarray(value["target_ids"])[leaves]]
        np.add.at(added, (rows, codes), np.asarray(value["target_weights"])[leaves])
        end = is_leaf[mine]
        feature = np.where(end, LEAF, np.asarray(value["nodes_featureids"])[mine])
        low, high = (
            np.where(end, 0, place[np.asarray(value[f"nodes_{side}nodeids"])[mine]])
            for side in ("true", "false")
        )
        edge = np.asarray(value["nodes_values"], dtype=np.float32)[mine]
        tree = Tree(feature=feature, threshold=edge, low=low, high=high, value=added)
        trees.append(tree)
    return trees


def _predict(tree: Tree, X: NDArray[np.float32]) -> NDArray[np.float64]:
    at = np.zeros(len(X), dtype=np.int64)
    rows = np.arange(len(X))
    while (tree.feature[at] != LEAF).any():
        feature = tree.feature[at]
        goes_low = X[rows, np.maximum(feature, 0)] <= tree.threshold[at]
        step = np.where(goes_low, tree.low[at], tree.high[at])
        at = np.where(feature == LEAF, at, step)
    found: NDArray[np.float64] = tree.value[at]
    return found


def _walk(
    tree: Tree,
    value: NDArray[np.float64],
    x: NDArray[np.float32],
    background: NDArray[np.float32],
    column: NDArray[np.int64],
    contributions: NDArray[np.float64],
) -> None:
    """Add one tree's Shapley values, summed over background rows, to ``contributions``.

    A leaf is reached when the columns in ``ours`` are the record's and those in
    ``theirs`` a background row's; rows that agree so far walk together.
    """
    everyone = np.arange(len(background))
    stack: list[tuple[int, NDArray[np.int64], frozenset[int], frozenset[int]]] = [
        (0, everyone, frozenset(), frozenset())
    ]
    while stack:
        node, rows, ours, theirs = stack.pop()
        feature = int(tree.feature[node])
        if feature == LEAF:
            a, b, total = len(ours), len(theirs), value[node] * len(rows)
            if total:
                for k in ours:
                    contributions[k] += total * _weight(a - 1, b)
                for k in theirs:
                    contributions[k] -= total * _weight(a, b - 1)
            continue
        k, edge = int(column[feature]), tree.threshold[node]
        low, high = int(tree.low[node]), int(tree.high[node])
        mine = low if x[feature] <= edge else high
        if k in ours:
            stack.append((mine, rows, ours, theirs))
            continue
        goes_low = background[rows, feature] <= edge
        if k in theirs:
            sides = ((low, rows[goes_low]), (high, rows[~goes_low]))
            stack += [(side, part, ours, theirs) for side, part in sides if len(part)]
            continue
        agree = goes_low == (mine == low)
        if agree.any():
            stack.append((mine, rows[agree], ours, theirs))
        if len(apart := rows[~agree]):
            other = high if mine == low else low
            stack.append((mine, apart, ours | {k}, theirs))
            stack.append((other, apart, ours, theirs | {k}))


@cache
def _weight(a: int, b: int) -> float:
    """Return ``a! b! / (a + b + 1)!``, the share of orders with those before."""
    return math.factorial(a) * math.factorial(b) / math.factorial(a + b + 1)
