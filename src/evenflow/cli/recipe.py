"""``evenflow recipe``: list and print the shipped recipes."""

from __future__ import annotations

import click

from evenflow.cli import options
from evenflow.cli.guard import Group, print_json
from evenflow.cli.text import columns
from evenflow.toml import dumps


@click.group(cls=Group)
def recipe() -> None:
    """Show the recipes that come with evenflow."""


@recipe.command("list")
@options.as_json
def list_recipes(*, as_json: bool) -> None:
    """List the shipped recipes and the parts that other recipes can combine.

    A recipe is named <dataset>/<model>-<balance>. Every combination of the parts works;
    a shipped recipe also sets parameters.
    """
    from evenflow import registry
    from evenflow.recipe import shipped, tables

    recipes = {name: tables(name) for name in shipped()}  # imports no plug-in
    if as_json:
        print_json(
            {
                "recipes": [
                    {"name": name} | {k: r.get(k, "") for k in ("title", "reference")}
                    for name, r in recipes.items()
                ],
                **{kind: registry.names(kind) for kind in registry.KINDS},
            }
        )
        return
    rows = [(name, r.get("title", "")) for name, r in recipes.items()]
    click.echo(columns(["recipe", "title"], rows))
    click.echo()
    for kind in registry.KINDS:
        click.echo(f"{kind}: {', '.join(registry.names(kind))}")


@recipe.command("show")
@click.argument("name")
@options.settings
@options.as_json
def show(name: str, settings: tuple[str, ...], *, as_json: bool) -> None:
    """Print the recipe NAME (a name or a TOML file) in full, as TOML."""
    found = options.load(name, settings)
    if as_json:
        print_json(found.to_dict() | {"sha256": found.sha256})
        return
    click.echo(f"# {found.name}, sha256 {found.sha256}")
    click.echo(dumps(found.to_dict()))
