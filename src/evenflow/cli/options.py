"""Options that several commands share, and the reading of ``--set``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.errors import RecipeError

if TYPE_CHECKING:
    from evenflow.recipe import Recipe

PATH = click.Path(path_type=Path)
"""A path; whether it is there, the library says in its own words."""
READABLE = click.Path(path_type=Path, allow_dash=True)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where networks train.",
)
data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    multiple=True,
    type=PATH,
    help="Look for published files here first, before EVENFLOW_DATA. Repeatable.",
)
settings = click.option(
    "-s",
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a key of the recipe, as in --set training.epochs=3 "
    "--set balance.k_neighbors=3. Repeatable.",
)


def changed(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Return the recipe with each ``KEY=VALUE`` put in and all checked again.

    Parameters
    ----------
    settings : sequence of str
        Keys dotted as in ``training.epochs``; a value is read as TOML, and as plain
        text where it is not TOML.

    Raises
    ------
    RecipeError
        No ``=``, or a key or value that the recipe refuses.
    """
    from evenflow.recipe import Recipe

    if not settings:
        return recipe
    value = recipe.to_dict()
    for setting in settings:
        put(value, setting)
    return Recipe.from_dict(value, source="--set")


def put(value: dict[str, Any], setting: str) -> None:
    """Put one ``KEY=VALUE`` into a recipe's tables, in place, unchecked."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(
            f"--set {setting}: expected KEY=VALUE, for example --set training.epochs=3"
        )
    *folders, last = key.strip().split(".")
    new, table = _parsed(text), value
    for step in folders:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise RecipeError(
                f"--set {setting}: {step!r} holds {table!r}, which has no keys; "
                f"set {step!r} itself"
            )
    if isinstance(table.get(last), dict) and isinstance(new, str):
        table, last = table[last], "name"
    # another plug-in does not know the parameters of the one it replaces
    if last == "name" and table.get("name") != new:
        table.clear()
    table[last] = new


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
