"""Distances of samples come with the chance of them; verdicts give class shares."""

import numpy as np
import pytest
from scipy import stats

from evenflow.metrics import class_shares, distance
from evenflow.metrics.drift import chi_squared_tail, kolmogorov_tail


@pytest.mark.parametrize("degrees", [1, 2, 3, 8, 31])
@pytest.mark.parametrize("x", [0.01, 1.0, 9.5, 60.0])
def test_the_tail_of_chi_squared_is_that_of_scipy(x, degrees):
    expected = stats.chi2.sf(x, degrees)
    assert chi_squared_tail(x, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("x", [0.1, 0.3, 0.8, 1.36, 2.5])
def test_the_tail_of_kolmogorov_is_that_of_scipy(x):
    expected = stats.kstwobign.sf(x)
    assert kolmogorov_tail(x) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_samples_of_one_distribution_are_rarely_called_different():
    rng = np.random.default_rng(1)
    shares = np.r_[np.full(9, 0.1), 0.06, 0.04]
    found = [
        distance(rng.multinomial(4_000, shares), rng.multinomial(900, shares))
        for _ in range(1_000)
    ]
    assert np.mean([one.psi_p < 0.05 for one in found]) == pytest.approx(0.05, abs=0.02)
    assert np.mean([one.ks_p < 0.05 for one in found]) < 0.06
    assert np.mean([one.ks_p < 0.05 for one in found]) > 0.005


def test_a_shift_of_a_tenth_of_the_rows_is_certain_with_a_thousand():
    before, now = np.array([400, 300, 300]), np.array([300, 300, 400])
    found = distance(before, now)
    assert found.ks == pytest.approx(0.1)
    assert found.psi == pytest.approx(2 * 0.1 * np.log(4 / 3), rel=0.01)
    assert found.psi_p < 1e-4
    assert found.ks_p < 1e-3


def test_empty_samples_are_not_apart():
    found = distance(np.zeros(3, np.int64), np.array([1, 0, 5]))
    assert (found.psi, found.psi_p, found.ks_p) == (0.0, 1.0, 1.0)


def test_class_shares_are_those_behind_the_verdicts():
    rates = np.array([[0.95, 0.05, 0.0], [0.2, 0.7, 0.1], [0.0, 0.1, 0.9]])
    confusion = (rates * 5_000).astype(np.int64)
    truth = np.array([0.6, 0.3, 0.1])
    decided = np.random.default_rng(2).multinomial(20_000, truth @ rates)
    shares, intervals = class_shares(confusion, decided)
    assert shares == pytest.approx(truth, abs=0.02)
    for share, (low, high) in zip(truth, intervals, strict=True):
        assert low < share < high
        assert high - low < 0.05


def test_verdicts_that_tell_no_class_give_no_shares():
    same = np.array([[50, 50], [50, 50]])
    assert class_shares(same, np.array([5, 5])) is None
    assert class_shares(np.array([[9, 1], [0, 0]]), np.array([5, 5])) is None
    assert class_shares(np.array([[9, 1], [1, 9]]), np.array([0, 0])) is None
