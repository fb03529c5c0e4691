"""Suites: named lists of recipes that are compared with one another.

A suite is a TOML file in ``evenflow/suites``: a title, and groups of recipes that run
with the same changes, folds and number of seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

from pydantic import BaseModel, Field

from evenflow import registry, toml
from evenflow.errors import RecipeError
from evenflow.experiment.compare import Entry
from evenflow.plugins import STRICT, validate
from evenflow.recipe import Recipe


class Group(BaseModel):
    """Recipes that run in the same way."""

    model_config = STRICT

    recipes: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(1, ge=1)
    folds: bool = False
    """Whether every fold of the split is run."""
    changes: dict[str, Any] = Field(default_factory=dict, alias="set")
    """Keys of the recipe, dotted or as tables, and their values."""

    def entries(self) -> list[Entry]:
        """Return the recipes, changed, with their numbers of seeds."""
        changes = dict(_flat(self.changes))
        return [
            Entry(
                recipe=Recipe.load(name, **changes), seeds=self.seeds, folds=self.folds
            )
            for name in self.recipes
        ]


def _flat(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys in tables, named as by ``Recipe.with_``, and their values."""
    for key, inner in value.items():
        name = key.replace(".", "__")
        if isinstance(inner, dict):
            yield from ((f"{name}__{k}", v) for k, v in _flat(inner))
        else:
            yield name, inner


class Suite(BaseModel):
    """A title and groups of recipes."""

    model_config = STRICT

    title: str
    groups: tuple[Group, ...] = Field(min_length=1)

    def entries(self) -> list[Entry]:
        """Return the recipes of all groups."""
        return [entry for group in self.groups for entry in group.entries()]


def shipped() -> list[str]:
    """Return the names of the suites that come with evenflow, sorted."""
    files = (resources.files("evenflow") / "suites").iterdir()
    return sorted(
        file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")
    )


def read(name: str) -> Suite:
    """Return the suite of a name, its recipes not looked at.

    Raises
    ------
    RecipeError
        There is none of that name, or its file is damaged.
    """
    if name not in (known := shipped()):
        raise RecipeError(f"no suite {name!r}; {registry.nearest(name, known)}")
    file = resources.files("evenflow") / "suites" / f"{name}.toml"
    found: Suite = validate(
        Suite, toml.loads(file.read_text(encoding="utf-8")), f"suite {name}"
    )
    return found


def load(name: str) -> Suite:
    """Return the suite of a name, whose recipes are all valid.

    Raises
    ------
    RecipeError
        As :func:`read`, or a recipe is invalid.
    """
    found = read(name)
    try:
        found.entries()
    except RecipeError as error:
        raise RecipeError(f"suite {name}: {error}") from error
    return found
