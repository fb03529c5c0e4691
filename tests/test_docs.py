"""The documentation says what is so: code runs, commands exist, links lead."""

import importlib
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import evenflow
from evenflow.cli import main
from evenflow.web.settings import Mail, Notify, Settings

from . import scripts

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def where(path):
    return path.relative_to(ROOT).as_posix()


def generator():
    return scripts.loaded(ROOT / "docs/generate.py")


@pytest.mark.parametrize(
    "name", ["command-line.md", "python.md", "recipes.md", "settings.md"]
)
def test_the_generated_reference_is_as_committed(name):
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert generator().pages()[name] == committed, "run: make docs"


def callables():
    """Yield what a program calls: public functions, and methods of main classes."""
    made = generator()
    for _, module, names in made.PYTHON:
        home = importlib.import_module(module)
        for name in names or home.__all__:
            thing = getattr(home, name)
            if inspect.isfunction(thing):
                yield pytest.param(made, thing, id=name)
            elif name in {"Recipe", "Table", "Bundle", "TablePreprocessor", "Sampler"}:
                for inner, method in made._methods(thing):
                    if callable(method):
                        yield pytest.param(made, method, id=f"{name}.{inner}")


@pytest.mark.parametrize(("made", "called"), list(callables()))
def test_every_parameter_of_a_public_call_is_documented(made, called):
    takes = inspect.signature(called).parameters.values()
    stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    expected = [
        stars.get(p.kind, "") + p.name for p in takes if p.name not in {"self", "cls"}
    ]
    found = [
        entry._replace(name=name)
        for title, entries in made._sections(called)
        for entry in entries
        if title == "Parameters"
        for name in entry.name.split(", ")
    ]
    assert [entry.name for entry in found] == expected
    assert all(entry.text.endswith(".") for entry in found)


def test_every_public_name_says_what_it_is():
    for section in generator().python().split("\n### ")[1:]:
        name, _, rest = section.partition("\n")
        text = re.sub(r"```python\n.*?```", "", rest, flags=re.DOTALL).strip()
        assert re.match(r"[A-Z].*\.\n", f"{text}\n"), name


def test_every_setting_is_in_the_reference_with_what_it_means():
    page = generator().settings()
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", page, flags=re.MULTILINE))
    parts = (Settings, Mail, Notify)
    assert set(rows) == {name for part in parts for name in part.model_fields}
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


def write_flows(path, split):
    """Write labelled flows as another program would."""
    table = evenflow.load_dataset("synthetic", split, n_rows=2000)
    label = table.attack.replace({"benign": "BENIGN"})
    table.frame.with_columns(Label=label).write_csv(path)


def test_the_how_to_s_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_flows(tmp_path / "flows.csv", "train")
    write_flows(tmp_path / "later.csv", "test")
    names: dict = {}
    page = (ROOT / "docs/how-to.md").read_text(encoding="utf-8")
    section = page.split("## From Python")[1].split("\n## ")[0]
    for code in re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        exec(compile(code, "how-to.md", "exec"), names)
    assert set(names["classes"]) <= set(names["model"].classes_)
    assert (names["classes"] != "benign").sum() > 100
    assert names["proba"].shape == (len(names["later"]), len(names["model"].classes_))
    assert names["report"].binary["detection_rate"] > 0.5


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
def test_links_lead_somewhere_and_make_targets_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{where(page)}: {target}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


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
