"""``evenflow score``: records in, verdicts out, any length, constant memory."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from evenflow.cli import options, streams
from evenflow.cli.guard import Command, print_json, voice
from evenflow.cli.streams import STDIN, STDOUT

FORMATS = click.Choice(["csv", "jsonl", "parquet"])


@click.command(cls=Command, short_help="Score every record of FILE with BUNDLE.")
@click.argument("bundle", type=options.BUNDLE)
@click.argument("file", type=options.READABLE)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=options.READABLE,
    default=STDOUT,
    help="Write verdicts to this file  [default: stdout]",
)
@click.option(
    "--format",
    "form",
    type=FORMATS,
    help="Format of the verdicts  [default: by the output's suffix, else csv]",
)
@click.option(
    "--input-format",
    type=FORMATS,
    help="Format of the records  [default: detected from the first bytes]",
)
@click.option(
    "--keep-columns",
    is_flag=True,
    help="Add the columns of the record to each verdict.",
)
@click.option(
    "--on-bad-row",
    type=click.Choice(["stop", "reject"]),
    default="stop",
    show_default=True,
    help="Action for a row that breaks the bundle's contract.",
)
@click.option(
    "--rejects",
    metavar="FILE",
    type=options.PATH,
    help="Write rejected rows to this file, with line and reason, as JSON lines; "
    "implies --on-bad-row reject.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a summary as JSON; needs -o."
)
def score(
    bundle: Path,
    file: Path,
    *,
    output: Path,
    form: str | None,
    input_format: str | None,
    keep_columns: bool,
    on_bad_row: str,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Score every record of FILE with BUNDLE; FILE may be - for stdin.

    FILE is CSV, JSON lines or Parquet in the bundle's columns, plain or gzip. Each
    verdict carries the line of its record. An output file appears only when it is
    complete; stdout gets verdicts as they are made.
    """
    from evenflow.runtime import bundle as bundles
    from evenflow.runtime.stream import score_file

    to_stdout = output == STDOUT
    if as_json and to_stdout:
        raise click.UsageError("--json prints a summary on stdout; add -o for verdicts")
    if to_stdout and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet cannot be written to a terminal; add -o FILE")
    with voice().events() as on_event:
        summary = score_file(
            bundles.load(bundle),
            streams.stdin() if file == STDIN else file,
            streams.stdout() if to_stdout else output,
            format=form,  # type: ignore[arg-type]
            input_format=input_format,  # type: ignore[arg-type]
            keep_columns=keep_columns,
            on_bad_row="reject" if rejects else on_bad_row,  # type: ignore[arg-type]
            rejects=rejects,
            on_event=on_event,
        )
    if as_json:
        print_json(summary.to_dict() | {"output": str(output)})
    counts = ", ".join(f"{name} {n:,}" for name, n in summary.counts.items() if n)
    summary_line = f"{summary.scored:,} records scored in {summary.seconds:.1f} s"
    voice().say(
        f"{summary_line}: {counts}" if counts else summary_line, **summary.to_dict()
    )
    if summary.extra:
        voice().say(f"columns not used: {', '.join(summary.extra)}")
    if summary.n_unusual:
        voice().say(f"{summary.n_unusual:,} records with unusual values:")
        for note in summary.unusual:
            voice().say(f"unusual: {note}")
    if summary.drift and summary.drift.is_drifted:
        voice().say(str(summary.drift), is_warning=True)
    if summary.rejected:
        for bad in summary.first_bad[:5]:
            voice().say(f"rejected: {bad}")
        where = (
            f"; all of them: {rejects}"
            if rejects
            else "; add --rejects FILE to save them"
        )
        voice().say(f"{summary.rejected:,} records rejected{where}")
