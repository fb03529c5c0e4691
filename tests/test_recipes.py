"""Every recipe that ships loads, and says what it is."""

import re
import tomllib
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest

from evenflow import datasets, registry
from evenflow.cli import options
from evenflow.errors import RecipeError
from evenflow.learn.training import train
from evenflow.recipe import Recipe, shipped
from evenflow.toml import dumps
from evenflow.web.trainings import form

HEADLINES = {
    "nsl_kdd/cnn-hybrid",
    "nsl_kdd/cnn_lstm-smote",
    "nsl_kdd/dnn-hybrid",
    "nsl_kdd/random_forest-none",
    "nsl_kdd/lightgbm-none",
}


def test_the_headline_recipes_ship():
    assert set(shipped()) >= HEADLINES


@pytest.mark.parametrize("model", ["cnn", "cnn_lstm", "dnn"])
def test_every_cell_of_the_grid_ships(model):
    samplers = ("none", "ros", "smote", "adasyn", "smote_enn", "gan", "hybrid")
    assert {f"nsl_kdd/{model}-{name}" for name in samplers} <= set(shipped())


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_loads_and_is_what_its_name_says(name):
    recipe = Recipe.load(name)
    model = f"{recipe.dataset.name}/{recipe.model.name}"
    own = {
        "lab/lightgbm-live": "lab/lightgbm-none-columns",
        "nsl_kdd/lightgbm-live": "nsl_kdd/lightgbm-none-columns",
        "nsl_kdd/fusion-trees": "nsl_kdd/gate-none",
        "nsl_kdd/fusion-all_columns": "nsl_kdd/gate-none",
        "nsl_kdd/fusion-three_views": "nsl_kdd/gate-none",
        "nsl_kdd/fusion-networks": "nsl_kdd/gate-none",
        "nsl_kdd/view-cnn": "nsl_kdd/view-none",
        "nsl_kdd/view-cnn_lstm": "nsl_kdd/view-none",
        "nf_bot_iot_v2/fusion-trees": "nf_bot_iot_v2/gate-none",
        "unsw_nb15/fusion-trees": "unsw_nb15/gate-none",
    }
    assert recipe.name == own.get(name, name)
    assert name.startswith(f"{model}-") or recipe.model.name == "gate"
    assert recipe.title
    assert re.fullmatch(r"(10\.\d{4,}/\S+)?", recipe.reference)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


BOT_IOT = "bot_iot_12col_sample"
SURVEY = [
    "cnn_bilstm-oss_smote", "lio_ids-none", "tsode-none", "grid_search-none",
    "rotation_forest-none-pso_ant_genetic", "image_resnet-none", "image_googlenet-none",
    "e_graphsage-none",
    *(f"{BOT_IOT}/{m}-none-correlation_entropy" for m in ("linear_svm", "rnn", "lstm")),
    "cnn-dsste", "cnn-smote_enn", "lightgbm-adasyn", "ft_transformer-none",
    *(f"{model}-smote_rus" for model in (
        "dnn", "linear_svm", "decision_tree", "random_forest", "naive_bayes", "k_means"
    )),
    *(f"cnn-none-{loss}" for loss in registry.names("losses")),
    "cnn-igan", "dnn-cvae", "dnn-savaer", "dnn-knn_under_tacgan", "dnn-wgan_idr",
]  # fmt: skip
"""Recipes after publications, each complete as far as it is known."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SURVEY)
def test_a_recipe_after_a_publication_cites_it_and_trains(name, small_table):
    name = name if "/" in name else f"nsl_kdd/{name}"
    recipe = Recipe.load(name, training__epochs=1, training__batch_size=256)
    assert name in shipped()
    assert recipe.reference
    assert re.search(r"after \w+ et al\. 20\d\d$", recipe.title)
    search = {"population": 4, "iterations": 1, "n_rows": 400}
    small = {"n_estimators": 10, "width": 8, "n_rotations": 2, "n_bagged": 2}
    small |= {"steps": 5, "feature_steps": 5}
    small |= {"grid": {"num_leaves": [7, 15]}, **search}
    for part in ("model", "balance"):
        for key in small.keys() & getattr(recipe, part).params.keys():
            recipe = recipe.with_(**{f"{part}__{key}": small[key]})
    for key in search.keys() & (recipe.select.params if recipe.select else {}).keys():
        recipe = recipe.with_(**{f"select__{key}": small[key]})
    if "max_rows_per_class" in recipe.balance.params:
        recipe = recipe.with_(balance__max_rows_per_class=300)
    rows = {"train": small_table, "test": small_table.take(np.arange(0, 2000, 7)[:280])}
    trained = train(recipe, load=rows.__getitem__, device="cpu")
    X = np.zeros((3, trained.fitted.n_features), dtype=np.float32)
    assert trained.fitted.log_proba(X).shape == (3, trained.fitted.n_classes)


@pytest.mark.parametrize("dataset", registry.names("datasets"))
def test_every_data_set_has_defaults_that_suit_it(dataset):
    folder = resources.files("evenflow") / "recipes" / dataset
    assert (folder / "_defaults.toml").is_file()
    value = tomllib.loads((folder / "_defaults.toml").read_text())
    assert value["dataset"] == dataset
    split = value["split"]
    name = split if isinstance(split, str) else split["name"]
    if name == "official":
        assert datasets.get(dataset).has_official_test


@pytest.mark.parametrize("model", registry.names("models"))
def test_any_model_and_sampler_make_a_recipe(model):
    balances = registry.load("models", model).balances == "rows"
    for balance in registry.names("balance"):
        name = f"nsl_kdd/{model}-{balance}"
        if balance == "none" or balances:
            recipe = Recipe.load(name)
            assert (recipe.model.name, recipe.balance.name) == (model, balance)
            most = recipe.balance.params.get("max_rows_per_class", 10_000)
            assert most == 10_000, name
        else:
            with pytest.raises(RecipeError, match=f"'{model}' balances no rows; exp"):
                Recipe.load(name)


EXTRA = {"table_file": {"path": "mine.csv"}}
"""Parameters that a data set cannot do without."""


def by_name(dataset, rest):
    changes = {f"dataset__{k}": v for k, v in EXTRA.get(dataset, {}).items()}
    return Recipe.load(f"{dataset}/{rest}", **changes)


# a sampler that takes what the data set's defaults hold for it, and none
@pytest.mark.parametrize("rest", ["cnn-hybrid", "lightgbm-none"])
@pytest.mark.parametrize("dataset", registry.names("datasets"))
def test_a_name_and_a_file_give_the_same_experiment(dataset, rest, write):
    named = by_name(dataset, rest)
    parts = dict(zip(("model", "balance"), rest.split("-"), strict=True))
    given = {k: v for k, v in parts.items() if v != "none"}
    least = {"dataset": {"name": dataset, **EXTRA.get(dataset, {})}} | given
    files = {
        "least": dumps(least),
        "whole": dumps(named.to_dict()),
        "tables": dumps(least | {k: {"name": v} for k, v in parts.items()}),
        "part": dumps(least) + "\n[training]\nlearning_rate = 0.001\n",
    }
    for name, text in files.items():
        path = write(f"{name}.toml", text)
        whole = Recipe.load(path)
        assert whole.sha256 == named.sha256
        assert options.load(str(path), ["training.weight_decay=0.0"]) == whole
    assert Recipe.from_dict(least).sha256 == named.sha256
    other = "synthetic" if dataset != "synthetic" else "nsl_kdd"
    given = [f"dataset={dataset}"]
    given += [f"dataset.{k}={v}" for k, v in EXTRA.get(dataset, {}).items()]
    changed = options.load(f"{other}/{rest}", given)
    assert changed.sha256 == named.sha256, "the data set's own defaults, not another's"


def test_show_and_train_of_the_file_are_one_experiment(write, run):
    for name in ("nsl_kdd/cnn-hybrid", "unsw_nb15/dnn-smote", "synthetic/cnn-none"):
        shown = run("recipe", "show", name).stdout
        path = write("f.toml", shown)
        assert run("recipe", "show", path).stdout == shown
        assert f"sha256 {Recipe.load(path).sha256}" in shown


def test_the_form_and_the_typed_recipe_of_the_web_have_the_same_defaults():
    source = SimpleNamespace(name="synthetic", can_be_read=True, missing=(), own=None)
    fields = {"dataset": "synthetic", "model": "cnn", "balance": "smote"}
    filled = form.from_fields(fields, [source])
    typed = form.from_toml(dumps(fields), [source])
    wanted = Recipe.load("synthetic/cnn-smote").sha256
    assert (filled.recipe.sha256, typed.recipe.sha256) == (wanted, wanted)


@pytest.mark.parametrize("given", ["blocks", {"name": "blocks"}])
def test_another_split_takes_no_parameter_of_the_data_sets_own(given):
    value = {"dataset": "unsw_nb15", "model": "dnn", "split": given}
    assert Recipe.from_dict(value).split.params["source"] == "train"
    typed = options.load("unsw_nb15/dnn-none", ["split=blocks"])
    assert typed.sha256 == Recipe.from_dict(value).sha256
    value["split"] = {"fraction": 0.3}
    split = Recipe.from_dict(value).split
    assert split.flat() == {"name": "stratified", "fraction": 0.3, "source": "test"}


def test_what_a_file_says_goes_before_the_defaults():
    value = {
        "dataset": "synthetic",
        "model": "cnn",
        "balance": {"name": "smote", "max_rows_per_class": 7},
        "training": {"epochs": 3},
        "seed": 1,
    }
    recipe = Recipe.from_dict(value)
    assert recipe.balance.params["max_rows_per_class"] == 7
    assert (recipe.training.epochs, recipe.training.batch_size) == (3, 512)
    assert recipe.seed == 1
    unlimited = recipe.with_(balance__max_rows_per_class=None)
    assert unlimited.balance.params["max_rows_per_class"] is None
    assert Recipe.from_dict(unlimited.to_dict()) == unlimited


@pytest.mark.parametrize(
    "value",
    [
        {"dataset": "../nsl_kdd"}, {"dataset": ["nsl_kdd"]}, {"dataset": {"name": 3}},
        {"dataset": {}}, {"split": 3}, {"split": {"name": []}}, {"balance": 3},
        {"balance": {"name": {}}}, {"training": 3}, {"model": None},
    ],
)  # fmt: skip
def test_parts_of_a_wrong_kind_are_refused_and_no_fault(value):
    with pytest.raises(RecipeError):
        Recipe.from_dict({"dataset": "nsl_kdd", "model": "cnn"} | value)
