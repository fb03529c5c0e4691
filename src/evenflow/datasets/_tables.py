"""From a published file to a Table: typed columns, labels as codes, the rest aside."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evenflow import conform
from evenflow.errors import DataError
from evenflow.schema import Schema, Table
from evenflow.text.numbers import MISSING

Source = Path | bytes
ENCODING = "utf8-lossy"
NOTHING = sorted(w for w in MISSING if "inf" not in w)
"""Words for "no value" in a numeric column, in lower case; infinity is a value."""


def read(
    source: Source,
    *,
    form: str,
    where: Path,
    numeric: Sequence[str],
    header: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Read a file: the columns of ``numeric`` as ``Float64``, others as ``String``.

    Parameters
    ----------
    source : Path or bytes
        Text or Parquet file, or text.
    form : {'text', 'gzip', 'parquet'}
    where : Path
        The file to name in messages.
    numeric : sequence of str
        Names of numeric columns; those not in the file are left to the caller.
    header : sequence of str, optional
        Column names of a text file that has none.

    Raises
    ------
    DataError
        The file is empty, cut short or damaged, or a numeric column holds a word;
        the message names line and column.
    """
    if form == "parquet":
        return _typed(read_parquet(source), numeric, where, first_line=None)
    first_line = 1 if header is not None else 2
    names = list(header) if header is not None else header_of(source, where)
    wanted = set(numeric)
    options: dict[str, Any] = {
        "has_header": header is None,
        "new_columns": names,
        "separator": "," if header is not None else separator_of(source),
        "encoding": ENCODING,
        "infer_schema": False,
    }
    try:
        return pl.read_csv(
            source,
            # by position: two columns of one file may carry the same name
            schema_overrides=[
                pl.Float64 if name in wanted else pl.String for name in names
            ],
            **options,
        )
    except pl.exceptions.ComputeError:
        pass  # read as text, so that the bad value can be named
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(where, error) from error
    try:
        frame = pl.read_csv(source, **options)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(where, error) from error
    return _typed(frame, numeric, where, first_line=first_line)


def read_parquet(source: Source) -> pl.DataFrame:
    """Read a whole Parquet file.

    Raises
    ------
    DataError
        It is cut short, damaged or no Parquet file.
    """
    try:
        return pl.read_parquet(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(Path(str(source)), error) from error


def damaged(where: Path, error: Exception) -> DataError:
    """Return the error to raise for a file that cannot be read as a table."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason"
    if isinstance(error, PermissionError):
        return DataError(
            f"{where} cannot be read: {error.strerror}. Expected a file that this user "
            "may read; change its permissions or give another file"
        )
    if isinstance(error, pl.exceptions.NoDataError):
        return DataError(
            f"{where} is empty; expected a table with a header and rows. Get it again"
        )
    return DataError(
        f"{where} cannot be read as a table: {first}. Expected a whole CSV or Parquet "
        "file; it may be truncated or damaged. Get it again"
    )


def first_line_of(source: Source) -> str:
    """Return the first line of a text, without its byte order mark."""
    if isinstance(source, bytes):
        line = source[: source.find(b"\n") if b"\n" in source else len(source)]
    else:
        try:
            with source.open("rb") as stream:
                line = stream.readline(1 << 20)
        except OSError as error:
            raise damaged(source, error) from error
    return line.decode("utf-8-sig", errors="replace").rstrip("\r\n")


def separator_of(source: Source) -> str:
    """Return what parts the columns: the most frequent of comma, semicolon, tab."""
    line = first_line_of(source)
    return max(",;\t", key=line.count)


def header_of(source: Source, where: Path) -> list[str]:
    """Return the column names of a text, as the contract numbers them."""
    line = first_line_of(source)
    if not line.strip():
        raise DataError(
            f"{where} is empty; expected a header line and rows. Get the file again"
        )
    fields = next(csv.reader([line], delimiter=separator_of(source)))
    return list(conform.unique_names(fields))


def _typed(
    frame: pl.DataFrame, numeric: Sequence[str], where: Path, first_line: int | None
) -> pl.DataFrame:
    wanted = set(numeric)
    columns = []
    for series in frame.iter_columns():
        if series.name not in wanted:
            columns.append(series.cast(pl.String))
            continue
        columns.append(numbers(series, where, first_line))
    return pl.DataFrame(columns)


def numbers(series: pl.Series, where: Path, first_line: int | None) -> pl.Series:
    """Return a column as ``Float64``; the contract's words for nothing are missing.

    Raises
    ------
    DataError
        A value is not a number; the message names its line (or row) and the column.
    """
    if series.dtype == pl.String:
        series = series.str.strip_chars()
        series = series.set(series.str.to_lowercase().is_in(NOTHING), None)
    cast = series.cast(pl.Float64, strict=False)
    bad = (cast.is_null() & series.is_not_null()).arg_true()
    if len(bad):
        row = int(bad[0])
        at = f"row {row + 1}" if first_line is None else f"line {row + first_line}"
        raise DataError(
            f"{where}, {at}, column {series.name}: found {series[row]!r}, expected a "
            f"number ({len(bad):,} such values in this column). Correct or drop them"
        )
    return cast


def require(frame: pl.DataFrame, names: Sequence[str], where: Path) -> None:
    """Refuse a file without some of its columns.

    Raises
    ------
    DataError
        Names the missing columns.
    """
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise DataError(
            f"{where} lacks the columns {', '.join(absent)}; expected all of: "
            f"{', '.join(names)}. Is it another file, or another version of it?"
        )


def clean(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the schema's columns: numbers with NaN for nothing, stripped strings."""
    return frame.select(
        pl.col(c.name).cast(pl.Float64).fill_null(float("nan"))
        if c.kind == "numeric"
        else strip(pl.col(c.name).cast(pl.String))
        for c in schema.columns
    )


def strip(expr: pl.Expr) -> pl.Expr:
    """Return stripped strings, null for an empty one."""
    stripped = expr.str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def slug(expr: pl.Expr) -> pl.Expr:
    """Return labels in lower case, anything but letters and digits as one ``_``."""
    return (
        expr.str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_").str.strip_chars("_")
    )


def labelled(
    schema: Schema,
    frame: pl.DataFrame,
    attack: pl.Series,
    *,
    where: Path,
    extra: pl.DataFrame | None = None,
    first_line: int = 2,
) -> Table:
    """Return the Table of a frame and its attack types.

    Parameters
    ----------
    frame : pl.DataFrame
        Holds at least the schema's columns.
    attack : pl.Series
        Attack type of each row, in the schema's words.

    Raises
    ------
    DataError
        A row has no label, or one that the taxonomy does not know.
    """
    attack = attack.rename("attack")
    codes = {c: i for i, c in enumerate(schema.classes)}
    known = codes | {a: codes[c] for a, c in schema.families.items()}
    y = attack.replace_strict(known, default=None, return_dtype=pl.Int64)
    bad = y.is_null().arg_true()
    if len(bad):
        row = int(bad[0])
        found = attack[row]
        what = "no label" if found is None else f"the label {found!r}"
        raise DataError(
            f"{where}, line {row + first_line}: found {what}, expected one of: "
            f"{', '.join(sorted(known))} ({len(bad):,} such rows). "
            "Correct or drop those rows"
        )
    return Table(
        schema=schema,
        frame=clean(frame, schema),
        y=y.to_numpy().astype(np.int64),
        attack=attack,
        extra=extra if extra is not None and extra.width else None,
    )


def joined(parts: Sequence[Table]) -> Table:
    """Return tables of one schema as one, in order."""
    attacks = [part.attack for part in parts if part.attack is not None]
    extras = [part.extra for part in parts if part.extra is not None]
    return Table(
        schema=parts[0].schema,
        frame=pl.concat([part.frame for part in parts]),
        y=np.concatenate([part.labels for part in parts]),
        attack=pl.concat(attacks),
        extra=pl.concat(extras, how="diagonal") if extras else None,
    )


def extras(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return those of the named columns that are there."""
    return frame.select([n for n in names if n in frame.columns])


def tally(counts: Mapping[str, int]) -> str:
    """Return counts in words: ``benign 3, dos 2``."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
