"""A bundle decides as its report says, on ties too, whatever the model."""

import numpy as np
import polars as pl
import pytest

import evenflow
from evenflow import registry
from evenflow.learn.calibration import MARGIN
from evenflow.runtime import bundle as bundles

PARTS = [
    *({"model": name} for name in registry.names("models")),
    *({"model": "dnn", "loss": name} for name in registry.names("losses")),
    *({"model": "lightgbm", "select": name} for name in registry.names("select")),
]
"""Every model by itself, every loss and every selector with one that takes it."""
TREES = ("random_forest", "extra_trees", "lightgbm")
FEW = {"n_estimators": 30}
"""Trees; fewer of them have equal scores more often."""


def separable(n, rng):
    """Two classes that one column tells apart: every score is one of two."""
    flood = rng.random(n) < 0.3
    return {
        "pkts": np.where(flood, 900, 3) + rng.integers(0, 3, n),
        "dur": rng.integers(0, 5, n),
        "label": np.where(flood, "flood", "benign"),
    }


def coarse(n, rng):
    """Three classes over a few values: many equal rows, many equal scores."""
    pkts, dur = rng.integers(0, 4, n), rng.integers(0, 3, n)
    kind = (pkts + dur + (rng.random(n) < 0.25)) // 2
    return {
        "pkts": pkts,
        "dur": dur,
        "label": np.array(["benign", "scan", "flood", "worm"])[kind],
    }


def same_votes(n, rng):
    """Two attack classes that no column tells apart: their votes tie."""
    attack = rng.random(n) < 0.4
    return {
        "pkts": np.where(attack, 9, 1) + rng.integers(0, 2, n),
        "dur": np.zeros(n, dtype=int) + rng.integers(0, 2, n),
        "label": np.where(attack, np.where(np.arange(n) % 2, "scan", "worm"), "benign"),
    }


TABLES = {f.__name__: f for f in (separable, coarse, same_votes)}


@pytest.fixture(scope="module", params=TABLES)
def table(request, tmp_path_factory):
    rows = TABLES[request.param](1500, np.random.default_rng(3))
    rows["row_mark"] = np.random.default_rng(4).integers(0, 40, 1500)
    path = tmp_path_factory.mktemp("tied") / "t.csv"
    pl.DataFrame(rows).write_csv(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: "-".join(parts.values()))
def test_a_bundle_decides_every_test_row_as_the_report_counted_it(
    parts, table, tmp_path
):
    model = parts["model"]
    recipe = evenflow.Recipe.from_dict(
        {
            "dataset": {"name": "table_file", "path": str(table)},
            **parts,
            "model": {"name": model} | (FEW if model in TREES else {}),
            "balance": {"name": "none"},
            "split": {"name": "stratified"},
            "training": {"epochs": 2},
        }
    )
    made = evenflow.train(recipe, tmp_path / "b")
    trained, loaded = made.trained, bundles.load(tmp_path / "b", threads=1)
    scores = loaded.decide(trained.test)
    np.testing.assert_array_equal(scores.is_attack, trained.scores.is_attack)
    np.testing.assert_array_equal(scores.code, trained.scores.code)
    np.testing.assert_array_equal(scores.argmax, trained.scores.argmax)

    records = trained.test.frame.rows(named=True)[:60]
    alone = [loaded.decide_record(record).label for record in records]
    assert alone == [loaded.schema.classes[code] for code in scores.code[:60]]

    again = evenflow.evaluate(loaded, "table_file", "held_out")
    assert again.confusion == made.report.confusion
    assert again.argmax["multiclass"] == made.report.argmax["multiclass"]
    golden = loaded.decision.log_odds(
        loaded.log_proba(loaded.preprocessor.transform(loaded.golden))
    )
    border = np.abs(golden - loaded.decision.threshold)
    assert border.min() >= 0.49 * MARGIN


@pytest.mark.parametrize("model", TREES)
def test_a_row_whose_score_is_on_the_tie_stays_benign(model, tmp_path):
    rows = separable(2000, np.random.default_rng(0))
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    recipe = evenflow.Recipe.from_dict(
        {
            "dataset": {"name": "table_file", "path": str(tmp_path / "t.csv")},
            "model": {"name": model} | FEW,
            "balance": {"name": "none"},
            "split": {"name": "stratified"},
        }
    )
    report = evenflow.train(recipe, tmp_path / "b").report
    assert report.binary["false_alarm_rate"] == 0
    loaded = evenflow.load_bundle(tmp_path / "b")
    quiet = {"pkts": 3, "dur": 2}
    assert loaded.decide_record(quiet).label == "benign"
    assert loaded.decide_record(quiet | {"pkts": 901}).label == "flood"
