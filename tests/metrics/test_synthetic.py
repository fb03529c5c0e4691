"""The statistics of synthetic rows are the standard ones, and 0 for equal samples."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist, jensenshannon, pdist

from evenflow.metrics.synthetic import (
    STATISTICS,
    coverage,
    nearest,
    spread,
    statistics,
)

BLOCKS = ((3, 6),)
WIDTH = np.array([4.0, 10.0, 0.0])


@pytest.fixture
def samples():
    """Return two samples: three numbers, the last one constant, and a category."""
    rng = np.random.default_rng(0)

    def sample(n, shift, share):
        numbers = rng.normal(shift, 1, size=(n, 2))
        numbers[:, 1] += 2 * numbers[:, 0] * (shift == 0)
        category = np.eye(3)[rng.choice(3, size=n, p=share)]
        return np.column_stack([numbers, np.ones(n), category]).astype(np.float32)

    return sample(70, 0, [0.5, 0.5, 0]), sample(40, 0.7, [0.2, 0.3, 0.5])


def test_equal_samples_are_at_no_distance(samples):
    real, _ = samples
    found = statistics(real, real[::-1], width=WIDTH, blocks=BLOCKS)
    assert tuple(found) == STATISTICS
    assert list(found.values()) == pytest.approx([0] * 5, abs=1e-7)


def test_ks_and_wasserstein_are_those_of_scipy(samples):
    real, other = samples
    found = statistics(real, other, width=WIDTH, blocks=BLOCKS)
    pairs = [(real[:, j] / WIDTH[j], other[:, j] / WIDTH[j]) for j in (0, 1)]
    ks = [stats.ks_2samp(a, b).statistic for a, b in pairs]
    distance = [stats.wasserstein_distance(a, b) for a, b in pairs]
    assert found["ks"] == pytest.approx(np.mean(ks))
    assert found["wasserstein"] == pytest.approx(np.mean(distance), rel=1e-5)


def test_the_divergence_of_jensen_and_shannon_is_that_of_scipy(samples):
    real, other = samples
    found = statistics(real, other, width=WIDTH, blocks=BLOCKS)
    shares = [part[:, 3:6].mean(axis=0) for part in samples]
    assert found["jensen_shannon"] == pytest.approx(
        jensenshannon(*shares, base=2) ** 2, rel=1e-5
    )


def test_correlation_and_moments_are_differences_of_both_samples(samples):
    real, other = (part.astype(np.float64) for part in samples)
    found = statistics(real, other, width=WIDTH, blocks=BLOCKS)
    r = [np.corrcoef(part[:, 0], part[:, 1])[0, 1] for part in (real, other)]
    assert found["correlation"] == pytest.approx(abs(r[0] - r[1]))
    gaps = [
        abs(getattr(real[:, j], name)() - getattr(other[:, j], name)()) / WIDTH[j]
        for name in ("mean", "std")
        for j in (0, 1)
    ]
    assert found["moments"] == pytest.approx(np.mean(gaps))


def test_what_no_column_tells_is_none():
    one = np.ones((3, 2))
    found = statistics(one, one, width=np.zeros(2), blocks=())
    assert set(found.values()) == {None}


@pytest.mark.parametrize("k", [1, 4])
def test_the_nearest_rows_are_those_of_a_full_search(k):
    rng = np.random.default_rng(1)
    rows, queries = rng.normal(size=(60, 5)), rng.normal(size=(30, 5))
    distance, row = nearest(queries.astype("f4"), rows.astype("f4"), k)
    full = cdist(queries, rows)
    np.testing.assert_array_equal(row, full.argsort(axis=1)[:, :k])
    np.testing.assert_allclose(distance, np.sort(full, axis=1)[:, :k], atol=1e-5)


def test_a_copy_far_from_zero_is_at_no_distance():
    rows = np.full((3, 4), 1e4, dtype=np.float32) + np.arange(3)[:, None]
    assert nearest(rows[1:2], rows.astype("f4"))[0].item() == 0


def test_covered_is_a_row_with_a_new_one_among_its_five_nearest():
    real = np.arange(30.0).reshape(-1, 1)
    # the fifth nearest of a row in the middle is 3 away, of the first row 5
    assert coverage(real, np.array([[15.0]])) == pytest.approx(7 / 30)
    assert coverage(real, np.array([[-1.0]])) == pytest.approx(3 / 30)
    assert coverage(real[:1], real) is None


def test_the_spread_is_the_mean_distance_of_two_rows():
    rows = np.random.default_rng(2).normal(size=(20, 3))
    assert spread(rows) == pytest.approx(pdist(rows).mean())
    assert spread(rows[:1]) == 0
