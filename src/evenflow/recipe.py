"""One experiment, typed and frozen, from one TOML file.

Equal recipes give equal bundles. A key nobody knows is refused with the nearest
known one when the recipe is loaded, not an hour into a training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from evenflow import registry, toml
from evenflow.errors import RecipeError
from evenflow.plugins import STRICT, Part, complete, validate, within
from evenflow.stages import Decide, Prepare, Training

PLUG_INS = {
    "dataset": "datasets",
    "split": "splits",
    "select": "select",
    "balance": "balance",
    "loss": "losses",
    "model": "models",
}
"""Key of a recipe -> the kind of plug-in it names."""
OPTIONAL = ("select", "loss")
"""Keys that a recipe may lack; its digest then says nothing of them."""


class Recipe(BaseModel):
    """One experiment: data, split, preparation, balancing, model, training."""

    model_config = STRICT

    title: str = ""
    """One-line description of the experiment."""
    reference: str = ""
    """DOI of the publication it follows, if any."""
    dataset: Part
    target: Literal["family", "attack", "binary"] = "family"
    """Classes to tell apart: attack families, attack types, or attack and benign."""
    split: Part = Part(name="official")
    seed: int = Field(7, ge=0, lt=2**32)
    prepare: Prepare = Prepare()
    select: Part | None = None
    """Selection of the columns that the model reads; all columns if absent."""
    balance: Part = Part(name="none")
    loss: Part | None = None
    """Loss that a network minimises; cross-entropy if absent."""
    model: Part
    training: Training = Training()
    decide: Decide = Decide()

    @property
    def name(self) -> str:
        """``<dataset>/<model>-<balance>``, then the optional parts it has."""
        parts = [self.model, self.balance, *(getattr(self, key) for key in OPTIONAL)]
        return f"{self.dataset.name}/{'-'.join(part.name for part in parts if part)}"

    def __repr__(self) -> str:
        return f"<Recipe {self.name}, seed {self.seed}, SHA-256 {self.sha256[:12]}>"

    __str__ = __repr__

    @property
    def sha256(self) -> str:
        """SHA-256 of everything that decides the result, as hexadecimal digits."""
        # a stage that is not used leaves no trace: old digests stay when one is added
        unused = {key for key in OPTIONAL if getattr(self, key) is None}
        value = self.model_dump(mode="json", exclude={"title", "reference", *unused})
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values, as :meth:`from_dict` reads them."""
        value = self.model_dump(mode="json")
        for key in PLUG_INS:
            part = getattr(self, key)
            if part is None:
                del value[key]
            else:
                value[key] = part.flat()
        return value

    def with_(self, **changes: Any) -> Recipe:
        """Return the recipe with those fields changed and checked again.

        Parameters
        ----------
        **changes
            Fields; a dotted one with two underscores: ``training__epochs=10``.

        Raises
        ------
        RecipeError
            As :meth:`from_dict`.
        """
        return Recipe.from_dict(_changed(self.to_dict(), changes))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, source: str = "recipe") -> Self:
        """Return the recipe of a parsed TOML file, filled with its data set's defaults.

        Parameters
        ----------
        value : mapping
            Keys and tables as in the file.
        source : str
            Where they are from, for messages.

        Raises
        ------
        RecipeError
            A key is unknown (the nearest known one is named), a value is of the
            wrong type or range, or a plug-in does not exist.
        """
        recipe: Self = validate(cls, _filled(value), source)
        parts = {
            key: complete(kind, part, source)
            for key, kind in PLUG_INS.items()
            if (part := getattr(recipe, key)) is not None
        }
        recipe = recipe.model_copy(update=parts)
        _check_model(recipe, source)
        _check_hosts(recipe, source)
        return recipe

    @classmethod
    def load(cls, name: str | Path, **changes: Any) -> Self:
        """Return the recipe of that file or name, changed as by :meth:`with_`.

        Parameters
        ----------
        name : str or Path
            Path of a TOML file, the name of a shipped recipe, or
            ``<dataset>/<model>-<balance>`` of any three plug-ins.
        **changes
            Put in before anything is checked: a recipe of ``table_file`` has no
            ``dataset__path`` of its own.

        Raises
        ------
        RecipeError
            No such file or name, or the file is not a recipe.
        """
        return cls.from_dict(_changed(tables(name), changes), source=str(name))


def _check_model(recipe: Recipe, source: str) -> None:
    """Refuse parts of a recipe that its model has no use for."""
    name = recipe.model.name
    model = registry.load("models", name)
    for other in _naming(recipe.model) if recipe.target != "binary" else ():
        if not registry.load("models", other).names_classes:
            raise RecipeError(
                f"{source}: target is {recipe.target!r}, and {other!r} only separates "
                'attacks from benign rows; expected target = "binary". Set it, or use '
                "another model"
            )
    if recipe.target == "binary" and recipe.decide.unknown_budget is not None:
        raise RecipeError(
            f"{source}: decide.unknown_budget is set and target is 'binary'; expected "
            "a target that names classes of attack. Remove it, or change the target"
        )
    if model.balances != "rows" and recipe.balance.name != "none":
        raise RecipeError(
            f"{source}: balance is {recipe.balance.name!r}, and {name!r} balances no "
            'rows; expected balance = "none". Set it, or use another model'
        )
    if recipe.loss is not None and not model.takes_loss:
        raise RecipeError(
            f"{source}: loss is {recipe.loss.name!r}, and {name!r} does not use a "
            "loss; expected a network. Remove [loss], or use another model"
        )
    noise = recipe.training.input_noise or recipe.training.hidden_categories
    if noise and not model.takes_loss:
        raise RecipeError(
            f"{source}: [training] adds noise to the inputs of a network, and {name!r} "
            "trains none. Remove input_noise and hidden_categories, or use a network"
        )


def _check_hosts(recipe: Recipe, source: str) -> None:
    """Refuse samplers that make rows where rows have hosts."""
    for name in _samplers(recipe) if recipe.prepare.hosts else ():
        kind = getattr(registry.load("balance", name), "kind", "over")
        if kind in ("over", "both"):
            raise RecipeError(
                f"{source}: prepare.hosts is set, and {name!r} makes rows, which no "
                "host began or answered; expected a sampler that only drops or weighs "
                "rows. Use none, class_weights or rus, or remove prepare.hosts"
            )


def _samplers(recipe: Recipe) -> Iterator[str]:
    """Yield the samplers of a recipe, then those that its model holds."""
    yield recipe.balance.name
    left = [recipe.model]
    while left:
        for mark, inner in within("models", left.pop()):
            if mark.kind == "balance":
                yield inner.name
            elif mark.kind == "models":
                left.append(inner)


def _naming(part: Part) -> Iterator[str]:
    """Yield the models that have to tell classes of attacks apart: a part's, first."""
    yield part.name
    for mark, inner in within("models", part):
        if mark.names_classes:
            yield from _naming(inner)


def tables(name: str | Path) -> dict[str, Any]:
    """Return what a recipe's file or name says itself, unchecked, plug-ins as tables.

    What it leaves out, :meth:`Recipe.from_dict` takes from the data set's defaults.

    Raises
    ------
    RecipeError
        No such file or name, or the file is not TOML.
    """
    path = Path(name)
    if path.suffix != ".toml":
        value = _named(str(name))
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"cannot read the recipe {path}: {error}. Expected a TOML file, "
                "or a name like nsl_kdd/cnn-smote"
            ) from error
        value = _parse(text, str(path))
    for key in PLUG_INS:
        if isinstance(value.get(key), str):
            value[key] = {"name": value[key]}
    return value


def _named(name: str) -> dict[str, Any]:
    dataset, slash, rest = name.partition("/")
    model, dash, balance = rest.partition("-")
    if not (slash and dash and dataset and model and balance):
        raise RecipeError(
            f"{name!r} is not a recipe. Expected a TOML file or "
            "<dataset>/<model>-<balance>, for example nsl_kdd/cnn-smote"
        )
    value: dict[str, Any] = {}
    if name in shipped():  # a name of its own is one whose file names the parts
        file = resources.files("evenflow") / "recipes" / f"{name}.toml"
        value = _parse(file.read_text(encoding="utf-8"), name)
    for key, wanted in (("dataset", dataset), ("model", model), ("balance", balance)):
        part, kind = value.get(key), PLUG_INS[key]
        if isinstance(part, str) or (isinstance(part, Mapping) and "name" in part):
            continue
        if wanted not in (known := registry.names(kind)):
            raise RecipeError(
                f"{name}: no plug-in {wanted!r} in {kind}; "
                f"{registry.nearest(wanted, known)}"
            )
        value[key] = {"name": wanted, **(part or {})}
    return value


def defaults(dataset: str) -> dict[str, Any]:
    """Return what recipes of a data set have unless they say otherwise.

    ``balance`` holds parameters for whichever sampler takes them.
    """
    file = resources.files("evenflow") / "recipes" / dataset / "_defaults.toml"
    if dataset not in registry.names("datasets") or not file.is_file():
        return {}
    return _parse(file.read_text(encoding="utf-8"), f"{dataset}/_defaults.toml")


def _filled(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's tables with the data set's defaults where it says nothing.

    So a name, a file and a form give the same experiment. A model that names no class
    of attacks has a binary target.
    """
    given = dict(value)
    for key in PLUG_INS:
        if isinstance(given.get(key), str):
            given[key] = {"name": given[key]}
    name = given["dataset"].get("name") if _is_table(given, "dataset") else None
    under = defaults(name) if isinstance(name, str) else {}
    under["split"] = Part.model_validate(under.get("split", "official")).flat()
    if _is_table(given, "split") and given["split"].get("name") not in (
        None,
        under["split"]["name"],
    ):
        del under["split"]  # another split does not know its parameters
    model = str(given["model"].get("name")) if _is_table(given, "model") else ""
    is_model = model in registry.names("models")
    if is_model and not registry.load("models", model).names_classes:
        given.setdefault("target", "binary")
    params = under.pop("balance", {})
    given.setdefault("balance", {"name": "none"})
    if _is_table(given, "balance"):
        sampler = given["balance"].get("name")
        if params and sampler in registry.names("balance"):
            accepted = registry.parameters("balance", sampler)
            fitting = {k: v for k, v in params.items() if k in accepted}
            given["balance"] = fitting | given["balance"]
    return _merge(under, given)


def _is_table(value: Mapping[str, Any], key: str) -> bool:
    return isinstance(value.get(key), Mapping)


def _changed(value: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``training__epochs=10`` and the like into a recipe's tables, in place."""
    for key, new in changes.items():
        *path, last = key.split("__")
        table = value
        for step in path:
            if isinstance(table.get(step), str):  # a part with its name alone
                table[step] = {"name": table[step]}
            table = table.setdefault(step, {})
        is_name = last in PLUG_INS and isinstance(new, str)
        table[last] = {"name": new} if is_name else new
    return value


def shipped() -> list[str]:
    """Return the names of the recipes that come with evenflow, sorted."""
    root = resources.files("evenflow") / "recipes"
    return sorted(
        f"{folder.name}/{file.name.removesuffix('.toml')}"
        for folder in root.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".toml") and not file.name.startswith("_")
    )


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``under`` with what ``over`` says in its place, table by table."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return toml.loads(text)
    except ValueError as error:
        raise RecipeError(
            f"{source} is not TOML: {error}. Correct that line"
        ) from error
