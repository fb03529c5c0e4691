"""The trees of an ensemble node: every index in range, every tree bounded in depth.

ONNX Runtime follows these numbers in native code, by recursion while it loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.onnx_guard.protobuf import RefusedError

MAX_DEPTH = 1024
"""Maximum depth of a tree; ONNX Runtime recurses over it."""
NODES = (
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_values",
    "nodes_modes",
    "nodes_truenodeids",
    "nodes_falsenodeids",
)
OPTIONAL = ("nodes_hitrates", "nodes_missing_value_tracks_true")


def check_trees(
    attributes: Mapping[str, Any], leaf: str, *, n_features: int, n_outputs: int
) -> int:
    """Return the most nodes that one row visits.

    Parameters
    ----------
    attributes : mapping of str to ndarray
        Of a ``TreeEnsembleRegressor`` or ``TreeEnsembleClassifier``.
    leaf : {'target', 'class'}
        Start of the names of the attributes that hold what leaves add.

    Raises
    ------
    RefusedError
        An index is out of range, nodes form no trees, or a tree is too deep.
    """
    n_nodes = len(attributes["nodes_treeids"])
    lengths = {len(attributes[n]) for n in (*NODES, *OPTIONAL) if n in attributes}
    if lengths != {n_nodes}:
        raise RefusedError("a tree whose lists differ in length")
    tree = attributes["nodes_treeids"]
    if tree[0] != 0 or not np.isin(np.diff(tree), (0, 1)).all():
        raise RefusedError("trees out of order")
    starts = np.flatnonzero(np.diff(tree, prepend=-1))
    sizes = np.diff(starts, append=n_nodes)
    place = starts[tree] + _below(
        attributes["nodes_nodeids"], sizes[tree], "a tree with a node"
    )
    if np.bincount(place, minlength=n_nodes).max() > 1:
        raise RefusedError("a tree with two nodes of one number")
    _below(attributes["nodes_featureids"], n_features, "a tree that asks for a feature")
    is_leaf = np.empty(n_nodes, dtype=bool)
    is_leaf[place] = attributes["nodes_modes"] == b"L"
    children = np.empty((n_nodes, 2), dtype=np.int64)
    for side, name in enumerate(("nodes_truenodeids", "nodes_falsenodeids")):
        child = _below(attributes[name], sizes[tree], "a tree with a child")
        children[place, side] = starts[tree] + child
    visits = _visits(starts, sizes, is_leaf, children)
    _check_leaves(attributes, leaf, starts, sizes, is_leaf, n_outputs)
    return visits


def _visits(
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    is_leaf: NDArray[np.bool_],
    children: NDArray[np.int64],
) -> int:
    """Walk all trees level by level; each node is reached once, none is left."""
    level, seen, visits = starts, 0, 0
    for _ in range(MAX_DEPTH + 1):
        seen, visits = seen + len(level), visits + len(starts)
        if seen > len(is_leaf):
            break
        level = children[level[~is_leaf[level]]].ravel()
        if not len(level):
            break
        if len(level) != len(np.unique(level)):
            raise RefusedError("a tree with a node of two parents")
    else:
        raise RefusedError(f"a tree of more than {MAX_DEPTH} levels")
    if seen != len(is_leaf):
        raise RefusedError("a tree with nodes that its root does not reach once")
    return visits


def _check_leaves(
    attributes: Mapping[str, Any],
    leaf: str,
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    is_leaf: NDArray[np.bool_],
    n_outputs: int,
) -> None:
    tree = attributes[f"{leaf}_treeids"]
    lengths = {len(attributes[f"{leaf}_{n}"]) for n in ("nodeids", "ids", "weights")}
    if lengths != {len(tree)}:
        raise RefusedError("leaves whose lists differ in length")
    _below(tree, len(starts), "a leaf of a tree")
    node = _below(attributes[f"{leaf}_nodeids"], sizes[tree], "a leaf with a node")
    _below(attributes[f"{leaf}_ids"], n_outputs, "a leaf that adds to an output")
    given = np.bincount(starts[tree] + node, minlength=len(is_leaf)) > 0
    if not np.array_equal(given, is_leaf):
        raise RefusedError("leaves that are not those of the trees")


def _below(
    found: NDArray[np.int64], end: NDArray[np.int64] | int, what: str
) -> NDArray[np.int64]:
    if ((found < 0) | (found >= end)).any():
        raise RefusedError(f"{what} out of range")
    return found
