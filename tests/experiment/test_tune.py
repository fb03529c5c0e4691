"""A search reads training rows alone, goes on where it was stopped, finds the best."""

import json

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from evenflow import studies
from evenflow.errors import RecipeError
from evenflow.experiment.space import Choices, Numbers, around, parsed
from evenflow.experiment.swarm import ParticleSwarm
from evenflow.experiment.tune import tune
from evenflow.prepare.split import SPLITS
from evenflow.recipe import Recipe


@pytest.fixture
def recipe():
    return Recipe.load("nsl_kdd/lightgbm-none")


def runner(ran, *, fails=lambda one: False):
    """Return a made-up training: the nearer the leaves are to 40, the better."""

    def run_cell(one):
        ran.append(one)
        if fails(one):
            raise RecipeError("too few rows")
        score = 1 - abs(one.model.params["num_leaves"] - 40) / 100
        return {"multiclass": {"macro_f1": score}, "binary": {}}

    return run_cell


SPACE = {"model.num_leaves": Numbers(15, 80)}


def test_the_best_recipe_is_written_with_its_own_split(recipe, tmp_path):
    found = tune(recipe, SPACE, tmp_path, run_cell=runner([]), trials=25, folds=2)
    best = Recipe.load(tmp_path / "best.toml")
    assert best.split == recipe.split
    assert best.model.params["num_leaves"] == found.best.values["model.num_leaves"]
    assert abs(best.model.params["num_leaves"] - 40) <= 5
    assert found.trials[0].values == {"model.num_leaves": 31}, "its own values first"
    saved = json.loads((tmp_path / "tuning.json").read_text())
    assert saved["best"] == found.best.values
    assert len(saved["trials"]) == 25
    assert "test rows were not read" in (tmp_path / "tuning.md").read_text()
    assert (tmp_path / "tuning.png").stat().st_size > 1000


def test_every_cell_is_of_training_rows(recipe, tmp_path):
    ran = []
    tune(recipe, SPACE, tmp_path, run_cell=runner(ran), trials=2, folds=3)
    assert {one.split.name for one in ran} == {"nested"}
    assert [one.split.params["fold"] for one in ran] == [0, 1, 2] * 2
    assert all(one.split.params["outer"]["name"] == "official" for one in ran)


def test_the_same_command_continues_a_search(recipe, tmp_path):
    ran = []
    first = tune(recipe, SPACE, tmp_path, run_cell=runner(ran), trials=5, folds=2)
    n = len(ran)
    again = tune(recipe, SPACE, tmp_path, run_cell=runner(ran), trials=8, folds=2)
    assert again.trials[:5] == first.trials
    assert len(ran) - n <= 6


def test_values_that_fail_are_named_and_the_search_goes_on(recipe, tmp_path):
    run_cell = runner([], fails=lambda one: one.model.params["num_leaves"] > 40)
    space = SPACE | {"model.subsample": Numbers(0.5, 2.0)}
    found = tune(recipe, space, tmp_path, run_cell=run_cell, trials=20, folds=2)
    reasons = [trial.why for trial in found.trials if trial.mean is None]
    assert any("too few rows" in why for why in reasons)
    assert any("subsample" in why for why in reasons), "refused by the recipe"
    assert found.best.values["model.num_leaves"] <= 40


def test_a_search_without_a_trial_that_works_says_why(recipe, tmp_path):
    run_cell = runner([], fails=lambda one: True)
    with pytest.raises(RecipeError, match="none of 2 trials .* too few rows"):
        tune(recipe, SPACE, tmp_path, run_cell=run_cell, trials=2, folds=2)
    assert not (tmp_path / "best.toml").exists()


@pytest.mark.parametrize("low", [32, 15])
def test_the_first_trial_is_the_recipe_whether_or_not_its_values_are_searched(
    recipe, tmp_path, low
):
    ran = []
    space = {
        "model.num_leaves": Numbers(low, 80),
        "loss": Choices(("focal",)),
        "balance": Choices(("ros", "smote")),
    }
    found = tune(recipe, space, tmp_path, run_cell=runner(ran), trials=1, folds=2)
    own = {"model.num_leaves": 31, "loss": None, "balance": "none"}
    assert found.trials[0].values == found.best.values == own
    assert ran[0].with_(split=recipe.split.flat()).sha256 == recipe.sha256
    assert Recipe.load(tmp_path / "best.toml").sha256 == recipe.sha256


def test_a_swarm_comes_nearer_to_the_top_of_a_parabola_than_chance():
    space = {
        "x": FloatDistribution(-5, 5), "rate": FloatDistribution(0.001, 10, log=True),
        "k": IntDistribution(1, 60), "kind": CategoricalDistribution(("a", "b", "c")),
    }  # fmt: skip

    def height(x, rate, k, kind):
        far = (x - 1) / 10, np.log(rate / 0.1) / np.log(1e4), (k - 40) / 60
        return -sum(d**2 for d in far) - 0.2 * (kind != "b")

    def best(sampler):
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for _ in range(120):
            trial = study.ask(space)
            study.tell(trial, height(**trial.params))
        return study.best_trial

    swarms = [best(ParticleSwarm(space, seed=seed)) for seed in range(4)]
    chances = [best(optuna.samplers.RandomSampler(seed=seed)) for seed in range(4)]
    assert np.mean([one.value for one in swarms]) > -0.005
    assert np.mean([one.value for one in chances]) < -0.01
    assert all(one.params["kind"] == "b" for one in swarms)
    assert best(ParticleSwarm(space, seed=0)).params == swarms[0].params


def test_a_search_by_a_swarm_continues_like_any_other(recipe, tmp_path):
    how = {"run_cell": runner([]), "folds": 2, "method": "pso"}
    first = tune(recipe, SPACE, tmp_path, trials=10, **how)
    assert tune(recipe, SPACE, tmp_path, trials=25, **how).trials[:10] == first.trials
    assert first.trials[0].values == {"model.num_leaves": 31}


def test_bohb_stops_trials_that_are_behind(recipe, tmp_path):
    how = {"run_cell": runner([]), "trials": 20, "folds": 4, "method": "bohb"}
    found = tune(recipe, SPACE, tmp_path, **how)
    stopped = [t for t in found.trials if t.why == "behind the others"]
    assert any(len(trial.scores) == 1 for trial in stopped)
    assert found.best.mean > 0.9
    again = tune(recipe, SPACE, tmp_path / "again", **how)
    assert again.trials == found.trials


def test_plug_ins_are_searched_by_name(recipe, tmp_path):
    ran = []
    space = {"balance": Choices(("none", "ros"))}
    tune(recipe, space, tmp_path, run_cell=runner(ran), trials=6, folds=2)
    assert {one.balance.name for one in ran} == {"none", "ros"}


@pytest.mark.parametrize(
    "text", ["model.num_leaves", "=3:4", "a=", "a=3:b", "a=3:4:exp", "a=1:2:3:4"]
)
def test_a_space_that_is_written_otherwise_shows_how(text):
    with pytest.raises(RecipeError, match="for example model.num_leaves"):
        parsed([text])


@pytest.mark.parametrize("text", ["a=4:3", "a=0:3:log", "a=2:2"])
def test_a_range_without_values_is_refused(text):
    with pytest.raises(RecipeError, match="range without values"):
        parsed([text])


@pytest.mark.parametrize("key", ["split", "split.k", "dataset", "target", "seed"])
def test_what_decides_the_rows_is_not_searched(key):
    with pytest.raises(RecipeError, match="which rows are judged"):
        parsed([f"{key}=3,4"])


def test_a_measure_that_the_folds_do_not_have_ends_the_search_at_once(recipe, tmp_path):
    ran = []
    with pytest.raises(RecipeError, match="unseen is not defined"):
        tune(recipe, SPACE, tmp_path, run_cell=runner(ran), measure="unseen")
    assert len(ran) == 1


def test_a_space_is_read_as_written():
    found = parsed(["a.b=1:5", "c=0.1:1:log", "d=none,smote", "e=true,false"])
    assert found == {
        "a.b": Numbers(1, 5), "c": Numbers(0.1, 1, is_log=True),
        "d": Choices(("none", "smote")), "e": Choices((True, False)),
    }  # fmt: skip
    assert found["a.b"].is_whole
    assert not found["c"].is_whole


def test_without_a_space_numbers_of_the_model_and_its_training_are_searched(recipe):
    trees = around(recipe)
    assert trees["model.num_leaves"] == Numbers(7, 124, is_log=True)
    assert "model.n_jobs" not in trees
    assert not any(key.startswith("training") for key in trees)
    network = around(Recipe.load("nsl_kdd/dnn-none"))
    assert network["training.learning_rate"].is_log
    assert "training.epochs" not in network


@pytest.mark.parametrize(("name", "value"), [("method", "best"), ("measure", "luck")])
def test_an_unknown_method_or_measure_is_refused(recipe, tmp_path, name, value):
    with pytest.raises(RecipeError, match=f"{name} is '{value}'; expected "):
        studies.tune(recipe, tmp_path, **{name: value})


def test_no_row_that_judges_the_recipe_is_in_a_fold(small_table):
    outer = {"name": "stratified", "fraction": 0.3}
    held = SPLITS["stratified"](lambda _: small_table, 7, fraction=0.3).test
    seen = []
    for fold in range(3):
        one = SPLITS["nested"](lambda _: small_table, 7, outer=outer, fold=fold)
        assert one.protocol.name == f"nested kfold {fold + 1}/3"
        seen += [one.train, one.test]
    own = set(held.frame.rows())
    for part in seen:
        assert not own & set(part.frame.rows())
    assert own


def test_folds_are_made_by_a_split_that_has_some(small_table):
    with pytest.raises(RecipeError, match="'blocks' makes no folds"):
        SPLITS["nested"](
            lambda _: small_table, 7, outer={"name": "official"}, inner="blocks"
        )
