"""Systems fit their parts on rows of their own, and leave as one graph."""

import dataclasses

import numpy as np
import pytest

import evenflow
from evenflow.errors import RecipeError
from evenflow.learn import System
from evenflow.learn.export import to_onnx
from evenflow.learn.fit_model import fit_plug_in
from evenflow.learn.systems.either import log_odds
from evenflow.plugins import Part
from evenflow.recipe import Training


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


@pytest.mark.parametrize(
    "model",
    [
        {"name": "gate", "second": "isolation_forest"},
        {"name": "either", "classifier": "isolation_forest"},
        {"name": "gate", "gate": "isolation_forest",
         "second": {"name": "either", "classifier": "isolation_forest"}},
    ],
)  # fmt: skip
def test_a_part_that_names_no_class_is_refused_where_classes_are_named(model):
    with pytest.raises(RecipeError, match="'isolation_forest' only separates attacks"):
        recipe(model=model)
    recipe(model=model, target="binary")


def test_a_detector_may_be_the_gate_of_a_system_that_names_classes():
    assert recipe(model={"name": "gate", "gate": "isolation_forest"}).target == "family"


def nested(levels):
    part = {"name": "lightgbm"}
    for _ in range(levels):
        part = {"name": "gate", "gate": part}
    return part


def test_systems_within_systems_have_a_bound():
    recipe(model=nested(7))
    for levels in (8, 400):
        with pytest.raises(
            RecipeError, match="lies within 8 other plug-ins; expected 7"
        ):
            recipe(model=nested(levels))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """The part that is fitted more than once."""

    one: Part = dataclasses.field(
        default_factory=lambda: Part(name="dnn", params={"hidden": [4]})
    )


def test_a_part_that_is_fitted_again_is_resumed_from_a_checkpoint_of_its_own(
    rows, tmp_path
):
    def fit(config, task):
        task.part("one", task.fit, task.valid)
        return task.part("one", task.fit.take(task.fit.y < 3), task.valid)

    def fitted(**how):
        training = Training(epochs=2, precision="float32")
        task = rows.task(training=training, device="cpu", **how)
        return fit_plug_in(System(fit, Pairs), Pairs(), task)

    whole = fitted(workdir=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"one", "one-2"}
    again = fitted(workdir=tmp_path, resume=True)
    assert np.array_equal(again.log_proba(rows.X), whole.log_proba(rows.X))


def test_a_system_that_answers_for_other_classes_is_refused(rows):
    def fit(config, task):
        y = np.minimum(np.arange(task.fit.n_classes), 1)
        two = task.fit.relabelled(y, ("benign", "attack"))
        return task.part("one", two, two)

    task = rows.task(training=Training(epochs=1), device="cpu")
    with pytest.raises(
        ValueError, match="17 features and 2 classes; expected 17 and 5"
    ):
        fit_plug_in(System(fit, Pairs), Pairs(), task)


def test_a_sampler_that_no_part_uses_is_told():
    made = evenflow.train(
        recipe(model={"name": "gate", "gate": "isolation_forest"}, target="binary")
    )
    notes = made.report.training["notes"]
    assert any("no part of gate balances rows" in note for note in notes)
