"""Read a Parquet file slice by slice, so that memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from evenflow.conform import match_columns, unique_names
from evenflow.errors import DataError
from evenflow.runtime import _parquet_guard
from evenflow.runtime._printable import n_bytes, printable
from evenflow.runtime.limits import Limits
from evenflow.schema import Schema
from evenflow.text.raw import Raw

MAGIC = b"PAR1"
SLICE_ROWS, SLICE_CELLS = 2**16, 2**24
SLICE_BYTES = 2**28
"""Of a slice of an untrusted file; 65,536 such rows have 4 KiB each."""


def read(
    path: Path, schema: Schema, *, name: str, limits: Limits | None = None
) -> Iterator[Raw]:
    """Yield the rows of a Parquet file; their "lines" count from 1.

    Raises
    ------
    DataError
        The file is damaged or cut short, has no rows, lacks a column, or is over a
        limit.
    """
    _parquet_guard.inspect(path, limits, name=name)
    try:
        scan = pl.scan_parquet(path, glob=False)
        given = scan.collect_schema().names()
        columns = unique_names(given)
        scan = scan.rename(dict(zip(given, columns, strict=True)))
        n_rows = scan.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(name, error) from None
    names = match_columns(schema, columns, source=name)
    kept = _kept(schema, names, scan.collect_schema())
    unpacked = 0
    if not n_rows:
        raise DataError(
            f"{name} has columns and no rows; expected at least one row of "
            f"{schema.name}. Check that it is the right file"
        )
    step = min(SLICE_ROWS, SLICE_CELLS // len(columns))
    for start in range(0, n_rows, step):
        try:
            frame = scan.slice(start, step).collect()
        except (
            pl.exceptions.PolarsError,
            pl.exceptions.PanicException,
            OSError,
        ) as error:
            raise _damaged(name, error) from None
        if limits:  # a dictionary packs a text of a megabyte to a few bits a row
            size = sum(map(n_bytes, frame.iter_columns()))
            unpacked += size
            limits.check_unpacked(unpacked, name=name)
            if size > SLICE_BYTES:
                raise DataError(
                    f"{name}: found {size >> 20} MiB in the {frame.height} rows from "
                    f"row {start + 1} on, expected at most {SLICE_BYTES >> 20}. Leave "
                    "out columns of long text"
                )
        frame = printable(frame, kept=kept)
        yield Raw(
            frame=frame,
            lines=np.arange(start + 1, start + 1 + frame.height),
            bad=(),
            text=lambda i, frame=frame: json.dumps(  # type: ignore[misc]
                frame.row(i, named=True), default=str, ensure_ascii=False
            ),
            unit="row",
        )


def _kept(schema: Schema, names: dict[str, str], types: pl.Schema) -> set[str]:
    """Return the columns that the contract's check judges by their types."""
    numeric = {names[column.name] for column in schema.numeric}
    return numeric | {
        name
        for name in names.values()
        if types[name].is_nested() or types[name] == pl.Binary
    }


def _damaged(name: str, error: BaseException) -> DataError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return DataError(
        f"{name}: found a Parquet file that cannot be read ({reason}), expected a "
        "whole one. It may be truncated: get the file again"
    )
