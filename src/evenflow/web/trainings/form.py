"""A recipe as a form: the keys people change, and the rest as TOML.

A field that is left empty keeps what the recipe of that name has. What is wrong is
said at the field; no recipe from the web may name a file of the server.
"""

from __future__ import annotations

import ast
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError

from evenflow import datasets, registry, toml
from evenflow.errors import EvenflowError, RecipeError
from evenflow.recipe import Recipe, tables
from evenflow.web.datasets.explorations import Source

MOST_TOML = 20_000
"""Characters of a recipe."""
MOST_POINTS = 2_000
"""Dots of a recipe: to read a key of many parts takes quadratic time."""
SOURCE = "the recipe"
PATHS = {
    "title": ("title",),
    "target": ("target",),
    "split": ("split", "name"),
    "seed": ("seed",),
    "epochs": ("training", "epochs"),
    "batch_size": ("training", "batch_size"),
    "learning_rate": ("training", "learning_rate"),
    "patience": ("training", "patience"),
    "scaling": ("prepare", "scaling"),
    "false_alarm_budget": ("decide", "false_alarm_budget"),
    "max_rows_per_class": ("balance", "max_rows_per_class"),
}
"""Field of the form -> where it stands in a recipe."""
NAMES = {"dataset": "datasets", "model": "models", "balance": "balance"}
"""Field of the form -> the kind of plug-in it names."""
LABELS = {
    "dataset": "Data set", "model": "Model", "balance": "Balancing", "title": "Title",
    "target": "Target (what to classify)", "split": "Test split", "seed": "Seed",
    "epochs": "Epochs", "batch_size": "Batch size", "learning_rate": "Learning rate",
    "patience": "Patience", "scaling": "Scaling",
    "false_alarm_budget": "False-alarm budget",
    "max_rows_per_class": "Maximum rows of a class", "toml": "Recipe",
}  # fmt: skip
CHOICES = {
    "target": ("family", "attack", "binary"),
    "scaling": ("log1p_standard", "standard", "minmax", "quantile"),
}


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The typed values, their errors, and the recipe if there are no errors."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    """Field -> what is wrong; ``""`` for what belongs to none."""
    recipe: Recipe | None = None

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, label and message of each error, for ``raw_errors``."""
        for name, message in self.errors.items():
            yield name, LABELS.get(name, ""), message


def from_fields(typed: Mapping[str, str], known: Sequence[Source]) -> Filled:
    """Return what the form's fields describe."""
    values = {
        name: typed.get(name, "").replace("\0", "").strip()[:200]
        for name in (*NAMES, *PATHS)
    }
    errors = {
        name: f"Found {values[name][:60]!r}, expected one of the list."
        for name, kind in NAMES.items()
        if values[name] not in registry.names(kind)
    }
    if not errors and (told := _unfit(values["dataset"], known)):
        errors["dataset"] = told
    if errors:
        return Filled(values=values, errors=errors)
    try:
        name = f"{values['dataset']}/{values['model']}-{values['balance']}"
        value = tables(name)
    except EvenflowError as error:
        return Filled(values=values, errors={"": str(error)})
    for key, path in PATHS.items():
        if values[key]:
            table = value
            for step in path[:-1]:
                table = table.setdefault(step, {})
            table[path[-1]] = values[key]
    value["title"] = values["title"]
    return _checked(value, values, known)


def from_toml(text: str, known: Sequence[Source]) -> Filled:
    """Return what a recipe typed as TOML describes; its errors stand at ``toml``."""
    values = {"toml": text}
    if text.count(".") > MOST_POINTS:
        told = f"Found more than {MOST_POINTS:,} dots, expected fewer."
        return Filled(values=values, errors={"toml": told})
    if len(text) > MOST_TOML:
        told = f"Found {len(text):,} characters, expected {MOST_TOML:,} at most."
        return Filled(values=values, errors={"toml": told})
    try:
        value = toml.loads(text.replace("\r\n", "\n"))
    except ValueError as error:
        return Filled(values=values, errors={"toml": f"This is not TOML: {error}."})
    filled = _checked(value, values, known)
    if filled.errors:
        told = " ".join(filled.errors.values())
        return Filled(values=values, errors={"toml": told})
    return filled


def _checked(
    value: Mapping[str, Any], values: Mapping[str, str], known: Sequence[Source]
) -> Filled:
    try:
        part = value.get("dataset")
        name = part.get("name") if isinstance(part, Mapping) else part
        if isinstance(name, str) and (told := _unfit(name, known)):
            return Filled(values=values, errors={"dataset": told})
        recipe = Recipe.from_dict(value, source=SOURCE)
    except RecipeError as error:
        return Filled(values=values, errors=_at_fields(error))
    except (EvenflowError, RecursionError, OverflowError) as error:
        return Filled(values=values, errors={"": str(error)})
    said = recipe.to_dict()
    if told := _forbidden(said):
        return Filled(values=values, errors={"": told})
    dataset = datasets.get(recipe.dataset.name)
    if recipe.split.name == "official" and not dataset.has_official_test:
        told = (
            f"{dataset.name} has no official test part; expected a split that draws "
            "test rows: stratified, kfold or blocks."
        )
        return Filled(values=values, errors={"split": told})
    return Filled(values=values, recipe=recipe)


def _unfit(name: str, known: Sequence[Source]) -> str:
    """Return why a data set cannot be trained on from the web, or nothing."""
    if name not in datasets.names():
        return ""  # the recipe's own check names the nearest
    if datasets.get(name).takes_rows:
        return (
            f"The rows of {name} are given by a Python program. Train on them there, "
            "and bring the model in with evenflow serve --add-bundle."
        )
    source = next((one for one in known if one.name == name), None)
    if datasets.get(name).reads_own_file:
        return (
            f"{name} can read any file of the server, which no page may ask for. "
            "Train on it from the command line, and import the model with evenflow "
            "serve --add-bundle."
        )
    if source is None or not source.can_be_read:
        missing = ", ".join(source.missing[:3]) if source else "its files"
        return (
            f"The files of {name} are not on this server ({missing}). An "
            f"administrator gets them with: evenflow data fetch {name}."
        )
    return ""


def _forbidden(said: Mapping[str, Any], path: str = "") -> str:
    """Return what a recipe from the web may not hold: paths, endless numbers."""
    for key, value in said.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, str) and "\0" in value:
            return f"{here}: found a NUL character, expected none."
        if here in ("title", "reference"):
            continue
        if isinstance(value, Mapping):
            if told := _forbidden(value, here):
                return told
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, float) and not math.isfinite(one):
                return f"{here}: found {one}, expected a finite number."
            if isinstance(one, str) and any(c in one for c in "/\\~\0"):
                return (
                    f"{here}: found {one[:60]!r}, expected no path: a recipe from the "
                    "web may not name a file of the server."
                )
    return ""


def _at_fields(error: RecipeError) -> dict[str, str]:
    """Return what is wrong at each field; the whole message where none is named."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return {"": _sentence(str(error))}
    by_path: dict[tuple[str, ...], str] = {p: name for name, p in PATHS.items()}
    by_path[("max_rows_per_class",)] = "max_rows_per_class"
    by_path |= {(name,): name for name in (*NAMES, "split")}
    found: dict[str, list[str]] = {}
    general = False
    for one in cause.errors():
        path = tuple(str(step) for step in one["loc"])
        name = by_path.get(path, "")
        if not name:
            general = True
            continue
        if one["type"] == "extra_forbidden":
            told = "This sampler has no such parameter; leave it empty."
        else:
            wanted = one["msg"].removeprefix("Input should be ").partition(", unable")
            told = f"Found {str(one['input'])[:60]!r}, expected {wanted[0]}."
        found.setdefault(name, []).append(told)
    if general:
        return {"": _sentence(str(error))}
    return {name: " ".join(told) for name, told in found.items()}


def _sentence(text: str) -> str:
    text = text.removeprefix(f"{SOURCE}: ")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


@cache
def described(kind: str) -> dict[str, str]:
    """Return what each plug-in of a kind is, in a line, without importing any."""
    return {name: _line(kind, name) for name in registry.names(kind)}


def _line(kind: str, name: str) -> str:
    try:
        spec = importlib.util.find_spec(registry.modules(kind)[name])
        if spec is None or spec.origin is None:
            return ""
        with open(spec.origin, encoding="utf-8") as stream:  # noqa: PTH123
            text = ast.get_docstring(ast.parse(stream.read())) or ""
    except (ImportError, KeyError, OSError, SyntaxError, ValueError):
        return ""
    return text.partition("\n\n")[0].replace("\n", " ")
