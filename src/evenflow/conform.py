"""Make any frame of rows keep a schema's contract, or say which rows do not.

Data sets, a sensor's files and the web form all pass through :func:`conform`, so a
row means the same thing wherever it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.schema import Column, Schema, Table
from evenflow.text.numbers import MISSING as MISSING  # the contract's words
from evenflow.text.numbers import SPACE as SPACE
from evenflow.text.numbers import number, numbers, written

MOST_NAMED = 8
"""Columns that a message names each; the others are counted."""
MAX_SHOWN = 60
"""Characters of a bad value that a message repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """One invalid row, and the first reason why."""

    line: int
    """Line of the file (or row, see ``unit``), counted from 1."""
    column: str
    """Empty where the line as a whole is wrong."""
    found: str
    expected: str
    text: str = ""
    """The row as it stood in the source, where the reader knows it."""
    unit: str = "line"
    """What ``line`` counts: ``line`` of a text, ``row`` of a table."""

    def __str__(self) -> str:
        where = f", column {self.column}" if self.column else ""
        return (
            f"{self.unit} {self.line}{where}: found {self.found}, "
            f"expected {self.expected}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Conformed:
    """The valid and the invalid rows of a frame."""

    table: Table
    rows: NDArray[np.int64]
    """Which rows of the frame the table holds, ascending."""
    bad: tuple[BadRow, ...]
    """One entry for each other row, ascending."""


def conform(
    schema: Schema,
    frame: pl.DataFrame,
    *,
    first_line: int | None = None,
    source: str = "",
) -> tuple[Table, list[BadRow]]:
    """Return the good rows as a table, and what is wrong with the others.

    Parameters
    ----------
    schema : Schema
        The columns expected. A column is found by its name or an alias, whatever
        its case and surrounding spaces.
    frame : DataFrame
        Rows as strings or typed. Other columns go to ``Table.extra``.
    first_line : int, optional
        Line of the frame's first row in its file; without it messages count rows.
    source : str
        Name of the file, for messages.

    Returns
    -------
    table : Table
        Rows without labels. A numeric value that is empty, NaN, infinite or one of
        :data:`MISSING` is missing; a category without a value is null.
    bad : list of BadRow
        Rows with a value that is not a number, or outside the bounds of the
        schema.

    Raises
    ------
    DataError
        A column is missing, is there twice, or cannot hold such values at all.
    """
    lines = None
    if first_line is not None:
        lines = np.arange(first_line, first_line + frame.height)
    found = check(schema, frame, lines=lines, source=source)
    return found.table, list(found.bad)


def check(
    schema: Schema,
    frame: pl.DataFrame,
    *,
    lines: NDArray[np.int64] | None = None,
    source: str = "",
) -> Conformed:
    """Do the work of :func:`conform` for rows on any lines, and say which are kept.

    Parameters
    ----------
    lines : ndarray of shape (n_rows,), int64, optional
        Line of each row in its file.
    """
    names = match_columns(schema, frame.columns, source=source)
    used = set(names.values())
    extra = frame.select([c for c in frame.columns if c not in used])
    prefix = f"{source}: " if source else ""
    numeric = {c.name: frame[names[c.name]] for c in schema.numeric}
    values, wrong = _numbers(schema, numeric, prefix)
    for column in schema.numeric:
        outside = _outside(column, values[column.name])
        if outside is not None:
            found = wrong.get(column.name)
            wrong[column.name] = outside if found is None else found | outside
    texts = {
        c.name: _text(frame[names[c.name]].alias(c.name), prefix) for c in schema.texts
    }
    parts = {**values, **texts}
    clean = pl.DataFrame([parts[name] for name in schema.names])
    table = Table(schema=schema, frame=clean, extra=extra if extra.width else None)
    rows = np.arange(frame.height)
    if not wrong:
        return Conformed(table=table, rows=rows, bad=())
    reason = np.full(frame.height, -1)
    for j, column in reversed(list(enumerate(schema.columns))):
        if column.name in wrong:
            reason[wrong[column.name]] = j
    unit = "row" if lines is None else "line"
    number = rows + 1 if lines is None else lines
    bad = tuple(
        BadRow(
            line=int(number[i]),
            column=(column := schema.columns[reason[i]]).name,
            found=shown(frame[names[column.name]][int(i)]),
            expected=describe(column),
            unit=unit,
        )
        for i in np.flatnonzero(reason >= 0)
    )
    kept = np.flatnonzero(reason < 0)
    return Conformed(table=table.take(kept), rows=kept, bad=bad)


def match_columns(
    schema: Schema, names: Sequence[str], *, source: str = ""
) -> dict[str, str]:
    """Return the frame's name for each of the schema's columns.

    Raises
    ------
    DataError
        Columns are missing (the first are named), or one is there twice.
    """
    prefix = f"{source}: " if source else ""
    exact, folded = set(names), _folded(names)
    found: dict[str, str] = {}
    missing = []
    for column in schema.columns:
        known = (column.name, *column.aliases)
        same = [n for n in known if n in exact]
        near = [n for k in known for n in folded.get(fold(k), ())]
        if not same and not near:
            missing.append(column.name)
        elif not same and len(set(near)) > 1:
            raise DataError(
                f"{prefix}found {' and '.join(map(repr, sorted(set(near))))} for the "
                f"column {column.name!r}, expected one of them. Remove or rename one"
            )
        else:
            found[column.name] = (same or near)[0]
    if missing:
        n = len(missing)
        wanted = ", ".join(
            f"{name} ({describe(schema.column(name))})" for name in missing[:MOST_NAMED]
        )
        if n > MOST_NAMED:
            wanted += f" and {n - MOST_NAMED} more"
        raise DataError(
            f"{prefix}{n} column{'s are' if n > 1 else ' is'} missing: {wanted}. "
            f"Found {_listed(names)}; expected the {len(schema.columns)} columns of "
            f"{schema.name}. Add what is missing, or use a bundle made for such rows"
        )
    return found


def parse_numbers(
    record: Mapping[str, object], columns: Sequence[Column]
) -> list[float]:
    """Return the numbers of one record for those columns; missing is NaN.

    The same rules as :func:`conform`, without a frame: a fast path for one record.

    Raises
    ------
    DataError
        A value is not a number or impossible; the message names the column.
    """
    out: list[float] = []
    found: float | None
    for column in columns:
        value = record[column.name]
        if isinstance(value, str):
            found = number(value.strip(SPACE), column)
        elif value is None:
            found = float("nan")
        elif isinstance(value, (int, float, np.number, np.bool_)):
            found = as_float(value)
        else:
            found = None
        if (
            found is None
            or (column.low is not None and -np.inf < found < column.low)
            or (column.high is not None and column.high < found < np.inf)
        ):
            raise DataError(
                f"column {column.name}: found {shown(value)}, expected "
                f"{describe(column)}. Correct the value"
            )
        out.append(found)
    return out


def as_float(value: float | np.number[Any] | np.bool_) -> float:
    """Return a number as a float; one of 400 digits is infinite, as in a text."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return a header's names: stripped, named by place if empty, repeats numbered.

    As pandas writes them: ``Unnamed: 0`` for the first column if it has no name, and
    ``a``, ``a.1``, ``a.2`` for a name that comes again.
    """
    out: dict[str, None] = {}
    for place, given in enumerate(names):
        base = given.strip(SPACE) or f"Unnamed: {place}"
        name, number = base, 0
        while name in out:
            number += 1
            name = f"{base}.{number}"
        out[name] = None
    return tuple(out)


def fold(name: str) -> str:
    """Return a column name without what spelling may change."""
    return name.strip().casefold()


def words(series: pl.Series) -> pl.Series:
    """Return values as strings: a whole number without its point, NaN as null.

    A table read with gaps turns codes 6, 17 into 6.0, 17.0; each value is told by
    itself, so a row reads the same in whatever batch it comes.
    """
    if not series.dtype.is_float():
        return series.cast(pl.String)
    number = series.fill_nan(None)
    whole = number.cast(pl.Int64, strict=False)
    is_whole = (whole.cast(number.dtype) == number).fill_null(value=False)
    return whole.cast(pl.String).zip_with(is_whole, number.cast(pl.String))


def describe(column: Column) -> str:
    """Return in words which values the column accepts."""
    if column.kind == "category":
        return "a word"
    if column.kind == "address":
        return "an address"
    unit = f" {column.unit}" if column.unit else ""
    if column.low is not None and column.high is not None:
        return f"a number from {column.low:g} to {column.high:g}{unit}"
    if column.low is not None:
        return f"a number of {column.low:g}{unit} or more"
    if column.high is not None:
        return f"a number of {column.high:g}{unit} or less"
    return f"a number{f' ({column.unit})' if column.unit else ''}"


def shown(value: object) -> str:
    """Return a bad value as a message repeats it: quoted, on one line, short."""
    try:
        text = repr(str(value)) if isinstance(value, str) else str(value)
    except ValueError:  # an integer of more than 4,300 digits
        text = "an integer of more than 4,300 digits"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def with_text(bad: BadRow, text: str, unit: str = "line") -> BadRow:
    """Return the bad row with its source text and what its number counts."""
    return replace(bad, text=text, unit=unit)


def _folded(names: Sequence[str]) -> dict[str, list[str]]:
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(fold(name), []).append(name)
    return folded


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "no column"
    n_more = len(names) - MOST_NAMED
    more = f" and {n_more} more" if n_more > 0 else ""
    return ", ".join(map(shown, names[:MOST_NAMED])) + more


def _numbers(
    schema: Schema, columns: Mapping[str, pl.Series], prefix: str
) -> tuple[dict[str, pl.Series], dict[str, NDArray[np.bool_]]]:
    """Return Float64 columns and, of those with words in them, the rows at fault."""
    for name, series in columns.items():
        kind = series.dtype
        if not (kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Null)):
            raise DataError(
                f"{prefix}column {name}: found values of type {kind}, expected "
                "numbers. Convert the column"
            )
    raw = pl.DataFrame([s.alias(name) for name, s in columns.items()])
    cast = raw.select(pl.all().cast(pl.Float64, strict=False))
    wrong = {}
    for column in schema.numeric:
        name, series = column.name, columns[column.name]
        is_plain = cast[name].null_count() == series.null_count()
        if series.dtype == pl.String and not (is_plain and written(column) is None):
            parsed, strange = numbers(series, column)
            if strange.any():
                wrong[name] = strange.to_numpy()
            cast = cast.with_columns(parsed.alias(name))
    cast = cast.select(pl.all().fill_null(float("nan")))
    return {name: cast[name] for name in columns}, wrong


def _outside(column: Column, values: pl.Series) -> NDArray[np.bool_] | None:
    """Return which finite values lie outside the column's bounds; None if none."""
    if (column.low is None and column.high is None) or not len(values):
        return None
    x = values.to_numpy()
    with np.errstate(invalid="ignore"):
        outside = np.zeros(len(x), dtype=np.bool_)
        if column.low is not None:
            outside |= x < column.low
        if column.high is not None:
            outside |= x > column.high
    if not outside.any():
        return None
    outside &= np.isfinite(x)
    return outside if outside.any() else None


def _text(series: pl.Series, prefix: str) -> pl.Series:
    """Return a category column as trimmed strings; an empty one is null."""
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        raise DataError(
            f"{prefix}column {series.name}: found values of type {series.dtype}, "
            "expected words. Convert the column"
        )
    word = words(series).str.strip_chars(SPACE)
    if (word == "").any():
        word = word.set(word == "", None)
    return word
