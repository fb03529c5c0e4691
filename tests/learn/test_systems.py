"""Systems fit their parts on rows of their own, and leave as one graph."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import evenflow
from evenflow.learn.export import to_onnx
from evenflow.learn.systems.either import log_odds


def recipe(**changes):
    return evenflow.Recipe.load(
        "synthetic/gate-ros",
        dataset={"name": "synthetic", "n_rows": 3000},
        model__gate__name="dnn",
        model__gate__hidden=[8],
        model__second__n_estimators=5,
        training__epochs=2,
        **changes,
    )


def test_the_probability_of_a_class_is_that_of_the_gate_times_that_among_attacks(rows):
    fitted = rows.fit("gate")
    found = np.exp(fitted.log_proba(rows.X_valid))
    gate = np.exp(fitted.gate.log_proba(rows.X_valid))
    second = np.exp(fitted.second.log_proba(rows.X_valid))
    np.testing.assert_allclose(found[:, 0], gate[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found[:, 1:], gate[:, 1:] * second, atol=1e-9)
    assert fitted.n_parameters == (
        fitted.gate.n_parameters + fitted.second.n_parameters
    )


def test_a_gate_without_a_second_class_of_attacks_is_whole(rows):
    one = dataclasses.replace(rows, y=np.minimum(rows.y, 1) * 3)
    fitted = one.fit("gate")
    assert fitted.second is None
    assert set(fitted.log_proba(rows.X_valid).argmax(axis=1)) == {0, 3}
    assert to_onnx(fitted)


def test_each_part_balances_its_own_rows(tmp_path):
    made = evenflow.train(recipe())
    parts = made.report.training["balanced_parts"]
    assert set(parts) == {"gate", "second"}
    gate, second = parts["gate"], parts["second"]
    benign = made.report.training["class_counts"]["before"]["benign"]
    assert gate["before"]["benign"] == benign
    assert sum(second["before"].values()) == gate["before"]["attack"]
    assert len(set(second["after"].values())) == 1, "all as many as the largest"
    notes = made.report.training["notes"]
    assert any(note.startswith("gate: ") for note in notes)


def test_a_killed_part_is_resumed_from_its_own_checkpoint(tmp_path):
    whole = evenflow.train(recipe(), tmp_path / "whole")

    def stop(event):
        if isinstance(event, evenflow.progress.Epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evenflow.train(recipe(), tmp_path / "b", on_event=stop)
    assert (tmp_path / "b.partial" / "gate" / "checkpoint.npz").is_file()
    again = evenflow.train(recipe(), tmp_path / "b", resume=True)
    assert again.trained.model == whole.trained.model


def test_notes_of_a_part_name_its_own_classes():
    made = evenflow.train(recipe(balance={"name": "smote", "k_neighbors": 400}))
    said = [n for n in made.report.training["notes"] if n.startswith("second: ")]
    assert any("class 'u2r'" in note for note in said), said
    assert not any("class 1" in note for note in said)


def test_a_threshold_on_either_is_a_threshold_on_each_score(rows):
    fitted = rows.fit("either")
    X = rows.X_valid
    odds, classifier, detector = (
        log_odds(part, X) for part in (fitted, fitted.classifier, fitted.detector)
    )
    for threshold in (-2.0, 0.0, 1.5):
        its = (threshold - fitted.shift) / fitted.scale
        each = (classifier > threshold + 1e-9) | (detector > its + 1e-9)
        assert np.array_equal(odds > threshold + 1e-9, each)


def test_both_scores_of_either_spend_alike_of_the_budget(rows):
    fitted = rows.fit("either")
    benign = rows.X_valid[rows.y_valid == 0]
    threshold = np.quantile(log_odds(fitted.classifier, benign), 0.95)
    its = (threshold - fitted.shift) / fitted.scale
    spent = (log_odds(fitted.detector, benign) > its).mean()
    assert spent == pytest.approx(0.05, abs=0.01)


def test_either_names_the_class_that_its_classifier_names(rows):
    fitted = rows.fit("either")
    among, alone = (
        part.log_proba(rows.X_valid)[:, 1:].argmax(axis=1)
        for part in (fitted, fitted.classifier)
    )
    assert (among == alone).mean() > 0.99
