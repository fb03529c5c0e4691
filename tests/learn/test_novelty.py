"""Novelty detectors see benign rows alone, and rank as their library does."""

import dataclasses
import functools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from torch import nn

from evenflow import registry
from evenflow.errors import DataError, RecipeError
from evenflow.inference import open_session
from evenflow.learn import loop
from evenflow.learn.export import to_onnx
from evenflow.learn.graphs import of_scorer
from evenflow.learn.network import logits_of
from evenflow.learn.novelty import Novelty
from evenflow.stages import Training

DETECTORS = [
    name
    for name in registry.names("models")
    if isinstance(registry.load("models", name), Novelty)
]


@pytest.fixture(scope="module", params=DETECTORS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(name, rows):
    return rows.fit(name)


def test_attack_rows_change_nothing(name, rows, fitted):
    benign, benign_valid = rows.y == 0, rows.y_valid == 0
    alone = dataclasses.replace(
        rows, X=rows.X[benign], y=rows.y[benign],
        X_valid=rows.X_valid[benign_valid], y_valid=rows.y_valid[benign_valid],
    ).fit(name)  # fmt: skip
    expected = fitted.log_proba(rows.X_valid)
    assert np.array_equal(alone.log_proba(rows.X_valid), expected)


def test_the_log_odds_rank_rows_as_the_score_does(rows, fitted):
    log_proba = fitted.log_proba(rows.X_valid)
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1)
    odds, score = log_proba[:, 1] - log_proba[:, 0], fitted.scorer.score(rows.X_valid)
    order = np.argsort(score, kind="stable")
    assert (np.diff(odds[order]) >= 0).all()
    assert len(np.unique(odds.round(9))) == len(np.unique(score.round(9)))


def test_half_of_the_benign_validation_rows_have_odds_below_even(rows, fitted):
    log_proba = fitted.log_proba(rows.X_valid[rows.y_valid == 0])
    assert abs((log_proba[:, 1] > log_proba[:, 0]).mean() - 0.5) < 0.05


def test_attacks_are_more_novel_than_benign_rows(rows, fitted):
    odds = fitted.log_proba(rows.X_valid)[:, 1]
    assert roc_auc_score(rows.y_valid > 0, odds) > 0.7


def test_what_is_exported_is_what_was_fitted(rows, fitted):
    assert to_onnx(fitted)
    assert fitted.n_parameters > 0
    assert fitted.log_proba(rows.X[:0]).shape == (0, 2)


@pytest.mark.parametrize("far", [1e7, -1e19, 3e38])
def test_rows_far_beyond_float32_s_squares_score_alike_in_the_graph(far, rows, fitted):
    X = rows.X_valid[:8].copy()
    X[::2, 0], X[1] = far, far
    expected = fitted.log_proba(X)
    session = open_session(to_onnx(fitted))
    (found,) = session.run(["log_proba"], {"x": X})
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_scale_of_rows_that_were_fitted_is_noted(name, rows):
    few = dataclasses.replace(rows, y_valid=np.maximum(rows.y_valid, 1)).fit(name)
    assert any("validation part holds 0 benign rows" in note for note in few.notes)


@pytest.mark.parametrize(
    "config", [{"k": 0}, {"k": 2_000_000}, {"n_reference": 0}, {"n_reference": 20_001}]
)
def test_a_distance_has_bounds(config, rows):
    with pytest.raises(RecipeError, match="expected 1 to"):
        rows.fit("knn_distance", config=config)


def test_rows_that_cannot_be_told_apart_are_refused(name, rows):
    few = dataclasses.replace(rows, X=0 * rows.X, X_valid=0 * rows.X_valid)
    with pytest.raises(DataError, match="benign rows have the novelty score"):
        few.fit(name)
    attacks = dataclasses.replace(rows, y=np.maximum(rows.y, 1))
    with pytest.raises(DataError, match="0 benign rows; expected 2 or more"):
        attacks.fit(name)


def test_an_isolation_forest_scores_as_scikit_learn_does(rows):
    fitted = rows.fit("isolation_forest")
    assert fitted.history == (), "it is no network"
    scorer = fitted.scorer
    anomaly = -scorer.forest.score_samples(rows.X_valid)
    np.testing.assert_allclose(2 ** scorer.score(rows.X_valid), anomaly)


@pytest.mark.parametrize(("k", "n_reference"), [(1, 10_000), (25, 10_000), (40, 200)])
def test_the_distance_is_that_to_the_neighbour_of_the_same_share(k, n_reference, rows):
    config = {"k": k, "n_reference": n_reference}
    scorer = rows.fit("knn_distance", config=config).scorer
    benign = rows.X[rows.y == 0]
    kept = min(n_reference, len(benign))
    assert len(scorer.reference) == kept
    z = (rows.X_valid - scorer.center) @ scorer.whiten
    neighbours = NearestNeighbors(n_neighbors=max(1, round(k * kept / len(benign))))
    distance = neighbours.fit(scorer.reference).kneighbors(z)[0][:, -1]
    found, expected = scorer.score(rows.X_valid), distance**2 + scorer.softening
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-3, atol=1e-4)


def test_a_space_is_whitened_by_benign_rows(rows):
    scorer = rows.fit("knn_distance").scorer
    z = (rows.X[rows.y == 0] - scorer.center) @ scorer.whiten
    spread = np.cov(z, rowvar=False)
    assert np.abs(spread - np.diag(np.diag(spread))).max() < 0.01
    assert np.diag(spread).max() < 1.01
    assert np.diag(spread)[-3:].min() > 0.9  # the directions of most variance


def test_a_mixture_scores_as_scikit_learn_does(rows):
    benign = rows.X[rows.y == 0].astype(float)
    scorer = rows.fit("gaussian_mixture", config={"n_components": 3}).scorer
    mixture = GaussianMixture(3, reg_covar=1e-2, max_iter=50, random_state=7)
    expected = -mixture.fit(benign).score_samples(rows.X_valid)
    np.testing.assert_allclose(scorer.score(rows.X_valid), expected, rtol=1e-6)


def test_a_detector_is_shown_benign_rows_alone(rows):
    forest = registry.load("models", "isolation_forest")
    shown = []

    def build(config, given, task):
        shown.append((given, task.fit, task.valid))
        return forest.build(config, given, task)

    Novelty(build, forest.Config).fit(forest.Config(), rows.binary().task(n_classes=2))
    [parts] = shown
    assert [np.unique(part.y).tolist() for part in parts] == [[0]] * 3


class Reconstruction(nn.Module):
    """Squared distance of a row to what a narrow network makes of it."""

    def __init__(self, n_features):
        super().__init__()
        self.n_features = n_features
        self.net = nn.Sequential(
            nn.Linear(n_features, 4), nn.ReLU(), nn.Linear(4, n_features)
        )

    def forward(self, x):
        squares = (self.net(x) - x) ** 2
        return squares.sum(dim=1, keepdim=True) / self.n_features


@dataclass(frozen=True)
class Trained:
    """A scorer that is a network, as another distribution writes one."""

    network: nn.Module
    n_features: int
    history: tuple
    notes: tuple
    n_parameters: int = 9

    def score(self, X):
        return logits_of(self.network, torch.tensor(X)).numpy()[:, 0]

    def graph(self):
        return of_scorer(self.network, self.n_features)


def build_reconstruction(config, given, task):
    X, X_valid = torch.tensor(given.X), torch.tensor(task.valid.X)
    objective = loop.Objective(
        tensors=(X,),
        loss=lambda errors: errors.mean(),
        judge=lambda net: (float(logits_of(net, X_valid).mean()), math.nan),
    )
    n = X.shape[1]
    make = functools.partial(Reconstruction, n)
    run = loop.run(make, objective, task, arrays={}, settings={})
    return Trained(run.model, n, run.history, loop.notes(run, task))


def test_a_network_that_answers_a_score_is_a_detector_with_its_epochs(rows):
    task = rows.binary().task(n_classes=2, training=Training(epochs=3), device="cpu")
    fitted = Novelty(build_reconstruction, object).fit(None, task)
    assert [epoch.number for epoch in fitted.history] == [1, 2, 3]
    assert fitted.history[-1].loss < fitted.history[0].loss
    assert "fitted on" in fitted.notes[0]
    assert "trained on cpu" in fitted.notes[1]
    assert to_onnx(fitted)


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
