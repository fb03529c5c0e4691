"""Curves and areas against scikit-learn, ties included."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenflow.metrics import Ranking, calibration

rows = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60)


def make(seed, n=400, digits=1):
    """Return truth and scores; few digits make many ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    return truth, np.round(rng.normal(truth * 1.2, 1), digits)


@pytest.mark.parametrize("digits", [0, 1, 12])
@pytest.mark.parametrize("seed", range(4))
def test_areas_equal_those_of_scikit_learn_with_and_without_ties(seed, digits):
    import sklearn.metrics as sk

    truth, score = make(seed, digits=digits)
    roc, pr = Ranking.of(truth, score).areas()
    assert roc == pytest.approx(sk.roc_auc_score(truth, score), rel=0, abs=1e-12)
    assert pr == pytest.approx(
        sk.average_precision_score(truth, score), rel=0, abs=1e-12
    )


@given(rows)
def test_the_roc_area_is_the_chance_that_an_attack_outranks_a_benign_row(pairs):
    truth, score = (np.array(part) for part in zip(*pairs, strict=True))
    roc, _ = Ranking.of(truth, score).areas()
    wins = score[truth][:, None] - score[~truth][None, :]
    if not wins.size:
        assert math.isnan(roc)
    else:
        assert roc == pytest.approx((wins > 0).mean() + (wins == 0).mean() / 2)


@given(rows)
def test_areas_do_not_change_when_scores_are_stretched(pairs):
    truth, score = (np.array(part) for part in zip(*pairs, strict=True))
    first, again = (
        Ranking.of(truth, s).areas() for s in (score, np.exp(score / 3) - 7)
    )
    assert first == pytest.approx(again, nan_ok=True)


def test_infinite_scores_rank_and_nan_is_refused():
    truth = np.array([True, False, False])
    assert Ranking.of(truth, np.array([np.inf, 0, -np.inf])).areas() == (1.0, 1.0)
    with pytest.raises(ValueError, match="NaN"):
        Ranking.of(truth, np.array([np.nan, 0, 1]))


def test_without_attacks_or_benign_rows_areas_are_undefined_and_curves_empty():
    none = Ranking.of(np.zeros(3, bool), np.arange(3))
    assert all(map(math.isnan, none.areas()))
    assert len(none.roc()[0]) == len(none.precision_recall()[0]) == 0
    only = Ranking.of(np.ones(3, bool), np.arange(3))
    assert math.isnan(only.areas()[0])
    assert only.areas()[1] == 1.0


def test_thinned_curves_keep_their_ends_and_their_area():
    truth, score = make(0, n=20_000, digits=12)
    ranking = Ranking.of(truth, score)
    far, rate = ranking.roc(200)
    assert len(far) <= 200
    assert (far[0], rate[0], far[-1], rate[-1]) == (0, 0, 1, 1)
    assert (np.diff(far) >= 0).all()
    assert (np.diff(rate) >= 0).all()
    area = float(np.trapezoid(rate, far))
    assert area == pytest.approx(ranking.areas()[0], rel=0, abs=2e-3)
    recall, precision = ranking.precision_recall(200)
    assert len(recall) <= 200
    assert recall[-1] == 1
    assert precision[-1] == pytest.approx(truth.mean())


def test_curve_points_are_points_of_the_whole_curve():
    from sklearn.metrics import roc_curve

    truth, score = make(1, n=3000, digits=2)
    whole = {tuple(p) for p in np.round(np.transpose(roc_curve(truth, score, drop_intermediate=False)[:2]), 12).tolist()}  # fmt: skip  # noqa: E501
    thin = np.round(np.transpose(Ranking.of(truth, score).roc(50)), 12).tolist()
    assert {tuple(p) for p in thin} <= whole


def test_the_bootstrap_spreads_like_resampling_rows():
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth, score = make(2, n=300)
    fast = Ranking.of(truth, score).bootstrap(1500, np.random.default_rng(0))
    rng, slow = np.random.default_rng(1), []
    groups = np.flatnonzero(truth), np.flatnonzero(~truth)
    for _ in range(200):
        rows = np.concatenate([rng.choice(g, len(g)) for g in groups])
        slow.append((roc_auc_score(truth[rows], score[rows]),
                     average_precision_score(truth[rows], score[rows])))  # fmt: skip
    for k in range(2):
        expected = np.array(slow)[:, k]
        assert fast[k].mean() == pytest.approx(expected.mean(), abs=0.005)
        assert fast[k].std() == pytest.approx(expected.std(), rel=0.2)


def test_a_thousand_resamples_of_the_official_test_size_take_seconds():
    truth, score = make(3, n=22_544, digits=12)
    start = time.process_time()
    Ranking.of(truth, score).bootstrap(200, np.random.default_rng(0))
    assert time.process_time() - start < 2


def test_perfect_probabilities_have_no_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    found = calibration(rng.random(len(p)) < p, p)
    assert found["ece"] < 0.005
    assert found["brier"] == pytest.approx(1 / 6, abs=0.003)


def test_brier_equals_that_of_scikit_learn_and_ece_that_of_a_loop():
    from sklearn.metrics import brier_score_loss

    truth, score = make(4)
    p = 1 / (1 + np.exp(-score))
    found = calibration(truth, p, n_bins=10)
    assert found["brier"] == pytest.approx(brier_score_loss(truth, p), abs=1e-12)
    ece = 0.0
    for k in range(10):
        inside = (p >= k / 10) & (p < (k + 1) / 10)
        if inside.any():
            ece += inside.mean() * abs(p[inside].mean() - truth[inside].mean())
    assert found["ece"] == pytest.approx(ece, abs=1e-12)
    assert sum(b["n"] for b in found["bins"]) == len(p)


def test_calibration_of_sure_and_of_no_rows():
    sure = calibration(np.array([True, False]), np.array([1.0, 0.0]))
    assert (sure["ece"], sure["brier"]) == (0, 0)
    assert calibration(np.array([], bool), np.array([]))["ece"] is None
