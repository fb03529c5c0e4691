"""The committed results are what they say, and the README says what they are."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from evenflow import registry
from evenflow.recipe import PLUG_INS, Recipe

ROOT = Path(__file__).parents[1]
QUALITY = ROOT / "benchmarks" / "quality"
RESULTS = QUALITY / "results"
sys.path.insert(0, str(QUALITY))

import scenarios  # noqa: E402
import table  # noqa: E402


def cells(group):
    return [
        json.loads(p.read_text()) for p in (RESULTS / group / "cells").glob("*.json")
    ]


def row(group, label):
    (found,) = (r for r in table.comparison(group)["rows"] if r["label"] == label)
    return found


@pytest.mark.parametrize("key", ["balance", "model", "loss", "select"])
def test_every_plug_in_is_measured_or_its_file_says_why_not(key):
    recipes = [Recipe.load(n) for g in scenarios.GROUPS.values() for n in g.recipes]
    measured = {part.name for r in recipes if (part := getattr(r, key)) is not None}
    kind = PLUG_INS[key]
    for name, module in registry.modules(kind).items():
        reason = getattr(importlib.import_module(module), "NOT_MEASURED", "")
        assert (name in measured) != (len(reason) > 20), name


@pytest.mark.parametrize("group", scenarios.GROUPS)
def test_every_cell_of_a_group_is_there_for_every_seed(group):
    plan = scenarios.GROUPS[group]
    base = [Recipe.load(name).with_(**plan.changes) for name in plan.recipes]
    wanted = {
        recipe.with_(seed=recipe.seed + shift).sha256
        for recipe in base
        for shift in range(plan.seeds)
    }
    # a digest covers every setting: a changed default makes committed results stale
    assert wanted <= {cell["recipe_sha256"] for cell in cells(group)}


@pytest.mark.parametrize("group", scenarios.GROUPS)
def test_every_figure_names_its_protocol_and_taxonomy(group):
    for result in table.comparison(group)["rows"]:
        assert result["taxonomy"]
        assert result["is_optimistic"] == (result["protocol"] != "official")


def test_no_balancing_stands_beside_every_balanced_network():
    for group in scenarios.GROUPS:
        rows = table.comparison(group)["rows"]
        plain = {r["model"] for r in rows if r["balance"] == "none"}
        assert {r["model"] for r in rows} <= plain


def test_the_detector_chosen_without_the_test_file_reaches_92_per_cent():
    best = json.loads((RESULTS / "selection.json").read_text())[0]
    accuracy = row("nsl_kdd_headline", best["recipe"])["binary"]["accuracy"]
    assert accuracy["n"] == 3
    assert accuracy["mean"] >= 0.92


def test_selection_hid_every_attack_type_once():
    for candidate in json.loads((RESULTS / "selection.json").read_text()):
        assert len(candidate["hidden"]) == 22


@pytest.mark.parametrize(
    ("recipe", "weighted_f1"),
    [("nsl_kdd/cnn-hybrid", 0.996), ("nsl_kdd/cnn_lstm-smote", 0.994)],
)
def test_a_random_split_reaches_what_papers_print(recipe, weighted_f1):
    found = row("nsl_kdd_stratified", recipe)
    assert found["is_optimistic"]
    assert found["argmax"]["multiclass"]["weighted_f1"]["mean"] >= weighted_f1


def test_rare_classes_of_bot_iot_have_wilson_intervals():
    for result in table.comparison("nf_bot_iot_v2")["rows"]:
        for name in ("benign", "theft"):
            low, high = result["recall"][name]["wilson"]
            assert 0 <= low <= result["recall"][name]["mean"] <= high <= 1


def test_the_readme_holds_the_committed_results():
    text = (ROOT / "README.md").read_text()
    assert table.MARKS.search(text).group(0) == (
        f"<!-- results -->\n{table.page()}<!-- /results -->"
    )
