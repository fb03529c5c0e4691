"""``evenflow tune``: parameters of a recipe, searched on training rows alone."""

from __future__ import annotations

from pathlib import Path

import click

from evenflow.cli import options
from evenflow.cli.guard import Command, print_json, resumable, voice
from evenflow.cli.text import columns
from evenflow.places import folders as data_folders


@click.command(cls=Command, short_help="Search parameters of a recipe.")
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--search",
    metavar="KEY=VALUES",
    multiple=True,
    help="Values of a key: LOW:HIGH, LOW:HIGH:log or A,B, as in "
    "model.num_leaves=15:127:log or balance=none,smote. Repeatable.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Trials, those of an earlier run included.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=3,
    show_default=True,
    help="Folds of the training rows on which a trial is evaluated.",
)
@click.option(
    "--inner",
    metavar="SPLIT",
    default="kfold",
    show_default=True,
    help="Split that makes the folds; unseen hides attack types.",
)
@click.option(
    "--method",
    type=click.Choice(("tpe", "bohb", "pso", "random")),
    default="tpe",
    show_default=True,
    help="tpe proposes values by the trials before, bohb also stops bad ones early, "
    "pso is a particle swarm.",
)
@click.option(
    "--measure",
    type=click.Choice(("macro_f1", "accuracy", "f1", "roc_auc", "unseen")),
    default="macro_f1",
    show_default=True,
    help="What is to be as large as possible.",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=options.PATH,
    help="Folder for best.toml, trials and pictures.",
)
@options.device
@options.deterministic
@options.settings
@options.data_dir
@options.as_json
def tune(
    recipe: str,
    search: tuple[str, ...],
    trials: int,
    folds: int,
    inner: str,
    method: str,
    measure: str,
    output: Path,
    *,
    device: str,
    deterministic: bool,
    settings: tuple[str, ...],
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Search values for keys of RECIPE on folds of its training rows.

    The test rows of the recipe are in no fold. The first trial is the recipe as it is,
    whether or not the search has its values. Without --search the numbers and
    switches of the model, and of a network's training, are searched, numbers up to
    four times smaller and larger. Finished trials are saved in DIR/cells, so the same
    command continues a stopped search, and more --trials continue it. Train
    DIR/best.toml to evaluate the result on the test rows, once.
    """
    from evenflow import studies
    from evenflow.judge.tables.tuning import grid

    chosen = options.load(recipe, settings)
    hint = "Finished trials are saved; continue with the same command"
    with resumable(hint), voice().events() as on_event:
        made = studies.tune(
            chosen,
            output,
            search=search,
            trials=trials,
            folds=folds,
            inner=inner,
            method=method,
            measure=measure,
            device=device,
            deterministic=deterministic,
            folders=data_folders(data_dir),
            on_event=on_event,
        )
    if as_json:
        print_json(made.to_dict())
        return
    table = grid(made)
    right = [k for k, column in enumerate(table.columns) if not column.is_text]
    click.echo(columns(table.head, table.rows, right=right))
    click.echo(f"\n{table.note}\n\nthe best recipe: {output / 'best.toml'}")
