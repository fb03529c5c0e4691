"""A model is trained again with feedback, and replaced only by a better one."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

import evenflow
from evenflow.runtime import bundle as bundles
from evenflow.runtime import shipped


@pytest.fixture
def mine(bundle, tmp_path):
    """Return the folder of a model of this test alone."""
    return shutil.copytree(bundle, tmp_path / "model")


def false_alarms(folder, n=90):
    """Return attacks to a model that an analyst called benign: all differ."""
    table = evenflow.load_dataset("synthetic", "train", n_rows=8_000)
    floods = table.frame.filter(pl.Series(table.labels == 1))
    backups = floods.with_columns(
        service=pl.lit("backup"),
        num_access_files=pl.lit(7.0),
        dst_bytes=pl.lit(5_000.0) + np.arange(floods.height),
    )
    decided = bundles.load(folder, threads=1).predict(backups)
    found = backups.filter(pl.Series(decided != "benign"))[:n]
    assert found.height == n
    return found.with_columns(label=pl.lit("benign"))


def sums(folder):
    return (folder / "SHA256SUMS").read_text()


def test_a_model_that_learns_from_feedback_replaces_the_one_in_use(run, mine, tmp_path):
    before = sums(mine)
    feedback = false_alarms(mine)
    feedback.write_csv(tmp_path / "feedback.csv")
    done = run("retrain", mine, "--feedback", tmp_path / "feedback.csv")
    assert "The retrained model is better" in done.stdout
    assert "feedback: decided rightly" in done.stdout
    assert sums(mine) != before
    loaded = bundles.load(mine, threads=1)
    assert loaded.report["training"]["added_rows"] == 630
    assert (loaded.predict(feedback.drop("label")) == "benign").mean() > 0.8


def test_a_model_that_is_not_better_changes_nothing(run, mine, tmp_path):
    before, frame = sums(mine), false_alarms(mine).drop("label")
    decided = bundles.load(mine, threads=1).predict(frame)
    named = frame.with_columns(label=pl.Series(decided.tolist()))
    named.write_ndjson(tmp_path / "feedback.jsonl")
    out = tmp_path / "new"
    done = run(
        "retrain", mine, "--feedback", tmp_path / "feedback.jsonl", "-o", out,
        "--repeat", 1, "--json", code=3,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert not found["is_better"]
    assert "not more than before" in found["reasons"][-1]
    assert found["feedback"] == {"rows": 90, "fitted": 63}
    assert [check["rows"] > 0 for check in found["checks"]] == [True] * 3
    assert sums(mine) == before
    assert not out.exists()


def test_a_recipe_that_names_its_columns_is_trained_again(run, tmp_path):
    recipe = evenflow.Recipe.load("synthetic/random_forest-none").with_(
        dataset={"name": "synthetic", "n_rows": 1000},
        model={"name": "random_forest", "n_estimators": 5},
        select={"name": "columns", "without": ["src_bytes"]},
    )
    evenflow.train(recipe, tmp_path / "model")
    false_alarms(tmp_path / "model").drop("src_bytes").write_csv(tmp_path / "f.csv")
    words = ("retrain", tmp_path / "model", "--feedback", tmp_path / "f.csv")
    done = run(*words, "--json", "--tolerance", 100)
    assert json.loads(done.stdout)["checks"][-1]["retrained"] > 20
    retrained = bundles.load(tmp_path / "model", threads=1)
    assert "src_bytes" not in retrained.schema.names


def test_feedback_that_trained_the_model_cannot_evaluate_it(run, mine, tmp_path):
    table = evenflow.load_dataset("synthetic", "train", n_rows=1_000)
    labels = [table.schema.classes[code] for code in table.labels]
    table.frame.with_columns(label=pl.Series(labels)).write_csv(tmp_path / "old.csv")
    done = run("retrain", mine, "--feedback", tmp_path / "old.csv", code=2)
    assert "0 can evaluate" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": pl.lit("unheard_of")}, "line 2, column label: found 'unheard_of'"),
        ({"src_bytes": pl.lit("many")}, "column src_bytes"),
        ({"label": pl.lit(None)}, "found None, expected one of benign"),
    ],
)
def test_invalid_feedback_is_named_by_its_line(run, bundle, tmp_path, change, message):
    path = tmp_path / "feedback.csv"
    false_alarms(bundle).with_columns(**change).write_csv(path)
    done = run("retrain", bundle, "--feedback", path, code=2)
    assert message in done.stderr


def test_feedback_without_labels_is_refused(run, bundle, tmp_path):
    path = tmp_path / "feedback.csv"
    false_alarms(bundle).drop("label").write_csv(path)
    done = run("retrain", bundle, "--feedback", path, code=2)
    assert "found no column 'label'" in done.stderr


def test_the_model_that_comes_with_evenflow_is_not_replaced(run):
    done = run("retrain", shipped.NAME, "--feedback", "a.csv", code=2)
    assert "add -o BUNDLE" in done.stderr


def test_one_source_of_feedback_is_expected(run, bundle, tmp_path):
    for words in ((), ("--feedback", "a.csv", "--home", tmp_path)):
        done = run("retrain", bundle, *words, code=2)
        assert "expected either --feedback FILE or --home DIR" in done.stderr
