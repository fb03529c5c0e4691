"""One decision for training and sensor."""

import json

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from evenflow import decision
from evenflow.decision import Decision

Z = np.random.default_rng(0).normal(0, 4, (500, 5))


def a_decision(threshold=0.7):
    return Decision(
        temperature=1.7,
        bias=np.array([0.3, -0.2, 0.0, 1.0, 0.1]),
        threshold=threshold,
        false_alarm_budget=0.05,
    )


def test_logsumexp_agrees_with_scipy_where_exp_would_overflow():
    z = np.array([[1000.0, 1000.0], [-1000.0, -1001.0], [3.0, 4.0]])
    np.testing.assert_allclose(
        decision.logsumexp(z.T), logsumexp(z, axis=1), rtol=1e-14
    )


def test_probabilities_are_those_of_a_scaled_softmax():
    scores = a_decision().apply(Z)
    expected = np.exp(log_softmax(Z / 1.7 + a_decision().bias, axis=1))
    np.testing.assert_allclose(scores.proba, expected, rtol=1e-10)
    odds = np.log((1 - expected[:, 0]) / expected[:, 0])
    np.testing.assert_allclose(scores.attack, odds, rtol=1e-6, atol=1e-8)


def test_a_row_is_an_attack_exactly_above_the_threshold():
    scores = a_decision().apply(Z)
    np.testing.assert_array_equal(scores.is_attack, scores.attack > 0.7)
    at = a_decision(threshold=float(scores.attack[3])).apply(Z)
    assert not at.is_attack[3]


def test_the_class_is_benign_below_and_the_likeliest_attack_above_the_threshold():
    scores = a_decision().apply(Z)
    assert (scores.code[~scores.is_attack] == 0).all()
    likeliest = 1 + scores.proba[:, 1:].argmax(axis=1)
    np.testing.assert_array_equal(
        scores.code[scores.is_attack], likeliest[scores.is_attack]
    )
    assert 0 < scores.is_attack.mean() < 1


def test_the_neutral_decision_takes_the_likelier_side():
    scores = Decision.neutral(5).apply(log_softmax(Z, axis=1))
    np.testing.assert_array_equal(scores.is_attack, scores.proba[:, 0] < 0.5)


def test_a_decision_survives_json_to_the_last_bit():
    again = Decision.from_dict(json.loads(json.dumps(a_decision().to_dict())))
    np.testing.assert_array_equal(again.apply(Z).attack, a_decision().apply(Z).attack)


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row_are_decided(n):
    assert len(a_decision().apply(Z[:n])) == n
