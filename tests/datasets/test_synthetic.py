"""The embedded rows: the same each time, possible, learnable, and marked as made."""

import hashlib
import time

import numpy as np
import polars as pl
import polars.selectors
import pytest

from evenflow import datasets
from evenflow.errors import DataError
from evenflow.prepare.features import Preprocessor

DIGEST = """
import hashlib, sys
from evenflow import datasets
t = datasets.load("synthetic", sys.argv[1], n_rows=2000)
print(hashlib.sha256(t.frame.write_csv().encode() + t.y.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def parts():
    return {s: datasets.load("synthetic", s) for s in ("train", "test")}


def test_it_says_that_it_is_synthetic(parts):
    assert parts["train"].schema.is_synthetic
    assert "SYNTHETIC" in datasets.get("synthetic").caveats[0]


def test_it_has_the_columns_and_classes_of_nsl_kdd(parts):
    from evenflow.datasets.nsl_kdd import SCHEMA

    assert parts["train"].schema.names == SCHEMA.names
    assert parts["train"].schema.classes == SCHEMA.classes


@pytest.mark.parametrize("n_rows", [500, 1234, 20_000])
def test_it_makes_the_rows_asked_for(n_rows):
    train = datasets.load("synthetic", "train", n_rows=n_rows)
    assert len(train) == n_rows
    assert len(datasets.load("synthetic", "test", n_rows=n_rows)) == n_rows // 4
    assert min(train.counts().values()) >= 8


@pytest.mark.parametrize("n_rows", [0, -3, 499, 10**9])
def test_an_impossible_number_of_rows_is_refused(n_rows):
    with pytest.raises(DataError, match="n_rows"):
        datasets.load("synthetic", "train", n_rows=n_rows)


def test_every_row_is_a_possible_row(parts):
    for table in parts.values():
        for column in table.schema.numeric:
            x = table.frame[column.name].to_numpy()
            assert np.isfinite(x).all()
            assert column.low is None or x.min() >= column.low, column.name
            assert column.high is None or x.max() <= column.high, column.name
            if column.step:
                steps = x / column.step
                assert np.allclose(steps, np.round(steps), atol=1e-6), column.name
        for column in table.schema.categories:
            assert set(table.frame[column.name].unique()) <= set(column.choices)


def test_no_number_is_a_negative_zero(parts):
    for table in parts.values():
        x = table.frame.select(table.schema.names).select(pl.selectors.float())
        assert not np.signbit(x.to_numpy()).any()


def test_classes_are_as_unequal_as_nsl_kdds(parts):
    share = {k: n / 20_000 for k, n in parts["train"].counts().items()}
    assert share["benign"] == pytest.approx(0.534, abs=0.01)
    assert share["dos"] == pytest.approx(0.364, abs=0.01)
    assert 0.005 < share["r2l"] < 0.012
    assert 0.001 < share["u2r"] < 0.004


def test_some_attack_types_come_only_in_the_test_part(parts):
    train, test = (set(parts[s].attack.unique()) for s in ("train", "test"))
    assert len(test - train) == 10
    assert train - test == {"warezclient"}


def test_it_is_learnable_but_the_rare_classes_are_not_easy(parts):
    tree = pytest.importorskip("sklearn.tree")
    train, test = parts["train"], parts["test"]
    prepared = Preprocessor.fit(train)
    model = tree.DecisionTreeClassifier(max_depth=14, random_state=0)
    model.fit(prepared.transform(train), train.y)
    found = model.predict(prepared.transform(test))
    recall = [float((found[test.y == c] == c).mean()) for c in range(5)]
    assert recall[0] > 0.95
    assert recall[1] > 0.6
    assert recall[4] < 0.6, "u2r should hide among ordinary sessions"
    assert 0.7 < float((found == test.y).mean()) < 0.95


@pytest.mark.parametrize("split", ["train", "test"])
def test_two_processes_make_the_same_rows(split, python):
    there = python("-c", DIGEST, split, env={"PYTHONHASHSEED": "1"})
    table = datasets.load("synthetic", split, n_rows=2000)
    here = hashlib.sha256(table.frame.write_csv().encode() + table.y.tobytes())
    assert there.stdout.strip() == here.hexdigest()


def test_making_it_takes_less_than_a_second():
    start = time.process_time()
    datasets.load("synthetic", "train")
    assert time.process_time() - start < 1.0
