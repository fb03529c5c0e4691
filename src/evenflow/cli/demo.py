"""``evenflow demo``: the whole workflow, from rows to verdicts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evenflow.cli import options
from evenflow.cli.guard import Command, resumable, voice
from evenflow.cli.text import columns
from evenflow.places import folders

if TYPE_CHECKING:
    from collections.abc import Sequence

REAL, EMBEDDED = "nsl_kdd", "synthetic"
RECIPES = ("cnn-hybrid", "cnn_lstm-smote")
EPOCHS = {REAL: 3, EMBEDDED: 6}
"""Few, so that the demonstration ends soon; recipes ask for more."""
N_RECORDS = 500
SHOWN = 8


@click.command(cls=Command, short_help="Run the whole workflow on example data.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=options.PATH,
    default="demo",
    show_default=True,
    help="Folder for all output.",
)
@click.option(
    "--data",
    type=click.Choice([REAL, EMBEDDED]),
    help=f"[default: {REAL} where its files are found, else {EMBEDDED}]",
)
@options.data_dir
def demo(output: Path, data: str | None, data_dir: tuple[Path, ...]) -> None:
    """Run the whole workflow: explore, balance, train, compare, save, score, explain.

    Uses NSL-KDD if its files are found, otherwise an embedded synthetic data set, and
    prints which one. Downloads nothing and asks nothing. A stopped run continues where
    it stopped.
    """
    start = time.monotonic()
    roots = folders(data_dir)
    name = data or _found(roots)
    _title("1. The data")
    _look(name, roots, output)
    _title("2. Train and compare")
    bundle = _compare(name, roots, output)
    _title("3. Score new records")
    records = _score(name, roots, output, bundle)
    _title("4. Explain one verdict")
    _explain(records, output, bundle)
    _title(f"Done in {(time.monotonic() - start) / 60:.1f} minutes")
    click.echo(
        f"look at      {output / 'data.html'}\n"
        f"             {output / 'comparison.html'}\n"
        f"             {output / 'report.html'}\n"
        f"             {output / 'explanation.html'}\n"
        f"the bundle   {bundle}\n"
        f"the verdicts {output / 'verdicts.csv'}\n"
        f"next         evenflow train {name}/cnn-hybrid -o my-bundle\n"
        f"             evenflow score {bundle} YOUR_RECORDS.csv\n"
        f"in a browser make serve, or evenflow serve --add-bundle {bundle}"
    )


def _title(text: str) -> None:
    click.secho(f"\n{text}\n{'=' * len(text)}", bold=True)


def _found(roots: Sequence[Path]) -> str:
    from evenflow import datasets

    status = datasets.status(datasets.get(REAL), roots)
    here = {file.name for file, place in status if place is not None}
    return REAL if {"KDDTrain+.txt", "KDDTest+.txt"} <= here else EMBEDDED


def _look(name: str, roots: Sequence[Path], output: Path) -> None:
    from evenflow import datasets
    from evenflow.judge.pages import exploration as explore_page
    from evenflow.prepare.explore import explore

    if name == EMBEDDED:
        click.echo(
            "NSL-KDD was not found, so this runs on the embedded SYNTHETIC data. A "
            "program\ngenerated every row, and no figure below applies to real "
            "traffic. For real data, put\nKDDTrain+.txt and KDDTest+.txt in a "
            "folder nsl_kdd and name its parent in EVENFLOW_DATA."
        )
    else:
        click.echo("NSL-KDD: the published files, with verified checksums.")
    with voice().events() as on_event:
        train = datasets.load(name, "train", folders=roots, on_event=on_event)
        test = datasets.load(name, "test", folders=roots, on_event=on_event)
        found = explore(train, others={"test": test}, on_event=on_event)
        explore_page.write(found, output / "data.html")
    in_test = test.counts()
    rows = [(c, f"{n:,}", f"{in_test[c]:,}") for c, n in train.counts().items()]
    click.echo(f"\n{columns(('class', 'train', 'test'), rows, right=(1, 2))}\n")
    for warning in found.warnings[:6]:
        click.echo(f"! {warning['text']}")


def _compare(name: str, roots: Sequence[Path], output: Path) -> Path:
    from evenflow import api, files
    from evenflow.experiment.compare import cell_name
    from evenflow.judge.pages import report as render
    from evenflow.judge.report import Report
    from evenflow.judge.tables.comparison import measured
    from evenflow.recipe import Recipe
    from evenflow.runtime import bundle as bundles

    epochs = EPOCHS[name]
    click.echo(
        f"CNN and CNN+LSTM on balanced rows, {epochs} epochs each so that this ends "
        "soon; beside\nthem the same networks without balancing, a random forest and "
        "LightGBM. The attack threshold\nof each is set on training rows, at 5 % "
        "false alarms."
    )
    recipes = [
        Recipe.load(f"{name}/{recipe}").with_(training__epochs=epochs)
        for recipe in RECIPES
    ]
    hint = f"Finished cells are saved; continue with: evenflow demo -o {output}"
    with resumable(hint), voice().events() as on_event:
        made = api.compare(
            recipes, output, bundles=True, folders=roots, on_event=on_event
        )
        bundle = output / "bundles" / cell_name(recipes[0])
        report = Report.from_dict(dict(bundles.load(bundle).report))
        files.write_text(output / "report.html", render.html(report))
        render.png(report, output / "report")
    for failed in made.failed:
        click.echo(f"Error: {failed.name}: {failed.error}", err=True)
    decided = measured(made)[0]
    keep = [0, 3, 4, 5, 6, 7, 8, 11]
    rows = [[row[k] for k in keep] for row in decided.rows]
    head = [decided.head[k] for k in keep]
    click.echo(f"\n{columns(head, rows, right=range(1, len(head)))}\n")
    click.echo(f"{decided.note}\nProtocol: {made.rows[0].protocol_description}.")
    click.echo("comparison.html lists published figures as well.")
    return bundle


def _score(name: str, roots: Sequence[Path], output: Path, bundle: Path) -> Path:
    import numpy as np
    import polars as pl

    from evenflow import datasets
    from evenflow.files import replacing
    from evenflow.runtime import bundle as bundles
    from evenflow.runtime.stream import score_file
    from evenflow.runtime.writers import inert

    test = datasets.load(name, "test", folders=roots)
    rng = np.random.default_rng(1)
    chosen = test.take(np.sort(rng.choice(len(test), N_RECORDS, replace=False)))
    records, verdicts = output / "new_records.csv", output / "verdicts.csv"
    with replacing(records) as part:
        inert(chosen.frame, is_input=True).write_csv(part)
    summary = score_file(bundles.load(bundle), records, verdicts)
    click.echo(
        f"{N_RECORDS} test records without their labels: {records}\n"
        + ", ".join(f"{c} {n}" for c, n in summary.counts.items())
        + f"; {summary.scored / summary.seconds:,.0f} records/s\n"
    )
    found = pl.read_csv(verdicts)
    truth = np.array(chosen.schema.classes)[chosen.labels]
    rows = [
        (r["line"], r["verdict"], f"{r['attack_probability']:.3f}", truth[k])
        for k, r in enumerate(found.head(SHOWN).iter_rows(named=True))
    ]
    head = ("line", "verdict", "probability of attack", "label (not used)")
    click.echo(columns(head, rows, right=(0, 2)))
    return records


def _explain(records: Path, output: Path, bundle: Path) -> None:
    import polars as pl

    from evenflow import files
    from evenflow.cli.explain import explanation
    from evenflow.judge.pages import explanation as explain_page
    from evenflow.runtime import bundle as bundles

    found = pl.read_csv(output / "verdicts.csv")
    attacks = found.filter(pl.col("is_attack"))
    line = int((attacks if len(attacks) else found)["line"][0])
    detector = bundles.load(bundle)
    made = explanation(detector, records, line=line)
    text = explain_page.html(
        made,
        source=f"{records.name}, line {line}; scored by {bundle.name}",
        is_synthetic=detector.schema.is_synthetic,
    )
    files.write_text(output / "explanation.html", text)
    click.echo(f"line {line} of {records}\n{made['text']}")
