"""What fitting an estimator promises beyond the checks common to all models."""

import dataclasses
import os

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from evenflow import registry
from evenflow.decision import FLOOR
from evenflow.learn.estimator import Estimator, FittedEstimator
from evenflow.progress import Note, Progress


def test_lightgbm_stops_when_the_validation_rows_say_so(rows):
    many = {"n_estimators": 500, "learning_rate": 0.5, "early_stopping_rounds": 3}
    fitted = rows.fit("lightgbm", config=many)
    kept = fitted.estimator.best_iteration_
    assert 0 < kept < 100
    assert f"{kept} rounds of boosting kept" in fitted.notes
    # what is served is the kept rounds, not all that were tried
    raw = fitted.estimator.booster_.predict(rows.X_valid, num_iteration=kept)
    np.testing.assert_allclose(np.exp(fitted.log_proba(rows.X_valid)), raw, atol=1e-9)


def test_lightgbm_boosts_every_round_where_nothing_stops_it(rows):
    every = {"n_estimators": 60, "learning_rate": 0.5, "early_stopping_rounds": 0}
    fitted = rows.fit("lightgbm", config=every)
    assert fitted.estimator.booster_.num_trees() == 60 * len(np.unique(rows.y))
    raw = fitted.estimator.booster_.predict(rows.X_valid, num_iteration=60)
    np.testing.assert_allclose(np.exp(fitted.log_proba(rows.X_valid)), raw, atol=1e-9)
    stopped = rows.fit("lightgbm", config={**every, "early_stopping_rounds": 3})
    assert stopped.estimator.best_iteration_ < 60


def test_lightgbm_tells_each_round(rows):
    events = []
    rows.fit("lightgbm", config={"n_estimators": 7}, on_event=events.append)
    rounds = [e.done for e in events if isinstance(e, Progress) and e.unit == "rounds"]
    assert rounds == [1, 2, 3, 4, 5, 6, 7]


def test_lightgbm_does_not_depend_on_the_number_of_threads(rows):
    one, two = (
        rows.fit("lightgbm", config={"n_jobs": n}).log_proba(rows.X_valid)
        for n in (1, 2)
    )
    assert np.array_equal(one, two)


@pytest.mark.parametrize("name", ["lightgbm", "random_forest", "extra_trees"])
def test_no_more_threads_are_started_than_openmp_allows(name):
    plug_in = registry.load("models", name)
    make = {"n_classes": 2, "class_weight": None, "seed": 7}
    with threadpool_limits(limits=1, user_api="openmp"):
        assert plug_in.build(plug_in.Config(n_jobs=64), **make).n_jobs == 1
    most = len(os.sched_getaffinity(0))
    made = plug_in.build(plug_in.Config(n_jobs=4096), **make)
    assert 1 <= made.n_jobs <= most


def test_validation_rows_of_a_class_that_did_not_train_are_left_out(rows):
    seen = rows.y < 3
    some = dataclasses.replace(rows, X=rows.X[seen], y=rows.y[seen])
    assert (rows.y_valid >= 3).any()
    fitted = some.fit("lightgbm")
    assert fitted.codes.tolist() == [0, 1, 2]
    assert any("2 classes have no training row" in note for note in fitted.notes)


def test_codes_with_a_gap_keep_their_places(rows):
    seen = (rows.y != 1) & (rows.y != 2)
    some = dataclasses.replace(rows, X=rows.X[seen], y=rows.y[seen])
    fitted = some.fit("random_forest")
    assert fitted.codes.tolist() == [0, 3, 4]
    proba = fitted.estimator.predict_proba(rows.X_valid)
    log_proba = fitted.log_proba(rows.X_valid)
    np.testing.assert_allclose(
        np.exp(log_proba[:, [0, 3, 4]]), np.maximum(proba, FLOOR), rtol=1e-9
    )
    np.testing.assert_allclose(log_proba[:, [1, 2]], np.log(FLOOR))


def test_a_forests_exact_zero_becomes_the_floor_not_minus_infinity(rows):
    fitted = rows.fit("random_forest")
    log_proba = fitted.log_proba(rows.X_valid)
    assert np.isfinite(log_proba).all()
    assert log_proba.min() == pytest.approx(np.log(FLOOR))


def test_class_weights_reach_the_estimator_under_its_own_codes(rows):
    seen = []

    def build(config, *, n_classes, class_weight, seed):
        from sklearn.naive_bayes import GaussianNB

        seen.append((n_classes, class_weight, seed))
        return GaussianNB()

    keep = rows.y != 1
    some = dataclasses.replace(rows, X=rows.X[keep], y=rows.y[keep])
    weight = np.array([1.0, 2, 3, 4, 5])
    Estimator(build, object).fit(None, some.task(class_weight=weight, seed=11))
    assert seen == [(4, {0: 1.0, 1: 3.0, 2: 4.0, 3: 5.0}, 11)]


def test_a_warning_of_the_library_is_a_warning(rows):
    events = []
    rows.fit("logistic_regression", config={"max_iter": 2}, on_event=events.append)
    (note,) = (event for event in events if isinstance(event, Note))
    assert "lbfgs" in note.text
    assert note.is_warning


def test_the_number_of_parameters_is_counted_from_what_was_learnt(rows):
    forest = rows.fit("random_forest")
    nodes = sum(tree.tree_.node_count for tree in forest.estimator.estimators_)
    assert forest.n_parameters == nodes
    linear = rows.fit("logistic_regression")
    assert linear.n_parameters == 5 * (rows.X.shape[1] + 1)
    boosted = rows.fit("lightgbm")
    # a binary tree of n leaves has n - 1 questions
    assert 20 * 5 <= boosted.n_parameters <= 20 * 5 * (2 * 31 - 1)
    assert isinstance(boosted, FittedEstimator)
