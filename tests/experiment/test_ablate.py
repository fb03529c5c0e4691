"""An ablation trains a recipe without each of its parts, and shows what changes."""

import json

import pytest

from evenflow.errors import RecipeError
from evenflow.experiment.ablate import ablate, without_columns, without_parts
from evenflow.judge.tables.ablation import grid
from evenflow.recipe import Recipe


@pytest.fixture
def rich():
    """Return a recipe that has every part that can be left out."""
    return Recipe.load(
        "nsl_kdd/cnn-smote", loss="focal", select="mutual_information",
        decide__attack_shares="equal",
    )  # fmt: skip


def report(recipe, accuracy):
    """Return the part of a report that an ablation reads."""
    class_counts = {"benign": 60, "dos": 40}
    binary = {
        "accuracy": accuracy, "detection_rate": accuracy, "false_alarm_rate": 0.05,
        "roc_auc": 0.9, "unseen_detection_rate": None, "f1": 0.8, "specificity": 0.95,
        "recall": accuracy, "precision": 0.8, "mcc": 0.7, "balanced_accuracy": 0.9,
        "average_precision": 0.9,
    }  # fmt: skip
    several = {
        "accuracy": 0.8, "macro_f1": 0.5, "weighted_f1": 0.7, "weighted_recall": 0.7,
        "weighted_precision": 0.7, "recall": dict.fromkeys(class_counts, 0.5),
    }  # fmt: skip
    return {
        "dataset": recipe.dataset.name, "is_synthetic": False, "is_optimistic": False,
        "protocol": recipe.split.name, "protocol_description": "", "taxonomy": "",
        "n_rows": 100, "class_counts": class_counts, "binary": binary,
        "multiclass": several, "argmax": {"binary": binary, "multiclass": several},
        "training": {
            "seconds": dict.fromkeys(("prepare", "balance", "fit", "calibrate"), 1.0),
            "rows": {"balanced": 100}, "score_rows_per_s": 1.0, "model_bytes": 1,
            "n_parameters": 1,
        },
    }  # fmt: skip


def test_each_part_of_a_recipe_is_left_out_in_its_own_line(rich):
    lines = {entry.why: entry.recipe for entry in without_parts(rich)}
    assert list(lines) == [
        "without balancing", "with cross-entropy", "with all columns",
        "standardised without the logarithm",
        "with the attack shares of the training rows",
    ]  # fmt: skip
    assert lines["without balancing"].balance.name == "none"
    assert lines["with cross-entropy"].loss is None
    assert lines["with all columns"].select is None
    assert all(one.seed == rich.seed for one in lines.values())
    assert len({one.sha256 for one in (*lines.values(), rich)}) == 6


def test_the_models_of_a_system_are_trained_alone():
    gate = Recipe.load("nsl_kdd/gate-none")
    alone = [e for e in without_parts(gate) if e.why.endswith("alone")]
    assert alone
    assert {e.recipe.model.name for e in alone} < {
        part["name"] for part in gate.model.params.values() if isinstance(part, dict)
    }


def test_each_member_of_a_fusion_within_a_gate_is_left_out_in_its_own_line():
    fused = Recipe.load("nsl_kdd/fusion-trees")
    lines = {e.why: e.recipe.model.params for e in without_parts(fused)}
    members = fused.model.params["gate"]["members"]
    assert len(members) == 3
    for name in members:
        model = lines.pop(f"without the member {name}")
        rest = {n: part for n, part in members.items() if n != name}
        assert model["gate"]["members"] == rest
        assert model["second"] == fused.model.params["second"]
    assert not any("member" in why for why in lines)
    one = fused.model.params["gate"] | {"members": {"one": members["hosts"]}}
    single = fused.with_(model=fused.model.flat() | {"gate": one})
    assert not any("member" in entry.why for entry in without_parts(single))


def test_columns_are_left_out_together_beside_those_that_the_recipe_leaves_out():
    recipe = Recipe.load(
        "nsl_kdd/lightgbm-none", select={"name": "columns", "without": ["service"]}
    )
    entry = without_columns(recipe, ["count", "land"])
    assert entry.recipe.select.params["without"] == ["service", "count", "land"]
    assert entry.why == "without count, land"


def test_columns_cannot_be_left_out_of_a_rule_that_would_choose_others(rich):
    with pytest.raises(RecipeError, match="would choose others"):
        without_columns(rich, ["count"])


def test_a_recipe_without_parts_is_refused(tmp_path):
    bare = Recipe.load("nsl_kdd/lightgbm-none", prepare__scaling="standard")
    with pytest.raises(RecipeError, match="no part that can be left out"):
        ablate(bare, 1, tmp_path, run_cell=lambda _: {})


def test_changes_are_those_of_equal_seeds_and_finished_cells_are_kept(tmp_path):
    recipe, ran = Recipe.load("nsl_kdd/dnn-smote"), []

    def run_cell(one):
        ran.append(one)
        base = 0.7 + one.seed / 1000
        return report(one, base if one.balance.name == "smote" else base - 0.125)

    found = ablate(recipe, 2, tmp_path, run_cell=run_cell)
    whole, bare, _ = found.lines
    assert (whole.what, bare.what) == ("the recipe", "without balancing")
    assert bare.changes["accuracy"]["mean"] == pytest.approx(-0.125)
    assert bare.changes["accuracy"]["std"] == pytest.approx(0)
    assert bare.changes["unseen types"]["mean"] is None
    assert grid(found).rows[1][2].endswith("(-12.50)")
    assert json.loads((tmp_path / "ablation.json").read_text())["lines"][1]["runs"] == 2
    assert "without balancing" in (tmp_path / "ablation.md").read_text()
    assert len(ran) == 6
    ablate(recipe, 2, tmp_path, run_cell=run_cell)
    assert len(ran) == 6


def test_a_part_whose_training_fails_is_named_and_the_others_are_shown(tmp_path):
    def run_cell(one):
        if one.balance.name == "none":
            raise RecipeError("too few rows")
        return report(one, 0.75)

    found = ablate(Recipe.load("nsl_kdd/dnn-smote"), 1, tmp_path, run_cell=run_cell)
    assert [line.what for line in found.lines] == [
        "the recipe", "standardised without the logarithm",
    ]  # fmt: skip
    assert "too few rows" in found.comparison.failed[0].error
