"""Rows in memory train and judge as honestly as rows of a file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import evenflow
from evenflow import datasets
from evenflow.datasets import memory
from evenflow.errors import DataError, LeakError, RecipeError
from evenflow.schema import Column, Schema, Table
from evenflow.testing import check_dataset

MODEL = {"name": "random_forest", "n_estimators": 5}


def recipe(**changes):
    return evenflow.Recipe.load("memory/random_forest-none", model=MODEL, **changes)


@pytest.fixture(scope="module")
def frame():
    """Rows of a capture, labelled by name."""
    table = datasets.load("synthetic", "train", n_rows=1500)
    return table.frame.select(
        "duration", "protocol_type", "service", "src_bytes", "count"
    ).with_columns(
        Label=table.attack.replace({"benign": "BENIGN"}),
        src_ip=pl.Series([f"10.0.{i // 250}.{i % 250}" for i in range(len(table))]),
    )


@pytest.fixture(scope="module")
def plain(frame):
    """The same rows in pandas."""
    return pd.DataFrame({c.name: c.to_list() for c in frame.iter_columns()})


@pytest.fixture(scope="module")
def trained(plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory") / "bundle"
    evenflow.train(recipe(), folder, data=plain, label="Label", benign="BENIGN")
    return folder


def test_a_frame_trains_the_same_model_as_a_file_of_its_rows(frame, plain, tmp_path):
    path = str(tmp_path / "rows.parquet")
    frame.write_parquet(path)
    own = {"model": MODEL, "dataset__path": path}
    of_file = evenflow.train(
        evenflow.Recipe.load("table_file/random_forest-none", **own)
    )
    for data in (frame, plain):
        found = evenflow.train(recipe(), data=data)
        assert found.trained.model == of_file.trained.model
        assert found.report.binary == of_file.report.binary
        assert found.report.leaks == of_file.report.leaks
        assert found.report.protocol == "stratified"
        assert found.report.is_optimistic
        for key in ("held_out_sha256", "suspects", "rows", "attacks"):
            assert found.trained.record[key] == of_file.trained.record[key]
        notes = [
            note.replace("rows.parquet", "rows in memory")
            for note in of_file.trained.record["notes"]
        ]
        assert found.trained.record["notes"] == notes
        assert "src_ip (its name is that of an identifier)" in "".join(notes)


def test_the_recipe_says_that_the_rows_were_in_memory_and_which(frame, plain, trained):
    said = evenflow.load_bundle(trained).recipe["dataset"]
    assert said["name"] == "memory"
    assert said["label"] == "Label"
    assert said["sha256"] == memory.digest(plain) == memory.digest(frame)
    assert memory.digest(frame.reverse()) != said["sha256"]


def test_a_digest_is_the_same_in_every_process_and_version():
    frame = pl.DataFrame(
        {"n": [1.0, None], "word": ["a", None], "is_ok": [True, False]}
    )
    assert memory.digest(frame) == DIGEST
    assert memory.digest(frame.fill_null("")) != DIGEST
    time = pl.Series("t", ["2020-01-02 03:04:05"]).str.to_datetime(time_unit="ns")
    frame, plain = time.to_frame(), pd.DataFrame({"t": pd.to_datetime(time.to_list())})
    assert memory.digest(frame) == memory.digest(plain)
    moved = pl.DataFrame({"word": ["ab", "c"]}), pl.DataFrame({"word": ["a", "bc"]})
    assert len({*map(memory.digest, moved)}) == 2


DIGEST = "a2eaad049753e6dca8c85c095c26a1a37e764c06929c7bd9ed374e674b524267"


def test_held_out_rows_need_the_rows_that_trained(frame, plain, trained):
    bundle = evenflow.load_bundle(trained)
    for rows in (frame, plain):
        report = evenflow.evaluate(bundle, rows, "held_out")
        assert report.binary == bundle.report["binary"]
    with pytest.raises(DataError, match="expected .*: the rows that trained the model"):
        evenflow.evaluate(bundle, frame.head(900), "held_out")
    with pytest.raises(DataError, match=r"expected rows in memory.*data=rows"):
        evenflow.evaluate(bundle, "memory", "held_out")


def test_rows_that_trained_do_not_judge(plain, trained):
    with pytest.raises(LeakError, match="exactly the features of a training row"):
        evenflow.evaluate(trained, plain)


def test_other_rows_in_memory_judge_a_model_of_memory_and_one_of_a_file(
    plain, trained, tmp_path, forest
):
    later = datasets.load("synthetic", "test", n_rows=1500)
    rows = later.frame.with_columns(kind=later.attack)
    report = evenflow.evaluate(trained, rows, label="kind")
    assert report.protocol == "other data"
    assert report.n_rows == len(later)
    evenflow.train(forest(1500), tmp_path / "published")
    own = evenflow.evaluate(tmp_path / "published", "synthetic")
    for data, given in ((rows, {"label": "kind"}), (later, {})):
        found = evenflow.evaluate(tmp_path / "published", data, **given)
        assert found.binary == own.binary
        assert found.attacks == own.attacks


def test_test_rows_of_their_own_judge(frame):
    later = frame.sample(300, seed=1).with_columns(pl.col("duration") + 1.5)
    found = evenflow.train(recipe(), data=frame, test=later)
    assert found.report.protocol == "official"
    assert found.report.n_rows == len(later) == 300
    assert found.trained.record["rows"]["train"] == len(frame)
    assert found.trained.recipe.dataset.params["test_sha256"] == memory.digest(later)
    assert not found.report.is_optimistic
    with pytest.raises(LeakError, match="exactly the features of a training row"):
        evenflow.train(recipe(), data=frame, test=frame.head(300))


def test_a_table_is_taken_as_it_is_labels_and_units_included(tmp_path):
    table = datasets.load("synthetic", "train", n_rows=1500)
    found = evenflow.train(recipe(), tmp_path / "bundle", data=table)
    assert found.trained.schema.columns == table.schema.columns
    assert found.report.dataset == "synthetic"
    assert found.report.is_synthetic
    again = evenflow.evaluate(tmp_path / "bundle", table, "held_out")
    assert again.binary == found.report.binary
    with pytest.raises(RecipeError, match="found label for rows that are a Table"):
        evenflow.train(recipe(), data=table, label="attack")


def test_a_table_without_labels_or_of_other_types_says_what_it_lacks():
    schema = Schema(name="t", columns=(Column(name="x"),), classes=("benign", "attack"))
    rows = Table(schema=schema, frame=pl.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(DataError, match="the Table has no labels, expected y"):
        evenflow.train(recipe(), data=rows)
    whole = replace(rows, frame=pl.DataFrame({"x": [1, 2]}), y=np.array([0, 1]))
    with pytest.raises(DataError, match="column x: found Int64, expected Float64"):
        evenflow.train(recipe(), data=whole)


def test_what_the_recipe_says_of_the_columns_holds(frame):
    chosen = recipe(
        dataset__drop=["service"],
        dataset__columns={"count": "category"},
        dataset__families={"neptune": "flood"},
    )
    named = frame.rename({"Label": "what"}).with_columns(
        what=pl.col("what").replace({"BENIGN": "zero"})
    )
    found = evenflow.train(chosen, data=named, label="what", benign="zero")
    schema = found.trained.schema
    assert schema.names == ("duration", "protocol_type", "src_bytes", "count")
    assert schema.column("count").kind == "category"
    assert "flood" in schema.classes
    assert schema.label == "what"
    assert schema.benign == ("zero",)


def test_what_cannot_be_asked_for_is_refused(frame):
    with pytest.raises(
        RecipeError, match="data set is 'synthetic', and data was given"
    ):
        evenflow.train("synthetic/random_forest-none", data=frame)
    with pytest.raises(TypeError, match="give data too"):
        evenflow.train(recipe(), label="Label")
    with pytest.raises(DataError, match="expected rows in memory, which no file holds"):
        evenflow.train(recipe())
    with pytest.raises(DataError, match="the columns need names"):
        evenflow.train(recipe(), data=np.zeros((3, 2)))
    with pytest.raises(TypeError, match="found list, expected a pandas or Polars"):
        evenflow.train(recipe(), data=[{"x": 1}])
    with pytest.raises(RecipeError, match="rows in memory for synthetic, which reads"):
        datasets.load("synthetic", "train", rows={"train": frame})
    nested = frame.with_columns(hist=pl.Series([[1, 2]] * len(frame)))
    with pytest.raises(DataError, match=r'column hist: .*List.* drop = \["hist"\]'):
        evenflow.train(recipe(), data=nested)


@pytest.mark.slow
def test_recipes_are_compared_on_rows_in_memory(plain, tmp_path):
    other = recipe().with_(model={"name": "logistic_regression"})
    found = evenflow.compare(
        [recipe(), other], tmp_path / "c", data=plain, label="Label", baselines=False
    )
    assert not found.failed
    assert [row.model for row in found.rows] == ["random_forest", "logistic_regression"]
    alone = evenflow.train(recipe(), data=plain, label="Label")
    rate = found.rows[0].binary["detection_rate"]["mean"]
    assert rate == alone.report.binary["detection_rate"]


def test_it_keeps_the_promises_of_every_data_set(frame):
    check_dataset(memory.DATASET, rows={"train": frame, "test": frame}, label="Label")


def test_a_recipe_of_one_set_of_rows_refuses_another(frame):
    used = recipe(dataset__sha256=memory.digest(frame))
    with pytest.raises(DataError, match="the train rows in memory have the SHA-256"):
        evenflow.train(used, data=frame.head(1000))
