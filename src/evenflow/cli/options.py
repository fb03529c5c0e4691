"""Options that several commands share, and the reading of ``--set``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow import toml
from evenflow.errors import RecipeError
from evenflow.runtime import shipped

if TYPE_CHECKING:
    from evenflow.recipe import Recipe

PATH = click.Path(path_type=Path, readable=False)
"""A path; whether it is there, the library says in its own words."""
READABLE = click.Path(path_type=Path, readable=False, allow_dash=True)


class _Bundle(click.Path):
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        path: Any = super().convert(value, param, ctx)
        return shipped.find(path)


BUNDLE = _Bundle(path_type=Path, readable=False)
"""A bundle's folder, or the name of the bundle that comes with evenflow."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

seeds = click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Runs of each recipe, each with the next seed.",
)
folds = click.option(
    "--folds",
    is_flag=True,
    help="Run every fold of the split (kfold, unseen) and average.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device that trains networks.",
)
deterministic = click.option(
    "--deterministic",
    is_flag=True,
    help="Train in float32 with one thread: slower, but reproducible on the same "
    "processor.",
)
data_dir = click.option(
    "--data-dir",
    metavar="DIR",
    multiple=True,
    type=PATH,
    help="Search this folder for published files before EVENFLOW_DATA. Repeatable.",
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


def load(name: str, settings: Sequence[str]) -> Recipe:
    """Return the recipe of a name or file with each ``KEY=VALUE`` put in.

    They are put in first and all is checked then: ``table_file`` recipes get the path
    they need this way.

    Raises
    ------
    RecipeError
        No such recipe, no ``=``, or a key or value that is refused.
    """
    from evenflow.recipe import tables

    return changed(tables(name), settings, source=name)


def changed(
    value: dict[str, Any], settings: Sequence[str], *, source: str = "recipe"
) -> Recipe:
    """Return the recipe of some tables with each ``KEY=VALUE`` put in, all checked.

    Parameters
    ----------
    value : dict
        A recipe as JSON values; changed in place.
    settings : sequence of str
        Keys dotted as in ``training.epochs``; a value is read as TOML, and as plain
        text where it is not TOML.

    Raises
    ------
    RecipeError
        No ``=``, or a key or value that the recipe refuses.
    """
    from evenflow.recipe import Recipe

    for setting in settings:
        put(value, setting)
    if settings:
        source += " with --set"
    return Recipe.from_dict(value, source=source)


def dataset_params(
    dataset: Mapping[str, Any], settings: Sequence[str]
) -> dict[str, Any]:
    """Return a data set's parameters with each ``KEY=VALUE`` put in, checked.

    Parameters
    ----------
    dataset : mapping
        ``name`` and the parameters that stand, as under ``[dataset]`` in a recipe.
    """
    inside = [f"dataset.{setting}" for setting in settings]
    whole = {"dataset": dict(dataset), "model": {"name": "random_forest"}}
    return changed(whole, inside, source=dataset["name"]).dataset.params


def put(value: dict[str, Any], setting: str) -> None:
    """Put one ``KEY=VALUE`` into a recipe's tables, in place, unchecked."""
    from evenflow.recipe import PLUG_INS

    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(
            f"--set {setting}: expected KEY=VALUE, for example --set training.epochs=3"
        )
    *folders, last = key.strip().split(".")
    new, table = _parsed(text), value
    for step in folders:
        is_part = folders[0] in PLUG_INS
        if is_part and isinstance(table.get(step), str):  # with its name alone
            table[step] = {"name": table[step]}
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise RecipeError(
                f"--set {setting}: {step!r} holds {table!r}, which has no keys; "
                f"set {step!r} itself"
            )
    is_part = not folders and last in PLUG_INS and not table.get(last)
    if isinstance(new, str) and (is_part or isinstance(table.get(last), dict)):
        table, last = table.setdefault(last, {}), "name"
    # another plug-in does not know the parameters of the one it replaces
    if last == "name" and table.get("name") not in (None, new):
        table.clear()
    table[last] = new


def _parsed(text: str) -> Any:
    try:
        return toml.loads(f"value = {text}")["value"]
    except (ValueError, KeyError):
        return text
