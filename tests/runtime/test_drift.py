"""Drift is found, said once, and rarely where there is none."""

import json
import math

import numpy as np
import polars as pl
import pytest

from evenflow.baseline import Baseline
from evenflow.decision import Decision
from evenflow.errors import DataError
from evenflow.runtime._betting import Bets
from evenflow.runtime.drift import WINDOW, Drift
from evenflow.schema import Column, Schema, Table

S = 10**9
BEGIN = 1_767_225_600 * S
SCHEMA = Schema(
    name="two",
    columns=(Column(name="x"), Column(name="word", kind="category")),
    classes=("benign", "bad"),
)
DECISION = Decision(
    temperature=1.0, bias=np.zeros(2), threshold=1.6449, false_alarm_budget=0.05
)


def rows(rng, n, *, shift=0.0, scale=1.0):
    """Return rows whose scores are normal, 5 % of them over the threshold."""
    frame = pl.DataFrame(
        {
            "x": scale * rng.normal(size=n),
            "word": np.where(rng.random(n) < 0.7, "tcp", "udp"),
        }
    )
    odds = rng.normal(size=n) + shift
    log_proba = np.stack([-np.logaddexp(0, odds), -np.logaddexp(0, -odds)], axis=1)
    table = Table(schema=SCHEMA, frame=frame, y=np.zeros(n, np.int64))
    return table, DECISION.apply(log_proba)


@pytest.fixture(scope="module")
def baseline():
    return Baseline.of(*rows(np.random.default_rng(1), 4_000))


def live(drift, rng, n, *, at=0, each=50, **how):
    """Take connections of pairs that differ, a minute apart; return what was said."""
    said = []
    for first in range(0, n, each):
        table, scores = rows(rng, each, **how)
        connections = pl.DataFrame(
            {
                "id.orig_h": [f"10.0.0.{i}" for i in range(each)],
                "id.resp_h": [f"192.0.2.{i}" for i in range(each)],
                "known": [BEGIN + (at + first // each) * 60 * S] * each,
            }
        )
        if found := drift.take(connections, table, scores):
            said.append(found)
    return said


def fresh(baseline):
    return Drift(baseline, SCHEMA.classes, is_live=True)


def test_wealth_reaches_a_hundred_in_at_most_one_run_of_a_hundred():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        bets = Bets([0.1, 0.4])
        for at in range(100):
            n = int(rng.integers(1, 40))
            bets.add([rng.binomial(n, 0.1), rng.binomial(n, 0.4)], [n, n], at)
            if bets.log_wealth >= math.log(100):
                hits += 1
                break
    assert hits <= 9  # 3 expected at most


def test_a_share_that_doubles_after_a_long_time_is_found_with_its_beginning():
    rng = np.random.default_rng(4)
    bets = Bets([0.1])
    for at in range(3_000):
        share = 0.05 if at < 2_900 else 0.23
        bets.add([rng.binomial(20, share)], [20], at)
    assert bets.log_wealth >= math.log(100)
    _, since, k, n = bets.leading
    assert 2_890 <= since <= 2_910
    assert 0.17 < k / n < 0.29


def test_traffic_like_the_calibration_rows_is_silent(baseline):
    for seed in range(10):
        drift = fresh(baseline)
        assert live(drift, np.random.default_rng(100 + seed), 2_000) == []
        assert not drift.is_drifted
        assert drift.n == 2_000


def test_a_risen_share_is_said_once_with_its_beginning(baseline):
    rng, drift = np.random.default_rng(5), fresh(baseline)
    assert live(drift, rng, 1_000) == []
    said = live(drift, rng, 20_000, at=20, shift=1.0)
    assert [one.status for one in said] == ["began"]
    share = said[0].share
    assert share.before == pytest.approx(0.05, abs=0.01)
    assert abs(share.since - (BEGIN + 20 * 60 * S)) <= 2 * 60 * S
    assert "% in calibration and is 2" in str(said[0])
    assert drift.share.now == pytest.approx(0.26, abs=0.03)


def test_moved_columns_are_named_and_said_once(baseline):
    rng, drift = np.random.default_rng(6), fresh(baseline)
    said = live(drift, rng, 3 * WINDOW, scale=4.0)
    assert len(said) == 1
    assert [one.name for one in said[0].columns] == ["x"]
    assert said[0].columns[0].ks > 0.2
    assert "x (PSI" in str(said[0])


def test_what_recovers_is_said_and_may_drift_again(baseline):
    rng, drift = np.random.default_rng(7), fresh(baseline)
    said = live(drift, rng, 2 * WINDOW, shift=1.5, scale=4.0)
    said += live(drift, rng, 3 * WINDOW, at=100)
    said += live(drift, rng, 2 * WINDOW, at=300, shift=1.5, scale=4.0)
    kinds = [one.status for one in said if one.status != "joined"]
    assert kinds == ["began", "ended", "began"]


def test_a_scan_of_a_thousand_ports_is_no_drift(baseline):
    rng, drift = np.random.default_rng(8), fresh(baseline)
    table, scores = rows(rng, 1_000, shift=9.0)
    connections = pl.DataFrame(
        {
            "id.orig_h": ["203.0.113.5"] * 1_000,
            "id.resp_h": ["10.0.0.1"] * 1_000,
            "known": BEGIN + np.arange(1_000) * S,
        }
    )
    assert drift.take(connections, table, scores) is None
    assert drift.n == 17


@pytest.mark.parametrize("cut", [1_000, 1_250])
def test_a_restart_changes_nothing_that_is_said(baseline, cut):
    def run(is_cut):
        rng, drift = np.random.default_rng(9), fresh(baseline)
        said = live(drift, rng, cut, shift=0.8, scale=2.0)
        if is_cut:
            state = json.loads(json.dumps(drift.to_dict()))
            drift = fresh(baseline)
            drift.restore(state)
        return said + live(
            drift, rng, 2 * WINDOW + 500 - cut, at=cut // 50, shift=0.8, scale=2.0
        )

    # ties of scores apart, which are random
    assert [str(one)[:60] for one in run(True)] == [str(one)[:60] for one in run(False)]


def test_the_state_of_another_model_is_not_used(baseline):
    rng = np.random.default_rng(10)
    other = fresh(Baseline.of(*rows(rng, 700, scale=3)))
    live(other, rng, 2_000, shift=2.0)
    drift = fresh(baseline)
    drift.restore(other.to_dict())
    assert drift.n == 0
    assert not drift.is_drifted


@pytest.mark.parametrize("change", [{"n": [1]}, {"bets": 5}, {"share": {"now": 1}}])
def test_a_damaged_state_is_a_clear_error(baseline, change):
    with pytest.raises(DataError, match="damaged"):
        fresh(baseline).restore(fresh(baseline).to_dict() | change)


def test_a_file_is_compared_as_a_whole_whatever_its_share_of_attacks(baseline):
    rng = np.random.default_rng(11)

    def found(shift, **how):
        drift = Drift(baseline, SCHEMA.classes, is_live=False)
        for first in range(1, 8_001, 2_000):
            is_attack = rng.random(2_000) < shift
            table, scores = rows(rng, 2_000, shift=np.where(is_attack, 9.0, 0.0), **how)
            drift.add(table, scores, np.arange(2_000), first)
        return drift.finish()

    assert not found(0.0).is_drifted
    assert not found(0.5).is_drifted
    assert found(0.5).classes == {}  # the calibration rows had no attacks
    assert [one.name for one in found(0.5, scale=3.0).columns] == ["x"]


def test_a_file_of_few_rows_says_nothing(baseline):
    drift = Drift(baseline, SCHEMA.classes, is_live=False)
    table, scores = rows(np.random.default_rng(12), 20, scale=50.0)
    drift.add(table, scores, np.arange(20), 1)
    assert not drift.finish().is_drifted
