"""An experiment is typed and frozen, and a wrong key is refused at once."""

import pytest
from pydantic import ValidationError

from evenflow.errors import RecipeError
from evenflow.recipe import Recipe

TOML = """
title = "an experiment"
dataset = "synthetic"
split = "official"
seed = 3

[training]
epochs = 2

[balance]
name = "smote"
max_rows_per_class = 500

[model]
name = "cnn_lstm"
dropout = 0.3
"""


@pytest.fixture
def load(write):
    def load(text):
        path = write("mine.toml", text)
        return Recipe.load(path)

    return load


def test_a_file_is_read_whole(load):
    recipe = load(TOML)
    assert recipe.name == "synthetic/cnn_lstm-smote"
    assert recipe.balance.params["max_rows_per_class"] == 500
    assert recipe.model.params["dropout"] == 0.3
    assert recipe.training.epochs == 2
    assert recipe.seed == 3


def test_a_recipe_survives_its_own_dictionary(load):
    recipe = load(TOML)
    again = Recipe.from_dict(recipe.to_dict())
    assert again == recipe
    assert again.sha256 == recipe.sha256


def test_a_recipe_cannot_be_changed(load):
    with pytest.raises(ValidationError, match="frozen"):
        load(TOML).seed = 4


BASE = "dataset = 'synthetic'\nmodel = 'dnn'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{BASE}[training]\nepoch = 3", r"'training.epoch'; did you mean epochs"),
        (f"{BASE}seeds = 3", r"'seeds'; did you mean seed\?"),
        (
            f"{BASE}[balance]\nname = 'smote'\nmax_rows = 5",
            r"'max_rows'; did you mean max_rows_per",
        ),
        (
            "dataset = 'synthetic'\n[model]\nname = 'cnn'\ndropuot = 0.5",
            r"'dropuot'; did you mean dropout",
        ),
        (f"{BASE}[split]\nname = 'kfold'\nfolds = 5", r"'folds'; did you mean fold"),
        (
            "dataset = 'synthetic'\nmodel = 'cnm'",
            r"no plug-in 'cnm' in models; did you mean cnn",
        ),
        (f"{BASE}balance = 'smoke'", r"'smoke' in balance; did you mean smote"),
        (
            "model = 'dnn'\ndataset = 'nsl_kkd'",
            r"'nsl_kkd' in datasets; did you mean nsl_kdd",
        ),
        (
            f"{BASE}split = 'stratfied'",
            r"'stratfied' in splits; did you mean stratified",
        ),
        (f"{BASE}[training]\nepochs = 0", r"'training.epochs' is 0: .*greater than"),
        (
            "dataset = 'synthetic'\n[model]\nname = 'cnn'\ndropout = 'much'",
            r"'dropout' is 'much'",
        ),
        (f"{BASE}[prepare]\nscaling = 'robust'", r"'prepare.scaling' is 'robust'"),
        (f"{BASE}[balance]\nname = 'smote'\nmax_rows_per_class = 'all'", r"is 'all'"),
        (
            f"{BASE}[balance]\nname = 'smote'\nk_neighbors = 0",
            r"'k_neighbors' is 0: .*greater",
        ),
        (
            "dataset = 'synthetic'\n[model]\nname = 'cnn'\nstem_stride = 9",
            r"stem_stride is 9; expected 1 to",
        ),
        (f"{BASE}seed = ", r"is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_right_thing(load, text, message):
    with pytest.raises(RecipeError, match=message):
        load(text)


def test_a_missing_key_is_named(load):
    with pytest.raises(RecipeError, match="'model' is missing"):
        load("dataset = 'synthetic'")


def test_a_missing_file_is_named():
    with pytest.raises(RecipeError, match="nowhere.toml"):
        Recipe.load("nowhere.toml")


@pytest.mark.parametrize("name", ["cnn-smote", "nsl_kdd/cnn", "nsl_kdd", "a/b-c", ""])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(RecipeError, match="is not a recipe|no plug-in"):
        Recipe.load(name)


def test_any_three_plug_ins_make_a_recipe():
    recipe = Recipe.load("nsl_kdd/extra_trees-one_sided_selection")
    assert recipe.split.name == "official"
    assert "max_rows_per_class" not in recipe.balance.params


def test_samplers_that_add_rows_get_the_data_sets_cap():
    params = Recipe.load("nsl_kdd/dnn-adasyn").balance.params
    assert params["max_rows_per_class"] == 10_000


def test_defaults_are_written_out_so_that_a_recipe_says_all_it_rests_on():
    recipe = Recipe.load("nsl_kdd/dnn-smote")
    assert recipe.balance.params["k_neighbors"] == 5
    assert recipe.model.params["hidden"]
    spelt_out = recipe.with_(balance__k_neighbors=5)
    assert spelt_out.sha256 == recipe.sha256


def test_only_what_decides_the_result_is_in_the_digest(load):
    recipe = load(TOML)
    assert recipe.with_(title="other").sha256 == recipe.sha256
    assert recipe.with_(seed=4).sha256 != recipe.sha256
    assert recipe.with_(balance__max_rows_per_class=501).sha256 != recipe.sha256


def test_a_changed_recipe_is_checked_again(load):
    assert load(TOML).with_(split="stratified").split.name == "stratified"
    with pytest.raises(RecipeError, match="did you mean epochs"):
        load(TOML).with_(training__epoch=3)


def test_a_change_may_bring_what_the_recipe_lacks():
    with pytest.raises(RecipeError, match="'path' is missing"):
        Recipe.load("table_file/dnn-none")
    brought = {"dataset__path": "mine.csv", "training__epochs": 2}
    recipe = Recipe.load("table_file/dnn-none", **brought)
    assert recipe.dataset.params["path"] == "mine.csv"
    assert recipe.training.epochs == 2
    later = Recipe.load("synthetic/dnn-none").with_(split="stratified")
    assert Recipe.load("synthetic/dnn-none", split="stratified") == later


def test_two_processes_agree_on_the_digest(python):
    name = "synthetic/lightgbm-none"
    code = f"from evenflow.recipe import Recipe; print(Recipe.load({name!r}).sha256)"
    there = python("-c", code, env={"PYTHONHASHSEED": "1"})
    assert there.stdout.strip() == Recipe.load(name).sha256


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("training", "learning_rate"),
        ("split", "fraction"),
        ("model", "C"),
        ("decide", "false_alarm_budget"),
    ],
)
def test_a_number_that_is_not_finite_is_refused(load, table, key, value):
    names = {"split": "name = 'blocks'\n", "model": "name = 'logistic_regression'\n"}
    model = "" if table == "model" else "model = 'logistic_regression'\n"
    text = f"dataset = 'synthetic'\n{model}[{table}]\n{names.get(table, '')}"
    with pytest.raises(RecipeError, match=f"{key}' is .*(finite|greater|less)"):
        load(f"{text}{key} = {value}\n")


@pytest.mark.parametrize("name", ["x/../../evil", "/abs", "", "a.b", "a" * 65])
def test_a_name_of_a_member_is_a_word(name):
    with pytest.raises(RecipeError, match="expected letters, digits and underscores"):
        Recipe.load(
            "nsl_kdd/lightgbm-none", target="binary",
            model={"name": "fusion", "members": {name: "lightgbm"}},
        )  # fmt: skip


def test_a_budget_is_not_certified_by_rows_that_come_in_groups():
    with pytest.raises(RecipeError, match="expected no group"):
        Recipe.load("lab/lightgbm-live", decide__certify=0.9)
