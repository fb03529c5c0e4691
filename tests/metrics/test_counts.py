"""Figures against scikit-learn, and what must hold for any counts."""

import math
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evenflow import metrics

CLASSES = ("benign", "dos", "probe", "r2l")
SEVERAL = {
    "macro_f1": ("f1_score", "macro"),
    "weighted_f1": ("f1_score", "weighted"),
    "macro_precision": ("precision_score", "macro"),
    "weighted_precision": ("precision_score", "weighted"),
    "macro_recall": ("recall_score", "macro"),
    "weighted_recall": ("recall_score", "weighted"),
}

matrices = arrays(np.int64, (4, 4), elements=st.integers(0, 50))


def labels(seed, n=500):
    rng = np.random.default_rng(seed)
    y = rng.choice(4, n, p=[0.6, 0.3, 0.08, 0.02])
    return y, np.where(rng.random(n) < 0.7, y, rng.integers(0, 4, n))


def matrix_of(seed):
    return metrics.confusion_matrix(*labels(seed), 4)


@pytest.mark.parametrize("seed", range(5))
def test_binary_figures_equal_those_of_scikit_learn(seed):
    import sklearn.metrics as sk

    y, code = labels(seed)
    found = metrics.binary_figures(metrics.confusion_matrix(y, code, 4))
    truth, flagged = y > 0, code > 0
    expected = {
        "accuracy": sk.accuracy_score(truth, flagged),
        "precision": sk.precision_score(truth, flagged),
        "f1": sk.f1_score(truth, flagged),
        "detection_rate": sk.recall_score(truth, flagged),
        "specificity": sk.recall_score(~truth, ~flagged),
        "false_alarm_rate": 1 - sk.recall_score(~truth, ~flagged),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, flagged),
        "mcc": sk.matthews_corrcoef(truth, flagged),
    }
    assert found == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_multiclass_figures_equal_those_of_scikit_learn(seed):
    import sklearn.metrics as sk

    y, code = labels(seed)
    found = metrics.multiclass_figures(metrics.confusion_matrix(y, code, 4), CLASSES)
    for name, (function, average) in SEVERAL.items():
        expected = getattr(sk, function)(y, code, average=average)
        assert found[name] == pytest.approx(expected, rel=0, abs=1e-12), name
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, code), abs=1e-12)
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(y, code), abs=1e-12)
    each = sk.precision_recall_fscore_support(y, code, labels=range(4))
    for name, values in zip(
        ("precision", "recall", "f1", "support"), each, strict=True
    ):
        assert list(found[name].values()) == pytest.approx(list(values), abs=1e-12)
    for k, name in enumerate(CLASSES):
        others = sk.recall_score(y != k, code != k)
        assert found["specificity"][name] == pytest.approx(others, abs=1e-12)


def test_a_class_that_is_never_predicted_counts_as_zero_in_macro_figures():
    import sklearn.metrics as sk

    y, code = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 0, 1])
    found = metrics.multiclass_figures(metrics.confusion_matrix(y, code, 4), CLASSES)
    assert found["precision"]["probe"] is None
    assert found["recall"]["r2l"] is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("macro_f1", "macro_precision", "weighted_precision"):
            function, average = SEVERAL[name]
            expected = getattr(sk, function)(y, code, average=average)
            assert found[name] == pytest.approx(expected, abs=1e-12), name


def test_a_predicted_class_without_rows_is_left_out_of_macro_recall():
    matrix = metrics.confusion_matrix(np.array([0, 1]), np.array([0, 3]), 4)
    found = metrics.multiclass_figures(matrix, CLASSES)
    assert found["macro_recall"] == 0.5
    assert found["macro_f1"] == pytest.approx(1 / 3)


def test_undefined_figures_are_none_and_never_nan():
    benign_only = metrics.confusion_matrix(
        np.zeros(5, int), np.array([0, 0, 0, 0, 1]), 2
    )
    found = metrics.binary_figures(benign_only)
    assert found["detection_rate"] is found["balanced_accuracy"] is found["mcc"] is None
    assert found["false_alarm_rate"] == 0.2
    nothing = metrics.binary_figures(np.zeros((2, 2), int))
    assert set(nothing.values()) == {None}
    empty = metrics.multiclass_figures(np.zeros((2, 2), int), ("a", "b"))
    assert all(empty[name] is None for name in metrics.MULTICLASS)


@given(matrices)
def test_every_figure_is_none_or_in_its_range(matrix):
    found = metrics.multiclass_figures(matrix, CLASSES)
    single = [found[name] for name in metrics.MULTICLASS]
    each = [v for name in metrics.PER_CLASS for v in found[name].values()]
    for value in [*single, *each, *metrics.binary_figures(matrix).values()]:
        assert value is None or -1 - 1e-9 <= value <= 1 + 1e-9


@given(matrices)
def test_accuracy_lies_between_recall_and_specificity(matrix):
    found = metrics.binary_figures(matrix)
    if found["detection_rate"] is not None and found["specificity"] is not None:
        low, high = sorted((found["detection_rate"], found["specificity"]))
        assert low - 1e-12 <= found["accuracy"] <= high + 1e-12


@given(matrices)
def test_weighted_recall_is_the_accuracy(matrix):
    found = metrics.multiclass_figures(matrix, CLASSES)
    if found["accuracy"] is not None:
        assert found["weighted_recall"] == pytest.approx(found["accuracy"], abs=1e-12)


@given(matrices, st.permutations(range(4)))
def test_the_order_of_the_classes_does_not_matter(matrix, order):
    first = metrics.multiclass_figures(matrix, CLASSES)
    again = metrics.multiclass_figures(
        matrix[np.ix_(order, order)], [CLASSES[k] for k in order]
    )
    for name in metrics.MULTICLASS:
        assert again[name] == pytest.approx(first[name], abs=1e-9), name


def test_confusion_counts_true_by_row_and_decided_by_column():
    matrix = metrics.confusion_matrix(np.array([0, 0, 1]), np.array([1, 0, 1]), 2)
    assert matrix.tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("y", "code"), [([0, 2], [0, 1]), ([0, -1], [0, 0]), ([0], [])]
)
def test_impossible_class_codes_are_refused(y, code):
    with pytest.raises(ValueError, match="class"):
        metrics.confusion_matrix(np.array(y, int), np.array(code, int), 2)


def test_wilson_matches_published_values():
    # Newcombe 1998 (doi:10.1002/(SICI)1097-0258), table I: method 3
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert metrics.wilson(hits, n) == pytest.approx((low, high), rel=0, abs=6e-5)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_holds_the_share_and_mirrors(hits, n):
    hits = min(hits, n)
    low, high = metrics.wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    other = metrics.wilson(n - hits, n)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high), abs=1e-12)


def test_wilson_of_no_trials_is_none_and_of_impossible_ones_an_error():
    assert metrics.wilson(0, 0) is None
    with pytest.raises(ValueError, match="3 hits of 2"):
        metrics.wilson(3, 2)


def test_wilson_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.3, 0.9):
        hits = rng.binomial(60, share, 2000)
        inside = [low <= share <= high for low, high in (metrics.wilson(int(h), 60) for h in hits)]  # fmt: skip  # noqa: E501
        assert 0.92 <= np.mean(inside) <= 0.985


def test_resampling_keeps_the_rows_of_every_class():
    matrix = matrix_of(0)
    drawn = metrics.resample(matrix, 200, np.random.default_rng(1))
    assert drawn.shape == (200, 4, 4)
    np.testing.assert_array_equal(drawn.sum(axis=2), np.tile(matrix.sum(1), (200, 1)))
    assert (drawn[:, matrix == 0] == 0).all()


def test_multinomial_resampling_spreads_like_resampling_rows():
    y, code = labels(3, 400)
    matrix = metrics.confusion_matrix(y, code, 4)
    drawn = metrics.resample(matrix, 3000, np.random.default_rng(0))
    fast = metrics.multiclass_arrays(drawn)["macro_f1"]
    rng, slow = np.random.default_rng(1), []
    groups = [np.flatnonzero(y == k) for k in range(4)]
    for _ in range(1500):
        rows = np.concatenate([rng.choice(g, len(g)) for g in groups])
        matrix = metrics.confusion_matrix(y[rows], code[rows], 4)
        slow.append(metrics.multiclass_arrays(matrix)["macro_f1"])
    assert np.mean(fast) == pytest.approx(np.mean(slow), abs=0.004)
    assert np.std(fast) == pytest.approx(np.std(slow), rel=0.12)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    truth = np.array([[0.9, 0.1], [0.25, 0.75]])
    sizes = (400, 300)
    exact = float(metrics.binary_arrays((truth.T * sizes).T)["f1"])
    rng, inside = np.random.default_rng(5), []
    for _ in range(300):
        seen = np.stack(
            [rng.multinomial(n, p) for n, p in zip(sizes, truth, strict=True)]
        )
        drawn = metrics.binary_arrays(metrics.resample(seen, 300, rng))["f1"]
        low, high = metrics.interval(drawn)
        inside.append(low <= exact <= high)
    assert 0.90 <= np.mean(inside) <= 0.99


def test_the_same_seed_gives_the_same_resamples():
    first, again = (
        metrics.resample(matrix_of(0), 50, np.random.default_rng(9)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_an_interval_leaves_undefined_resamples_out():
    assert metrics.interval(np.array([math.nan, math.nan])) is None
    low, high = metrics.interval(np.array([math.nan, 0.0, 1.0]))
    assert (low, high) == pytest.approx((0.025, 0.975))


def test_alerts_follow_from_the_base_rate():
    # Axelsson 2000: a detector with 1 false alarm in 100,000 at 1 attack in 50,000
    day = metrics.alerts(1.0, 1e-5, flows_per_day=1e6, base_rate=2e-5)
    assert day["true_alerts_per_day"] == pytest.approx(20)
    assert day["false_alerts_per_day"] == pytest.approx(9.9998)
    assert day["precision"] == pytest.approx(0.6667, abs=1e-4)
    assert day["missed_per_day"] == pytest.approx(0)


def test_alerts_without_a_rate_are_none():
    day = metrics.alerts(None, 0.1, flows_per_day=100, base_rate=0.5)
    assert day["alerts_per_day"] is day["precision"] is day["missed_per_day"] is None
    assert day["false_alerts_per_day"] == 5
    assert metrics.alerts(0, 0, flows_per_day=9, base_rate=0.1)["precision"] is None
    with pytest.raises(ValueError, match="base_rate"):
        metrics.alerts(1, 1, flows_per_day=1, base_rate=2)


def test_detection_is_counted_by_type_largest_first():
    attack = np.array(["smurf", "neptune", "neptune", "neptune"])
    found = metrics.detection_by_type(attack, np.array([True, True, False, True]))
    assert [a["type"] for a in found] == ["neptune", "smurf"]
    assert (found[0]["n"], found[0]["detected"]) == (3, 2)
    assert (found[0]["low"], found[0]["high"]) == metrics.wilson(2, 3)
    assert metrics.detection_by_type(np.array([], str), np.array([], bool)) == []


def test_spread_over_seeds_needs_two_of_them():
    assert metrics.over_seeds([0.5, 0.7]) == pytest.approx(
        {"n": 2, "mean": 0.6, "std": 0.1414213562, "low": 0.5, "high": 0.7}
    )
    one = metrics.over_seeds([0.5, None])
    assert (one["n"], one["mean"], one["std"]) == (1, 0.5, None)
    assert metrics.over_seeds([None])["mean"] is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_figures_of_many_matrices_at_once_equal_those_of_each(seed):
    drawn = metrics.resample(matrix_of(2), 5, np.random.default_rng(seed))
    together = metrics.multiclass_arrays(drawn)
    for k in range(5):
        alone = metrics.multiclass_arrays(drawn[k])
        for name, value in alone.items():
            np.testing.assert_array_equal(together[name][k], value)


def test_a_thousand_resamples_take_well_under_a_second():
    rng = np.random.default_rng(0)
    y = rng.choice(5, 22_544, p=[0.43, 0.33, 0.11, 0.12, 0.01])
    matrix = metrics.confusion_matrix(y, np.where(rng.random(len(y)) < 0.8, y, 0), 5)
    start = time.process_time()
    metrics.multiclass_arrays(metrics.resample(matrix, 1000, rng))
    assert time.process_time() - start < 1
