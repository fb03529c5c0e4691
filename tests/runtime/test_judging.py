"""A row without a finite score is rejected by every way in; NaN is never benign."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.decision import Decision
from evenflow.errors import DataError
from evenflow.prepare.features import Preprocessor
from evenflow.runtime import bundle as bundles
from evenflow.runtime.explain import explain
from evenflow.runtime.judging import judge
from evenflow.runtime.stream import score_file

HUGE = 1e300
"""A float64 that no scaling with training values of everyday size makes a float32."""


@pytest.fixture(scope="session", params=["standard", "minmax"])
def linear(request, parts, small_table, softmax_regression, tmp_path_factory, save):
    """A detector whose scaling is linear, so that large values stay large."""
    preprocessor = Preprocessor.fit(small_table, scaling=request.param)
    X = preprocessor.transform(small_table)
    model = softmax_regression(X, small_table.labels, 5)
    folder = tmp_path_factory.mktemp("linear") / "b"
    bundles.save(folder, **(parts | {"preprocessor": preprocessor, "model": model}))
    return bundles.load(folder, threads=1)


class Broken:
    """A session that answers NaN for one prepared row."""

    def __init__(self, session, row):
        self.session, self.row = session, row

    def run(self, names, feed):
        (out,) = self.session.run(names, feed)
        out[(feed["x"] == self.row).all(axis=1)] = np.nan
        return [out]


@pytest.fixture
def nan_bundle(bundle, small_table):
    """The small detector, which answers NaN for the fourth row of the table."""
    row = bundle.preprocessor.transform(small_table.take([3]))[0]
    return replace(bundle, session=Broken(bundle.session, row))


def with_huge(table, row, name, value=HUGE):
    values = table.frame[name].to_numpy().astype("f8").copy()
    values[row] = value
    frame = table.frame.with_columns(pl.Series(name, values))
    return replace(table, frame=frame)


@pytest.mark.parametrize("name", ["fwd_bytes", "duration_s"])
def test_a_value_that_cannot_be_scaled_is_named_by_every_way_in(
    linear, small_table, name
):
    table = with_huge(small_table.take(np.arange(6)), 2, name)
    with pytest.raises(DataError, match=rf"row 3, column {name}: found 1e\+?300"):
        linear.decide(table)
    with pytest.raises(DataError, match=rf"column {name}: found 1e\+?300"):
        linear.decide_record(table.frame.row(2, named=True))
    with pytest.raises(DataError, match=rf"column {name}: found 1e\+?300"):
        explain(linear, table, 2)
    scores, rows, bad = judge(linear, table)
    assert rows.tolist() == [0, 1, 3, 4, 5]
    assert [(b.line, b.column) for b in bad] == [(3, name)]
    alone = linear.decide(table.take(rows))
    np.testing.assert_array_equal(scores.attack, alone.attack)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_stops_at_such_a_row_or_sets_it_aside_with_its_text(
    linear, small_table, tmp_path, kind, save
):
    table = with_huge(small_table.take(np.arange(9)), 4, "fwd_bytes")
    source, sink = tmp_path / f"in.{kind}", tmp_path / "out.csv"
    save(table.frame, source)
    line = {"csv": 6, "jsonl": 5, "parquet": 5}[kind]
    unit = "row" if kind == "parquet" else "line"
    with pytest.raises(DataError, match=f"{unit} {line}, column fwd_bytes: found 1e"):
        score_file(linear, source, sink)
    assert not sink.exists()
    rejects = tmp_path / "rejects.jsonl"
    summary = score_file(
        linear, source, sink, on_bad_row="reject", rejects=rejects, keep_columns=True
    )
    assert (summary.scored, summary.rejected) == (8, 1)
    out = pl.read_csv(sink)
    assert line not in out["line"].to_list()
    assert out["attack_probability"].is_finite().all()
    found = json.loads(rejects.read_text())
    assert (found[unit], found["column"]) == (line, "fwd_bytes")
    assert "float32" in found["expected"]
    if kind != "parquet":
        assert found["text"] == source.read_text().splitlines()[line - 1]


def test_every_row_of_a_file_may_be_rejected(linear, small_table, tmp_path):
    frame = small_table.frame.head(4).with_columns(fwd_bytes=pl.lit(HUGE))
    frame.write_csv(tmp_path / "in.csv")
    summary = score_file(
        linear, tmp_path / "in.csv", tmp_path / "out.csv", on_bad_row="reject"
    )
    assert (summary.scored, summary.rejected) == (0, 4)


def test_a_model_that_answers_nan_calls_nothing_benign(
    nan_bundle, small_table, tmp_path
):
    table = small_table.take(np.arange(8))
    with pytest.raises(DataError, match="row 4: found values without a finite score"):
        nan_bundle.decide(table)
    with pytest.raises(DataError, match="finite"):
        nan_bundle.decide_record(table.frame.row(3, named=True))
    table.frame.write_csv(tmp_path / "in.csv")
    with pytest.raises(DataError, match="line 5: found values without a finite score"):
        score_file(nan_bundle, tmp_path / "in.csv", tmp_path / "out.csv")
    summary = score_file(
        nan_bundle, tmp_path / "in.csv", tmp_path / "out.csv", on_bad_row="reject"
    )
    assert [one.line for one in summary.first_bad] == [5]
    out = pl.read_csv(tmp_path / "out.csv")
    assert out["line"].to_list() == [2, 3, 4, 6, 7, 8, 9]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_decision_refuses_log_probabilities_without_finite_log_odds(value):
    log_proba = np.log(np.full((3, 3), 1 / 3))
    log_proba[1, 0] = value
    with pytest.raises(DataError, match=r"row 2: found log-probabilities"):
        Decision.neutral(3).apply(log_proba)


def test_a_class_that_is_impossible_leaves_the_others_their_odds():
    log_proba = np.log([[0.25, 0.75, 1.0]])
    log_proba[0, 2] = -np.inf
    scores = Decision.neutral(3).apply(log_proba)
    assert scores.attack[0] == pytest.approx(np.log(3))
    assert scores.proba[0].tolist() == pytest.approx([0.25, 0.75, 0.0])
