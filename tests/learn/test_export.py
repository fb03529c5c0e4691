"""What leaves as ONNX computes what was trained, or does not leave."""

import dataclasses
import warnings

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evenflow import registry
from evenflow.errors import BundleError
from evenflow.learn import export, graphs
from evenflow.learn.estimator import Estimator
from evenflow.learn.export import to_onnx
from evenflow.learn.fitting import of_arrays
from evenflow.learn.trees import round_down
from evenflow.onnx_guard import check_model, operators


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["cnn", "cnn_lstm", "dnn", "lightgbm", "random_forest", "logistic_regression"],
)
def test_a_graph_reads_x_and_answers_log_proba_for_any_number_of_rows(name, rows):
    model = onnx.load_from_string(to_onnx(rows.fit(name)))
    sides = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    }
    assert sides == {"x": ["N", rows.X.shape[1]], "log_proba": ["N", 5]}
    found = {o.domain: o.version for o in model.opset_import}
    assert found[""] == graphs.OPSET
    assert model.ir_version <= graphs.IR_VERSION
    assert not any(t.external_data for t in model.graph.initializer)


def kinds(fitted):
    return [n.op_type for n in onnx.load_from_string(to_onnx(fitted)).graph.node]


def test_a_recurrent_layer_that_a_bundle_cannot_hold_is_refused():
    class Relu(torch.nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.layer = torch.nn.RNN(3, 2, batch_first=True, nonlinearity=kind)

        def forward(self, x):
            return self.layer(x[:, None])[0][:, -1]

    kept = graphs.of_network(Relu("tanh"), 3).graph.node
    assert [a.name for n in kept for a in n.attribute if a.name == "activations"] == []
    with pytest.raises(BundleError, match="found a recurrent layer with Relu"):
        graphs.of_network(Relu("relu"), 3)


def test_a_recurrent_network_becomes_one_lstm_node(rows):
    found = kinds(rows.fit("cnn_lstm", epochs=1))
    assert found.count("LSTM") == 1
    assert not {"Loop", "Scan"} & set(found)


def test_batch_norm_is_folded_into_the_convolutions(rows):
    found = kinds(rows.fit("cnn", epochs=1))
    assert not {"BatchNormalization", "Dropout"} & set(found)


def test_exporting_warns_of_nothing_and_leaves_the_model_as_it_was(rows, capfd):
    fitted = rows.fit("cnn", epochs=1)
    before = fitted.log_proba(rows.X_valid)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(fitted)
    assert not fitted.model.training
    assert np.array_equal(fitted.log_proba(rows.X_valid), before)
    assert "".join(capfd.readouterr()) == ""


def test_a_graph_that_computes_something_else_is_not_let_out(rows):
    fitted = rows.fit("random_forest")
    assert to_onnx(fitted)

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Other(type(fitted)):
        def log_proba(self, X):
            found = super().log_proba(X)
            found[0] = np.roll(found[0], 1)
            return found

    other = Other(
        **{f.name: getattr(fitted, f.name) for f in dataclasses.fields(fitted)}
    )
    with pytest.raises(BundleError, match=r"differs by .* expected 0.0001"):
        to_onnx(other)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "lightgbm"])
def test_a_feature_right_at_a_threshold_falls_on_the_side_it_fell_on(
    name, rows, served
):
    fitted = rows.fit(name)
    model = onnx.load_from_string(to_onnx(fitted))
    (node,) = [n for n in model.graph.node if n.op_type == "TreeEnsembleRegressor"]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    asked = zip(
        attributes["nodes_featureids"],
        attributes["nodes_values"],
        attributes["nodes_modes"],
        strict=True,
    )
    X = []
    for feature, value, mode in list(asked)[:600]:
        if mode == b"BRANCH_LEQ":
            at = np.float32(value)
            for x in (at, *np.nextafter(at, np.float32([np.inf, -np.inf]))):
                X.append(rows.X_valid[0].copy())
                X[-1][feature] = x
    X = np.array(X, dtype=np.float32)
    assert len(X) > 300
    expected = np.exp(fitted.log_proba(X))
    np.testing.assert_allclose(served(fitted, X), expected, atol=1e-6)


@given(
    st.floats(-(2.0**99), 2.0**99, allow_subnormal=False),
    st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False),
)
def test_rounding_a_threshold_moves_no_float32_across_it(threshold, x):
    rounded = round_down(np.array([threshold]))[0]
    near = np.float32(threshold)
    for value in (np.float32(x), near, np.nextafter(near, np.float32(np.inf))):
        assert (value <= rounded) == (float(value) <= threshold)


def naive_bayes(config, *, n_classes, class_weight, seed):
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB(var_smoothing=1e-2)


def test_another_estimator_goes_through_skl2onnx(rows, served):
    fitted = Estimator(naive_bayes, object).fit(None, rows.task(n_classes=7))
    found, expected = served(fitted, rows.X_valid), fitted.log_proba(rows.X_valid)
    assert found.shape == (len(rows.X_valid), 7)
    np.testing.assert_allclose(found, np.exp(expected), atol=1e-4)


def test_an_estimator_nobody_can_write_is_refused(rows):
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Guess(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    fitted = Estimator(lambda *_, **__: Guess(), object).fit(None, rows.task())
    with pytest.raises(BundleError, match="Guess cannot be written as ONNX"):
        to_onnx(fitted)


# --- what is exported is served, and nothing else ---


def outsiders():
    """Return estimators of other distributions, each by its name."""
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    return {
        "GaussianNB": GaussianNB(var_smoothing=1e-2),
        "DecisionTree": DecisionTreeClassifier(max_depth=4),
        "GradientBoosting": GradientBoostingClassifier(n_estimators=3),
        "MLP": MLPClassifier((8,), max_iter=5),
        "liblinear": LogisticRegression(solver="liblinear"),
        "SGD": SGDClassifier(loss="log_loss"),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression(max_iter=50)),
    }


BINARY_ONLY = {"liblinear", "SGD"}
"""For more classes scikit-learn has no ``liblinear``; skl2onnx writes SGD otherwise."""


def exported(rows):
    """Yield the name and the graph of each model, for each number of classes."""
    for name in registry.names("models"):
        for n_present in (2, 5):
            known = rows.y < n_present
            part = dataclasses.replace(rows, X=rows.X[known], y=rows.y[known])
            fitted = part.fit(name, epochs=1)
            yield f"{name}, {n_present} of 5 classes", to_onnx(fitted)
    for name, estimator in outsiders().items():
        for n_classes in (2, 5):
            if n_classes == 5 and name in BINARY_ONLY:
                continue
            y = np.minimum(rows.y, n_classes - 1)
            plug_in = Estimator(lambda *_, it=estimator, **__: it, object)
            fitted = plug_in.fit(None, of_arrays(rows.X, y, n_classes=n_classes))
            yield f"{name}, {n_classes} classes", to_onnx(fitted)
    for name in ("lightgbm", "random_forest"):
        fitted = dataclasses.replace(rows, y=np.minimum(rows.y, 1)).fit(name)
        yield f"{name}, 2 classes", to_onnx(dataclasses.replace(fitted, n_classes=2))


@pytest.mark.slow
def test_every_model_exports_what_is_served_and_no_operator_is_to_spare(rows):
    used = set()
    for name, content in exported(rows):
        check_model(content, source=name)
        for node in onnx.load_from_string(content).graph.node:
            key = (node.domain, node.op_type)
            used.add(key)
            used |= {(*key, a.name) for a in node.attribute}
    allowed = set()
    for key, operator in operators.OPERATORS.items():
        allowed.add(key)
        allowed |= {(*key, a) for a in (*operator.attributes, *operator.optional)}
    assert used == allowed


def test_an_operator_that_is_not_served_is_named(rows):
    from sklearn.neighbors import KNeighborsClassifier

    plug_in = Estimator(lambda *_, **__: KNeighborsClassifier(), object)
    fitted = plug_in.fit(None, rows.task())
    with pytest.raises(BundleError, match="train a smaller or another model"):
        check_model(to_onnx(fitted), source="k neighbours")


def test_the_rows_tried_reach_far_beyond_the_usual():
    X = export.probe(40)
    assert X.dtype == np.float32
    assert np.abs(X).max() > 10
    assert set(np.unique(X[150])) == {0, 1}
