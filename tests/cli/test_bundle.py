"""What a bundle from anybody holds never reaches the terminal as more than text."""

import hashlib
import json
import shutil

import pytest

from evenflow.cli.text import columns, pairs, plain, plain_lines


@pytest.fixture
def edited(bundle, tmp_path):
    """A function that changes one file of a copy and writes its sums anew."""
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)

    def edit(name, change):
        path = copy / name
        path.write_text(change(path.read_text()))
        files = sorted(p for p in copy.iterdir() if p.name != "SHA256SUMS")
        sums = [
            f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in files
        ]
        (copy / "SHA256SUMS").write_text("\n".join(sums) + "\n")
        return copy

    return edit


def with_value(key, value):
    return lambda text: json.dumps(json.loads(text) | {key: value})


def test_control_characters_of_a_card_are_shown_as_escapes(run, edited):
    copy = edited("card.md", lambda t: f"{t}\n\x1b[2J\x07\u202e\x9b\r end\n")
    done = run("bundle", "show", copy, "--card")
    assert "\\x1b[2J\\x07\\u202e\\x9b" in done.stdout
    assert done.stdout.startswith("# ")
    assert not set(done.stdout) & set("\x1b\x07\u202e\x9b\r")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("show",), ("verify",), ("show", "--json")])
@pytest.mark.parametrize(
    ("name", "key"),
    [("manifest.json", "evenflow"), ("report.json", "protocol"), ("recipe.json", "a")],
)
def test_control_characters_of_the_rest_are_refused(run, edited, words, name, key):
    copy = edited(name, with_value(key, "\x1b]0;owned\x07"))
    done = run("bundle", words[0], copy, *words[1:], code=2)
    assert "control character" in done.stderr
    assert not set(done.stdout + done.stderr) & set("\x1b\x07")


@pytest.mark.parametrize("value", [None, 3, "none", [], {"statement": 1}])
def test_a_report_that_is_none_is_named(run, edited, value):
    copy = edited("report.json", with_value("alerts", value))
    done = run("bundle", "show", copy, code=2)
    assert "report.json: found an inconsistent report" in done.stderr
    run("bundle", "show", copy, "--json")


def test_a_recipe_without_names_is_refused(run, edited):
    copy = edited("recipe.json", lambda _: '{"model": null}')
    done = run("bundle", "show", copy, code=2)
    assert "recipe.json: 'dataset': Field required" in done.stderr


def test_no_table_passes_a_control_character_on():
    odd = "a\x1b[31m\u2028b\nc\ud800"
    shown = columns(("head",), [(odd,)]) + pairs({"x": odd})
    assert shown.count("\\x1b[31m\\u2028b\\nc\\ud800") == 2
    assert plain("plain – 日本 é") == "plain – 日本 é"
    assert plain_lines("a\tb\r\nc") == "a\\tb\nc"
