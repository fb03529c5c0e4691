"""Exact tree values: they add up, agree with SHAP and with every order tried."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
from onnx import helper

from evenflow import registry
from evenflow.decision import Decision
from evenflow.errors import BundleError
from evenflow.judge.tree_shap import tree_shap
from evenflow.learn.export import to_onnx
from evenflow.learn.fitting import of_arrays

CLASSES = ("benign", "dos", "probe")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(400, 5)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0.3).astype(np.int64) + (X[:, 3] > 1)
    return X, y


def fitted(name, rows, n_classes=3, **params):
    plug_in = registry.load("models", name)
    X, y = rows
    task = of_arrays(X, y, X, y, n_classes=n_classes, seed=1)
    return plug_in.fit(plug_in.Config(**params), task)


SMALL = {
    "random_forest": {"n_estimators": 5},
    "extra_trees": {"n_estimators": 5},
    "lightgbm": {"n_estimators": 5},
}


@pytest.fixture(scope="module", params=SMALL)
def model(request, rows):
    return fitted(request.param, rows, **SMALL[request.param])


def single(n):
    return {f"c{j}": [j] for j in range(n)}


def test_contributions_add_up_to_what_the_model_says(model, rows):
    X, _ = rows
    found = tree_shap(to_onnx(model), X[0], X[300:340], single(5), CLASSES)
    assert found.base + sum(found.contributions.values()) == pytest.approx(found.value)
    proba = np.exp(model.log_proba(X[:1]))[0]
    if "votes" in found.quantity:
        assert found.value == pytest.approx(1 - proba[0], abs=1e-5)
    else:
        likeliest = 1 + proba[1:].argmax()
        assert found.value == pytest.approx(
            math.log(proba[likeliest] / proba[0]), abs=1e-4
        )
        assert CLASSES[likeliest] in found.quantity


# codes of the classes with training rows, of how many classes
TRAINED = {
    "both of two": ([0, 1], 2),
    "all": ([0, 1, 2], 3),
    "first attack missing": ([0, 2], 3),
    "last attack missing": ([0, 1], 3),
    "one between missing": ([0, 1, 3], 4),
    "two missing": ([0, 2, 4], 5),
}


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize("name", SMALL)
def test_values_are_of_the_bundles_classes_whichever_had_training_rows(
    name, trained, rows
):
    codes, n_classes = TRAINED[trained]
    classes = ("benign", "ant", "bee", "cat", "dog")[:n_classes]
    X, _ = rows
    rank = X[:, 0].argsort().argsort()  # each class has a range of the first column
    y = np.array(codes)[rank * len(codes) // len(X)]
    model = fitted(name, (X, y), n_classes, **SMALL[name])
    data, background = to_onnx(model), X[y == 0][:30]
    log_proba = model.log_proba(X[:20])
    explained = set()
    for x, log_p in zip(X[:20], log_proba, strict=True):
        found = tree_shap(data, x, background, single(5), classes)
        assert found.base + sum(found.contributions.values()) == pytest.approx(
            found.value
        )
        if name == "lightgbm":
            called = 1 + int(log_p[1:].argmax())
            explained.add(called)
            assert found.quantity == f"log odds of {classes[called]} against benign"
            assert found.value == pytest.approx(log_p[called] - log_p[0], abs=1e-4)
        else:
            assert found.value == pytest.approx(1 - np.exp(log_p[0]), abs=1e-5)
    if name == "lightgbm":
        assert explained == set(codes[1:])


def test_boosted_trees_are_explained_as_the_decision_reads_them(rows):
    X, y = rows
    model = fitted("lightgbm", rows, **SMALL["lightgbm"])
    bias = np.array([0.5, -1.0, 2.0])
    decision = Decision(
        temperature=1.7, bias=bias, threshold=-3.0, false_alarm_budget=0.05
    )
    data, background = to_onnx(model), X[y == 0][:30]
    for x in X[:20]:
        z = model.log_proba(x[None])[0] / 1.7 + bias
        for attack in (1, 2):
            found = tree_shap(
                data, x, background, single(5), CLASSES, decision=decision,
                attack=attack,
            )  # fmt: skip
            assert found.quantity == f"log odds of {CLASSES[attack]} against benign"
            assert found.value == pytest.approx(z[attack] - z[0], abs=1e-4)
            total = found.base + sum(found.contributions.values())
            assert total == pytest.approx(found.value)
        likeliest = tree_shap(
            data, x, background, single(5), CLASSES, decision=decision
        )
        assert CLASSES[1 + z[1:].argmax()] in likeliest.quantity


def test_nothing_to_compare_with_is_refused(model, rows):
    X, _ = rows
    with pytest.raises(BundleError, match="no reference rows"):
        tree_shap(to_onnx(model), X[0], X[:0], single(5), CLASSES)


def test_they_are_the_average_over_every_order_of_columns(model, rows):
    X, _ = rows
    x, z = X[3], X[300:303]
    groups = {"a": [0, 4], "b": [1], "c": [2], "d": [3]}

    data = to_onnx(model)

    @cache
    def value(present):
        mixed = z.copy()
        for name in present:
            mixed[:, groups[name]] = x[groups[name]]
        # the record's own row picks the class that is explained
        return tree_shap(data, x, mixed, groups, CLASSES).base

    found = tree_shap(data, x, z, groups, CLASSES).contributions
    for name in groups:
        steps = [
            value(frozenset(order[: k + 1])) - value(frozenset(order[:k]))
            for order in itertools.permutations(groups)
            for k in [order.index(name)]
        ]
        assert found[name] == pytest.approx(np.mean(steps), abs=1e-9)


@pytest.mark.slow
def test_they_agree_with_the_shap_package(rows):
    import shap

    X, _ = rows
    forest = fitted("random_forest", rows, n_estimators=7)
    background = X[300:330]
    found = tree_shap(to_onnx(forest), X[7], background, single(5), CLASSES)
    explainer = shap.TreeExplainer(
        forest.estimator, background, feature_perturbation="interventional"
    )
    each = np.asarray(explainer.shap_values(X[7:8])).reshape(5, 3)
    theirs = each[:, 1:].sum(axis=1)
    assert list(found.contributions.values()) == pytest.approx(
        theirs.tolist(), abs=1e-5
    )


def test_a_model_without_trees_is_refused_with_the_way_out():
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [])
    data = helper.make_model(graph).SerializeToString()
    x = np.zeros(2, dtype=np.float32)
    with pytest.raises(BundleError, match="--method occlusion"):
        tree_shap(data, x, x[None], {}, CLASSES)
