"""Each leak that makes published figures optimistic is planted here, and is caught.

Those of rows are planted in a user's own rows, which `evenflow.train` then refuses or
warns of. Those of a program are planted in ours: what is learnt then changes with the
test rows, which is how a test sees them. `docs/explanation/honest-evaluation.md` has
the list.
"""

import dataclasses
import hashlib
import json

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import evenflow
from evenflow import datasets
from evenflow.errors import LeakError
from evenflow.learn import training
from evenflow.learn.export import to_onnx
from evenflow.prepare.balance.ros import SAMPLER
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.features import Preprocessor
from evenflow.schema import Column

MODEL = {"name": "random_forest", "n_estimators": 5}
OFFICIAL = {"name": "official"}


@pytest.fixture(scope="module")
def rows():
    """Rows of a capture with their class, in no order."""
    table = datasets.load("synthetic", "train", n_rows=3000)
    numbers = [c.name for c in table.schema.numeric]
    frame = table.frame.select(numbers).with_columns(kind=table.attack)
    return frame.unique(maintain_order=True)


def findings(data, test=None, **changes):
    """Return check -> status of what evenflow says of the rows."""
    recipe = evenflow.Recipe.load("memory/random_forest-none", model=MODEL, **changes)
    given = {} if test is None else {"test": test}
    report = evenflow.train(recipe, data=data, label="kind", **given).report
    return {leak["check"]: leak["status"] for leak in report.leaks}


def halves(rows):
    return rows[:2000], rows[2000:]


def resampled(rows):
    """Copy rows of small classes until all are of one size, before any split."""
    y = rows["kind"].rank("dense").to_numpy().astype(np.int64) - 1
    keys = np.arange(len(rows), dtype=np.float32)[:, None]
    picked, _ = SAMPLER(random_state=0).fit_resample(keys, y)
    return rows[picked[:, 0].astype(int)]


def scaled(rows, scaler):
    names = [name for name in rows.columns if name != "kind"]
    values = scaler.fit_transform(rows.select(names).to_numpy())
    return rows.with_columns(
        pl.Series(name, values[:, j]) for j, name in enumerate(names)
    )


def balanced_test(rows):
    train, test = halves(rows)
    least = test["kind"].value_counts()["count"].min()
    few = test.filter(pl.int_range(pl.len()).over("kind") < max(least, 8))
    return train, few.filter(pl.len().over("kind") == pl.len().over("kind").min())


ROWS = {
    "copies on both sides": (
        "shared rows", lambda rows: (rows[:2000], pl.concat([rows[1900:], rows[:40]])),
    ),
    "resampled before the split": (
        "balanced test rows", lambda rows: (resampled(rows), None),
    ),
    "standardised before the split": (
        "scaling", lambda rows: halves(scaled(rows, StandardScaler())),
    ),
    "brought to [0, 1] before the split": (
        "scaling", lambda rows: halves(scaled(rows, MinMaxScaler())),
    ),
    "two files merged, then split": ("protocol", lambda rows: (rows, None)),
    "a row number as a feature": (
        "identifiers", lambda rows: halves(rows.with_columns(
            odd=pl.int_range(pl.len()).shuffle(seed=1))),
    ),
    "time as a feature": (
        "identifiers", lambda rows: halves(rows.with_columns(
            odd=pl.int_range(pl.len()) * 0.25 + 1.7e9)),
    ),
    "a column that tells all": (
        "single columns", lambda rows: halves(rows.with_columns(
            odd=(pl.col("kind") != "benign") * 50 + pl.int_range(pl.len()) % 40)),
    ),
    "a balanced test set": ("balanced test rows", balanced_test),
}  # fmt: skip
"""Leak -> the check that warns, and training and test rows with the leak in them."""


@pytest.fixture(scope="module")
def honest(rows):
    return findings(*halves(rows))


@pytest.mark.parametrize("leak", ROWS)
def test_a_leak_in_rows_is_warned_of_and_its_absence_is_not(leak, rows, honest):
    check, plant = ROWS[leak]
    data, test = plant(rows)
    assert findings(data, test)[check] == "warn"
    assert honest[check] != "warn"


def test_columns_scaled_by_training_rows_alone_are_not_suspected(rows):
    train, test = halves(rows)
    names = [name for name in rows.columns if name != "kind"]
    for scaler in (StandardScaler(), MinMaxScaler()):
        scaler.fit(train.select(names).to_numpy())
        own, others = (
            part.with_columns(
                pl.Series(name, values[:, j]) for j, name in enumerate(names)
            )
            for part in (train, test)
            for values in [scaler.transform(part.select(names).to_numpy())]
        )
        assert findings(own, others)["scaling"] == "pass"


def test_test_rows_that_trained_are_refused(rows):
    with pytest.raises(LeakError, match="features of a training row"):
        findings(rows, rows[:500])


def test_another_label_is_no_feature(rows):
    twin = rows.with_columns(odd=(pl.col("kind") != "benign") * 7.0)
    recipe = evenflow.Recipe.load("memory/random_forest-none", model=MODEL)
    found = evenflow.train(recipe, data=twin, label="kind").trained.schema.names
    assert "odd" not in found  # it stands aside; in a Table it is refused
    table = datasets.load("synthetic", "train", n_rows=500)
    columns = (*table.schema.columns, Column(name="difficulty"))
    leaky = dataclasses.replace(
        table,
        schema=dataclasses.replace(table.schema, columns=columns),
        frame=table.frame.with_columns(difficulty=pl.lit(1.0)),
    )
    with pytest.raises(LeakError, match="difficulty"):
        evenflow.train(recipe, data=leaky)


def test_a_test_file_without_its_unseen_types_says_so(rows):
    train, test = halves(rows)
    recipe = evenflow.Recipe.load("memory/random_forest-none", model=MODEL)
    hidden = train["kind"].filter(train["kind"] != "benign").mode()[0]
    train = train.filter(pl.col("kind") != hidden)
    for part, said in (
        (test, f"not in training: {hidden}"),
        (test.filter(pl.col("kind") != hidden), "All attack types of the test rows"),
    ):
        report = evenflow.train(recipe, data=train, test=part, label="kind").report
        assert said in " ".join(report.notes)


# Leaks of a program, planted in ours: train() is given test rows that it must not see.


@pytest.fixture(scope="module")
def parts(small_table):
    kept, held = hold_out(small_table, fraction=0.3, seed=0)
    test = small_table.take(held)
    frame = test.frame.with_columns(
        pl.col("fwd_bytes") * 1e6, pl.col("error_rate").reverse(), service=pl.lit("new")
    )
    other = {
        "y": np.zeros(len(test), np.int64),
        "attack": pl.Series(["benign"] * len(test)),
    }
    spoiled = dataclasses.replace(test, frame=frame, **other)
    return small_table.take(kept), test, spoiled


def learnt(train, test):
    """Return all that a bundle would hold of what was learnt."""
    recipe = evenflow.Recipe.load(
        "synthetic/dnn-ros",
        model={"name": "dnn", "hidden": [8]},
        select={"name": "mutual_information", "n_columns": 4},
        training__epochs=6,
        decide__unknown_budget=0.1,
    )
    rows = {"train": train, "test": test}
    made = training.train(recipe, load=rows.__getitem__, deterministic=True)
    return (
        json.dumps(made.preprocessor.to_dict()),
        json.dumps(made.decision.to_dict()),
        hashlib.sha256(to_onnx(made.fitted)).hexdigest(),
    )


def fit_on_all(monkeypatch, test):
    fit = Preprocessor.fit
    monkeypatch.setattr(
        training.Preprocessor,
        "fit",
        lambda rows, **how: fit(rows.with_rows(test), **how),
    )


def select_on_all(monkeypatch, test):
    select, fit = training._selected, Preprocessor.fit

    def leaky(recipe, X, y, layout):
        everything = state["fitted"].transform(test)
        return select(
            recipe,
            np.concatenate([X, everything]),
            np.concatenate([y, test.labels]),
            layout,
        )

    def remembered(rows, **how):
        state["fitted"] = fit(rows, **how)
        return state["fitted"]

    state = {}
    monkeypatch.setattr(training.Preprocessor, "fit", remembered)
    monkeypatch.setattr(training, "_selected", leaky)


def use_as(*, fit=False, valid=False, held=False):
    """Return a plant that puts the test rows in the place of some training rows."""

    def plant(monkeypatch, test):
        deal = training._parts

        def leaky(table, recipe):
            rows = deal(table, recipe)
            return (
                rows[0].with_rows(test) if fit else rows[0],
                test if valid else rows[1],
                rows[2].with_rows(test) if held else rows[2],
                None,
            )

        monkeypatch.setattr(training, "_parts", leaky)

    return plant


LEAKS = {
    "scaler and encoder fitted before the split": fit_on_all,
    "columns selected before the split": select_on_all,
    "rows resampled and fitted before the split": use_as(fit=True),
    "epoch and checkpoint chosen on the test rows": use_as(valid=True),
    "threshold set on the test rows": use_as(held=True),
}


@pytest.fixture(scope="module")
def clean(parts):
    train, test, _ = parts
    return learnt(train, test)


def test_nothing_that_is_learnt_changes_with_the_test_rows(parts, clean):
    train, _, spoiled = parts
    assert learnt(train, spoiled) == clean


@pytest.mark.parametrize("leak", LEAKS)
def test_a_program_that_learns_from_test_rows_is_seen(leak, parts, monkeypatch):
    train, test, spoiled = parts
    found = []
    for rows in (test, spoiled):
        with monkeypatch.context() as planted:
            LEAKS[leak](planted, rows)
            found.append(learnt(train, rows))
    assert found[0] != found[1]
