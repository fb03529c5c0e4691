"""Checks that every model passes the moment its file exists."""

from __future__ import annotations

import dataclasses
import functools
import inspect

import numpy as np
import onnxruntime
import pytest
from sklearn.metrics import f1_score

from evenflow import registry
from evenflow.decision import FLOOR
from evenflow.errors import DataError, RecipeError
from evenflow.learn.export import to_onnx
from evenflow.learn.network import Network
from evenflow.learn.systems import System

ALL = registry.names("models")
MODELS = [m for m in ALL if registry.load("models", m).names_classes]
NETWORKS = [m for m in ALL if isinstance(registry.load("models", m), Network)]
SYSTEMS = [m for m in ALL if isinstance(registry.load("models", m), System)]
WITH_CONFIG = [
    kind for kind in registry.KINDS
    if registry.KINDS[kind].expected and kind not in ("datasets", "balance")
]  # fmt: skip


def run(onnx_bytes, X):
    session = onnxruntime.InferenceSession(
        onnx_bytes, providers=["CPUExecutionProvider"]
    )
    return session.run(["log_proba"], {"x": X})[0]


@pytest.fixture(scope="module")
def plain(rows):
    """Return a function of a name: what the model, fitted once, says of the rows."""
    return functools.cache(lambda name: rows.fit(name).log_proba(rows.X_valid))


PLUG_INS = [(kind, n) for kind in WITH_CONFIG for n in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), PLUG_INS)
def test_a_config_is_frozen_and_every_field_has_a_docstring_line(kind, name):
    config = registry.load(kind, name).Config
    assert config.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(config))
    source = inspect.getsource(config)
    for field in dataclasses.fields(config):
        after = source.split(f"    {field.name}: ", 1)[1].split("\n", 2)[1]
        assert after.strip().startswith('"""'), f"{name}.{field.name}"


@pytest.mark.parametrize(("kind", "name"), PLUG_INS)
def test_a_plug_in_cites_where_it_comes_from(kind, name):
    plug_in = registry.load(kind, name)
    functions = (getattr(plug_in, key, None) for key in ("build", "choose", "fit"))
    text = next(function for function in functions if function).__doc__
    assert "References" in text
    assert "doi:" in text or "https://" in text


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_and_its_onnx_says_the_same(name, rows):
    how = {"epochs": 8, "patience": 8} if name in NETWORKS else {}
    fitted = rows.fit(name, **how)
    X, y = rows.X_valid, rows.y_valid
    log_proba = fitted.log_proba(X)
    assert log_proba.shape == (len(X), 5)
    assert (fitted.n_features, fitted.n_classes) == (X.shape[1], 5)
    assert log_proba.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1, atol=1e-9)

    majority = f1_score(y, np.zeros_like(y), average="macro")
    found = f1_score(y, log_proba.argmax(axis=1), average="macro")
    assert majority < 0.2
    assert found > 0.5, f"{name} reaches a macro F1 of {found:.2f}"

    content = to_onnx(fitted)
    for part in (X, X[:1], X[:3]):  # any number of rows
        served = run(content, part)
        assert served.shape == (len(part), 5)
        assert served.dtype == np.float32
        np.testing.assert_allclose(
            np.exp(served), np.exp(fitted.log_proba(part)), atol=1e-5
        )
    assert fitted.n_parameters > 0
    assert len(fitted.history) == (8 if name in NETWORKS else 0)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_model(name, rows, plain):
    assert np.array_equal(rows.fit(name, seed=7).log_proba(rows.X_valid), plain(name))


@pytest.mark.parametrize("name", sorted(set(ALL) - {"logistic_regression"}))
def test_another_seed_gives_another_model(name, rows, plain):
    other = rows.fit(name, seed=1).log_proba(rows.X_valid)
    assert not np.array_equal(other, plain(name))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_knows_which_feature_it_saw(name, rows):
    fitted = rows.fit(name, epochs=1)
    X = rows.X_valid
    order = np.roll(np.arange(X.shape[1]), 4)
    moved = fitted.log_proba(np.ascontiguousarray(X[:, order]))
    assert np.abs(moved - fitted.log_proba(X)).max() > 0.01


@pytest.mark.parametrize("name", MODELS)
def test_a_class_absent_from_training_is_all_but_impossible(name, rows):
    seen = rows.y != 2
    some = dataclasses.replace(rows, X=rows.X[seen], y=rows.y[seen])
    fitted = some.fit(name, epochs=8) if name in NETWORKS else some.fit(name)
    log_proba = fitted.log_proba(rows.X_valid)
    assert log_proba.shape[1] == 5
    if name not in NETWORKS:
        np.testing.assert_allclose(log_proba[:, 2], np.log(FLOOR))
    assert (log_proba.argmax(axis=1) != 2).all()
    assert 3 in log_proba.argmax(axis=1), "later classes keep their codes"
    np.testing.assert_allclose(
        np.exp(run(to_onnx(fitted), rows.X_valid)), np.exp(log_proba), atol=1e-5
    )


@pytest.mark.parametrize("name", MODELS)
def test_two_classes_are_enough_and_one_is_not(name, rows):
    two = rows.y < 2
    some = dataclasses.replace(rows, X=rows.X[two], y=rows.y[two])
    fitted = some.fit(name)
    to_onnx(fitted)
    assert set(fitted.log_proba(rows.X[two]).argmax(axis=1)) == {0, 1}
    one = rows.y == 1
    with pytest.raises(DataError, match=r"'(1|attack)' only.*expected.*two classes"):
        dataclasses.replace(rows, X=rows.X[one], y=rows.y[one]).fit(name)


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(SYSTEMS)))
def test_a_class_weight_moves_the_decision_its_way(name, rows, plain):
    weight = np.array([1.0, 1, 1, 1, 200])
    heavy = rows.fit(name, class_weight=weight).log_proba(rows.X_valid)
    assert np.exp(heavy[:, 4]).mean() > 1.05 * np.exp(plain(name)[:, 4]).mean()


@pytest.mark.parametrize("name", MODELS)
def test_rows_without_validation_still_train(name, rows):
    none = dataclasses.replace(rows, X_valid=rows.X_valid[:0], y_valid=rows.y_valid[:0])
    fitted = none.fit(name)
    assert fitted.log_proba(rows.X_valid).shape == (len(rows.X_valid), 5)
    assert fitted.log_proba(rows.X[:0]).shape == (0, 5)
    if name in {*NETWORKS, "lightgbm", *SYSTEMS}:
        assert any("no validation rows" in note for note in fitted.notes)


@pytest.mark.parametrize("name", MODELS)
def test_a_value_that_is_not_finite_is_refused_by_its_place(name, rows):
    X = rows.X.copy()
    X[5, 3] = np.nan
    with pytest.raises(DataError, match="row 5, feature 3 .* nan"):
        dataclasses.replace(rows, X=X).fit(name)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("cnn", {"channels": ()}),
        ("cnn", {"channels": (8, 0)}),
        ("cnn", {"kernel_size": 0}),
        ("cnn", {"stem_stride": 0}),
        ("cnn", {"stem_stride": 4}),
        ("cnn_lstm", {"stem_stride": 9}),
        ("cnn", {"dropout": 1.0}),
        ("cnn_lstm", {"hidden": 0}),
        ("cnn_lstm", {"dropout": -0.1}),
        ("dnn", {"hidden": (8, -1)}),
        ("dnn", {"dropout": 1.5}),
        ("lightgbm", {"num_leaves": 1}),
        ("lightgbm", {"learning_rate": 0.0}),
        ("random_forest", {"n_estimators": 0}),
        ("random_forest", {"max_features": 1.5}),
        ("extra_trees", {"min_samples_leaf": 0}),
        ("logistic_regression", {"C": 0.0}),
    ],
)
def test_an_impossible_setting_is_refused_with_its_name(name, wrong):
    config = registry.load("models", name).Config
    with pytest.raises(RecipeError, match=next(iter(wrong)).split("_")[0]):
        config(**wrong)


@pytest.mark.parametrize("name", ["cnn", "cnn_lstm"])
def test_a_convolution_fits_few_and_odd_numbers_of_features(name):
    import torch

    network = registry.load("models", name)
    for n_features in (1, 2, 3, 7, 28, 119, 122):
        model = network.build(n_features, 3, network.Config()).eval()
        assert model(torch.zeros(2, n_features)).shape == (2, 3)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n_features", [5, 28, 117, 118, 119, 120, 121, 122])
def test_no_feature_is_left_over(name, n_features):
    import torch

    network = registry.load("models", name)
    model = network.build(n_features, 3, network.Config()).eval()
    x = torch.randn(64, n_features, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    model(x)[:, 0].sum().backward()
    assert (x.grad.abs().sum(dim=0) > 0).all()


def test_a_list_from_a_recipe_serves_as_well_as_a_tuple(rows):
    fitted = rows.fit("cnn", epochs=1, config={"channels": [16, 16]})
    assert fitted.log_proba(rows.X[:2]).shape == (2, 5)
