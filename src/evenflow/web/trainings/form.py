"""A recipe as a form: the keys people change, and the rest as TOML.

A field that is left empty keeps what the recipe of that name has. What is wrong is
said at the field; no recipe from the web may name a file of the server.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError

from evenflow import datasets, registry, toml
from evenflow.errors import EvenflowError, RecipeError
from evenflow.plugins import Part, part_mark
from evenflow.recipe import OPTIONAL, PLUG_INS, Recipe, tables
from evenflow.web.datasets.explorations import TABLE_FILE, Source
from evenflow.web.frame.errors import sentence

MAX_TOML = 20_000
"""Characters of a recipe."""
MAX_POINTS = 2_000
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
    "n_columns": ("select", "n_columns"),
}
"""Field of the form -> where it stands in a recipe."""
NAMES = {"dataset": "datasets", "model": "models", "balance": "balance"}
"""Field of the form -> the kind of plug-in it names."""
PARAMETERS = {"max_rows_per_class": "sampler", "n_columns": "selector"}
"""Field of the form -> what it is a parameter of."""
PART = "part_"
"""Begins the name of a field that names a part of a model."""
LABELS = {
    "dataset": "Data set", "model": "Model", "balance": "Balancing", "title": "Title",
    "target": "Target (what to classify)", "split": "Test split", "seed": "Seed",
    "epochs": "Epochs", "batch_size": "Batch size", "learning_rate": "Learning rate",
    "patience": "Patience", "scaling": "Scaling",
    "false_alarm_budget": "False-alarm budget",
    "max_rows_per_class": "Maximum rows of a class", "toml": "Recipe",
    "select": "Feature selector", "n_columns": "Columns to select", "loss": "Loss",
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
    own: Source | None = None
    """The team's data set that the recipe names."""

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, label and message of each error, for ``raw_errors``."""
        for name, message in self.errors.items():
            yield name, LABELS.get(name, part_label(name)), message


@dataclass(frozen=True, kw_only=True)
class OfModel:
    """The fields of the form that one model has."""

    takes_loss: bool = True
    parts: Mapping[str, PartField] = field(default_factory=dict)
    """Name of the field -> what it is."""


@dataclass(frozen=True, kw_only=True)
class PartField:
    """A field that names a part of a model."""

    kind: str
    """Kind of plug-in."""
    hint: str


def of_model(name: str) -> OfModel:
    """Return the fields of a model; those of any where there is no such model."""
    try:
        accepted = registry.parameters("models", name)
        model = registry.load("models", name)
    except EvenflowError:  # starting the training says what is wrong
        return OfModel()
    docs, parts = registry.field_docs(model.Config), {}
    for key, (kind, default) in accepted.items():
        if mark := part_mark(kind):
            usual = default.name if isinstance(default, Part) else "none"
            hint = f"{docs.get(key, '')} Default: {usual}.".strip()
            parts[PART + key] = PartField(kind=mark.kind, hint=" ".join(hint.split()))
    return OfModel(takes_loss=model.takes_loss, parts=parts)


def part_label(name: str) -> str:
    """Return the label of the field of a part."""
    return name.removeprefix(PART).replace("_", " ").capitalize()


def typed_values(typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed in each field."""
    parts = [name for name in typed if name.startswith(PART)]
    return {
        name: typed.get(name, "").replace("\0", "").strip()[:200]
        for name in (*NAMES, *OPTIONAL, *PATHS, *parts[:99])
    }


def from_fields(typed: Mapping[str, str], known: Sequence[Source]) -> Filled:
    """Return what the form's fields describe."""
    values = typed_values(typed)
    parts = of_model(values["model"]).parts
    kinds = {**NAMES, **{key: PLUG_INS[key] for key in OPTIONAL if values[key]}}
    kinds |= {name: part.kind for name, part in parts.items() if values.get(name)}
    own = _own(values["dataset"], known)
    errors = {
        name: f"Found {values[name][:60]!r}, expected one of the list."
        for name, kind in kinds.items()
        if values[name] not in registry.names(kind) and not (name == "dataset" and own)
    }
    if not errors and (problem := _unfit(values["dataset"], known)):
        errors["dataset"] = problem
    if errors:
        return Filled(values=values, errors=errors)
    try:
        dataset = TABLE_FILE if own else values["dataset"]
        value = tables(f"{dataset}/{values['model']}-{values['balance']}")
    except EvenflowError as error:
        return Filled(values=values, errors={"": str(error)})
    if own is not None:
        value["dataset"] = own.recipe
        if own.dataset.has_official_test:
            value["split"] = "official"
    for key in kinds.keys() - NAMES.keys():
        is_part = key in parts
        table = value["model"] if is_part else value
        _name(table, key.removeprefix(PART) if is_part else key, values[key])
    for key, path in PATHS.items():
        if values[key]:
            table = value
            if key == "split":
                table["split"] = {}
            for step in path[:-1]:
                table = table.setdefault(step, {})
            table[path[-1]] = values[key]
    value["title"] = values["title"]
    return _checked(value, values, known)


def _name(table: dict[str, Any], key: str, name: str) -> None:
    """Put a plug-in's name into a table; its parameters stay if it is the same."""
    old = table.get(key)
    if name != (old.get("name") if isinstance(old, Mapping) else old):
        table[key] = {"name": name}


def from_toml(text: str, known: Sequence[Source]) -> Filled:
    """Return what a recipe typed as TOML describes; its errors stand at ``toml``."""
    values = {"toml": text}
    if text.count(".") > MAX_POINTS:
        problem = f"Found more than {MAX_POINTS:,} dots, expected fewer."
        return Filled(values=values, errors={"toml": problem})
    if len(text) > MAX_TOML:
        problem = f"Found {len(text):,} characters, expected {MAX_TOML:,} at most."
        return Filled(values=values, errors={"toml": problem})
    try:
        value = toml.loads(text.replace("\r\n", "\n"))
    except ValueError as error:
        return Filled(values=values, errors={"toml": f"This is not TOML: {error}."})
    filled = _checked(value, values, known)
    if filled.errors:
        problem = " ".join(filled.errors.values())
        return Filled(values=values, errors={"toml": problem})
    return filled


def _checked(
    value: Mapping[str, Any], values: Mapping[str, str], known: Sequence[Source]
) -> Filled:
    try:
        part = value.get("dataset")
        name = part.get("name") if isinstance(part, Mapping) else part
        own = _own(part, known)
        if own is not None:
            value = {**value, "dataset": own.recipe}
        elif isinstance(name, str) and (problem := _unfit(name, known)):
            return Filled(values=values, errors={"dataset": problem})
        recipe = Recipe.from_dict(value, source=SOURCE)
    except RecipeError as error:
        return Filled(values=values, errors=_at_fields(error))
    except (EvenflowError, RecursionError, OverflowError) as error:
        return Filled(values=values, errors={"": str(error)})
    rest = recipe.to_dict() | ({"dataset": {}} if own else {})
    if problem := _forbidden(rest):
        return Filled(values=values, errors={"": problem})
    dataset = own.dataset if own else datasets.get(recipe.dataset.name)
    if recipe.split.name == "official" and not dataset.has_official_test:
        problem = (
            f"{dataset.name} has no official test part; expected a split that draws "
            "test rows: stratified, kfold or blocks."
        )
        return Filled(values=values, errors={"split": problem})
    return Filled(values=values, recipe=recipe, own=own)


def _own(part: object, known: Sequence[Source]) -> Source | None:
    """Return the team's data set that a recipe means; None for another data set.

    It is named, or its file is, as a recipe of a model that was trained on it does.
    """
    for source in known:
        if source.own is None:
            continue
        if part in (source.name, {"name": source.name}):
            return source
        if isinstance(part, Mapping) and dict(part) == source.recipe:
            return source
    return None


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


def _forbidden(value: Any, here: str = "") -> str:
    """Return what a recipe from the web may not hold: paths, endless numbers."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            below = f"{here}.{key}" if here else str(key)
            if problem := _forbidden(str(key), f"a key of {here or 'the recipe'}"):
                return problem
            if problem := _forbidden(inner, below):
                return problem
    elif isinstance(value, list | tuple):
        return next(filter(None, (_forbidden(one, here) for one in value)), "")
    elif isinstance(value, float) and not math.isfinite(value):
        return f"{here}: found {value}, expected a finite number."
    elif isinstance(value, str) and "\0" in value:
        return f"{here}: found a NUL character, expected none."
    elif here not in ("title", "reference") and any(c in str(value) for c in "/\\~"):
        return (
            f"{here}: found {str(value)[:60]!r}, expected no path: a recipe from the "
            "web may not name a file of the server."
        )
    return ""


def _at_fields(error: RecipeError) -> dict[str, str]:
    """Return what is wrong at each field; the whole message where none is named."""
    cause, text = error.__cause__, sentence(str(error).removeprefix(f"{SOURCE}: "))
    if not isinstance(cause, ValidationError):
        named = re.match(r"(\w+) is ", str(error).removeprefix(f"{SOURCE}: "))
        return {named[1] if named and named[1] in LABELS else "": text}
    by_path: dict[tuple[str, ...], str] = {p: name for name, p in PATHS.items()}
    by_path |= {(name,): name for name in (*NAMES, *PARAMETERS, "split")}
    by_path |= {(name, "name"): name for name in OPTIONAL}
    found: dict[str, list[str]] = {}
    general = False
    for one in cause.errors():
        path = tuple(str(step) for step in one["loc"])
        name = by_path.get(path, "")
        if not name:
            general = True
            continue
        if one["type"] == "extra_forbidden":
            problem = f"This {PARAMETERS[name]} has no such parameter; leave it empty."
        elif one["type"] == "missing":
            problem = "Choose one, or leave its parameters empty."
        else:
            wanted = one["msg"].removeprefix("Input should be ").partition(", unable")
            problem = f"Found {str(one['input'])[:60]!r}, expected {wanted[0]}."
        found.setdefault(name, []).append(problem)
    if general:
        return {"": text}
    return {name: " ".join(problems) for name, problems in found.items()}


@cache
def grouped(kind: str) -> dict[str, list[str]]:
    """Return the plug-ins of a kind in groups: by folder, named as its docstring is."""
    found: dict[str, list[str]] = {}
    for package in (*registry.KINDS[kind].packages, ""):
        for name in registry.names(kind):
            if registry.modules(kind).get(name, "").rpartition(".")[0] == package:
                doc = importlib.import_module(package).__doc__ if package else ""
                title = (doc or "").partition(":")[0]
                found.setdefault(title or "From other packages", []).append(name)
    return found


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
