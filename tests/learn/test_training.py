"""The order is code: nothing is learnt from rows that judge."""

import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.learn.export import to_onnx
from evenflow.learn.training import _parts, train
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.leaks import row_hashes
from evenflow.progress import Epoch, Note
from evenflow.recipe import Recipe


def recipe(name="synthetic/logistic_regression-none", **changes):
    return Recipe.load(name).with_(**changes)


@pytest.fixture(scope="session")
def parts(small_table):
    kept, held = hold_out(small_table, fraction=0.3, seed=0)
    return {"train": small_table.take(kept), "test": small_table.take(held)}


def learnt(trained):
    """Return all that a bundle would hold of what was learnt."""
    return (
        json.dumps(trained.preprocessor.to_dict()),
        json.dumps(trained.decision.to_dict()),
        hashlib.sha256(to_onnx(trained.fitted)).hexdigest(),
    )


@pytest.fixture(scope="session")
def trained(parts):
    return train(recipe(), load=parts.__getitem__)


def test_test_rows_change_nothing_that_is_learnt(parts, trained):
    test = parts["test"]
    frame = test.frame.with_columns(pl.col("fwd_bytes") * 1e6, service=pl.lit("new"))
    spoiled = replace(test, frame=frame, y=np.zeros(len(test), dtype=np.int64))
    spoiled = replace(spoiled, attack=pl.Series(["benign"] * len(test)))
    again = train(recipe(), load=(parts | {"test": spoiled}).__getitem__)
    assert learnt(again) == learnt(trained)


def test_every_training_row_has_one_role(trained, parts):
    rows = trained.record["rows"]
    assert rows["fit"] + rows["valid"] + rows["calibration"] == rows["train"]
    assert rows["train"] == len(parts["train"])
    assert rows["test"] == len(parts["test"])
    assert min(rows.values()) > 0


def test_balancing_happens_behind_the_split_and_is_told(parts):
    grown = train(recipe("synthetic/logistic_regression-ros"), load=parts.__getitem__)
    before, after = grown.record["class_counts"].values()
    assert after["u2r"] == max(before.values())
    assert grown.record["rows"]["balanced"] == sum(after.values())
    assert len(grown.test) == len(parts["test"])
    expected, found = (set(row_hashes(rows)) for rows in (parts["test"], grown.test))
    assert found == expected


def test_the_budget_is_kept_on_fresh_benign_rows(trained, parts):
    benign = trained.test.y == 0
    flagged = trained.scores.is_attack[benign].mean()
    budget = trained.decision.false_alarm_budget
    # the threshold and the share both vary, each with its own number of rows
    _, _, held, _ = _parts(parts["train"], trained.recipe)
    assert len(held) == trained.record["rows"]["calibration"]
    n_held = held.counts()["benign"]
    variance = budget * (1 - budget) * (1 / benign.sum() + 1 / n_held)
    assert abs(flagged - budget) < 4 * np.sqrt(variance)


def test_the_baseline_is_that_of_the_calibration_rows(trained):
    baseline = trained.baseline
    assert baseline.confusion.sum() == trained.record["rows"]["calibration"]
    budget = trained.decision.false_alarm_budget
    assert 0 < baseline.rows.alarms <= budget * baseline.rows.benign


def test_golden_rows_show_every_class_and_reference_rows_are_benign(trained):
    assert set(trained.golden.y) == set(range(5))
    assert set(trained.reference.y) == {0}


@pytest.mark.parametrize("target", ["binary", "attack"])
def test_other_targets_train_and_score(parts, target):
    other = train(recipe(target=target), load=parts.__getitem__)
    classes = other.schema.classes
    assert len(classes) == (2 if target == "binary" else 8)
    assert other.scores.proba.shape == (len(parts["test"]), len(classes))
    assert (other.scores.code == other.test.y).mean() > 0.8


def test_a_network_trains_with_its_epochs_told(parts):
    events = []
    small = recipe("synthetic/dnn-class_weights", training__epochs=2)
    network = train(small, load=parts.__getitem__, on_event=events.append)
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert [e.number for e in epochs] == [1, 2]
    assert network.record["history"][1]["number"] == 2
    told = {e.text for e in events if isinstance(e, Note)}
    assert told == set(network.record["notes"])
    json.dumps(network.record, allow_nan=False)


def test_balanced_rows_are_kept_and_used_again(parts, tmp_path):
    grown = recipe("synthetic/logistic_regression-smote")
    first = train(grown, load=parts.__getitem__, cache=tmp_path)
    (path,) = tmp_path.glob("balanced-*.npz")
    made = path.stat().st_mtime_ns
    again = train(grown, load=parts.__getitem__, cache=tmp_path)
    assert path.stat().st_mtime_ns == made
    assert learnt(again) == learnt(first)
    path.write_bytes(path.read_bytes()[:1000])  # as a full disk leaves it
    mended = train(grown, load=parts.__getitem__, cache=tmp_path)
    assert learnt(mended) == learnt(first)


@pytest.mark.parametrize(
    ("is_benign", "message"),
    [
        (True, "hold benign 1100; expected benign rows and"),
        (False, "expected benign rows and rows of at least"),
    ],
)
def test_rows_of_one_side_alone_are_a_clear_error(small_table, is_benign, message):
    kept = small_table.take(np.flatnonzero((small_table.y == 0) == is_benign))
    with pytest.raises(DataError, match=message):
        train(recipe(), load=lambda name: kept)


def with_few(table, n):
    """Return a table with the first ``n`` rows of the rarest class alone."""
    rare = np.flatnonzero(table.labels == 4)[n:]
    return table.take(np.setdiff1d(np.arange(len(table)), rare))


def test_a_class_with_one_row_trains(parts):
    one = parts | {"train": with_few(parts["train"], 1)}
    kept = train(recipe("synthetic/logistic_regression-smote"), load=one.__getitem__)
    assert kept.record["class_counts"]["before"]["u2r"] == 1
    assert kept.record["class_counts"]["after"]["u2r"] > 1


def test_classes_without_training_rows_need_no_weight(parts):
    table = parts["train"]
    some = parts | {"train": table.take(np.flatnonzero(table.y < 3))}
    weighed = train(
        recipe("synthetic/dnn-class_weights", training__epochs=1), load=some.__getitem__
    )
    assert weighed.scores.proba.shape == (len(parts["test"]), 5)


MODELS = """
import hashlib, json, torch
from evenflow import datasets
from evenflow.learn.training import train
from evenflow.recipe import Recipe

rows = {
    part: datasets.load("synthetic", part, folders=[], n_rows=2000)
    for part in ("train", "test")
}

def learn(name, deterministic=True, **changes):
    recipe = Recipe.load(name).with_(
        training__epochs=2, dataset__n_rows=2000, **changes)
    t = train(recipe, load=rows.__getitem__, deterministic=deterministic)
    machine = t.record["machine"]
    assert machine["deterministic"] == deterministic
    assert machine["threads"] == 1 or not deterministic
    print(hashlib.sha256(t.model).hexdigest(), json.dumps(t.decision.to_dict()))

learn("synthetic/cnn-smote")
learn("synthetic/lightgbm-smote", model__n_estimators=20)
torch.set_num_threads(1)
learn("synthetic/dnn-smote", False, training__precision="float32")
"""


@pytest.mark.slow
def test_another_process_learns_the_same_with_any_number_of_threads_if_asked(python):
    one, two = (
        python("-c", MODELS, env={"PYTHONHASHSEED": n, "OMP_NUM_THREADS": n}).stdout
        for n in ("1", "2")
    )
    assert one == two
    assert [len(line) > 100 for line in one.splitlines()] == [True] * 3


@pytest.mark.parametrize("balance", ["smote_enn", "smotenc", "hybrid"])
def test_notes_name_classes_by_name(balance, parts):
    few, events = parts | {"train": with_few(parts["train"], 8)}, []
    grown = train(
        recipe(f"synthetic/logistic_regression-{balance}"),
        load=few.__getitem__,
        on_event=events.append,
    )
    notes = [event.text for event in events if isinstance(event, Note)]
    assert grown.record["notes"] == notes
    assert any("class 'u2r'" in text for text in notes)
    assert not [text for text in notes if re.search(r"class \d", text)]


def test_an_error_of_a_sampler_names_the_class(parts):
    asked = recipe(
        "synthetic/logistic_regression-rus", balance__sampling_strategy={4: 10**6}
    )
    with pytest.raises(DataError, match="rows of class 'u2r'"):
        train(asked, load=parts.__getitem__)
