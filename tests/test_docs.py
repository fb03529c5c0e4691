"""The documentation says what is so: code runs, commands exist, links lead."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from evenflow.cli import main
from evenflow.web.settings import Mail, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def where(path):
    return path.relative_to(ROOT).as_posix()


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["command-line.md", "recipes.md", "settings.md"])
def test_the_generated_reference_is_as_committed(name):
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert generator().pages()[name] == committed, "run: make docs"


def test_every_setting_is_in_the_reference_with_what_it_means():
    page = generator().settings()
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", page, flags=re.MULTILINE))
    assert set(rows) == {*Settings.model_fields, *Mail.model_fields}
    assert all(text.endswith(".") for text in rows.values())


def blocks(path, language):
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
def test_the_readme_s_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    [code] = blocks(ROOT / "README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    assert re.search(r"\d+ of 5000 records look like attacks", capsys.readouterr().out)


def commands():
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split("|"):
                    words = shlex.split(part.split(" > ")[0], comments=True)
                    if words[:1] == ["evenflow"]:
                        yield pytest.param(
                            words[1:], id=f"{where(page)}: {part.strip()}"
                        )


@pytest.mark.parametrize("words", list(commands()))
def test_a_command_in_the_documentation_is_one(words):
    """Parse it as the program would, without running it."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]!r}"
        command, words = found, words[1:]
    command.make_context(command.name, list(words))


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{where(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_every_make_target_named_exists(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")))
    assert named <= targets


def test_ci_runs_what_the_readme_says():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake test\n" in text
    assert "`make test`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_no_page_names_a_place_on_one_machine():
    for page in PAGES:
        assert not re.search(r"/(work|root|home)/", page.read_text(encoding="utf-8"))


def test_the_map_of_the_house_names_every_room():
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    rooms = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "src/evenflow").iterdir()
        if not path.name.startswith("__") and path.name != "py.typed"
    }
    told = set(re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE))
    assert told == rooms
