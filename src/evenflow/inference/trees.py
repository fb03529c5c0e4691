"""Boosted trees summed by compiled code: bit for bit as ONNX Runtime sums them.

Rows are taken 256 at a time. Each has a word for a tree, with a bit for each leaf; a
question that a row answers with no takes the leaves of the other answer out, so that
the lowest bit left is the row's leaf. This has no branches and no pointers to follow,
and takes a seventh of the time.

References
----------
.. [1] C. Lucchese et al., "QuickScorer: a fast algorithm to rank documents with
   additive ensembles of regression trees", SIGIR 2015. doi:10.1145/2766462.2767733
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.onnx_guard.protobuf import Message, fields, read

COMPILE_AFTER = 2**15
"""Rows that ONNX Runtime scores in about the time that compiling takes."""
MOST_LEAVES = 32
AT_ONCE = 256
"""Rows at once: as many as make up for what a question costs beside them."""
NODE, INPUT, GRAPH, OP_TYPE = 1, 11, 7, 4
"""Field numbers of ``onnx.proto``."""
Node = tuple[int, float, int, int, tuple[int, float] | None]
"""Feature, threshold, the nodes after yes and no; of a leaf, the output it adds to and
how much."""
TREES = b"TreeEnsembleRegressor"


@dataclass(frozen=True, kw_only=True)
class Trees:
    """The questions and leaves of trees, each of which adds to one output."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    kept: NDArray[np.uint32]
    """Leaves that are left where the value is over the threshold."""
    first: NDArray[np.int64]
    """The first question of each tree, and the end of the last one's."""
    leaves: NDArray[np.float32]
    output: NDArray[np.int64]
    n_outputs: int


class TreeSession:
    """An inference session whose trees are summed by compiled code.

    Parameters
    ----------
    trees : Trees
    rest : InferenceSession
        Maps the sums, ``scores``, to ``log_proba``.
    """

    def __init__(self, trees: Trees, rest: Any) -> None:
        self.trees, self.rest = trees, rest

    def run(
        self, names: Sequence[str], given: Mapping[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """Return the outputs of those names."""
        found: list[NDArray[np.float32]] = self.rest.run(
            names, {"scores": sums(self.trees, given["x"])}
        )
        return found


def sums(trees: Trees, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the leaves of each row add up to, ``(n_samples, n_outputs)``."""
    out = np.empty((len(X), trees.n_outputs), np.float32)
    _compiled()(
        np.ascontiguousarray(X), trees.feature, trees.threshold, trees.kept,
        trees.first, trees.leaves, trees.output, out,
    )  # fmt: skip
    return out


def session_of(
    model: bytes, session: Any, X: NDArray[np.float32], open_session: Callable[..., Any]
) -> Any:
    """Return a faster session of a model, or the one given where there is none.

    Parameters
    ----------
    model : bytes
        Checked by :mod:`evenflow.onnx_guard`.
    session : InferenceSession
    X : ndarray of shape (n_samples, n_features), float32
        Rows for which both have to compute the same bits.
    open_session : callable
        Opens a part of the model.
    """
    if isinstance(session, TreeSession) or find_spec("numba") is None:
        return session
    if (trees := trees_of(model)) is None:
        return session
    made = TreeSession(trees, open_session(_without_trees(model, trees.n_outputs)))
    asked = ["log_proba"], {"x": X}
    return (
        made if np.array_equal(made.run(*asked)[0], session.run(*asked)[0]) else session
    )


def trees_of(model: bytes) -> Trees | None:
    """Return the trees of a model; None where it is not one of small trees alone."""
    nodes = read(memoryview(model))["graph"]["node"]
    first, *rest = nodes
    if (
        first["op_type"] != TREES.decode()
        or first["output"] != ["scores"]
        or any("x" in node["input"] for node in rest)
    ):
        return None
    found = {a["name"]: _value(a) for a in first["attribute"]}
    return _trees(found)


def _value(attribute: Message) -> Any:
    (name,) = attribute.keys() - {"name", "type"}
    return attribute[name]


def _trees(found: Mapping[str, Any]) -> Trees | None:
    """Return trees by the attributes of their node; None where they are too large."""
    leaf = ("treeids", "nodeids", "ids", "weights")
    added = {
        (tree, node): (target, weight)
        for tree, node, target, weight in _rows(found, "target", leaf)
    }
    if len(added) < len(found["target_ids"]):
        return None  # a leaf of several outputs, as in a forest
    columns = (
        "treeids", "nodeids", "featureids", "values", "truenodeids", "falsenodeids",
    )  # fmt: skip
    trees: dict[int, dict[int, Node]] = {}
    for tree, node, feature, threshold, left, right in _rows(found, "nodes", columns):
        adds = added.get((tree, node))
        trees.setdefault(tree, {})[node] = feature, threshold, left, right, adds
    if max(map(len, trees.values())) >= 2 * MOST_LEAVES:
        return None
    asked: list[tuple[int, float, int]] = []
    first, outputs = [0], []
    leaves = np.zeros((len(trees), MOST_LEAVES), np.float32)
    for number, nodes in enumerate(trees.values()):
        held: list[tuple[int, float]] = []
        _walk(nodes, 0, asked, held)
        if len({target for target, _ in held}) > 1:
            return None
        leaves[number, : len(held)] = [weight for _, weight in held]
        first.append(len(asked))
        outputs.append(held[0][0])
    return Trees(
        feature=np.array([feature for feature, _, _ in asked], np.int64),
        threshold=np.array([threshold for _, threshold, _ in asked], np.float32),
        kept=np.array([kept for _, _, kept in asked], np.uint32),
        first=np.array(first, np.int64),
        leaves=leaves,
        output=np.array(outputs, np.int64),
        n_outputs=found["n_targets"],
    )


def _rows(found: Mapping[str, Any], kind: str, columns: Sequence[str]) -> Any:
    lists = (found[f"{kind}_{name}"].tolist() for name in columns)
    return zip(*lists, strict=True)


def _walk(
    nodes: Mapping[int, Node],
    node: int,
    asked: list[tuple[int, float, int]],
    held: list[tuple[int, float]],
) -> int:
    """Note the questions and leaves from a node on; return these leaves as bits."""
    feature, threshold, left, right, adds = nodes[node]
    if adds is not None:
        held.append(adds)
        return 1 << (len(held) - 1)
    lower = _walk(nodes, left, asked, held)
    asked.append((feature, threshold, 0xFFFFFFFF & ~lower))
    return lower | _walk(nodes, right, asked, held)


def _without_trees(model: bytes, n_outputs: int) -> bytes:
    """Return what follows the trees of a model: from ``scores`` to ``log_proba``."""
    matrix = _field(1, _field(2, b"N")) + _field(1, b"\x08" + _number(n_outputs))
    kind = _field(1, b"\x08\x01" + _field(2, matrix))  # of float32
    value = _field(1, b"scores") + _field(2, kind)
    out = []
    for number, part in _fields(memoryview(model)):
        if number != GRAPH:
            out.append(_field(number, part))
            continue
        graph = [
            _field(inner, value if inner == INPUT else message)
            for inner, message in _fields(part)
            if inner != NODE or not _is_of_trees(message)
        ]
        out.append(_field(GRAPH, b"".join(graph)))
    return b"".join(out)


def _is_of_trees(node: Any) -> bool:
    return any(
        number == OP_TYPE and bytes(value) == TREES for number, value in _fields(node)
    )


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    return fields(message, has_runs=False)


def _field(number: int, value: Any) -> bytes:
    """Return a field of a protocol buffer, a number or a message."""
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    return _number(number << 3 | 2) + _number(len(value)) + bytes(value)


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


@cache
def _compiled() -> Callable[..., None]:
    import numba

    made: Callable[..., None] = numba.njit(_sum, nogil=True)
    return made


def _sum(
    X: Any, feature: Any, threshold: Any, kept: Any, first: Any, leaves: Any,
    output: Any, out: Any,
) -> None:  # fmt: skip
    """Write the sums of the leaves of each row."""
    n, n_features = X.shape
    n_outputs = out.shape[1]
    columns = np.empty((n_features, AT_ONCE), np.float32)
    left = np.empty(AT_ONCE, np.uint32)
    total = np.empty((n_outputs, AT_ONCE), np.float32)
    for begin in range(0, n, AT_ONCE):
        size = min(AT_ONCE, n - begin)
        for i in range(size):
            for j in range(n_features):
                columns[j, i] = X[begin + i, j]
        total[:] = 0
        for tree in range(len(output)):
            left[:] = 0xFFFFFFFF
            for k in range(first[tree], first[tree + 1]):
                column, most, mask = columns[feature[k]], threshold[k], kept[k]
                for i in range(size):
                    left[i] &= np.uint32(0xFFFFFFFF) if column[i] <= most else mask
            leaf, target = leaves[tree], output[tree]
            for i in range(size):
                lowest = left[i] & (~left[i] + np.uint32(1))
                # its place is the exponent of the lowest bit as a float
                place = (np.float32(lowest).view(np.int32) >> 23) - 127
                total[target, i] += leaf[place & 31]
        for i in range(size):
            for j in range(n_outputs):
                out[begin + i, j] = total[j, i]
