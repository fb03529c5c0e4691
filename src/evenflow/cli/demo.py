"""``evenflow demo``: the whole workflow, from rows to verdicts and incidents."""

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

EMBEDDED, PUBLISHED = "lab", "nsl_kdd"
RECIPES = {EMBEDDED: ("cnn-hybrid",), PUBLISHED: ("cnn-hybrid", "cnn_lstm-smote")}
SHORTER: dict[str, dict[str, int]] = {
    EMBEDDED: {"training__epochs": 2, "balance__max_rows_per_class": 10_000},
    PUBLISHED: {"training__epochs": 3},
}
"""What recipes have less of here, so that the demonstration ends soon."""
N_RECORDS = 500
SHOWN = 8
CAPTURED = """\
In it 10.150.176.164 guesses passwords of the FTP server 10.150.176.103 (medusa),
10.150.176.39 floods that host with ACK packets (hping3) and scans ports of two others,
and 10.150.176.138 keeps connections to the web server 10.150.176.2 open (slow HTTP).
Any other incident is a false alarm, and who has none was missed."""
"""What was done in ``shipped.CAPTURE``."""


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
    type=click.Choice([EMBEDDED, PUBLISHED]),
    default=EMBEDDED,
    show_default=True,
    help=f"Data set to train on. {EMBEDDED} comes with evenflow, the files of "
    f"{PUBLISHED} do not.",
)
@options.data_dir
def demo(output: Path, data: str, data_dir: tuple[Path, ...]) -> None:
    """Run the whole workflow: explore, balance, train, compare, score, explain, watch.

    Trains on the lab data set, which comes with evenflow, and ends with a capture:
    its connections, verdicts and incidents. Downloads nothing and asks nothing. A
    stopped run continues where it stopped.
    """
    start = time.monotonic()
    roots = folders(data_dir)
    _title("1. The data")
    _look(data, roots, output)
    _title("2. Train and compare")
    bundle = _compare(data, roots, output)
    _title("3. Score new records")
    records = _score(data, roots, output, bundle)
    _title("4. Explain one verdict")
    _explain(records, output, bundle)
    _title("5. A capture: connections, verdicts, incidents")
    judge_capture(output)
    _title(f"Done in {(time.monotonic() - start) / 60:.1f} minutes")
    click.echo(
        f"look at      {output / 'data.html'}\n"
        f"             {output / 'comparison.html'}\n"
        f"             {output / 'report.html'}\n"
        f"             {output / 'explanation.html'}\n"
        f"the bundle   {bundle}\n"
        f"the verdicts {output / 'verdicts.csv'}\n"
        f"             {output / 'connections.csv'}\n"
        f"next         evenflow watch -r YOUR_CAPTURE.pcap\n"
        f"             evenflow train {data}/cnn-hybrid -o my-bundle\n"
        f"             evenflow score {bundle} YOUR_RECORDS.csv\n"
        f"in a browser make serve, or evenflow serve --add-bundle {bundle}"
    )


def _title(text: str) -> None:
    click.secho(f"\n{text}\n{'=' * len(text)}", bold=True)


def _look(name: str, roots: Sequence[Path], output: Path) -> None:
    from evenflow import datasets
    from evenflow.judge.pages import exploration as explore_page
    from evenflow.prepare.explore import explore

    if name == EMBEDDED:
        click.echo(
            "lab: real servers, clients and attack tools on machines of our own lab. "
            "Whole runs are\nheld out, with tools and kinds of attack that training "
            "lacks. No real users: on another\nnetwork expect more false alarms."
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
    from evenflow import files, studies
    from evenflow.experiment.compare import cell_name
    from evenflow.judge.pages import report as render
    from evenflow.judge.report import Report
    from evenflow.judge.tables.comparison import measured
    from evenflow.recipe import Recipe
    from evenflow.runtime import bundle as bundles

    click.echo(
        f"{' and '.join(RECIPES[name])}: a network on balanced rows, for a few epochs "
        "so that this ends\nsoon. Beside it the same network without balancing, a "
        "random forest and LightGBM. The attack\nthreshold of each is set on training "
        "rows, for the false alarms that its recipe allows."
    )
    recipes = [
        Recipe.load(f"{name}/{recipe}").with_(**SHORTER[name])
        for recipe in RECIPES[name]
    ]
    hint = f"Finished cells are saved; continue with: evenflow demo -o {output}"
    with resumable(hint), voice().events() as on_event:
        made = studies.compare(
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


def judge_capture(output: Path) -> None:
    """Score the capture that comes with evenflow, by the detector that does."""
    import polars as pl

    from evenflow.runtime import bundle as bundles
    from evenflow.runtime import shipped
    from evenflow.runtime.events import summary
    from evenflow.runtime.file_incidents import FileIncidents
    from evenflow.runtime.stream import score_file

    detector = bundles.load(shipped.FOLDER)
    incidents = FileIncidents(detector)
    made = score_file(
        detector,
        shipped.CAPTURE,
        output / "connections.csv",
        keep_columns=True,
        on_scored=incidents.take,
    )
    click.echo(
        f"{made.scored} connections of a capture of the lab that is in no data set, "
        f"scored by {shipped.NAME},\nthe detector that comes with evenflow; "
        f"{shipped.limits(detector.report)}.\n"
        + ", ".join(f"{name} {n}" for name, n in made.counts.items())
        + "\n"
    )
    found = pl.read_csv(output / "connections.csv", infer_schema_length=None)
    ends = ["id.orig_h", "id.resp_h", "id.resp_p"]
    different = found.unique(["id.orig_h", "verdict"], keep="first").sort("line")
    rows = [
        (r["line"], r[ends[0]], f"{r[ends[1]]}:{r[ends[2]]}", r["service"],
         r["verdict"], f"{r['attack_probability']:.3f}")
        for r in different.head(SHOWN).iter_rows(named=True)
    ]  # fmt: skip
    head = ("connection", "source", "destination", "service", "verdict", "probability")
    click.echo(f"{columns(head, rows, right=(0, 5))}\n")
    for report in incidents.finish():
        click.echo(f"incident: {summary(report.incident)}")
    click.echo(f"\n{CAPTURED}")
