"""Write the generated pages of docs/reference; tests hold them to what is committed.

Run: python docs/generate.py
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from evenflow import registry
from evenflow.cli import main
from evenflow.parts import Part
from evenflow.recipe import Decide, Prepare, Recipe, Training, defaults, shipped
from evenflow.web.settings import Mail, Settings

HERE = Path(__file__).parent / "reference"
HEAD = "<!-- Written by docs/generate.py; change the code, then run it. -->\n\n"


def pages() -> dict[str, str]:
    """Return the text of every generated page by file name."""
    return {
        "command-line.md": command_line(),
        "recipes.md": recipes(),
        "settings.md": settings(),
    }


def command_line() -> str:
    """Return the help of every command."""
    parts = [
        HEAD + "# Command line\n",
        "Results go to stdout, everything else to stderr. Exit codes: 0 done; 2 what "
        "was given is wrong, said in one line; 130 stopped by Ctrl-C; 129 and 143 "
        "stopped by SIGHUP and SIGTERM; 141 the reader of a pipe left; 1 a bug of "
        "evenflow's.\n",
        "| variable | meaning |\n| --- | --- |\n"
        "| `EVENFLOW_DATA` | folders with published data sets, separated as in `PATH` "
        "|\n| `XDG_CACHE_HOME` | folder of `evenflow/datasets`; `~/.cache` without |\n"
        "| `XDG_DATA_HOME` | folder of `evenflow`, the server's data; `~/.local/share` "
        "without |\n"
        "| `EVENFLOW_SECRET_KEY` | the server's secret instead of the one it makes and "
        "keeps |\n",
    ]
    root = main.make_context("evenflow", [], resilient_parsing=True)
    for context in _contexts(root):
        context.max_content_width = context.terminal_width = 80
        text = context.command.get_help(context)
        parts.append(f"## {context.command_path}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _contexts(context: click.Context) -> list[click.Context]:
    """Return the context of a command and of each command in it."""
    found, command = [context], context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None  # noqa: S101
            own = click.Context(inner, parent=context, info_name=name)
            found += _contexts(own)
    return found


def recipes() -> str:
    """Return every key of a recipe, and every part's parameters."""
    parts = [
        HEAD + "# Recipes\n",
        "A recipe is one TOML file, or a name `<dataset>/<model>-<balance>` of parts "
        "that evenflow has. A key nobody knows is refused with the nearest known "
        "one.\n",
        "## Keys\n",
        "| key | default |\n| --- | --- |",
    ]
    parts += [f"| `{key}` | {_default(value)} |" for key, value in _keys()]
    parts.append(
        "\n## Defaults of data sets\n\nA recipe, by name or as a file, takes these "
        "where it says nothing, then those above. Under `balance`, for samplers that "
        "take the key.\n\n| data set | defaults |\n| --- | --- |"
    )
    for name in registry.names("datasets"):
        said = ", ".join(
            f"`{key}` = {_default(value)}"
            for key, value in _dotted(defaults(name))
            if key not in {"dataset", "seed"}
        )
        parts.append(f"| `{name}` | {said} |")
    parts.append("\n## Shipped recipes\n")
    parts.append("| name | what | reference |\n| --- | --- | --- |")
    for name in shipped():
        recipe = Recipe.load(name)
        doi = f"doi:{recipe.reference}" if recipe.reference else ""
        parts.append(f"| `{name}` | {recipe.title} | {doi} |")
    for kind, what in registry.KINDS.items():
        parts.append(
            f"\n## {what.title}\n\n| name | parameters and defaults |\n| --- | --- |"
        )
        for name in registry.names(kind):
            accepted = registry.parameters(kind, name)
            said = ", ".join(
                f"`{key}` = {_default(default)}"
                for key, (_, default) in accepted.items()
            )
            parts.append(f"| `{name}` | {said or 'none'} |")
    return "\n".join(parts) + "\n"


def _dotted(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _dotted(inner, f"{path}{key}.")
        else:
            yield f"{path}{key}", inner


def settings() -> str:
    """Return every setting of the server."""
    parts = [
        HEAD + "# Settings of the server\n",
        "`settings.toml` in the data folder, or a file named with `--config`; the "
        "options of `evenflow serve` win over it. A key nobody knows is refused with "
        "the nearest known one. Only `home` and `secret_key` are never needed: the "
        "data folder is where the file is, and the secret is made on the first "
        "start.\n",
        *_setting_rows(Settings),
        "\n## Mail (`[mail]`)\n",
        *_setting_rows(Mail),
    ]
    return "\n".join(parts) + "\n"


def _setting_rows(model: type[BaseModel]) -> list[str]:
    """Return a table of a model's keys, from its fields and their docstrings."""
    [tree] = ast.parse(inspect.getsource(model)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101
    told = {
        field.target.id: " ".join(str(doc.value.value).split())
        for field, doc in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
    }
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        text = told[name].replace("``", "`")
        default = "made and kept" if name == "secret_key" else _default(field.default)
        rows.append(f"| `{name}` | {default} | {text} |")
    return rows


def _keys() -> list[tuple[str, Any]]:
    tables = {"prepare": Prepare, "training": Training, "decide": Decide}
    found: list[tuple[str, Any]] = []
    for name, field in Recipe.model_fields.items():
        if name in tables:
            found += [
                (f"{name}.{key}", inner.default)
                for key, inner in tables[name].model_fields.items()
            ]
            continue
        default = field.default
        found.append((name, default.name if hasattr(default, "flat") else default))
    return found


def _default(value: Any) -> str:
    if value is ... or repr(value) == "PydanticUndefined":
        return "must be given"
    if isinstance(value, Part):
        value = value.flat()
    if value is None or value is dataclasses.MISSING:
        return "none"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"wrote {HERE / name}")  # noqa: T201
