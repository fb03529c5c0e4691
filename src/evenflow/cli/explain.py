"""``evenflow explain``: why one record got its verdict, in words and as a chart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, streams
from evenflow.cli.guard import Command, print_json, voice
from evenflow.cli.streams import STDIN, STDOUT
from evenflow.errors import DataError

if TYPE_CHECKING:
    from evenflow.runtime.bundle import Bundle
    from evenflow.schema import Table


@click.command(cls=Command, short_help="Explain the verdict of BUNDLE on one record.")
@click.argument("bundle", type=options.BUNDLE)
@click.argument("file", type=options.READABLE)
@click.option(
    "--row",
    metavar="N",
    type=click.IntRange(min=1),
    help="Number of the record, counted from 1.",
)
@click.option(
    "--line",
    metavar="N",
    type=click.IntRange(min=1),
    help="Line of the record, as in the output of score.",
)
@click.option(
    "--method",
    type=click.Choice(["occlusion", "integrated_gradients", "shap"]),
    default="occlusion",
    show_default=True,
    help="occlusion: works with any model. integrated_gradients: for networks only. "
    "shap: exact, for trees only.",
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
    """Explain the verdict of BUNDLE on one record of FILE; FILE may be -.

    Compares the record with the nearest benign one and lists how much each column
    contributes to the verdict.
    """
    if (row is None) == (line is None):
        raise click.UsageError("no record is chosen: add --row N or --line N")
    is_taken = streams.is_taken(html, STDOUT if as_json else None)
    from evenflow import files
    from evenflow.runtime import bundle as bundles

    detector = bundles.load(bundle)
    made = explanation(detector, file, row=row, line=line, method=method)
    if html is not None:
        from evenflow.judge.pages import explanation as explain_page

        which = f"row {row:,}" if row is not None else f"line {line:,}"
        text = explain_page.html(
            made,
            source=f"{file.name}, {which}; scored by {bundle.name}",
            is_synthetic=detector.schema.is_synthetic,
        )
        files.write_text(html, text)
        voice().say(f"wrote {html}")
    if as_json:
        print_json(made)
        return
    click.echo(made["text"], err=is_taken)


def explanation(
    bundle: Bundle,
    file: Path,
    *,
    row: int | None = None,
    line: int | None = None,
    method: str = "occlusion",
) -> dict[str, Any]:
    """Return why one record of a file got its verdict, as JSON values."""
    record = _record(bundle, file, row, line)
    unusual = bundle.usual.sentences(record.frame.row(0, named=True))
    if method == "shap":
        return _with(unusual, _shap(bundle, record))
    from evenflow.runtime.explain import explain

    found = explain(bundle, record, 0, method=method)  # type: ignore[arg-type]
    made = found.to_dict() | {
        "method": f"{method.replace('_', ' ')} against the nearest benign record",
        "quantity": "log odds of attack",
    }
    return _with(unusual, made)


def _with(unusual: tuple[str, ...], made: dict[str, Any]) -> dict[str, Any]:
    """Return an explanation with the unusual values of its record."""
    text = "\n".join([made["text"], *(f"Unusual: {one}" for one in unusual)])
    return made | {"unusual": list(unusual), "text": text}


def _shap(bundle: Bundle, record: Table) -> dict[str, Any]:
    """Return exact values of a tree ensemble, in the form of an explanation."""
    from evenflow.judge.tree_shap import tree_shap
    from evenflow.knowledge.columns import titles
    from evenflow.runtime.detect import verdicts
    from evenflow.runtime.explanation import n_mentioned

    schema, prepare = bundle.schema, bundle.preprocessor
    scores = bundle.decide(record)
    found = tree_shap(
        bundle.model,
        prepare.transform(record)[0],
        prepare.transform(bundle.reference),
        bundle.preprocessor.layout.groups,
        schema.classes,
        decision=bundle.decision,
        attack=int(scores.code[0]) or 1 + int(scores.proba[0, 1:].argmax()),
    )
    verdict = next(verdicts(scores, schema, bundle.decision, bands=bundle.bands))
    labels = titles(schema.columns)
    contributions: list[dict[str, Any]] = [
        {
            "column": name,
            "label": labels[name],
            "value": _plain(record.frame[name][0]),
            "normal_value": _typical(bundle.reference.frame[name]),
            "contribution": contribution,
            "unit": schema.column(name).unit,
            "description": schema.column(name).description,
        }
        for name, contribution in sorted(
            found.contributions.items(), key=lambda p: -abs(p[1])
        )
        if contribution
    ]
    lines = [
        f"Called {verdict.label}: probability of attack {verdict.probability:.3g}, "
        f"threshold {verdict.threshold:.3g}.",
        *([] if verdict.band is None else [verdict.band.text]),
        f"The {found.quantity} is {found.value:.3g}; its mean over benign records is "
        f"{found.base:.3g}.",
    ]
    for c in contributions[: n_mentioned([c["contribution"] for c in contributions])]:
        towards = "attack" if c["contribution"] > 0 else "benign"
        lines.append(
            f"{c['label']} is {_value_text(c['value'])} (typical of benign traffic: "
            f"{_value_text(c['normal_value'])}): contributes "
            f"{c['contribution']:+.3f} towards {towards}."
        )
    return {
        "verdict": verdict.to_dict(),
        "value": found.value,
        "base": found.base,
        "contributions": contributions,
        "text": "\n".join(lines),
        "method": "exact Shapley values of the trees over the bundle's benign records",
        "quantity": found.quantity,
    }


def _plain(value: Any) -> float | str | None:
    return None if value is None or value != value else value


def _typical(values: Any) -> float | str | None:
    """Return the median of a number, the commonest value of a category."""
    if values.dtype.is_numeric():
        return _plain(values.fill_nan(None).median())
    known = values.drop_nulls()
    return str(known.mode().sort()[0]) if len(known) else None


def _value_text(value: float | str | None) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{value + 0.0:,.6g}"


def _record(bundle: Bundle, file: Path, row: int | None, line: int | None) -> Table:
    """Return the one record asked for, as a table of one row.

    Raises
    ------
    DataError
        There is no such record, or it breaks the bundle's contract.
    """
    import numpy as np

    from evenflow.runtime.judging import judge
    from evenflow.runtime.records import read_records

    source = streams.stdin() if file == STDIN else file
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
            found = batch.table.take(np.flatnonzero(batch.lines == wanted))
            _, _, bad_row = judge(
                bundle, found, lines=np.array([wanted]), unit=batch.unit
            )
            if bad_row:
                raise DataError(f"{name}, {bad_row[0]}. Correct the row")
            return found
        before += len(lines)
    held = f"{before:,} records" if row is not None else f"no record on line {line}"
    raise DataError(
        f"{name} holds {held}; expected "
        + (f"at least {row:,}" if row is not None else "one there")
        + ". Name another record"
    )
