"""The calibration rows in short: bins that hold them, and rows of pairs of hosts."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from evenflow.baseline import N_SCORES, Baseline, Bins, Thinning, first_of_pairs, split
from evenflow.decision import Decision
from evenflow.runtime._arrays import pack, unpack

S = 10**9


@pytest.fixture
def scored(small_table):
    """The small table with scores that call each tenth row of it an attack."""
    rng = np.random.default_rng(4)
    log_proba = np.log(rng.dirichlet(np.ones(5), len(small_table)))
    odds = Decision.neutral(5).log_odds(log_proba)
    decision = Decision(
        temperature=1.0, bias=np.zeros(5), false_alarm_budget=0.1,
        threshold=float(np.quantile(odds, 0.9)),
    )  # fmt: skip
    return small_table, decision.apply(log_proba)


def test_a_column_may_have_any_name():
    bins = Bins(name="n", levels=("a", "b"))
    counted = bins.count(pl.Series("n", ["a", "b", "a", None, "x"]))
    assert counted.tolist() == [2, 1, 1, 1]


def test_the_bins_of_each_column_hold_the_rows_that_are_decided_to_be_benign(scored):
    table, scores = scored
    found = Baseline.of(table, scores)
    n = int((~scores.is_attack).sum())
    assert found.rows.n == n
    assert [int(part.sum()) for part in split(found.bins, found.rows.counts)] == (
        [n] * len(table.schema.columns)
    )
    duration = split(found.bins, found.rows.counts)[0]
    assert duration.max() < 0.2 * n  # as many in each
    assert found.rows.benign == int((table.labels == 0).sum())
    assert found.rows.alarms == int((scores.is_attack & (table.labels == 0)).sum())
    assert found.confusion.sum() == len(table)
    assert found.pairs is None
    ends = found.rows.scores[[0, -1]]
    assert len(found.rows.scores) == N_SCORES
    passed = scores.attack[~scores.is_attack]
    assert passed.min() <= ends[0] < ends[1] <= passed.max()


def test_columns_are_those_of_training_rows_where_they_are_given(scored):
    table, scores = scored
    half = table.take(np.arange(len(table) // 2))
    part = Decision.neutral(5).apply(np.log(scores.proba[: len(half)]))
    found = Baseline.of(half, part, columns=(table, scores, None))
    passed = int((~scores.is_attack).sum())
    assert {int(one.sum()) for one in split(found.bins, found.rows.counts)} == {passed}
    assert found.rows.n == int((~part.is_attack).sum()) < passed
    assert found.confusion.sum() == len(half)


def test_a_baseline_survives_its_arrays(scored):
    table, scores = scored
    made = Baseline.of(table, scores, np.arange(len(table)) % 3 == 0)
    data = pack(made.to_arrays())
    found = Baseline.from_arrays(table.schema, unpack(data, source="here"))
    assert pack(found.to_arrays()) == data
    assert found.bins == made.bins
    assert found.pairs.n == made.pairs.n > 0
    assert Baseline.from_arrays(table.schema, {}) is None


def test_missing_and_unknown_values_have_bins_of_their_own(table_of):
    def table(x, words):
        frame = pl.DataFrame({"x": x, "word": words})
        return table_of(frame, np.zeros(len(x), np.int64))

    known = table([1.0] * 9 + [np.nan], ["a"] * 9 + [None])
    scores = Decision.neutral(2).apply(np.log(np.full((10, 2), 0.5)))
    found = Baseline.of(known, scores)
    odd = table([1.0, 0.0, 2.0, np.nan, np.inf], ["a", "b", "b", None, None])
    x, words = (one.count(odd.frame[one.name]).tolist() for one in found.bins)
    assert x == [1, 1, 1, 2]
    assert words == [1, 2, 2]


def test_a_scan_of_a_thousand_hosts_gives_five_rows_a_minute():
    hosts = [f"10.0.{i // 256}.{i % 256}" for i in range(1_000)]
    thinning = Thinning()
    assert len(thinning.take(["a"] * 1_000, hosts, [5 * S] * 1_000)) == 5
    assert len(thinning.take(hosts, ["a"] * 1_000, [6 * S] * 1_000)) == 5
    kept = thinning.take(["b", "b", "b"], ["c", "c", "d"], [7 * S] * 3)
    assert kept.tolist() == [0, 2]
    assert thinning.take(["b", "b"], ["c", "c"], [8 * S, 61 * S]).tolist() == [1]


def test_rows_of_each_run_are_thinned_by_themselves(small_table):
    n = len(small_table)
    extra = pl.DataFrame(
        {
            "run": np.where(np.arange(n) < n // 2, "one", "two"),
            "known_s": np.arange(n) % (n // 2) / 10.0,
            "source": ["a"] * n,
            "destination": ["b"] * n,
        }
    )
    table = dataclasses.replace(small_table, extra=extra)
    found = first_of_pairs(table)
    minutes = int(n // 2 / 10 // 60) + 1
    assert found.sum() == 2 * minutes
    assert found[0]
    assert found[n // 2]
    assert first_of_pairs(small_table) is None
