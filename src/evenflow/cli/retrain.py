"""``evenflow retrain``: a bundle trained again with feedback, used only if better."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from evenflow.cli import options
from evenflow.cli import settings as servers
from evenflow.cli.guard import Command, print_json, voice
from evenflow.places import folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenflow.experiment.retrain import Check, Retrained
    from evenflow.schema import Schema

NOT_BETTER = 3
"""Exit code where the retrained model is not better."""


@click.command(
    cls=Command, short_help="Train BUNDLE again with feedback; replace it if better."
)
@click.argument("bundle", type=options.BUNDLE)
@click.option(
    "--feedback", metavar="FILE", type=options.PATH,
    help="Labelled records in the columns of the model, the oldest first: CSV, JSON "
    "lines or Parquet, such as the export of the page Alerts.",
)  # fmt: skip
@click.option(
    "--home", metavar="DIR", type=options.PATH,
    help="Take the feedback of analysts from the server with this data folder.",
)  # fmt: skip
@click.option(
    "--label", metavar="COLUMN", default="label", show_default=True,
    help="Column of FILE with the class or attack type.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="BUNDLE", type=options.PATH,
    help="Write the new model there  [default: replace BUNDLE]",
)  # fmt: skip
@click.option(
    "--repeat", metavar="N", type=click.IntRange(1, 1000), default=10,
    show_default=True, help="Fit each record of the feedback N times.",
)  # fmt: skip
@click.option(
    "--tolerance", metavar="POINTS", type=click.FloatRange(0, 100), default=0.5,
    show_default=True,
    help="Percentage points of the test rows that the new model may lose.",
)  # fmt: skip
@options.device
@options.deterministic
@options.data_dir
@options.as_json
def retrain(
    bundle: Path,
    *,
    feedback: Path | None,
    home: Path | None,
    label: str,
    output: Path | None,
    repeat: int,
    tolerance: float,
    device: str,
    deterministic: bool,
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train the recipe of BUNDLE again with feedback, and compare the two models.

    The feedback that came last, three rows in ten, evaluates; the rest is fitted beside
    the training rows. The new model is written only if it decides more of the feedback
    rightly than chance explains, and loses nothing on the test rows. Otherwise nothing
    is changed, and the exit code is 3.
    """
    from evenflow.errors import StorageError
    from evenflow.experiment import retrain as retraining
    from evenflow.runtime import bundle as bundles
    from evenflow.runtime import shipped

    if (feedback is None) == (home is None):
        raise click.UsageError("expected either --feedback FILE or --home DIR")
    if output is None and bundle == shipped.FOLDER:
        raise click.UsageError(
            f"{shipped.NAME} comes with evenflow and is not replaced; add -o BUNDLE"
        )
    if output is not None and output.exists():
        raise StorageError(
            f"{output} already exists; expected a new path. Choose another"
        )
    loaded = bundles.load(bundle)
    with voice().events() as on_event:
        with _feedback(loaded.schema, feedback, home) as (source, name):
            rows = retraining.read_feedback(
                loaded.schema, source, label=label, name=name
            )
        made = retraining.retrain(
            loaded, rows,
            folders=folders(data_dir), repeat=repeat, tolerance=tolerance / 100,
            device=device, deterministic=deterministic, on_event=on_event,
        )  # fmt: skip
    if made.is_better:
        made.experiment.save(output or bundle, overwrite=output is None)
    _show(made, len(rows), output or bundle, as_json=as_json)
    if not made.is_better:
        raise click.exceptions.Exit(NOT_BETTER)


@contextmanager
def _feedback(
    schema: Schema, file: Path | None, home: Path | None
) -> Iterator[tuple[Path | BinaryIO, str]]:
    """Yield the labelled records, and what messages call them."""
    if file is not None:
        yield file, str(file)
        return
    settings = servers.load(home, None)
    from evenflow.web.alerts.change import everybodys, export

    records = io.BytesIO()
    with servers.opened(settings) as found, found.session() as session:
        export(session, everybodys(), schema, records, "jsonl")
    records.seek(0)
    yield records, f"the feedback in {settings.home}"


def _show(made: Retrained, n_rows: int, place: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "is_better": made.is_better,
                "reasons": list(made.reasons),
                "bundle": str(place) if made.is_better else None,
                "feedback": {"rows": n_rows, "fitted": made.n_fitted},
                "checks": [check.to_dict() for check in made.checks],
            }
        )
        return
    width = max(len(check.name) for check in made.checks)
    click.echo(
        f"{'':{width}}  {'rows':>7}  {'in use':>8}  {'retrained':>9}  difference (95 %)"
    )
    for check in made.checks:
        click.echo(f"{check.name:{width}}  {_figures(check)}")
    if made.is_better:
        click.echo(f"\nThe retrained model is better: {place}")
        return
    click.echo("\nThe retrained model is not better; nothing was changed:")
    for reason in made.reasons:
        click.echo(f"- {reason}")


def _figures(check: Check) -> str:
    found = check.found
    if not found.n:
        return f"{0:>7}"
    low, high = found.interval
    shares = found.before / found.n, found.after / found.n
    return (
        f"{found.n:>7,}  {shares[0]:>8.2%}  {shares[1]:>9.2%}  "
        f"{found.difference:+.2%} ({low:+.2%} to {high:+.2%})"
    )
