"""``evenflow evaluate``: evaluate a bundle on labelled rows that did not train it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from evenflow.cli import options, streams
from evenflow.cli.guard import Command, print_json, voice
from evenflow.cli.streams import STDOUT
from evenflow.places import folders


@click.command(
    cls=Command, short_help="Evaluate BUNDLE on labelled rows that did not train it."
)
@click.argument("bundle", type=options.BUNDLE)
@click.option("--data", metavar="NAME", required=True, help="Data set to evaluate on.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="A published part of it, or held_out: the rows that the bundle's recipe held "
    "out.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=options.READABLE,
    help="Write the report as JSON; - is stdout.",
)
@click.option(
    "--html", metavar="FILE", type=options.PATH, help="Write a page with charts."
)
@click.option(
    "--png", metavar="DIR", type=options.PATH, help="Write each chart as an image."
)
@click.option(
    "--markdown",
    metavar="FILE",
    type=options.PATH,
    help="Write the report as Markdown.",
)
@click.option(
    "--latex", metavar="FILE", type=options.PATH, help="Write the report as LaTeX."
)
@click.option(
    "-s",
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A parameter of the data set, as in --set path=new.csv; those of the bundle's "
    "recipe apply if the data set is the same. Repeatable.",
)
@click.option(
    "--rename",
    metavar="OURS=THEIRS",
    multiple=True,
    help="Column of the data set that means what a column of the bundle does, as in "
    "--rename duration=dur. Repeatable.",
)
@options.data_dir
def evaluate(
    bundle: Path,
    data: str,
    split: str,
    *,
    json_file: Path | None,
    html: Path | None,
    png: Path | None,
    markdown: Path | None,
    latex: Path | None,
    settings: tuple[str, ...],
    rename: tuple[str, ...],
    data_dir: tuple[Path, ...],
) -> None:
    """Evaluate BUNDLE on rows of a data set and write the report.

    Rows that trained the bundle are counted: above 1 % they cause a warning, above 20 %
    an error. Use the test rows of a published protocol to evaluate a model, never to
    choose one: choose on held-out or hidden-attack training rows.

    With --rename a model is tested on another data set whose columns mean the same.
    """
    from evenflow import files
    from evenflow.cli.report import summary
    from evenflow.experiment import evaluate as evaluating
    from evenflow.judge.pages import report as render
    from evenflow.runtime import bundle as bundles

    is_taken = streams.is_taken(json_file, html, markdown, latex)
    with voice().events() as on_event:
        loaded = bundles.load(bundle)
        report = evaluating.evaluate(
            loaded,
            data,
            split,
            folders=folders(data_dir),
            params=_params(loaded.recipe["dataset"], data, settings),
            rename=_pairs(rename),
            on_event=on_event,
        )
    if json_file == STDOUT:
        print_json(report.to_dict())
    elif json_file is not None:
        files.write_json(json_file, report.to_dict())
    written = {html: render.html, markdown: render.markdown, latex: render.latex}
    for path, form in written.items():
        if path is not None:
            files.write_text(path, form(report))
    if png is not None:
        render.png(report, png)
    if json_file != STDOUT:
        click.echo(summary(report.to_dict()), err=is_taken)
    for wrote in (json_file, html, png, markdown, latex):
        if wrote is not None and wrote != STDOUT:
            voice().say(f"wrote {wrote}")


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return column of the bundle -> column of the data set."""
    pairs = [text.partition("=") for text in texts]
    for ours, _, theirs in pairs:
        if not (ours.strip() and theirs.strip()):
            raise click.UsageError("--rename: expected OURS=THEIRS, as in duration=dur")
    found = {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
    if len(found) < len(pairs):
        raise click.UsageError("--rename: a column of the bundle is given twice")
    return found


def _params(
    own: Mapping[str, Any], name: str, settings: Sequence[str]
) -> dict[str, Any] | None:
    """Return the data set's parameters where some are set, checked; else None."""
    if not settings:
        return None
    same = own if own["name"] == name else {"name": name}
    return options.dataset_params(same, settings)
