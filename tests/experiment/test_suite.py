"""A suite names recipes with their numbers of seeds; cells may run side by side."""

import pytest

import evenflow
from evenflow.errors import RecipeError
from evenflow.experiment import suite
from evenflow.experiment.compare import Entry, compare, run_cells, with_baselines
from evenflow.recipe import Recipe, shipped


def made(recipe):
    """Return the report of a made-up training."""
    return {"seed": recipe.seed}


@pytest.fixture
def entries():
    names = ("nsl_kdd/dnn-none", "nsl_kdd/lightgbm-none", "nsl_kdd/random_forest-none")
    return [Entry(recipe=Recipe.load(n), seeds=k) for k, n in enumerate(names, start=1)]


@pytest.mark.parametrize("name", suite.shipped())
def test_every_recipe_of_a_suite_is_there_once(name):
    entries = suite.load(name).entries()
    digests = [entry.recipe.sha256 for entry in entries]
    assert len(set(digests)) == len(digests)
    assert all(entry.seeds for entry in entries)
    trees = {e.recipe.model.name for e in with_baselines(entries)}
    assert {"random_forest", "lightgbm"} <= trees


def test_the_suite_of_nsl_kdd_has_every_recipe_of_it():
    *groups, alone = suite.load("nsl_kdd").groups[:4]  # then parts that none has
    found = [n for group in groups for n in group.recipes]
    assert sorted(found) == [n for n in shipped() if n.startswith("nsl_kdd/")]
    assert [group.seeds for group in groups] == [10, 3, 1]
    assert not {*alone.recipes} & {*found}


def test_a_group_of_a_suite_changes_its_recipes_and_runs_their_folds():
    group = suite.Group.model_validate(
        {
            "recipes": ["unsw_nb15/lightgbm-none"],
            "seeds": 2,
            "folds": True,
            "set": {"split": "kfold", "split.source": "test", "target": "binary"},
        }
    )
    (entry,) = group.entries()
    assert entry.recipe.target == "binary"
    cells = entry.cells(1, folds=False)
    assert [(c.seed, c.split.params["fold"]) for c in cells] == [
        (seed, fold) for seed in (7, 8) for fold in range(5)
    ]
    assert {c.split.params["source"] for c in cells} == {"test"}


def test_an_unknown_suite_names_the_nearest():
    with pytest.raises(RecipeError, match="no suite 'nsl_kd'; .*nsl_kdd"):
        suite.load("nsl_kd")


def test_a_recipe_of_a_suite_has_its_own_number_of_seeds(entries, tmp_path):
    cells, failed = run_cells(entries, 1, tmp_path, run_cell=made)
    assert not failed
    seeds = {
        entry.recipe.model.name: [
            c.recipe.seed for c in cells if c.of.sha256 == entry.recipe.sha256
        ]
        for entry in entries
    }
    assert seeds == {
        "dnn": [7], "lightgbm": [7, 8], "random_forest": [7, 8, 9],
    }  # fmt: skip


def test_the_trees_beside_a_network_lack_what_only_networks_have():
    recipe = Recipe.load(
        "nsl_kdd/cnn-none-focal", training__input_noise=0.1, training__epochs=3
    )
    found = {e.recipe.model.name: e.recipe for e in with_baselines([recipe])}
    plain = Recipe.load("nsl_kdd/lightgbm-none", training__epochs=3)
    assert found["lightgbm"].sha256 == plain.sha256


def test_a_baseline_has_as_many_seeds_as_what_it_stands_beside():
    entry = Entry(recipe=Recipe.load("nsl_kdd/dnn-smote"), seeds=10)
    other = Entry(recipe=Recipe.load("nsl_kdd/lightgbm-none"), seeds=1)
    found = {e.recipe.name: e.seeds for e in with_baselines([entry, other])}
    assert set(found.values()) == {10}


@pytest.mark.slow
def test_cells_that_run_at_once_are_those_that_run_in_turn(tmp_path):
    def run(jobs):
        made = evenflow.compare(
            ["synthetic/logistic_regression-none", "synthetic/decision_tree-ros",
             "lab/decision_tree-smote"],
            tmp_path / str(jobs),
            baselines=False, jobs=jobs, folders=[tmp_path / "nothing"],
            deterministic=True,
        )  # fmt: skip
        return [(row.label, row.binary, row.multiclass) for row in made.rows]

    assert run(2) == run(1)
    assert len(list((tmp_path / "2" / "cells").glob("*.json"))) == 3


@pytest.mark.slow
def test_a_cell_that_fails_beside_others_is_named_and_costs_nothing_else(tmp_path):
    made = evenflow.compare(
        ["nsl_kdd/decision_tree-none", "synthetic/decision_tree-none"], tmp_path,
        baselines=False, jobs=2, folders=[tmp_path / "nothing"],
    )  # fmt: skip
    assert [row.label for row in made.rows] == ["synthetic/decision_tree-none"]
    (failed,) = made.failed
    assert failed.name == "nsl_kdd/decision_tree-none"
    assert "DataError" in failed.error


def test_a_suite_takes_no_other_recipes_and_no_settings(tmp_path, run):
    for words in (
        [], ["nsl_kdd/dnn-none", "--suite", "nsl_kdd"],
        ["--suite", "nsl_kdd", "-s", "seed=3"], ["--suite", "nsl_kdd", "--seeds", "5"],
    ):  # fmt: skip
        done = run("compare", *words, "-o", tmp_path / "new", code=2)
        assert "one --suite" in done.output


def test_no_seeds_make_no_comparison(tmp_path):
    with pytest.raises(RecipeError, match="make no comparison"):
        compare([], 1, tmp_path, run_cell=made)
