"""Read records of a schema from a file or a pipe, batch by batch, in constant memory.

Understood, and recognised by content rather than by name: CSV with a header
(comma, semicolon, tab or bar), a published file without one, JSON lines, each of
those as gzip, and Parquet. For a model whose columns connections give also captures and
logs of sensors, a record for each connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import BadRow, check, with_text
from evenflow.errors import DataError
from evenflow.runtime import _connections, _json_lines, _parquet
from evenflow.runtime._connections import is_capture as is_capture
from evenflow.runtime._connections import reads_connections as reads_connections
from evenflow.runtime.limits import Limits, bounded, counted
from evenflow.schema import Schema, Table
from evenflow.text import delimited
from evenflow.text.blocks import MAX_MEMBERS, chunks, lines, plain
from evenflow.text.raw import Findings, Raw

Format = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some records in a row: the valid and the invalid ones."""

    table: Table
    """The good rows."""
    lines: NDArray[np.int64]
    """Line of each good row in its source, counted from 1, ``(n_rows,)``."""
    given: pl.DataFrame
    """Columns of the good rows as they were given."""
    unused: tuple[str, ...]
    """Columns of the source that the schema does not name."""
    bad: tuple[BadRow, ...]
    """The other rows, in order, each with its text."""
    unit: str
    """What ``lines`` counts: ``line`` of a text, ``row`` of a Parquet file,
    ``connection`` of a capture or a log."""
    text: Callable[[int], str]
    """The source text of a good row, by its number in ``table``."""
    connections: pl.DataFrame | None
    """The connection of each good row, in the columns of ``traffic/columns.py``; of a
    capture or a log alone."""
    share: float | None
    """How much of the source has been read, [0, 1]; None where its end is unknown."""


def read_records(
    source: Path | BinaryIO,
    schema: Schema,
    *,
    format: Format | None = None,  # noqa: A002 (the command's word for it)
    name: str | None = None,
    limits: Limits | None = None,
    findings: Findings | None = None,
    all_columns: bool = False,
) -> Iterator[Batch]:
    """Yield the records of a source, batch by batch.

    Parameters
    ----------
    source : Path or binary file
        A file, or an open stream such as ``sys.stdin.buffer``.
    schema : Schema
        The columns expected; others are kept in ``Batch.given``.
    format : {'csv', 'jsonl', 'parquet'}, optional
        What the source holds; found out from its first bytes by default.
    name : str, optional
        What messages call the source.
    limits : Limits, optional
        Maximum records and unpacked bytes to read; for untrusted files.
    findings : Findings, optional
        Takes what was skipped or read in another encoding.
    all_columns : bool
        Whether ``Batch.given`` is to hold the columns that the schema does not name,
        too; JSON is read faster without.

    Raises
    ------
    DataError
        The source is over a limit, or the file is missing, empty, damaged,
        binary or without a column of the schema. A single bad row is not an error.
    """
    name = name or (str(source) if isinstance(source, Path) else "standard input")
    with ExitStack() as stack:
        if isinstance(source, Path):
            stream = stack.enter_context(_open(source, name))
            share = _share(stream, source)
        else:
            stream, share = source, lambda: None
        n_rows = 0
        for raw in _read(
            source,
            stream,
            schema,
            format,
            name,
            limits,
            findings or Findings(),
            all_columns=all_columns,
        ):
            n_rows += raw.frame.height + len(raw.bad)
            if limits:
                limits.check_rows(n_rows, name=name)
            yield _batch(raw, schema, name, share())


def _batch(raw: Raw, schema: Schema, name: str, share: float | None) -> Batch:
    found = check(schema, raw.frame, lines=raw.lines, source=name)
    extra = found.table.extra
    bad = list(raw.bad)
    if found.bad:
        kept = np.zeros(raw.frame.height, dtype=np.bool_)
        kept[found.rows] = True
        for row, problem in zip(np.flatnonzero(~kept), found.bad, strict=True):
            bad.append(with_text(problem, raw.text(int(row)), raw.unit))
        bad.sort(key=lambda b: b.line)
    return Batch(
        table=found.table,
        lines=raw.lines[found.rows] if found.bad else raw.lines,
        given=raw.frame[found.rows] if found.bad else raw.frame,
        unused=(*(extra.columns if extra is not None else ()), *raw.left_out),
        bad=tuple(bad),
        unit=raw.unit,
        text=lambda row: raw.text(int(found.rows[row])),
        connections=None if raw.connections is None else raw.connections[found.rows],
        share=share,
    )


def _read(
    source: Path | BinaryIO,
    stream: BinaryIO,
    schema: Schema,
    wanted: Format | None,
    name: str,
    limits: Limits | None,
    findings: Findings,
    *,
    all_columns: bool,
) -> Iterator[Raw]:
    parts = chunks(stream, name=name)
    head = _enough(parts)
    if head.startswith(_parquet.MAGIC) or wanted == "parquet":
        if not isinstance(source, Path):
            raise DataError(
                f"{name}: found Parquet on a pipe, expected CSV or JSON lines there. "
                "Give the Parquet file by its name"
            )
        yield from _parquet.read(source, schema, name=name, limits=limits)
        return
    if is_capture(head) and wanted is None:
        yield from _connections.read(
            chain([head], parts),
            schema,
            size=source.stat().st_size if isinstance(source, Path) else 0,
            name=name,
            findings=findings,
            limits=limits,
        )
        return
    text = plain(
        chain([head], parts),
        name=name,
        most_members=MAX_MEMBERS if limits else None,
        findings=findings,
    )
    if limits:
        text = bounded(text, limits, name=name)
    begin = next(text, b"")
    text = chain([begin], text)
    log = None if wanted else _connections.log_kind(begin, schema)
    if log:
        yield from _connections.read(
            text, schema, log=log, name=name, findings=findings, limits=limits
        )
        return
    blocks = lines(text, name=name, findings=findings)
    if limits:
        blocks = counted(blocks, limits, name=name)
    first = next(blocks, None)
    start = b"" if first is None else first.data.lstrip()[:1]
    if start == b"[" and wanted != "csv":
        raise DataError(
            f"{name}: found a JSON array, expected one JSON object a line. Convert "
            "it, for instance: jq -c '.[]'"
        )
    is_json = wanted == "jsonl" or (wanted is None and start == b"{")
    again = blocks if first is None else chain([first], blocks)
    if is_json:
        yield from _json_lines.read(
            again, schema, name=name, limits=limits, all_columns=all_columns
        )
    else:
        yield from delimited.read(again, schema, name=name, findings=findings)


def _open(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(
            f"{name}: cannot be read ({error.strerror}), expected a file of records "
            "this user may read. Check the name and its permissions"
        ) from error


def _share(stream: BinaryIO, path: Path) -> Callable[[], float | None]:
    size = os.fstat(stream.fileno()).st_size
    if not path.is_file() or not size:
        return lambda: None
    return lambda: min(1.0, stream.tell() / size)


def _enough(parts: Iterator[bytes]) -> bytes:
    """Return the first bytes, enough to tell formats apart."""
    head = b""
    while len(head) < 4 and (part := next(parts, b"")):
        head += part
    return head
