"""``evenflow explain``: why one record got its verdict, in words and as a chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evenflow.cli import options
from evenflow.cli.guard import Command, print_json, voice
from evenflow.errors import DataError

if TYPE_CHECKING:
    from evenflow.runtime.bundle import Bundle
    from evenflow.schema import Table

STDIN = Path("-")


@click.command(cls=Command)
@click.argument("bundle", type=options.PATH)
@click.argument("file", type=options.READABLE)
@click.option(
    "--row",
    metavar="N",
    type=click.IntRange(min=1),
    help="Which record, counted from 1.",
)
@click.option(
    "--line",
    metavar="N",
    type=click.IntRange(min=1),
    help="Which record, by the line that score gives it.",
)
@click.option(
    "--method",
    type=click.Choice(["occlusion", "shap"]),
    default="occlusion",
    show_default=True,
    help="occlusion: by the bundle alone, any model. shap: exact, for trees.",
)
@click.option(
    "--html", metavar="FILE", type=options.PATH, help="Write a page with a chart."
)
@options.as_json
def explain(
    bundle: Path,
    file: Path,
    *,
    row: int | None,
    line: int | None,
    method: str,
    html: Path | None,
    as_json: bool,
) -> None:
    """Say why BUNDLE judges one record of FILE as it does; FILE may be -.

    The record is compared with the nearest normal one: which columns pushed the
    verdict towards attack, which away from it, and by how much.
    """
    if (row is None) == (line is None):
        raise click.UsageError("say which record: either --row N or --line N")
    from evenflow import files
    from evenflow.runtime import bundle as bundles

    detector = bundles.load(bundle)
    record = _record(detector, file, row, line)
    if method == "shap":
        from evenflow.judge.attribute import explain_trees as make
    else:
        from evenflow.runtime.explain import explain as make  # type: ignore[assignment]
    found = make(detector, record, 0)
    if html is not None:
        from evenflow.judge.explain_page import explanation_page

        files.write_text(html, explanation_page(found))
        voice().say(f"wrote {html}")
    if as_json:
        print_json(found.to_dict())
        return
    click.echo(found.text)


def _record(bundle: Bundle, file: Path, row: int | None, line: int | None) -> Table:
    """Return the one record asked for, as a table of one row.

    Raises
    ------
    DataError
        There is no such record, or it breaks the bundle's contract.
    """
    import numpy as np

    from evenflow.runtime.records import read_records

    source = sys.stdin.buffer if file == STDIN else file
    name = "standard input" if file == STDIN else str(file)
    before = 0
    for batch in read_records(source, bundle.schema, name=name):
        bad = {problem.line: problem for problem in batch.bad}
        lines = np.sort(np.concatenate([batch.lines, np.array([*bad], dtype=np.int64)]))
        wanted = line
        if row is not None:
            inside = row - 1 - before
            wanted = int(lines[inside]) if inside < len(lines) else None
        if wanted is not None and wanted in lines:
            if wanted in bad:
                raise DataError(f"{name}, {bad[wanted]}. Correct the row")
            return batch.table.take(np.flatnonzero(batch.lines == wanted))
        before += len(lines)
    found = f"{before:,} records" if row is not None else f"no record on line {line}"
    raise DataError(
        f"{name} holds {found}; expected "
        + (f"at least {row:,}" if row is not None else "one there")
        + ". Name another record"
    )
