"""The committed results are those of the recipes, and the README shows them."""

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


def words(value):
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {word for one in inner for word in words(one)}
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("key", ["balance", "model", "loss", "select"])
def test_every_plug_in_is_measured_or_its_file_says_why_not(key):
    folders = [path.name for path in RESULTS.iterdir() if path.is_dir()]
    recipes = [cell["recipe"] for folder in folders for cell in cells(folder)]
    parts = ("model", key)  # a system's own samplers stand within it
    measured = {w for recipe in recipes for p in parts for w in words(recipe.get(p))}
    for name, module in registry.modules(PLUG_INS[key]).items():
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


def test_the_readme_holds_the_committed_results():
    text = (ROOT / "README.md").read_text()
    assert table.MARKS.search(text).group(0) == (
        f"<!-- results -->\n{table.page()}<!-- /results -->"
    )


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["nsl_kdd/lightgbm-none", "nsl_kdd/dnn-none"])
def test_a_committed_cell_is_reached_again_on_the_real_rows(
    recipe, data_folders, python
):
    python(
        QUALITY / "run.py", "nsl_kdd_official", "--cell", recipe,
        "--data", data_folders[0],
    )  # fmt: skip
