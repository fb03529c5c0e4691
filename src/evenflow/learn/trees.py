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
        Ascending. A row is in the first bin whose edge its value does not exceed, else
        in the last one.
    values : sequence of ndarray of shape (n_edges + 1, n_outputs)
        What each bin adds to the outputs.
    """
    rows: list[tuple[int, int, int, float, int, int]] = []
    found: list[NDArray[np.float64]] = []
    for tree, (column, cuts, value) in enumerate(
        zip(columns, edges, values, strict=True)
    ):
        waiting, n_nodes = [(0, 0, len(cuts))], 1
        while waiting:
            node, low, high = waiting.pop()
            if low == high:
                rows.append((tree, node, 0, 0.0, -1, -1))
            else:
                middle = (low + high) // 2
                rows.append(
                    (tree, node, column, float(cuts[middle]), n_nodes, n_nodes + 1)
                )
                waiting.append((n_nodes, low, middle))
                waiting.append((n_nodes + 1, middle + 1, high))
                n_nodes += 2
            found.append(value[low] if low == high else np.zeros(value.shape[1]))
    tree_of, node_of, feature, threshold, left, right = map(
        np.array, zip(*rows, strict=True)
    )
    return Trees(
        tree=tree_of,
        node=node_of,
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        value=np.array(found),
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
