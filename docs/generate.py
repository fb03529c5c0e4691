"""Write the generated pages of docs/reference; tests hold them to what is committed.

Run: python docs/generate.py
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from pydantic import BaseModel

from evenflow import registry
from evenflow.cli import main
from evenflow.plugins import Part
from evenflow.recipe import Recipe, defaults, shipped
from evenflow.schema import Column
from evenflow.stages import Decide, Prepare, Training
from evenflow.traffic.contracts import CONTRACTS
from evenflow.traffic.contracts.flow import COLUMNS
from evenflow.web.settings import Mail, Notify, Settings

NAMED = ("Parameters", "Attributes", "Raises")
"""Sections of a docstring whose entries begin with a name."""
LISTS = (*NAMED, "Returns", "Yields")
PYTHON: list[tuple[str, str, tuple[str, ...]]] = [
    ("evenflow", "evenflow", ()),
    ("A trained model", "evenflow.runtime.bundle", ("Bundle",)),
    ("Scores and decisions", "evenflow.decision", ("Scores",)),
    ("Results of a training", "evenflow.experiment.run", ("Experiment",)),
    ("A report", "evenflow.judge.report", ("Report",)),
    ("A comparison", "evenflow.judge.comparison", ("Comparison",)),
    ("For scikit-learn", "evenflow.prepare.transformer", ("TablePreprocessor",)),
    ("To add a data set", "evenflow.datasets", ("Dataset",)),
    ("To add a sampler", "evenflow.prepare.balance", ("Sampler",)),
    ("To add a selector of columns", "evenflow.prepare.select", ()),
    ("To add a model or a loss", "evenflow.learn", ()),
    ("To check what you added", "evenflow.testing", ()),
]
"""Sections of the reference of Python: title, module, names (else all it exports)."""
BUILT = (
    "evenflow.train", "evenflow.evaluate", "evenflow.compare", "evenflow.ablate",
    "evenflow.tune", "evenflow.load", "evenflow.Table", "evenflow.datasets.",
    "evenflow.prepare.", "evenflow.learn.", "evenflow.testing.",
)  # fmt: skip
"""Names whose signature is shown: what a program calls; it is given the others."""
OF_DATA_SET = {
    "nsl_kdd": "nsl_kdd", "nsl_kdd_live": "nsl_kdd", "netflow_v2": "nf_bot_iot_v2",
    "bot_iot": "bot_iot",
}  # fmt: skip
"""Contract -> data set that describes its columns."""
HERE = Path(__file__).parent / "reference"
HEAD = "<!-- Written by docs/generate.py; change the code, then run it. -->\n\n"


def pages() -> dict[str, str]:
    """Return the text of every generated page by file name."""
    return {
        "command-line.md": command_line(),
        "recipes.md": recipes(),
        "settings.md": settings(),
        "python.md": python(),
        "contracts.md": contracts(),
    }


def command_line() -> str:
    """Return the help of every command."""
    parts = [
        HEAD + "# Command line\n",
        "Results go to stdout, everything else to stderr. Exit codes: 0 done; "
        "2 invalid input, with a message of one line; 130 stopped by Ctrl-C; 129 and "
        "143 stopped by SIGHUP and SIGTERM; 141 the reader of a pipe left; 3 `retrain` "
        "made no better model; 1 a bug in evenflow.\n",
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
        "that evenflow has. An unknown key is refused, with the nearest known one.\n",
        "## Keys\n",
        "| key | default |\n| --- | --- |",
    ]
    parts += [f"| `{key}` | {_default(value)} |" for key, value in _keys()]
    parts.append(
        "\n## Defaults of data sets\n\nKeys that a recipe lacks have these defaults, "
        "then those above; the keys of `balance` apply to samplers that have "
        "them.\n\n| data set | defaults |\n| --- | --- |"
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
        "options of `evenflow serve` override it. An unknown key is refused, with the "
        "nearest known one. Only `home` and `secret_key` are never needed: the "
        "data folder is where the file is, and the secret is made on the first "
        "start.\n",
        *_setting_rows(Settings),
        "\n## Mail (`[mail]`)\n",
        *_setting_rows(Mail),
        "\n## Notifications of new alerts (`[notify]`)\n",
        *_setting_rows(Notify),
    ]
    return "\n".join(parts) + "\n"


def _setting_rows(model: type[BaseModel]) -> list[str]:
    """Return a table of a model's keys, from its fields and their docstrings."""
    told = registry.field_docs(model)
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        text = _plain(told[name])
        default = (
            "created at first start"
            if name == "secret_key"
            else _default(field.default)
        )
        rows.append(f"| `{name}` | {default} | {text} |")
    return rows


def contracts() -> str:
    """Return every contract's columns, and what cannot be had."""
    parts = [
        HEAD + "# Contracts\n",
        "A contract makes a row of the columns that a model is trained on from each "
        "connection: `evenflow flows -r FILE --contract NAME`. The rows are the same "
        "for connections in one piece and in many batches. Live, a connection that "
        "goes on also has rows at the ages of 1, 10, 60 and 600 s, and is in the "
        "windows from the first of them. A source that lacks what a contract needs is "
        "refused.\n",
    ]
    shown = set()
    for name, each in CONTRACTS.items():
        columns = COLUMNS
        if name in OF_DATA_SET:
            columns = registry.load("datasets", OF_DATA_SET[name]).schema.columns
        known = {c.name: c for c in columns}
        parts.append(f"## `{name}`\n\n{each.title}.\n")
        about = inspect.cleandoc(inspect.getmodule(each.make).__doc__)
        if about not in shown:  # two contracts may share a file
            parts.append(about.partition("\n\n")[2].replace("``", "`") + "\n")
            shown.add(about)
        parts.append("| needs | for |\n| --- | --- |")
        parts += [f"| `{key}` | {text} |" for key, text in each.needs.items()]
        parts.append("\n| column | unit | range | meaning |\n| --- | --- | --- | --- |")
        parts += [_column(known[column]) for column in each.had]
        if each.absent:
            parts.append("\n| cannot be had | why |\n| --- | --- |")
            parts += [f"| `{key}` | {text} |" for key, text in each.absent.items()]
        parts.append("")
    return "\n".join(parts)


def _column(column: Column) -> str:
    """Return a row of the table of columns."""
    ends = ["" if end is None else f"{end:,g}" for end in (column.low, column.high)]
    values = " to ".join(end or "..." for end in ends) if any(ends) else ""
    if column.kind == "category":
        few = column.choices[:13]
        values = ", ".join(few) + (", ..." if len(column.choices) > len(few) else "")
    return f"| `{column.name}` | {column.unit} | {values} | {column.description} |"


def python() -> str:
    """Return the public names of Python, from their docstrings."""
    parts = [
        HEAD + "# Python\n",
        "`import evenflow` costs next to nothing; each name is imported when it is "
        "first used. [How to](../how-to.md#from-python) has examples.\n",
    ]
    for title, module, names in PYTHON:
        parts.append(f"## {title}\n")
        home = importlib.import_module(module)
        parts += [
            _thing(f"{module}.{name}", getattr(home, name))
            for name in names or home.__all__
            if not name.startswith("_")
        ]
    return "\n".join(parts)


def _thing(path: str, thing: Any) -> str:
    """Return what a function or a class is, with its fields and methods."""
    parts = [f"### `{path}`\n"]
    is_class = isinstance(thing, type)
    if not is_class or path.startswith(BUILT):
        parts.append(_code(path.rpartition(".")[2], thing))
    parts.append(_docstring(thing))
    if is_class and (fields := _fields(thing)):
        parts.append("\n".join(["Fields:\n", *fields, ""]))
    for name, method in _methods(thing) if is_class else ():
        parts.append(f"#### `{thing.__name__}.{name}`\n")
        if callable(method):
            parts.append(_code(name, method))
        parts.append(_docstring(method))
    return "\n".join(parts)


def _fields(cls: type) -> list[str]:
    """Return the public fields of a class that its docstring does not list."""
    listed = {entry.name for _, entries in _sections(cls) for entry in entries}
    told = registry.field_docs(cls)
    kinds: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("evenflow"):
            kinds |= inspect.get_annotations(base)
    return [
        f"- `{name}` (`{kind}`)" + (f": {_plain(told[name])}" if name in told else "")
        for name, kind in kinds.items()
        if not name.startswith("_") and name not in listed
    ]


def _methods(cls: type) -> list[tuple[str, Any]]:
    """Return the public methods and properties of evenflow's own, in order."""
    found: dict[str, Any] = {}
    fields: set[str] = set()
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("evenflow"):
            found |= vars(base)
            fields |= inspect.get_annotations(base).keys()
    wrapped = (staticmethod, classmethod)
    return [
        (name, value.__func__ if isinstance(value, wrapped) else value)
        for name, value in found.items()
        if not name.startswith("_")
        and name not in fields
        and (inspect.isfunction(value) or isinstance(value, (*wrapped, property)))
    ]


def _code(name: str, thing: Any) -> str:
    """Return a signature without types, which stand below, defaults as written."""
    parameters = []
    for one in inspect.signature(thing).parameters.values():
        if one.name in ("self", "cls"):
            continue
        default = one.default
        if default is one.empty:
            pass
        elif inspect.isfunction(default) or isinstance(default, type):
            default = _Name(default.__name__)
        elif repr(default).startswith("<"):  # made anew each time
            default = _Name("...")
        parameters.append(one.replace(annotation=one.empty, default=default))
    text = f"{name}{inspect.Signature(parameters)}"
    if len(text) > 88:
        shown, last = [], None
        for one in parameters:
            if one.kind is one.KEYWORD_ONLY and last is not one.kind:
                shown.append("*")
            shown.append(str(one))
            last = one.kind
        text = "\n".join([f"{name}(", *(f"    {one}," for one in shown), ")"])
    return f"```python\n{text}\n```\n"


class _Name(str):
    """Text that stands in a signature without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Entry(NamedTuple):
    """One parameter, attribute, result or error of a docstring."""

    name: str
    type: str
    text: str


def _sections(thing: Any) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the sections of a numpydoc docstring that list things."""
    parts = _parted(thing)
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        if title in LISTS:
            yield title, _entries(body)


def _entries(body: str) -> list[Entry]:
    found = []
    for block in re.split(r"\n(?=\S)", body.strip("\n")):
        head, _, text = block.partition("\n")
        name, _, kind = head.partition(" : ")
        found.append(Entry(name.strip(), kind.strip(), _plain(text)))
    return found


def _parted(thing: Any) -> list[str]:
    """Return a docstring's text, then the title and the body of each section."""
    return re.split(
        r"^(\w[\w ]*)\n-+\n", inspect.getdoc(thing) or "", flags=re.MULTILINE
    )


def _docstring(thing: Any) -> str:
    """Return a docstring as Markdown: its text, then its sections as lists."""
    paragraphs = [p for p in _parted(thing)[0].split("\n\n") if not p.startswith(" ")]
    lines = [f"{_plain(p)}\n" for p in paragraphs if p.strip()]
    for title, entries in _sections(thing):
        lines.append(f"{title}:\n")
        for entry in entries:
            names = ", ".join(f"`{name}`" for name in re.split(r", ?", entry.name))
            shown = names if title in NAMED or entry.type else _plain(entry.name)
            kind = f" ({_plain(entry.type)})" if entry.type else ""
            lines.append(f"- {shown}{kind}{': ' if entry.text else ''}{entry.text}")
        lines.append("")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return reStructuredText on one line of Markdown."""
    text = " ".join(text.split())
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


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
    if value is None or value is dataclasses.MISSING:
        return "none"
    return f"`{json.dumps(value, ensure_ascii=False, default=Part.flat)}`"


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"wrote {HERE / name}")  # noqa: T201
