"""``evenflow train``: one recipe in, one bundle out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from evenflow.cli import options
from evenflow.cli.guard import Command, print_json, resumable, voice
from evenflow.places import folders


@click.command(cls=Command)
@click.argument("recipe")
@click.option(
    "-o",
    "--output",
    metavar="BUNDLE",
    required=True,
    type=options.PATH,
    help="Folder to write the bundle to.",
)
@click.option("--seed", type=int, help="Seed to use instead of the recipe's.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing bundle.")
@options.device
@options.deterministic
@options.settings
@options.data_dir
@options.as_json
def train(
    recipe: str,
    output: Path,
    seed: int | None,
    *,
    resume: bool,
    overwrite: bool,
    device: str,
    deterministic: bool,
    settings: tuple[str, ...],
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train the model that RECIPE describes, evaluate it, and save it as a bundle.

    RECIPE is a TOML file or a name: <dataset>/<model>-<balance>, for example
    nsl_kdd/cnn-smote. `evenflow recipe list` shows the names.
    """
    seeds = () if seed is None else (f"seed={seed}",)
    chosen = options.load(recipe, (*settings, *seeds))
    again = ["evenflow", "train", recipe, "-o", str(output), "--resume"]
    again += [] if seed is None else ["--seed", str(seed)]
    again += [part for setting in settings for part in ("--set", setting)]
    again += ["--overwrite"] if overwrite else []
    again += [] if device == "auto" else ["--device", device]
    again += ["--deterministic"] if deterministic else []
    again += [part for folder in data_dir for part in ("--data-dir", str(folder))]
    hint = f"The checkpoint is saved; continue with: {shlex.join(again)}"

    from evenflow.experiment.run import is_done, run

    if resume and not overwrite and is_done(output, chosen):
        voice().say(f"{output} is complete; there is nothing to resume")
        from evenflow.runtime import bundle

        _show(bundle.load(output).report, output, as_json=as_json)
        return
    with resumable(hint), voice().events() as on_event:
        made = run(
            chosen,
            folders=folders(data_dir),
            output=output,
            resume=resume,
            device=device,
            deterministic=deterministic,
            overwrite=overwrite,
            on_event=on_event,
        )
    _show(made.report.to_dict(), output, as_json=as_json)


def _show(report: Mapping[str, Any], output: Path, *, as_json: bool) -> None:
    from evenflow.cli.report import summary

    if as_json:
        print_json({"bundle": str(output), "report": report})
        return
    click.echo(summary(report))
    click.echo(f"\nbundle: {output}")
