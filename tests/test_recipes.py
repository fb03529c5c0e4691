"""Every recipe that ships loads, and says what it is."""

from __future__ import annotations

import re
import tomllib
from importlib import resources

import pytest

from evenflow import registry
from evenflow.recipe import Recipe, shipped

HEADLINES = {
    "nsl_kdd/cnn-hybrid",
    "nsl_kdd/cnn_lstm-smote",
    "nsl_kdd/dnn-hybrid",
    "nsl_kdd/random_forest-none",
    "nsl_kdd/lightgbm-none",
}


def test_the_headline_recipes_ship():
    assert set(shipped()) >= HEADLINES


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_loads_and_is_what_its_name_says(name):
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.title
    assert re.fullmatch(r"(10\.\d{4,}/\S+)?", recipe.reference)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize("dataset", registry.names("datasets"))
def test_every_data_set_has_defaults_that_suit_it(dataset):
    from evenflow import datasets

    folder = resources.files("evenflow") / "recipes" / dataset
    assert (folder / "_defaults.toml").is_file()
    value = tomllib.loads((folder / "_defaults.toml").read_text())
    assert value["dataset"] == dataset
    split = value["split"]
    name = split if isinstance(split, str) else split["name"]
    if name == "official":
        assert datasets.get(dataset).has_official_test


@pytest.mark.parametrize("balance", registry.names("balance"))
@pytest.mark.parametrize("model", registry.names("models"))
def test_any_model_and_sampler_make_a_recipe(model, balance):
    recipe = Recipe.load(f"nsl_kdd/{model}-{balance}")
    assert (recipe.model.name, recipe.balance.name) == (model, balance)
    if "max_rows_per_class" in recipe.balance.params:
        assert recipe.balance.params["max_rows_per_class"] == 10_000
