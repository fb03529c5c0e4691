"""``evenflow ablate``: what each part and each column of a recipe brings."""

from __future__ import annotations

from pathlib import Path

import click

from evenflow.cli import options
from evenflow.cli.guard import GIVEN_IS_WRONG, Command, print_json, resumable, voice
from evenflow.cli.text import columns as aligned
from evenflow.places import folders as data_folders


@click.command(cls=Command, short_help="Train a recipe without each of its parts.")
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--without",
    metavar="COLUMNS",
    multiple=True,
    help="Columns to leave out together, separated by commas; may be repeated.",
)
@click.option("--each-column", is_flag=True, help="Leave out each column in turn too.")
@options.seeds
@options.folds
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=options.PATH,
    help="Folder for cells and tables.",
)
@options.device
@options.deterministic
@options.settings
@options.data_dir
@options.as_json
def ablate(
    recipe: str,
    without: tuple[str, ...],
    seeds: int,
    output: Path,
    *,
    each_column: bool,
    folds: bool,
    device: str,
    deterministic: bool,
    settings: tuple[str, ...],
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train RECIPE, and RECIPE without each of its parts; show what changes.

    Left out in turn are balancing, the loss, the selection of columns, the logarithm
    of the scaling, the other models of a system, and each member of several; then
    the columns asked for. Finished cells are saved in DIR/cells and not run again, so
    the same command continues a stopped run. To choose parts by training rows alone,
    add --set split=unseen --folds.
    """
    from evenflow import studies
    from evenflow.judge.tables.ablation import grid

    chosen = options.load(recipe, settings)
    groups = [[name.strip() for name in group.split(",")] for group in without]
    hint = "Finished cells are saved; continue with the same command"
    with resumable(hint), voice().events() as on_event:
        made = studies.ablate(
            chosen,
            output,
            columns=groups,
            each_column=each_column,
            seeds=seeds,
            folds=folds,
            device=device,
            deterministic=deterministic,
            folders=data_folders(data_dir),
            on_event=on_event,
        )
    if as_json:
        print_json(made.to_dict())
    else:
        table = grid(made)
        right = [k for k, column in enumerate(table.columns) if not column.is_text]
        click.echo(f"{table.title}\n")
        click.echo(aligned(table.head, table.rows, right=right))
        click.echo(f"\n{table.note}\n\ntables: {output}")
    for failed in made.comparison.failed:
        click.echo(
            f"Error: {failed.name} with seed {failed.seed}: {failed.error}", err=True
        )
    if made.comparison.failed:
        click.get_current_context().exit(GIVEN_IS_WRONG)
