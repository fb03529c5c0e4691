"""What ``--set`` can and cannot change, and where data is looked for."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenflow.cli.options import _parsed, changed
from evenflow.cli.text import columns
from evenflow.errors import RecipeError
from evenflow.places import cache, folders
from evenflow.recipe import Recipe
from evenflow.toml import dumps


@pytest.fixture(scope="module")
def recipe():
    return Recipe.load("nsl_kdd/random_forest-none")


def test_a_dotted_key_changes_that_key_alone(recipe):
    new = changed(recipe.to_dict(), ["training.epochs=3", "seed=11"])
    assert (new.training.epochs, new.seed) == (3, 11)
    assert (
        new.with_(training__epochs=recipe.training.epochs, seed=recipe.seed) == recipe
    )


def test_a_plug_in_is_named_by_plain_text(recipe):
    new = changed(recipe.to_dict(), ["balance=ros"])
    assert new.balance.name == "ros"


def test_another_plug_in_forgets_the_parameters_of_the_first(recipe):
    wanted = ["balance=smote", "balance.max_rows_per_class=50"]
    smote = changed(recipe.to_dict(), wanted)
    assert smote.balance.params["max_rows_per_class"] == 50
    assert changed(smote.to_dict(), ["balance.name=none"]).balance.params == {}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("epochs", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("training.epoch=3", "did you mean epochs?"),
        ("sede=3", "did you mean seed"),
        ("balance=smot", "did you mean"),
        ("training.epochs=many", "'training.epochs' is 'many'"),
        ("title.text=x", "which has no keys"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(recipe, setting, said):
    with pytest.raises(RecipeError, match=said.replace("?", r"\?")):
        changed(recipe.to_dict(), [setting])


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("true", True), ("[1, 2]", [1, 2]), ("smote", "smote"),
     ('"3"', "3"), ("", ""), ("a\nb = 3", "a\nb = 3")],
)  # fmt: skip
def test_values_are_read_as_toml_and_else_as_text(text, value):
    assert _parsed(text) == value


json_values = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**60), 2**60),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
tables = st.dictionaries(st.sampled_from("xyz"), json_values, max_size=2)
keys = st.text(min_size=1, max_size=5, alphabet="ab.-_ é\"'")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, json_values | tables, max_size=4))
def test_recipes_are_printed_as_toml_that_reads_back(value):
    import tomllib

    assert tomllib.loads(dumps(value)) == value


def test_columns_are_never_cut():
    text = columns(["a", "b"], [("x" * 300, 1), (None, 22)], right=[1])
    lines = text.splitlines()
    assert "x" * 300 in lines[2]
    assert lines[2].endswith("   1".rstrip("1") + "1")
    assert lines[3].startswith("-")


def test_named_folders_come_first_and_the_cache_last(monkeypatch, tmp_path):
    monkeypatch.setenv("EVENFLOW_DATA", f"{tmp_path}/a:{tmp_path}/b")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert folders() == [
        tmp_path / "a", tmp_path / "b", tmp_path / "c" / "evenflow" / "datasets",
    ]  # fmt: skip


def test_a_relative_cache_is_ignored_as_the_xdg_rules_say(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    assert cache() == Path.home() / ".cache" / "evenflow" / "datasets"
