"""Exact Shapley values for a bundle whose model is trees.

The trees are read back from the ONNX model and given to the ``shap`` package, with
the bundle's benign reference rows as background; the sum of the pushes is checked
against what the bundle itself computes. Needs ``evenflow[train]``; occlusion
(:mod:`evenflow.runtime.explain`) needs nothing and works for every model.

References
----------
.. [1] S. M. Lundberg et al., "From local explanations to global understanding with
   explainable AI for trees", Nature Machine Intelligence 2, 2020.
   doi:10.1038/s42256-019-0138-9 (interventional).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import BundleError, MissingExtraError
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import verdicts
from evenflow.runtime.explain import column_groups, plain_value
from evenflow.runtime.explanation import Contribution, Explanation
from evenflow.schema import Table

TOLERANCE = 1e-3
"""Most the pushes' sum may miss the model's output, relative to 1 + its size."""


@dataclass(frozen=True, kw_only=True)
class Trees:
    """The trees of a model, with one number in each leaf."""

    start: NDArray[np.int64]
    """First node of each tree, and one past the last node, ``(n_trees + 1,)``."""
    left: NDArray[np.int64]
    """Node within the tree to go to if ``x <= threshold``; -1 for a leaf."""
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    """What a leaf adds to each output, ``(n_nodes, n_outputs)``."""
    gives: str
    """``proba`` (a forest: outputs sum to probabilities) or ``scores``."""
    classes: NDArray[np.int64]
    """Class code of each probability, or of each score's softmax entry."""


def explain_trees(bundle: Bundle, table: Table, row: int) -> Explanation:
    """Explain the verdict on one row by exact Shapley values.

    What is shared out is, for a forest, its probability of an attack, and for
    boosted trees the log odds of the likeliest attack class against benign; both
    before calibration, where trees add up.

    Raises
    ------
    MissingExtraError
        The package ``shap`` or ``onnx`` is not installed.
    BundleError
        The bundle's model is no tree ensemble, or the pushes do not add up.
    IndexError
        The table has no such row.
    """
    if not 0 <= row < len(table):
        raise IndexError(f"row {row} of {len(table)}")
    trees = read_trees(bundle)
    record = table.take([row])
    X = bundle.preprocessor.transform(record)
    normal = bundle.preprocessor.transform(bundle.reference)
    log_proba = bundle.log_proba(X).astype(np.float64)[0]
    weights, expected, scale = _target(bundle, trees, log_proba)
    phi, base = shap_values(trees, trees.value @ weights, X, normal)
    total = base + phi[0].sum()
    if not abs(total - expected) <= TOLERANCE * (1 + abs(expected)):
        raise BundleError(
            f"{bundle.path}: the pushes of the trees add up to {total:.6g}, expected "
            f"{expected:.6g}, what the model says. Explain by occlusion instead"
        )
    groups = column_groups(bundle)
    schema = bundle.schema
    contributions = [
        Contribution(
            column=name,
            value=plain_value(record, name, 0),
            normal_value=_typical(bundle.reference, name),
            push=push,
            alone=None,
            unit=schema.column(name).unit,
            description=schema.column(name).description,
        )
        for name, where in groups.items()
        if (push := float(phi[0, where].sum())) != 0
    ]
    contributions.sort(key=lambda c: (-abs(c.push), c.column))
    lines = np.array([row + 1])
    scores = bundle.score(record)
    return Explanation(
        verdict=next(verdicts(scores, schema, bundle.decision, lines=lines)),
        contributions=tuple(contributions),
        total=expected,
        base=base,
        is_base_normal=True,
        turning=(),
        scale=scale,
        compared="normal traffic on the whole",
    )


def _target(
    bundle: Bundle, trees: Trees, log_proba: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, str]:
    """Return weights of the outputs, the model's own sum of them, and its name."""
    if trees.gives == "proba":
        weights = (trees.classes != 0).astype(np.float64)
        return weights, float(1 - np.exp(log_proba[0])), "probability of attack"
    present = [int(code) for code in trees.classes if code != 0]
    attack = max(present, key=lambda code: log_proba[code])
    name = f"log odds of {bundle.schema.classes[attack]} against benign"
    expected = float(log_proba[attack] - log_proba[0])
    if trees.value.shape[1] == 1:  # one score: of the second class against the first
        return np.ones(1), expected, name
    weights = (trees.classes == attack).astype(np.float64) - (trees.classes == 0)
    return weights, expected, name


def shap_values(
    trees: Trees,
    value: NDArray[np.float64],
    X: NDArray[np.float32],
    background: NDArray[np.float32],
) -> tuple[NDArray[np.float64], float]:
    """Return interventional Shapley values of trees with one number in each leaf.

    Parameters
    ----------
    value : ndarray of shape (n_nodes,)
        What each leaf adds.
    X : ndarray of shape (n_samples, n_features), float32
        Rows to explain.
    background : ndarray of shape (n_rows, n_features), float32
        Rows that stand for "this feature is not known".

    Returns
    -------
    phi : ndarray of shape (n_samples, n_features)
    base : float
        Mean output over the background.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import shap
    except ImportError as error:
        raise MissingExtraError(
            f"exact SHAP needs the package {error.name!r}, which is not installed. "
            "Install it: pip install 'evenflow[train]', or explain by occlusion"
        ) from error
    parts = []
    for first, last in zip(trees.start[:-1], trees.start[1:], strict=True):
        part = slice(first, last)
        parts.append(
            {
                "children_left": trees.left[part],
                "children_right": trees.right[part],
                "children_default": trees.left[part],
                "features": np.where(trees.left[part] < 0, -2, trees.feature[part]),
                "thresholds": trees.threshold[part],
                "values": value[part][:, None],
                "node_sample_weight": np.ones(last - first),
            }
        )
    model = {"trees": parts, "internal_dtype": np.float64, "input_dtype": np.float32}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.TreeExplainer(
            model, data=background, feature_perturbation="interventional"
        )
        phi = explainer.shap_values(X, check_additivity=False)
    phi = np.asarray(phi, dtype=np.float64).reshape(X.shape)
    return phi, float(np.ravel(explainer.expected_value)[0])


def read_trees(bundle: Bundle) -> Trees:
    """Return the trees of the bundle's model.

    Raises
    ------
    MissingExtraError
        The package ``onnx`` is not installed.
    BundleError
        The model is something else than a tree ensemble.
    """
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError(
            "reading trees needs the package 'onnx', which is not installed. Install "
            "it: pip install 'evenflow[train]', or explain by occlusion"
        ) from error
    graph = onnx.load_from_string(bundle.model).graph
    first = graph.node[0]
    found = first.op_type
    if found != "TreeEnsembleRegressor" or list(first.input) != ["x"]:
        raise BundleError(
            f"{bundle.path}: found a model that starts with {found}, expected trees: "
            "exact SHAP is for forests and boosted trees. Explain by occlusion"
        )
    how: dict[str, Any] = {
        a.name: helper.get_attribute_value(a) for a in first.attribute
    }
    order = np.lexsort((how["nodes_nodeids"], how["nodes_treeids"]))
    tree, node = (np.array(how[f"nodes_{n}"])[order] for n in ("treeids", "nodeids"))
    starts = np.flatnonzero(np.diff(tree, prepend=-1))
    sizes = np.diff([*starts, len(tree)])
    if (node != np.arange(len(tree)) - np.repeat(starts, sizes)).any():
        raise BundleError(
            f"{bundle.path}: found trees whose nodes are not numbered in a row, "
            "expected evenflow's own. Explain by occlusion"
        )
    is_leaf = np.array([mode == b"LEAF" for mode in how["nodes_modes"]])[order]
    value = np.zeros((len(tree), how["n_targets"]))
    at = dict(zip(tree[starts].tolist(), starts.tolist(), strict=True))
    rows = np.array([at[t] for t in how["target_treeids"]]) + how["target_nodeids"]
    np.add.at(value, (rows, how["target_ids"]), how["target_weights"])
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    n_classes = len(bundle.schema.classes)
    classes = np.arange(n_classes)
    if "place" in constants:  # classes the training rows did not show are left out
        classes = constants["place"].argmax(axis=1)
    return Trees(
        start=np.array([*starts, len(tree)]),
        left=np.where(is_leaf, -1, np.array(how["nodes_truenodeids"])[order]),
        right=np.where(is_leaf, -1, np.array(how["nodes_falsenodeids"])[order]),
        feature=np.array(how["nodes_featureids"])[order],
        threshold=np.array(how["nodes_values"], dtype=np.float64)[order],
        value=value,
        gives="proba" if first.output[0] == "proba" else "scores",
        classes=classes,
    )


def _typical(table: Table, name: str) -> float | str | None:
    values = table.frame[name]
    if values.dtype == pl.String:
        known = values.drop_nulls()
        return None if known.is_empty() else str(known.mode().sort()[0])
    x = values.to_numpy()
    x = x[np.isfinite(x)]
    return float(np.median(x)) if len(x) else None
