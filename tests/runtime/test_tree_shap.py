"""Exact Shapley values: they add up, and equal the definition by brute force."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evenflow.errors import BundleError, MissingExtraError
from evenflow.runtime import bundle as bundles
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.tree_shap import Trees, explain_trees, read_trees, shap_values
from evenflow.schema import Table

pytestmark = pytest.mark.slow  # shap takes seconds to import


def evaluate(trees: Trees, value: NDArray[np.float64], X: NDArray[Any]) -> Any:
    """Return the sum of the leaves each row falls into, by walking."""
    out = np.zeros(len(X))
    for first in trees.start[:-1]:
        for i, x in enumerate(X):
            node = 0
            while trees.left[first + node] >= 0:
                at = first + node
                goes_left = x[trees.feature[at]] <= trees.threshold[at]
                node = trees.left[at] if goes_left else trees.right[at]
            out[i] += value[first + node]
    return out


@pytest.fixture(scope="session", params=["forest", "boosted", "one_class_missing"])
def tree_bundle(
    request: pytest.FixtureRequest,
    parts: dict[str, Any],
    small_table: Table,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    from evenflow.learn.estimator import fit_estimator
    from evenflow.registry import load

    name = "lightgbm" if request.param == "boosted" else "random_forest"
    build, config = load("models", name)
    X, y = parts["preprocessor"].transform(small_table), small_table.labels
    if request.param == "one_class_missing":
        X, y = X[y != 3], y[y != 3]
    size = {"n_estimators": 12}
    fitted = fit_estimator(
        build, config(**size), X, y, X[:200], y[:200],
        n_classes=5, class_weight=None, seed=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("trees") / request.param
    bundles.save(folder, **parts | {"model": fitted.to_onnx()})
    return bundles.load(folder, threads=1)


def test_pushes_add_up_to_what_the_bundle_says(
    tree_bundle: Bundle, small_table: Table
) -> None:
    for row in range(0, 60, 5):
        found = explain_trees(tree_bundle, small_table, row)
        total = found.base + sum(c.push for c in found.contributions)
        assert total == pytest.approx(found.total, rel=1e-3, abs=1e-3)
    assert found.text.startswith("Called ")


def test_the_trees_read_back_are_the_trees_of_the_model(
    tree_bundle: Bundle, small_table: Table
) -> None:
    trees = read_trees(tree_bundle)
    X = tree_bundle.preprocessor.transform(small_table)[:50]
    outputs = np.stack([evaluate(trees, v, X) for v in trees.value.T], axis=1)
    log_proba = tree_bundle.log_proba(X)[:, trees.classes]
    if trees.gives == "proba":
        np.testing.assert_allclose(outputs, np.exp(log_proba), atol=1e-5)
    else:
        apart = outputs - outputs[:, :1]
        near = np.abs(log_proba) < 20  # above the floor
        expected = log_proba - log_proba[:, :1]
        assert near.mean() > 0.9
        np.testing.assert_allclose(apart[near], expected[near], atol=1e-3)


def test_values_equal_the_definition_by_brute_force() -> None:
    """Two trees over three features; every subset of features enumerated."""
    trees = Trees(
        start=np.array([0, 5, 8]),
        left=np.array([1, -1, 3, -1, -1, 1, -1, -1]),
        right=np.array([2, -1, 4, -1, -1, 2, -1, -1]),
        feature=np.array([0, 0, 1, 0, 0, 2, 0, 0]),
        threshold=np.array([0.5, 0, 0.25, 0, 0, 0.75, 0, 0]),
        value=np.array([[0], [1], [0], [-2], [5], [0], [0.5], [3]]),
        gives="scores",
        classes=np.arange(2),
    )
    value = trees.value[:, 0]
    rng = np.random.default_rng(0)
    X = rng.random((4, 3)).astype(np.float32)
    background = rng.random((6, 3)).astype(np.float32)
    phi, base = shap_values(trees, value, X, background)
    assert base == pytest.approx(evaluate(trees, value, background).mean())

    def known(x: NDArray[Any], features: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(features)] = x[list(features)]
        return float(evaluate(trees, value, rows).mean())

    for i, x in enumerate(X):
        for j in range(3):
            others = [f for f in range(3) if f != j]
            total = 0.0
            for size in range(3):
                weight = math.factorial(size) * math.factorial(2 - size) / 6
                for chosen in combinations(others, size):
                    total += weight * (known(x, (*chosen, j)) - known(x, chosen))
            assert phi[i, j] == pytest.approx(total, abs=1e-6)


def test_a_model_without_trees_is_told_apart(
    bundle: Bundle, small_table: Table
) -> None:
    with pytest.raises(BundleError, match="starts with Gemm, expected trees"):
        explain_trees(bundle, small_table, 0)


def test_without_the_package_it_says_what_to_install(
    tree_bundle: Bundle, small_table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evenflow\[train\]'"):
        explain_trees(tree_bundle, small_table, 0)


def test_a_row_that_is_not_there_is_an_index_error(
    tree_bundle: Bundle, small_table: Table
) -> None:
    with pytest.raises(IndexError):
        explain_trees(tree_bundle, small_table, -1)
