"""What every sampler promises, whatever its name: checks by the kind it declares."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from evenflow import registry
from evenflow.errors import DataError
from evenflow.prepare.balance import adasyn
from evenflow.prepare.features import Preprocessor
from evenflow.testing import check_sampler

NAMES = registry.names("balance")
SHORT = {"steps": 3, "feature_steps": 3, "batch_size": 16}
"""Of samplers that train a generator."""
QUICK = {
    name: {k: SHORT[k] for k in SHORT.keys() & registry.parameters("balance", name)}
    for name in NAMES
}
CAP = 300


def made(name, **params):
    given = {"random_state": 7} | QUICK[name] | params
    return registry.load("balance", name)(**given)


def capped(name, **params):
    accepts = "max_rows_per_class" in made(name).get_params()
    return made(name, **({"max_rows_per_class": CAP} if accepts else {}), **params)


def of_kind(*kinds):
    return [n for n in NAMES if registry.load("balance", n).kind in kinds]


def is_possible(X, layout):
    return not any(wrong.any() for wrong in layout.faults(X).values())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_sampler_keeps_the_promises_of_every_sampler(name):
    check_sampler(made(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_clone_does_the_same(name, prepared):
    X, y, layout = prepared
    sampler = capped(name)
    a = clone(sampler).fit_resample(X, y, layout=layout)[0]
    np.testing.assert_array_equal(a, sampler.fit_resample(X, y, layout=layout)[0])


# -- bad input


@pytest.mark.parametrize("name", [n for n in NAMES if n != "none"])
def test_one_class_only_is_refused(name):
    with pytest.raises(DataError, match="4 training rows have 1 of the 2 classes"):
        made(name).fit_resample(np.zeros((4, 2), np.float32), np.zeros(4, np.int64))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e19])
def test_a_value_no_sampler_can_use_is_named(value):
    X = np.zeros((4, 2), np.float32)
    X[2, 1] = value
    with pytest.raises(DataError, match="row 2, column 1 holds"):
        made("smote").fit_resample(X, np.array([0, 0, 1, 1]))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 2)), np.array([0, 1, 0]), "labels of shape"),
        (np.zeros(4), np.array([0, 1, 0, 1]), "rows of shape"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "labels of type float64 from 0.0"),
        (np.array([["a"], ["b"]]), np.array([0, 1]), "rows of type"),
    ],
)
def test_rows_or_labels_of_a_wrong_form_are_refused(X, y, message):
    with pytest.raises(DataError, match=message):
        made("ros").fit_resample(X, y)


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("smote", {4: 5}, r"asks for 5 rows of class 4, which has 14"),
        ("ros", {9: 10}, r"class 9, which has none .* \[0, 1, 2, 3, 4"),
        ("smotenc", "auto", r"no layout.*layout=preprocessor\.layout"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused(name, wanted, message, prepared):
    X, y, _ = prepared
    with pytest.raises(DataError, match=message):
        made(name, sampling_strategy=wanted).fit_resample(X, y)


def test_a_layout_of_other_rows_is_refused(prepared):
    X, y, layout = prepared
    with pytest.raises(DataError, match="the layout names"):
        made("smote").fit_resample(X[:, :-1], y, layout=layout)


def test_keys_of_a_toml_table_are_class_codes(prepared):
    X, y, _ = prepared
    _, y_new = made("ros", sampling_strategy={"4": 20}).fit_resample(X, y)
    assert (y_new == 4).sum() == 20


# -- small classes, extremes


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", [n for n in of_kind("over", "both") if n != "dsste"])
def test_a_class_of_few_rows_still_grows(name, n, prepared):
    X, y, layout = prepared
    rows = np.concatenate([np.flatnonzero(y != 4), np.flatnonzero(y == 4)[:n]])
    sampler = made(name, max_rows_per_class=80)
    X_new, y_new = sampler.fit_resample(X[rows], y[rows], layout=layout)
    assert (y_new == 4).sum() > (20 if sampler.kind == "both" else 79)
    assert is_possible(X_new, layout)
    if n == 1 and name not in {"ros", "hybrid"}:
        assert "class 4 has one row: copied 79 times" in sampler.notes_


@pytest.mark.parametrize("name", [n for n in NAMES if n != "smotenc"])
def test_float_extremes_bring_neither_warning_nor_infinity(name):
    rng = np.random.default_rng(1)
    values = np.array([1e18, -1e18, 1e-45, 0, 1, -1e-38], dtype=np.float32)
    X = rng.choice(values, size=(60, 4))
    y = np.repeat([0, 1, 2], [40, 15, 5])
    X_new, _ = made(name).fit_resample(X, y)
    assert np.isfinite(X_new).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_rows_of_two_classes_are_no_trouble(name, prepared):
    X, _, layout = prepared
    y = np.repeat([0, 1], [20, 10])
    _, y_new = made(name).fit_resample(X[[0] * 30], y, layout=layout)
    assert set(y_new) == {0, 1}


@pytest.mark.parametrize("name", [n for n in NAMES if n != "smotenc"])
def test_a_sampler_works_in_an_imbalanced_learn_pipeline(name, prepared):
    X, y, _ = prepared
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    model = make_pipeline(capped(name), tree).fit(X[:600], y[:600])
    assert (model.predict(X) == y).mean() > 0.5


@pytest.mark.parametrize(
    ("at", "n_new"), [(50.0, 30), (0.0, 4)], ids=["no foreign neighbour", "rounded"]
)
def test_adasyn_grows_by_smote_what_it_makes_no_row_of(at, n_new):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(at, 1, size=(20, 2))])
    y = np.repeat([0, 1], [60, 20])
    sampler = made("adasyn", sampling_strategy={1: 20 + n_new})
    _, y_new = sampler.fit_resample(X.astype(np.float32), y)
    assert (y_new == 1).sum() == 20 + n_new
    assert "class 1: ADASYN has nothing to generate" in sampler.notes_[0]


def test_an_error_of_adasyn_that_is_another_is_not_swallowed(prepared, monkeypatch):
    def fails(*_):
        raise ValueError("No samples will be generated, it says")

    monkeypatch.setattr(adasyn, "made_by", fails)
    X, y, layout = prepared
    with pytest.raises(ValueError, match="it says"):
        capped("adasyn").fit_resample(X, y, layout=layout)


# -- possible rows, whatever the numbers


def test_a_row_that_cannot_be_is_named_by_its_fault(prepared):
    X, _, layout = prepared
    wrong = np.repeat(X[:1], 5, axis=0)
    raw = layout.scaler.inverse(wrong[:, : layout.n_numeric].astype(np.float64))
    j = int(np.flatnonzero(layout.step == 1)[0])
    raw[1, j] = layout.low[j] + 0.5
    raw[2, j] = layout.high[j] + 1
    wrong[:, : layout.n_numeric] = layout.scaler.forward(raw)
    start, stop = layout.blocks[0]
    wrong[3, start:stop] = 0
    wrong[4, start:stop] = 1
    found = {name: mask.tolist() for name, mask in layout.faults(wrong).items()}
    assert found == {
        "step": [False, True, False, False, False],
        "range": [False, False, True, False, False],
        "one_hot": [False, False, False, True, True],
    }
    assert not any(mask.any() for mask in layout.faults(X).values())


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(of_kind("over", "both")),
    scaling=st.sampled_from(["log1p_standard", "standard", "minmax", "quantile"]),
)
def test_a_made_row_is_a_row_that_could_be(small_table, seed, name, scaling):
    rng = np.random.default_rng(seed)
    kept = [
        rng.permutation(np.flatnonzero(small_table.labels == c))[:40] for c in range(5)
    ]
    table = small_table.take(np.sort(np.concatenate(kept)))
    preprocessor = Preprocessor.fit(table, scaling=scaling)
    layout = preprocessor.layout
    X_new, _ = made(name, random_state=seed, max_rows_per_class=60).fit_resample(
        preprocessor.transform(table), table.labels, layout=layout
    )
    raw = layout.scaler.inverse(X_new[:, : layout.n_numeric].astype(np.float64))
    slack = 1e-3 * (1 + np.abs(raw))
    assert (raw >= layout.low - slack).all()
    assert (raw <= layout.high + slack).all()
    if scaling != "quantile":  # whose inverse is not one to one
        steps = layout.step > 0
        whole = np.round(raw[:, steps] / layout.step[steps]) * layout.step[steps]
        assert (np.abs(raw[:, steps] - whole) <= slack[:, steps]).all()
    assert all((X_new[:, a:b].sum(axis=1) == 1).all() for a, b in layout.blocks)


def test_a_row_made_with_a_value_missing_holds_what_stands_for_it(small_table):
    holes = np.random.default_rng(0).random(len(small_table)) < 0.3
    nan, value = pl.lit(float("nan")), pl.col("fwd_bytes")
    frame = small_table.frame.with_columns(
        fwd_bytes=pl.when(pl.Series(holes)).then(nan).otherwise(value)
    )
    table = dataclasses.replace(small_table, frame=frame)
    preprocessor = Preprocessor.fit(table)
    X, layout = preprocessor.transform(table), preprocessor.layout
    X_new, _ = capped("smote").fit_resample(X, table.labels, layout=layout)
    missing = X_new[:, layout.names.index("fwd_bytes is missing")] == 1
    assert missing[len(X) :].any()
    assert len(np.unique(X_new[missing, layout.names.index("fwd_bytes")])) == 1


# -- the same in every process

SCRIPT = """
import sys, hashlib, numpy as np
from evenflow import registry
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 6)).astype(np.float32)
y = np.repeat([0, 1, 2], [280, 90, 30])
digest = hashlib.sha256()
for name in registry.names("balance"):
    if name == "smotenc":
        continue
    short = {"steps", "feature_steps"} & registry.parameters("balance", name).keys()
    params = dict.fromkeys(short, 2)
    sampler = registry.load("balance", name)(random_state=3, **params)
    X_new, y_new = sampler.fit_resample(X, y)
    digest.update(name.encode() + X_new.tobytes() + y_new.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_two_processes_with_different_hash_seeds_make_the_same_rows(capsys, python):
    other = python("-c", SCRIPT, env={"PYTHONHASHSEED": "1"}).stdout
    exec(compile(SCRIPT, "script", "exec"), {})
    here = capsys.readouterr().out
    assert len(here.strip()) == 64
    assert other == here
