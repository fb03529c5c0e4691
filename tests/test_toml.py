"""TOML from anybody: an error in words, whatever it holds."""

import time

import pytest

from evenflow import toml
from evenflow.conform import shown
from evenflow.errors import RecipeError
from evenflow.recipe import Recipe
from evenflow.web.trainings import form

LARGE = {
    "5,000 digits": "9" * 5_000,
    "5,000 digits below zero": "-" + "9" * 5_000,
    "5,000 hexadecimal digits": "0x" + "f" * 5_000,
    "65 bits": str(2**64),
    "20,000 bits": "0b" + "1" * 20_000,
}
DEEP = {
    "lists": "a = " + "[" * 5_000,
    "closed lists": "a = " + "[" * 60 + "]" * 60,
    "tables": "a = " + "{a = " * 2_000,
    "a dotted key": "a" + ".a" * 1_500 + " = 1",
    "a dotted table": "[a" + ".a" * 1_500 + "]",
}
ODD = {
    "a date that is none": "a = 2024-13-45",
    "an offset that is none": "a = 2024-01-01T00:00:00+99:99",
    "half a character": 'a = "\\ud800"',
    "a key twice": "a = 1\na = 2",
    "a control character": "a = \x01",
}


@pytest.mark.parametrize("number", LARGE.values(), ids=LARGE)
def test_an_integer_of_more_than_64_bits_is_refused(number):
    for text in (f"a = {number}", f"a = [1, {{b = {number}}}]", f"[a.b]\nc = {number}"):
        with pytest.raises(ValueError, match="more than 64 bits"):
            toml.loads(text)
    low, high = -(2**63), 2**63 - 1
    assert toml.loads(f"a = {high}\nb = {low}") == {"a": high, "b": low}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_nests_too_deep_is_refused(text):
    with pytest.raises(ValueError, match="inside each other"):
        toml.loads(text)
    assert toml.loads("a = " + "[" * 20 + "]" * 20)


every_text = pytest.mark.parametrize(
    "text",
    [*(f"seed = {n}" for n in LARGE.values()), *DEEP.values(), *ODD.values()],
    ids=[*LARGE, *DEEP, *ODD],
)


@every_text
def test_a_recipe_file_is_refused_in_words(write, run, text):
    path = write("mine.toml", text)
    with pytest.raises(RecipeError, match="is not TOML") as caught:
        Recipe.load(path)
    assert len(str(caught.value)) < 1_000
    assert "bug" not in run("recipe", "show", path, code=2).output


@pytest.mark.parametrize(
    "value",
    [10**5_000, -(10**5_000), [10**5_000], "x" * 10_000],
    ids=["large", "small", "in a list", "text"],
)
def test_a_recipe_with_a_value_too_large_to_be_shown_is_refused_in_words(value):
    recipe = {"dataset": "synthetic", "model": "cnn", "balance": "none", "seed": value}
    with pytest.raises(RecipeError, match="'seed' is") as caught:
        Recipe.from_dict(recipe)
    assert len(str(caught.value)) < 1_000


def test_a_value_too_large_to_be_shown_is_told_as_such():
    assert shown(10**5_000) == "an integer of more than 4,300 digits"


def test_settings_with_such_a_number_are_refused_in_words(write, run):
    for text in (f"port = {'9' * 5_000}", f"port = 0x{'f' * 5_000}", DEEP["lists"]):
        path = write("settings.toml", text)
        path.chmod(0o600)
        done = run("user", "list", "--home", path.parent, code=2)
        assert "is not valid TOML" in done.output
        assert "bug" not in done.output


def test_a_setting_of_5000_digits_on_the_command_line_is_refused_in_words(run):
    for number in LARGE.values():
        words = ("train", "synthetic/cnn-none", "--set", f"seed={number}")
        assert "bug" not in run(*words, code=2).output


def test_a_recipe_of_the_web_is_read_in_linear_time():
    start = time.process_time()
    for text in ("a" + ".a" * 9_000 + "=1", "[" + "a." * 9_000 + "a]", "a=1\n" * 4_000):
        filled = form.from_toml(text, [])
        assert "toml" in filled.errors
    assert time.process_time() - start < 2


@every_text
def test_a_recipe_of_the_web_is_refused_in_words(text):
    for more in ("", "\nmodel = 'cnn'"):
        filled = form.from_toml(text[:19_000] + more, [])
        assert filled.recipe is None
        assert filled.errors["toml"]
