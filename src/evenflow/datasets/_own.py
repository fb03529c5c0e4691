"""A user's own file as columns: CSV or Parquet, recognised by its content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import BadRow, unique_names
from evenflow.datasets import _header, _tables
from evenflow.errors import DataError
from evenflow.text import delimited
from evenflow.text.blocks import PARQUET, chunks, lines, plain
from evenflow.text.raw import Findings


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFile:
    """The columns of a file as they stand in it."""

    where: Path
    frame: pl.DataFrame
    """``String`` columns of a text; typed ones of Parquet."""
    lines: NDArray[np.int64] | None
    """Line of each row in the text, ``(n_rows,)``; None for Parquet."""
    layout: tuple[str, ...]
    """Names of the columns of a text without a header; empty with one."""
    notes: tuple[str, ...]
    """Notes on skipped lines and on values that were converted."""

    def at(self, row: int) -> str:
        """Return where a row stands: ``line 7``, or ``row 6`` of Parquet."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"


def read(where: Path, *, header: Sequence[str] = ()) -> OwnFile:
    """Read a whole file.

    Parameters
    ----------
    where : Path
    header : sequence of str, optional
        Names of the columns of a text that has none.

    Raises
    ------
    DataError
        The file cannot be read, is empty, damaged or not a table, has a line with too
        few or too many fields, or a column of nested values.
    """
    try:
        with where.open("rb") as stream:
            if stream.read(len(PARQUET)) == PARQUET:
                return typed(where, _tables.read_parquet(where))
            stream.seek(0)
            file = _text(where, chunks(stream, name=str(where)), header)
    except OSError as error:
        raise _tables.damaged(where, error) from error
    if not file.frame.height:
        raise _no_rows(where)
    return file


def typed(where: Path, frame: pl.DataFrame) -> OwnFile:
    """Return a frame of typed columns as a file of them.

    Raises
    ------
    DataError
        There are no rows, or a column holds nested values.
    """
    for name, kind in frame.schema.items():
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise DataError(
                f"{where}, column {name}: found values of type {kind}, expected "
                f'numbers or words. Convert it, or write drop = ["{name}"]'
            )
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    frame.columns = list(unique_names(frame.columns))
    if not frame.height:
        raise _no_rows(where)
    return OwnFile(where=where, frame=frame, lines=None, layout=(), notes=())


def _text(where: Path, parts: Iterator[bytes], header: Sequence[str]) -> OwnFile:
    name, findings = str(where), Findings()
    text = plain(parts, name=name, findings=findings)
    blocks = lines(text, name=name, findings=findings)
    first = delimited.start(blocks, name=name, findings=findings)
    if first is None:
        raise DataError(
            f"{where} is empty; expected a header line and rows. Get the file again"
        )
    if first.data.lstrip()[:1] in (b"{", b"["):
        raise DataError(
            f"{where}: found JSON, expected a table as CSV text (plain or gzip) or "
            "Parquet. Convert it"
        )
    head, _, rest = first.data.partition(b"\n")
    if not rest and (more := next(blocks, None)) is not None:
        rest, blocks = more.data, chain([more], blocks)
    dialect, layout = _header.by_itself(
        head.decode(),
        rest.partition(b"\n")[0].decode(),
        name=name,
        header=header,
    )
    frames, numbers = [], []
    bad: list[BadRow] = []
    for raw in delimited.rows(first, blocks, dialect, name=name, findings=findings):
        frames.append(raw.frame)
        numbers.append(raw.lines)
        bad += raw.bad
    if bad:
        raise _bad_lines(where, bad)
    notes = findings.notes()
    frame = pl.concat(frames) if frames else pl.DataFrame()
    for name in dialect.names[dialect.least :]:
        if frame.height and (frame[name].fill_null("").str.strip_chars() == "").all():
            frame = frame.drop(name)
            notes.append("each line ends in a separator; the empty column is ignored")
    if layout is not None:
        frame = layout.clean(frame) if frame.height else frame
        notes.append(f"no header; the columns are those of {layout.title}")
    return OwnFile(
        where=where,
        frame=frame,
        lines=np.concatenate(numbers) if numbers else np.empty(0, dtype=np.int64),
        layout=() if dialect.has_header else dialect.names,
        notes=tuple(notes),
    )


def _bad_lines(where: Path, bad: Sequence[BadRow]) -> DataError:
    more = f" ({len(bad):,} such lines)" if len(bad) > 1 else ""
    return DataError(f"{where}, {bad[0]}{more}. Correct the line, or delete it")


def _no_rows(where: Path) -> DataError:
    return DataError(
        f"{where} has columns but no rows; expected labelled rows. Check the file"
    )
