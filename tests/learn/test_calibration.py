"""Calibration and threshold are learnt on rows kept for nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from evenflow.errors import DataError
from evenflow.learn.calibration import MARGIN, certified, fit_decision, threshold_at


def drawn(n=6000, sharpness=1.0, shift=(0, 0, 0), seed=0):
    """Return log-probabilities that are too sharp and shifted, and true labels."""
    rng = np.random.default_rng(seed)
    true = log_softmax(rng.normal([2.0, 0.5, -1.0], 1.5, (n, 3)), axis=1)
    y = (rng.random(n)[:, None] > np.exp(true).cumsum(axis=1)).sum(axis=1)
    return log_softmax(true * sharpness + np.array(shift), axis=1), y


def log_loss(log_proba, y):
    return -log_proba[np.arange(len(y)), y].mean()


def test_a_sharpened_and_shifted_model_is_brought_back():
    spoiled, y = drawn(sharpness=3.0, shift=(0, 2.0, 2.0))
    decision = fit_decision(spoiled, y, false_alarm_budget=0.05)
    fresh, y_fresh = drawn(sharpness=3.0, shift=(0, 2.0, 2.0), seed=1)
    best = log_loss(drawn(seed=1)[0], y_fresh)
    assert decision.temperature == pytest.approx(3.0, rel=0.1)
    found = np.log(decision.apply(fresh).proba)
    assert log_loss(found, y_fresh) == pytest.approx(best, abs=0.01)
    assert log_loss(fresh, y_fresh) > best + 0.1


@given(
    odds=st.lists(st.integers(-5, 5), min_size=1, max_size=200),
    budget=st.floats(0.001, 0.999),
)
@settings(deadline=None)
def test_the_budget_is_kept_and_no_lower_threshold_keeps_it(odds, budget):
    odds = np.array(odds, dtype=float)
    threshold = threshold_at(odds, np.full(len(odds), True), budget)
    assert (odds > threshold).mean() <= budget
    next_lower = odds[odds < threshold].max() - 1e-9
    assert (odds > next_lower).mean() > budget


def test_a_certified_threshold_keeps_its_budget_as_often_as_it_says():
    rng = np.random.default_rng(0)
    n, budget = 400, 0.05
    kept = {True: 0, False: 0}
    for _ in range(1000):
        scores = rng.random(n)  # of which x exceed 1 - x
        for is_certified in kept:
            share = certified(n, budget, 0.9) if is_certified else budget
            threshold = threshold_at(scores, np.full(n, True), share)
            kept[is_certified] += 1 - threshold <= budget
    assert 0.88 < kept[True] / 1000 < 0.96
    assert kept[False] / 1000 < 0.7


@pytest.mark.parametrize(("n", "budget"), [(45, 0.05), (230, 0.01), (2302, 0.001)])
def test_the_fewest_rows_that_certify_a_budget_are_known(n, budget):
    assert certified(n, budget, 0.9) * n < 1
    with pytest.raises(DataError, match=f"expected {n} or more"):
        certified(n - 1, budget, 0.9)


def test_a_certified_decision_is_stricter():
    log_proba, y = drawn()
    plain, sure = (
        fit_decision(log_proba, y, false_alarm_budget=0.05, certify=certify)
        for certify in (None, 0.99)
    )
    assert sure.threshold > plain.threshold


@given(
    odds=st.lists(
        st.floats(-27.7, 27.7).map(lambda x: round(x, 3)), min_size=1, max_size=200
    ),
    attacks=st.lists(st.sampled_from([-27.6, 0.0, 0.3, 27.6]), max_size=20),
    budget=st.floats(0.001, 0.5),
)
@settings(deadline=None)
def test_a_threshold_lies_between_scores_and_moves_with_no_rounding_error(
    odds, attacks, budget
):
    benign = np.arange(len(odds) + len(attacks)) < len(odds)
    odds = np.array(odds + attacks)
    threshold = threshold_at(odds, benign, budget)
    assert np.abs(odds - threshold).min() >= 0.49 * MARGIN
    noise = np.random.default_rng(0).uniform(-1e-5, 1e-5, len(odds))
    np.testing.assert_array_equal(odds > threshold, odds + noise > threshold)
    assert (odds[benign] > threshold).mean() <= budget


def test_scores_closer_than_the_margin_count_as_one():
    odds = np.array([0.0, 1.0, 1.0 + MARGIN / 4, 1.0 + MARGIN / 2, 3.0])
    assert threshold_at(odds, np.full(5, True), budget=0.6) == pytest.approx(
        2.0, abs=MARGIN
    )


def test_the_budget_holds_on_the_calibration_rows():
    log_proba, y = drawn()
    decision = fit_decision(log_proba, y, false_alarm_budget=0.02)
    flagged = decision.apply(log_proba).is_attack[y == 0].mean()
    assert 0.017 < flagged <= 0.02


def test_a_class_without_calibration_rows_keeps_its_bias():
    log_proba, y = drawn()
    decision = fit_decision(log_proba[y < 2], y[y < 2], false_alarm_budget=0.05)
    # it falls to -10, the optimiser's bound, where nothing holds it
    assert -3.5 < decision.bias[2] < 0
    assert np.isfinite(decision.apply(log_proba).attack).all()


def test_exact_zeros_of_a_forest_are_calibrated():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    votes = np.clip(np.round(y + rng.normal(0, 0.4, 500), 1), 0, 1)
    log_proba = np.log(np.clip(np.stack([1 - votes, votes], axis=1), 1e-12, 1))
    decision = fit_decision(log_proba, y, false_alarm_budget=0.05)
    scores = decision.apply(log_proba)
    assert np.isfinite(scores.attack).all()
    assert scores.is_attack[y == 0].mean() <= 0.05
    assert scores.is_attack[y == 1].mean() > 0.5


def test_no_benign_row_is_a_clear_error():
    log_proba, _ = drawn(n=10)
    with pytest.raises(DataError, match="no benign row"):
        fit_decision(log_proba, np.ones(10, dtype=int), false_alarm_budget=0.05)


def test_with_equal_shares_a_rare_class_weighs_as_much_as_a_frequent_one():
    log_proba, y = drawn()
    as_is = fit_decision(log_proba, y, false_alarm_budget=0.05)
    equal = fit_decision(log_proba, y, false_alarm_budget=0.05, attack_shares="equal")
    rows = np.bincount(y)
    assert rows[1] > 2 * rows[2]
    expected = as_is.apply(log_proba).proba.mean(axis=0)
    found = equal.apply(log_proba).proba.mean(axis=0)
    assert expected[1] > 2 * expected[2]
    # every row of the calibration set weighs what its class does
    weight = np.array([1, *(rows[1:].mean() / rows[1:])])[y]
    by_class = np.average(equal.apply(log_proba).proba, axis=0, weights=weight)
    assert by_class[1] == pytest.approx(by_class[2], rel=0.02)
    assert found[0] == pytest.approx(expected[0], rel=0.05)
    before, after = (d.apply(log_proba) for d in (as_is, equal))
    assert after.is_attack[y == 0].mean() <= 0.05
    assert after.is_attack[y == 2].mean() > before.is_attack[y == 2].mean()


def test_equal_shares_are_finite_for_a_class_without_calibration_rows():
    log_proba, y = drawn()
    decision = fit_decision(
        log_proba[y < 2], y[y < 2], false_alarm_budget=0.05, attack_shares="equal"
    )
    assert np.isfinite(decision.apply(log_proba).attack).all()
