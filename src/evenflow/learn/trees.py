"""Tree ensembles as ONNX, from the trees themselves.

Written out by hand rather than by a converter, for two reasons: a threshold is
rounded so that every float32 feature falls on the side it fell on in training, and
the graph ends in the one tensor that scoring needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto

    from evenflow.learn.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Trees:
    """Nodes of all trees, concatenated; each array has one entry per node."""

    tree: NDArray[np.int64]
    """Number of the tree the node belongs to."""
    node: NDArray[np.int64]
    """Number of the node within its tree; the root is 0."""
    feature: NDArray[np.int64]
    """Feature asked; 0 for a leaf."""
    threshold: NDArray[np.float64]
    """A row with ``feature <= threshold`` goes left."""
    left: NDArray[np.int64]
    """Node to go to; -1 for a leaf."""
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    """What a leaf adds to each output, ``(n_nodes, n_outputs)``."""


def sklearn_trees(parts: list[Any], values: list[NDArray[np.float64]]) -> Trees:
    """Return trees of scikit-learn with what each node adds to the outputs."""
    return Trees(
        tree=np.repeat(np.arange(len(parts)), [p.node_count for p in parts]),
        node=np.concatenate([np.arange(p.node_count) for p in parts]),
        feature=np.maximum(np.concatenate([p.feature for p in parts]), 0),
        threshold=np.concatenate([p.threshold for p in parts]),
        left=np.concatenate([p.children_left for p in parts]),
        right=np.concatenate([p.children_right for p in parts]),
        value=np.concatenate(values),
    )


def lightgbm_trees(booster: Any) -> Trees:
    """Return the trees of a fitted LightGBM booster; outputs are raw scores.

    Raises
    ------
    ValueError
        A tree asks a question other than ``feature <= threshold``.
    """
    model = booster.dump_model()
    n_outputs = model["num_tree_per_iteration"]
    rows: list[tuple[int, int, int, float, int, int]] = []
    values: list[tuple[int, int, float]] = []
    for number, tree in enumerate(model["tree_info"]):
        waiting, n_nodes = [(0, tree["tree_structure"])], 1
        while waiting:
            node, found = waiting.pop()
            if "split_feature" not in found:
                values.append((len(rows), number % n_outputs, found["leaf_value"]))
                rows.append((number, node, 0, 0.0, -1, -1))
                continue
            if found["decision_type"] != "<=":
                raise ValueError(f"cannot write {found['decision_type']!r} as ONNX")
            left, right = n_nodes, n_nodes + 1
            n_nodes += 2
            waiting.append((left, found["left_child"]))
            waiting.append((right, found["right_child"]))
            feature, threshold = found["split_feature"], found["threshold"]
            rows.append((number, node, feature, threshold, left, right))
    value = np.zeros((len(rows), n_outputs))
    for row, output, leaf in values:
        value[row, output] = leaf
    columns = list(zip(*rows, strict=True))
    return Trees(
        tree=np.array(columns[0], dtype=np.int64),
        node=np.array(columns[1], dtype=np.int64),
        feature=np.array(columns[2], dtype=np.int64),
        threshold=np.array(columns[3], dtype=np.float64),
        left=np.array(columns[4], dtype=np.int64),
        right=np.array(columns[5], dtype=np.int64),
        value=value,
    )


def round_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the greatest float32 values not over ``threshold``.

    For a float32 ``x``, ``x <= round_down(t)`` exactly where ``x <= t``.
    """
    near = threshold.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > threshold, below, near).astype(np.float32)


def forest_graph(forest: Any) -> Graph:
    """Return a graph of a scikit-learn forest, up to ``known``."""
    return voting_graph(forest.estimators_)


def voting_graph(trees: Sequence[Any]) -> Graph:
    """Return a graph of the mean of scikit-learn's trees, up to ``known``."""
    from evenflow.learn.graphs import Graph

    parts = [tree.tree_ for tree in trees]
    proba = [part.value[:, 0, :] for part in parts]
    shares = [p / p.sum(axis=1, keepdims=True) / len(parts) for p in proba]
    graph = Graph()
    graph.nodes.append(tree_node(sklearn_trees(parts, shares), "proba"))
    graph.log("proba")
    return graph


def n_nodes(forest: Any) -> int:
    """Return how many nodes the trees of a scikit-learn ensemble have."""
    return sum(tree.tree_.node_count for tree in forest.estimators_)


def table_trees(
    columns: Sequence[int],
    edges: Sequence[NDArray[np.float32]],
    values: Sequence[NDArray[np.float64]],
) -> Trees:
    """Return trees that look up a value of each column in a table.

    Parameters
    ----------
    columns : sequence of int
        Feature that each table reads.
    edges : sequence of ndarray of shape (n_edges,), float32
    values : sequence of ndarray of shape (n_edges + 1, n_outputs)
        As in :func:`table`.
    """
    return written_out(list(map(table, columns, edges, values)))


@dataclass(frozen=True, slots=True)
class Branch:
    """A node that asks for a feature, and all below it."""

    feature: int
    threshold: float
    low: Branch | NDArray[np.float64]
    """Below, for a row that does not exceed the threshold: a branch, or a leaf that is
    what it adds to each output ``(n_outputs,)``."""
    high: Branch | NDArray[np.float64]
    """Below, for a row that exceeds it."""


def table(
    column: int, edges: NDArray[np.float32], values: NDArray[np.float64]
) -> Branch | NDArray[np.float64]:
    """Return a tree that looks up a value of a column in a table.

    Parameters
    ----------
    column : int
        Feature that the table reads.
    edges : ndarray of shape (n_edges,), float32
        Ascending. A row is in the first bin whose edge its value does not exceed, else
        in the last one.
    values : ndarray of shape (n_edges + 1, n_outputs)
        What each bin adds to the outputs.
    """
    if not len(edges):
        leaf: NDArray[np.float64] = values[0]
        return leaf
    middle = len(edges) // 2
    low = table(column, edges[:middle], values[: middle + 1])
    high = table(column, edges[middle + 1 :], values[middle + 1 :])
    return Branch(column, float(edges[middle]), low, high)


def written_out(roots: Sequence[Branch | NDArray[np.float64]]) -> Trees:
    """Return trees, each given by its root, as lists of nodes."""
    rows: list[tuple[int, int, int, float, int, int]] = []
    found: list[NDArray[np.float64] | None] = []
    for tree, root in enumerate(roots):
        waiting, n_nodes = [(0, root)], 1
        while waiting:
            number, branch = waiting.pop()
            if isinstance(branch, Branch):
                asked = branch.feature, branch.threshold
                rows.append((tree, number, *asked, n_nodes, n_nodes + 1))
                found.append(None)
                waiting += [(n_nodes, branch.low), (n_nodes + 1, branch.high)]
                n_nodes += 2
            else:
                rows.append((tree, number, 0, 0.0, -1, -1))
                found.append(branch)
    none = np.zeros_like(next(leaf for leaf in found if leaf is not None))
    columns = map(np.array, zip(*rows, strict=True))
    tree_of, node_of, feature_of, threshold_of, left, right = columns
    return Trees(
        tree=tree_of,
        node=node_of,
        feature=feature_of,
        threshold=threshold_of,
        left=left,
        right=right,
        value=np.array([none if leaf is None else leaf for leaf in found]),
    )


def tree_node(trees: Trees, output: str, *, reads: str = "x") -> NodeProto:
    """Return the ONNX node that sums, for the rows it reads, what the leaves hold."""
    from onnx import helper

    is_leaf = trees.left < 0
    n_outputs = trees.value.shape[1]
    leaves, targets = np.nonzero((trees.value != 0) & is_leaf[:, None])
    # a leaf that adds nothing still needs a row in the table
    idle = np.flatnonzero(is_leaf & ~(trees.value != 0).any(axis=1))
    leaves = np.concatenate([leaves, idle])
    targets = np.concatenate([targets, np.zeros(len(idle), dtype=np.int64)])
    order = np.lexsort((targets, trees.node[leaves], trees.tree[leaves]))
    leaves, targets = leaves[order], targets[order]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [reads],
        [output],
        domain="ai.onnx.ml",
        n_targets=n_outputs,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=trees.tree.tolist(),
        nodes_nodeids=trees.node.tolist(),
        nodes_featureids=trees.feature.tolist(),
        nodes_values=np.where(is_leaf, 0, round_down(trees.threshold)).tolist(),
        nodes_modes=[b"LEAF" if leaf else b"BRANCH_LEQ" for leaf in is_leaf],
        nodes_truenodeids=np.where(is_leaf, 0, trees.left).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, trees.right).tolist(),
        target_treeids=trees.tree[leaves].tolist(),
        target_nodeids=trees.node[leaves].tolist(),
        target_ids=targets.tolist(),
        target_weights=trees.value[leaves, targets].astype(np.float32).tolist(),
    )
