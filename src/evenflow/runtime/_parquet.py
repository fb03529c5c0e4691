"""Read a Parquet file slice by slice, so that memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from evenflow.contract import match_columns
from evenflow.errors import DataError
from evenflow.runtime._raw import Raw
from evenflow.schema import Schema

MAGIC = b"PAR1"
SLICE_ROWS = 2**16


def read(path: Path, schema: Schema, *, name: str) -> Iterator[Raw]:
    """Yield the rows of a Parquet file; their "lines" count from 1.

    Raises
    ------
    DataError
        The file is damaged or cut short, has no rows, or lacks a column.
    """
    try:
        scan = pl.scan_parquet(path, glob=False)
        columns = scan.collect_schema().names()
        n_rows = scan.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(name, error) from None
    match_columns(schema, columns, source=name)
    if not n_rows:
        raise DataError(
            f"{name} has columns and no rows; expected at least one row of "
            f"{schema.name}. Is it the right file?"
        )
    for start in range(0, n_rows, SLICE_ROWS):
        try:
            frame = scan.slice(start, SLICE_ROWS).collect()
        except (
            pl.exceptions.PolarsError,
            pl.exceptions.PanicException,
            OSError,
        ) as error:
            raise _damaged(name, error) from None
        yield Raw(
            frame=frame,
            lines=np.arange(start + 1, start + 1 + frame.height),
            bad=(),
            text=lambda i, frame=frame: json.dumps(  # type: ignore[misc]
                frame.row(i, named=True), default=str, ensure_ascii=False
            ),
            unit="row",
        )


def _damaged(name: str, error: BaseException) -> DataError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return DataError(
        f"{name}: found a Parquet file that cannot be read ({reason}), expected a "
        "whole one. It may have been cut short: get the file again"
    )
