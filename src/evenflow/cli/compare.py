"""``evenflow compare``: recipes side by side, over seeds, with published figures."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from evenflow.cli import options
from evenflow.cli.guard import GIVEN_IS_WRONG, Command, print_json, resumable, voice
from evenflow.cli.text import columns
from evenflow.places import folders as data_folders


@click.command(
    cls=Command, short_help="Train recipes with several seeds, side by side."
)
@click.argument("recipes", metavar="[RECIPE]...", nargs=-1)
@click.option(
    "--suite",
    metavar="NAME",
    help="Recipes of a suite: nsl_kdd, unsw_nb15 or bot_iot.",
)
@options.seeds
@options.folds
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=options.PATH,
    help="Folder for cells, tables, page and charts.",
)
@click.option(
    "--no-baselines",
    is_flag=True,
    help="Leave out the baselines: the unbalanced model and the trees.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that train, each on its share of the cores.",
)
@click.option("--keep-bundles", is_flag=True, help="Save each cell's bundle too.")
@options.device
@options.deterministic
@options.settings
@options.data_dir
@options.as_json
def compare(
    recipes: tuple[str, ...],
    suite: str | None,
    seeds: int,
    output: Path,
    *,
    folds: bool,
    no_baselines: bool,
    jobs: int,
    keep_bundles: bool,
    device: str,
    deterministic: bool,
    settings: tuple[str, ...],
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train every RECIPE with several seeds and compare the results.

    A suite is a list of recipes, each with its settings, folds and number of seeds: all
    systems of a data set. Finished cells are saved in DIR/cells and not run again, so
    the same command continues a stopped comparison. Every balanced model is compared
    with the same model without balancing, its threshold set in the same way; every
    network also with a random forest and boosted trees. A cell that fails is reported;
    the others go on.
    """
    from evenflow import studies
    from evenflow.judge.tables.comparison import measured

    if bool(recipes) == (suite is not None) or (suite and (settings or seeds > 1)):
        raise click.UsageError(
            "name recipes, or one --suite, which has its own seeds and settings"
        )
    chosen = suite or [options.load(name, settings) for name in recipes]
    again = ["evenflow", "compare", *recipes, "-o", str(output)]
    again += ["--suite", suite] if suite else ["--seeds", str(seeds)]
    again += ["--jobs", str(jobs)] if jobs > 1 else []
    again += [part for setting in settings for part in ("--set", setting)]
    again += ["--folds"] if folds else []
    again += ["--no-baselines"] if no_baselines else []
    again += ["--keep-bundles"] if keep_bundles else []
    again += [] if device == "auto" else ["--device", device]
    again += ["--deterministic"] if deterministic else []
    again += [part for folder in data_dir for part in ("--data-dir", str(folder))]
    hint = f"Finished cells are saved; continue with: {shlex.join(again)}"
    with resumable(hint), voice().events() as on_event:
        made = studies.compare(
            chosen,
            output,
            seeds=seeds,
            folds=folds,
            baselines=not no_baselines,
            bundles=keep_bundles,
            jobs=jobs,
            device=device,
            deterministic=deterministic,
            folders=data_folders(data_dir),
            on_event=on_event,
        )
    if as_json:
        print_json(made.to_dict())
    else:
        for grid in measured(made):
            right = [k for k, column in enumerate(grid.columns) if not column.is_text]
            click.echo(f"{grid.title}\n")
            click.echo(columns(grid.head, grid.rows, right=right))
            click.echo(f"\n{grid.note}\n")
        click.echo(f"tables, page and charts, with published figures: {output}")
    for failed in made.failed:
        click.echo(
            f"Error: {failed.name} with seed {failed.seed}: {failed.error}", err=True
        )
    if made.failed:
        click.get_current_context().exit(GIVEN_IS_WRONG)
