"""Detectors of novelty see benign rows alone, and rank as their library does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evenflow import registry
from evenflow.errors import DataError
from evenflow.learn.export import to_onnx
from evenflow.learn.novelty import Novelty

DETECTORS = [
    name
    for name in registry.names("models")
    if isinstance(registry.load("models", name), Novelty)
]


@pytest.fixture(scope="module")
def fitted(rows):
    return {name: rows.fit(name) for name in DETECTORS}


@pytest.mark.parametrize("name", DETECTORS)
def test_attack_rows_change_nothing(name, rows, fitted):
    benign, benign_valid = rows.y == 0, rows.y_valid == 0
    alone = dataclasses.replace(
        rows, X=rows.X[benign], y=rows.y[benign],
        X_valid=rows.X_valid[benign_valid], y_valid=rows.y_valid[benign_valid],
    ).fit(name)  # fmt: skip
    expected = fitted[name].log_proba(rows.X_valid)
    assert np.array_equal(alone.log_proba(rows.X_valid), expected)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_log_odds_rank_rows_as_the_score_does(name, rows, fitted):
    model = fitted[name]
    log_proba = model.log_proba(rows.X_valid)
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1)
    odds, score = log_proba[:, 1] - log_proba[:, 0], model.scorer.score(rows.X_valid)
    order = np.argsort(score, kind="stable")
    assert (np.diff(odds[order]) >= 0).all()
    assert len(np.unique(odds.round(9))) == len(np.unique(score.round(9)))


@pytest.mark.parametrize("name", DETECTORS)
def test_half_of_the_benign_validation_rows_have_odds_below_even(name, rows, fitted):
    benign = rows.X_valid[rows.y_valid == 0]
    log_proba = fitted[name].log_proba(benign)
    assert abs((log_proba[:, 1] > log_proba[:, 0]).mean() - 0.5) < 0.05


@pytest.mark.parametrize("name", DETECTORS)
def test_attacks_are_more_novel_than_benign_rows(name, rows, fitted):
    from sklearn.metrics import roc_auc_score

    odds = fitted[name].log_proba(rows.X_valid)[:, 1]
    assert roc_auc_score(rows.y_valid > 0, odds) > 0.7


@pytest.mark.parametrize("name", DETECTORS)
def test_what_is_exported_is_what_was_fitted(name, rows, fitted):
    assert to_onnx(fitted[name])
    assert fitted[name].n_parameters > 0
    assert fitted[name].log_proba(rows.X[:0]).shape == (0, 2)


@pytest.mark.parametrize("name", DETECTORS)
def test_rows_that_cannot_be_told_apart_are_refused(name, rows):
    few = dataclasses.replace(rows, X=np.zeros_like(rows.X))
    with pytest.raises(DataError, match="benign rows have the novelty score"):
        few.fit(name)
    attacks = dataclasses.replace(rows, y=np.maximum(rows.y, 1))
    with pytest.raises(DataError, match="0 benign rows; expected 2 or more"):
        attacks.fit(name)


def test_an_isolation_forest_scores_as_scikit_learn_does(rows, fitted):
    scorer = fitted["isolation_forest"].scorer
    anomaly = -scorer.forest.score_samples(rows.X_valid)
    np.testing.assert_allclose(2 ** scorer.score(rows.X_valid), anomaly)


def test_a_detector_is_shown_benign_rows_alone(rows):
    forest = registry.load("models", "isolation_forest")
    shown = []

    def build(config, given, task):
        shown.append((given, task.fit, task.valid))
        return forest.build(config, given, task)

    Novelty(build, forest.Config).fit(forest.Config(), rows.binary().task(n_classes=2))
    [parts] = shown
    assert [np.unique(part.y).tolist() for part in parts] == [[0]] * 3


@pytest.mark.parametrize(
    ("score", "error", "message"),
    [
        (lambda X: X[:, :1], ValueError, r"shape \(\d+, 1\) .*one number for each row"),
        (lambda X: X[:, 0] / 0, DataError, "novelty score that is not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in divide")
def test_scores_of_a_wrong_form_are_refused(rows, score, error, message):
    class Scorer:
        def score(self, X):
            return score(X)

    model = Novelty(lambda config, given, task: Scorer(), object)
    with pytest.raises(error, match=message):
        model.fit(None, rows.binary().task(n_classes=2))
