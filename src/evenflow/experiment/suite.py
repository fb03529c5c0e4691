"""Suites: named lists of recipes that are compared with one another.

A suite is a TOML file in ``evenflow/suites``: a title, and groups of recipes that run
with the same number of seeds.
"""

from __future__ import annotations

from importlib import resources

from pydantic import BaseModel, Field

from evenflow import registry, toml
from evenflow.errors import RecipeError
from evenflow.experiment.compare import Entry
from evenflow.plugins import STRICT, validate
from evenflow.recipe import Recipe


class Group(BaseModel):
    """Recipes that run with the same number of seeds."""

    model_config = STRICT

    recipes: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(1, ge=1)


class Suite(BaseModel):
    """A title and groups of recipes."""

    model_config = STRICT

    title: str
    groups: tuple[Group, ...] = Field(min_length=1)

    def entries(self) -> list[Entry]:
        """Return the recipes with their numbers of seeds."""
        return [
            Entry(recipe=Recipe.load(name), seeds=group.seeds)
            for group in self.groups
            for name in group.recipes
        ]


def shipped() -> list[str]:
    """Return the names of the suites that come with evenflow, sorted."""
    files = (resources.files("evenflow") / "suites").iterdir()
    return sorted(
        file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")
    )


def load(name: str) -> Suite:
    """Return the suite of a name.

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
