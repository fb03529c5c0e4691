"""Score a file of any length: records in, verdicts out, in constant memory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.ahead import ahead
from evenflow.conform import BadRow, with_text
from evenflow.decision import Scores
from evenflow.errors import DataError, StorageError
from evenflow.inference.trees import COMPILE_AFTER
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import attack_probability, sigmoid
from evenflow.runtime.drift import Drift
from evenflow.runtime.drift_report import Finding
from evenflow.runtime.judging import judge
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import Batch, Format, read_records
from evenflow.runtime.writers import OutputFormat, binary, writer
from evenflow.text.raw import Findings
from evenflow.traffic.flows import LARGE

OnBadRow = Literal["stop", "reject"]
SUFFIXES: dict[str, OutputFormat] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
VERDICT_COLUMNS = (
    "line", "verdict", "is_attack", "attack_probability", "threshold",
    "test_attack_share", "unusual",
)  # fmt: skip
"""First columns of an output; ``p_<class>`` for each class and the source's follow."""
FIRST_BAD = 20
"""Bad rows a summary repeats; the rejects file has them all."""
OnScored = Callable[[Batch, Scores], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The counts of a run over a file; ``read == scored + rejected``."""

    source: str
    read: int
    """Records found; blank lines do not count."""
    scored: int
    rejected: int
    counts: dict[str, int]
    """Rows decided for each class, in class order."""
    extra: tuple[str, ...]
    """Columns of the source that the bundle does not use (labels among them)."""
    first_bad: tuple[BadRow, ...]
    notes: tuple[str, ...]
    """What was skipped in the source, or read otherwise than it is written."""
    seconds: float
    n_unusual: int = 0
    """Rows with a value that the training rows did not hold, or that cannot go with
    another."""
    unusual: tuple[str, ...] = ()
    """How many rows of what, the most first."""
    drift: Finding | None = None
    """How the records differ from the calibration rows; None if that is unknown."""
    unit: str = "line"
    """What a row of the source is: ``line``, ``row`` or ``connection``."""

    @property
    def attacks(self) -> int:
        """Rows called an attack."""
        return sum(list(self.counts.values())[1:])

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {
            "source": self.source,
            "read": self.read,
            "scored": self.scored,
            "rejected": self.rejected,
            "attacks": self.attacks,
            "counts": dict(self.counts),
            "extra": list(self.extra),
            "first_bad": [str(bad) for bad in self.first_bad],
            "notes": list(self.notes),
            "n_unusual": self.n_unusual,
            "unusual": list(self.unusual),
            "drift": self.drift.to_dict() if self.drift else None,
            "seconds": self.seconds,
            "rows_per_s": self.scored / self.seconds if self.seconds else None,
        }


def score_file(
    bundle: Bundle,
    source: Path | BinaryIO,
    sink: Path | BinaryIO,
    *,
    format: OutputFormat | None = None,  # noqa: A002 (the command's word for it)
    input_format: Format | None = None,
    keep_columns: bool = False,
    on_bad_row: OnBadRow = "stop",
    rejects: Path | None = None,
    name: str | None = None,
    limits: Limits | None = None,
    on_scored: OnScored | None = None,
    on_event: OnEvent = ignore,
) -> Summary:
    """Score every record of a source and write a verdict for each.

    A label column in the source is never used. An output row holds ``line``,
    ``verdict``, ``is_attack``, ``attack_probability``, ``threshold`` and a
    probability ``p_<class>`` for each class; text from the source that a spreadsheet
    would run as a formula gets an apostrophe before it in CSV.

    Parameters
    ----------
    bundle : Bundle
        The detector.
    source, sink : Path or binary file
        A file, or an open stream such as ``sys.stdin.buffer``. A file is written
        whole or not at all; a stream gets each batch as it is done.
    format : {'csv', 'jsonl', 'parquet'}, optional
        Of the output; by the sink's suffix by default, else CSV.
    input_format : {'csv', 'jsonl', 'parquet'}, optional
        Of the source; found out from its first bytes by default.
    keep_columns : bool
        Whether the source's own columns follow the verdict's, as they were given.
    on_bad_row : {'stop', 'reject'}
        Whether an invalid row ends the run, or goes to
        ``rejects`` (JSON lines: line, column, found, expected, text).
    rejects : Path, optional
        File for the rejected rows; without it they are counted and the first ones
        named in the summary.
    name : str, optional
        What messages and the summary call the source; its path by default.
    limits : Limits, optional
        Maximum records and unpacked bytes to read; for untrusted files.
    on_scored : callable, optional
        Gets each batch and its scores, one for each good row.

    Raises
    ------
    DataError
        The source cannot be read (see :func:`~evenflow.runtime.records.read_records`)
        or, with ``stop``, holds a bad row; the message has its line and column.
    StorageError
        An output cannot be written, or two of the paths are one.
    """
    started = time.perf_counter()
    name = name or (str(source) if isinstance(source, Path) else "standard input")
    if format is None:
        suffix = sink.suffix if isinstance(sink, Path) else ""
        format = SUFFIXES.get(suffix.lower(), "csv")  # noqa: A001
    _distinct(source, sink, rejects)
    counts = np.zeros(len(bundle.verdicts), dtype=np.int64)
    unusual = np.zeros(len(bundle.usual.checks), dtype=np.int64)
    rejected, n_unusual, is_empty = 0, 0, True
    extra: tuple[str, ...] = ()
    unit = "line"
    kept: tuple[str, ...] = ()
    first_bad: list[BadRow] = []
    findings = Findings()
    drift = None
    if bundle.baseline is not None:
        drift = Drift(bundle.baseline, bundle.schema.classes, is_live=False)
    with ExitStack() as stack:
        write = stack.enter_context(writer(sink, format))
        reject = stack.enter_context(binary(rejects)) if rejects else None
        batches = read_records(
            source,
            bundle.schema,
            format=input_format,
            name=name,
            limits=limits,
            findings=findings,
            all_columns=keep_columns,
        )
        # a pipe is not read ahead: its next record may be an hour away
        ready = ahead(batches) if isinstance(source, Path) else batches
        for batch in ready:
            if counts.sum() > COMPILE_AFTER or _is_large(source):
                bundle = bundle.compiled
            batch, scores = judged(bundle, batch)
            if batch.bad and on_bad_row == "stop":
                raise DataError(
                    f"{name}, {batch.bad[0]}. Correct the row, or choose 'reject' for "
                    "bad rows"
                )
            if len(batch.table):
                odd, found = bundle.usual.columns(batch.table)
                out = verdict_columns(bundle, batch.lines, scores, odd)
                if keep_columns:
                    kept = kept or tuple(batch.given.columns)
                    out |= _given_columns(batch, kept, taken=set(out), format=format)
                write(pl.DataFrame(out))
                if drift is not None:
                    rows = np.arange(len(batch.table))
                    drift.add(batch.table, scores, rows, int(counts.sum()) + 1)
                n_unusual += len(odd) - odd.null_count()
                unusual = unusual + found
                is_empty = False
                counts += np.bincount(scores.verdict, minlength=len(counts))
                if on_scored:
                    on_scored(batch, scores)
            unit = batch.unit
            if unit != "connection":  # whose addresses no model is to read
                extra = extra or batch.unused
            for bad in batch.bad:
                if reject:
                    reject.write(_reject_line(bad))
            rejected += len(batch.bad)
            first_bad += batch.bad[: FIRST_BAD - len(first_bad)]
            done = int(counts.sum()) + rejected
            total = round(done / batch.share) if batch.share else None
            on_event(Progress(step="score", done=done, total=total))
        if is_empty:
            write(no_verdicts(bundle))
    scored, notes = int(counts.sum()), findings.notes()
    for text in (*(f"{name}: {note}" for note in notes), *findings.remarks):
        on_event(Note(text=text))
    return Summary(
        source=name,
        read=scored + rejected,
        scored=scored,
        rejected=rejected,
        counts=dict(zip(bundle.verdicts, counts.tolist(), strict=True)),
        extra=extra,
        first_bad=tuple(first_bad),
        notes=(*notes, *findings.remarks),
        n_unusual=n_unusual,
        unusual=bundle.usual.notes(unusual),
        drift=drift.finish() if drift else None,
        seconds=time.perf_counter() - started,
        unit=unit,
    )


def _is_large(source: Path | BinaryIO) -> bool:
    """Return whether compiling is worth the while from the beginning."""
    try:
        return isinstance(source, Path) and source.stat().st_size > LARGE
    except OSError:  # it was deleted since it was opened
        return False


def judged(bundle: Bundle, batch: Batch) -> tuple[Batch, Scores]:
    """Return scores, and the batch without the rows that have no finite score."""
    scores, rows, found = judge(bundle, batch.table, lines=batch.lines, unit=batch.unit)
    if not found:
        return batch, scores
    gone = np.setdiff1d(np.arange(len(batch.table)), rows)
    bad = [
        with_text(one, batch.text(int(row)), batch.unit)
        for one, row in zip(found, gone, strict=True)
    ]
    left = replace(
        batch,
        table=batch.table.take(rows),
        lines=batch.lines[rows],
        given=batch.given[rows],
        connections=None if batch.connections is None else batch.connections[rows],
        bad=tuple(sorted([*batch.bad, *bad], key=lambda one: one.line)),
        text=lambda row: batch.text(int(rows[row])),
    )
    return left, scores


def verdict_columns(
    bundle: Bundle,
    lines: NDArray[np.int64],
    scores: Scores,
    unusual: pl.Series,
) -> dict[str, pl.Series]:
    """Return the first columns of an output, and a probability for each class.

    ``unusual`` names the columns of each row that :class:`.unusual.Usual` finds.
    """
    classes, n = bundle.schema.classes, len(scores)
    threshold = sigmoid(bundle.decision.threshold)
    columns = {
        "line": pl.Series(lines, dtype=pl.Int64),
        "verdict": pl.Series(bundle.verdicts).gather(scores.verdict),
        "is_attack": pl.Series(scores.is_attack, dtype=pl.Boolean),
        "attack_probability": pl.Series(attack_probability(scores.attack)),
        "threshold": pl.Series(np.full(n, threshold)),
        "test_attack_share": _test_attack_share(bundle, scores),
        "unusual": unusual,
    }
    for code, label in enumerate(classes):
        columns[f"p_{label}"] = pl.Series(scores.proba[:, code].copy())
    return columns


def _test_attack_share(bundle: Bundle, scores: Scores) -> pl.Series:
    """Return the share of attacks among test rows scored like each row, if known."""
    if bundle.bands is None:
        return pl.Series([None] * len(scores), dtype=pl.Float64)
    places = bundle.bands.place(scores.attack - bundle.decision.threshold)
    shares = pl.Series([b.share for b in bundle.bands.bands], dtype=pl.Float64)
    return shares.gather(places)


def no_verdicts(bundle: Bundle) -> pl.DataFrame:
    """Return the first columns of an output without a row."""
    nothing = np.empty(0, dtype=np.int64)
    scores = bundle.decide(bundle.golden.take(nothing))
    none = pl.Series(nothing, dtype=pl.String)
    return pl.DataFrame(verdict_columns(bundle, nothing, scores, none))


def _given_columns(
    batch: Batch,
    names: tuple[str, ...],
    *,
    taken: set[str],
    format: OutputFormat,  # noqa: A002
) -> dict[str, pl.Series]:
    """Return the source's columns, the same ones for every batch of a run.

    JSON lines may bring other keys later, or words where numbers were: the first
    batch's keys are kept, and Parquet, which wants one type a column, gets text.
    """
    n, columns = len(batch.table), {}
    for name in names:
        kept = name
        while kept in taken:
            kept += "_given"
        if name in batch.given.columns:
            values = batch.given[name]
        else:
            values = pl.Series([None] * n, dtype=pl.String)
        if format == "parquet" and batch.unit == "line":
            values = values.cast(pl.String)
        columns[kept] = values
        taken.add(kept)
    return columns


def _reject_line(bad: BadRow) -> bytes:
    value = {
        bad.unit: bad.line,
        "column": bad.column,
        "found": bad.found,
        "expected": bad.expected,
        "text": bad.text,
    }
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def _distinct(*places: Path | BinaryIO | None) -> None:
    paths = [Path(os.path.realpath(p)) for p in places if isinstance(p, Path)]
    for path in paths:
        if paths.count(path) > 1 and not path.is_char_device():
            raise StorageError(
                f"{path} is given twice, expected different files for records, "
                "verdicts and rejects. Choose another name"
            )
