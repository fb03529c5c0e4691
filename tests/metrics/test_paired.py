"""Two models on the same rows are compared by the rows that one alone has right."""

import numpy as np
import pytest
from scipy import stats

from evenflow.metrics.paired import paired


def pairs(both, gained, lost, neither):
    before = np.repeat([True, False, True, False], [both, gained, lost, neither])
    after = np.repeat([True, True, False, False], [both, gained, lost, neither])
    return paired(before, after)


@pytest.mark.parametrize(("gained", "lost"), [(5, 0), (12, 7), (300, 340), (0, 3)])
def test_the_probabilities_are_those_of_the_binomial_test(gained, lost):
    found, n = pairs(100, gained, lost, 20), gained + lost
    gain = stats.binomtest(gained, n, alternative="greater").pvalue
    loss = stats.binomtest(lost, n, alternative="greater").pvalue
    assert found.p_gain == pytest.approx(gain, rel=1e-9)
    assert found.p_loss == pytest.approx(loss, rel=1e-9)


def test_the_interval_holds_the_true_difference_in_95_of_100_samples():
    rng, hits = np.random.default_rng(1), 0
    for _ in range(1_000):
        both, gained, lost, neither = rng.multinomial(400, [0.7, 0.12, 0.05, 0.13])
        low, high = pairs(both, gained, lost, neither).interval
        hits += low <= 0.07 <= high
    assert hits == pytest.approx(950, abs=25)


def test_nothing_is_known_without_rows():
    found = pairs(0, 0, 0, 0)
    assert (found.difference, found.interval) == (0.0, (-1.0, 1.0))
    assert found.p_gain == found.p_loss == 1.0
