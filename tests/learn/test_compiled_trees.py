"""Trees that compiled code sums give the same verdicts, to the last bit."""

import numpy as np
import pytest

from evenflow import inference
from evenflow.inference import trees
from evenflow.learn.export import to_onnx

pytest.importorskip("numba")


def log_proba(session, X):
    return inference.log_proba(session, X, session.run(None, {"x": X[:1]})[0].shape[1])


def both(model, X):
    """Return the session of ONNX Runtime and the compiled one."""
    session = inference.open_session(model)
    return session, inference.compiled(model, session, X)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_compiled_trees_compute_the_same_bits(n_classes, rows):
    some = rows.binary() if n_classes == 2 else rows
    fitted = some.fit("lightgbm", n_classes=n_classes, config={"n_estimators": 60})
    session, compiled = both(to_onnx(fitted), rows.X[:64])
    assert isinstance(compiled, trees.TreeSession)
    odd = rows.X.copy()
    odd[::7, ::3], odd[1::7, ::2], odd[2::7, 1::3] = np.nan, np.inf, -np.inf
    # thresholds are values too: a row at one answers yes
    at = np.resize(compiled.trees.threshold, odd[3::7].shape)
    odd[3::7] = at
    for X in (rows.X, odd, odd[:1], odd[:65]):
        assert np.array_equal(log_proba(compiled, X), log_proba(session, X))


@pytest.mark.parametrize(
    ("name", "most"),
    [("random_forest", 32), ("logistic_regression", 32), ("lightgbm", 3)],
    ids=["leaves of several classes", "no trees", "trees of many leaves"],
)
def test_what_is_not_of_small_trees_stays_with_onnx_runtime(
    name, most, rows, monkeypatch
):
    monkeypatch.setattr(trees, "MOST_LEAVES", most)
    session, found = both(to_onnx(rows.fit(name)), rows.X[:64])
    assert found is session


def test_trees_that_compute_other_bits_are_not_used(rows, monkeypatch):
    model = to_onnx(rows.fit("lightgbm"))
    right = trees.sums
    monkeypatch.setattr(trees, "sums", lambda t, X: right(t, X) * np.float32(1.001))
    session, found = both(model, rows.X[:64])
    assert found is session
