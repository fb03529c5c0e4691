"""Columns as text where an output could not hold their values.

A file's columns that no model uses are repeated beside the verdicts. Dates beyond the
year 9999, durations, lists, structs and bytes make one writer or another fail, so none
of these types goes further than the reader.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import polars as pl

_DAYS = (-719_162, 2_932_896)
"""First and last day of the years 1 to 9999, counted from 1970."""
_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
NESTED_BYTES = 32
"""What a value in a list costs at least, as text is made of it."""


def printable(frame: pl.DataFrame, *, kept: Collection[str] = ()) -> pl.DataFrame:
    """Return the frame with numbers, truth values and text alone.

    Dates and times become ISO 8601 in UTC, or a plain number where the calendar does
    not reach; lists and structs become JSON.

    Parameters
    ----------
    frame : DataFrame
    kept : collection of str
        Columns that stay as they are.
    """
    odd = [n for n in frame.columns if n not in kept and not _is_plain(frame[n].dtype)]
    return frame.with_columns(_text(frame[name]) for name in odd)


def n_bytes(series: pl.Series) -> int:
    """Return the bytes of the values if no two of them shared a text."""
    kind = series.dtype
    if kind in (pl.Categorical, pl.Enum):
        return n_bytes(series.cast(pl.String))
    if kind == pl.String:
        return 8 * len(series) + int(series.str.len_bytes().sum() or 0)
    if kind == pl.Binary:
        return 8 * len(series) + int(series.bin.size().sum() or 0)
    if isinstance(kind, pl.List | pl.Array):
        values = series.explode()
        return 8 * len(series) + NESTED_BYTES * len(values) + n_bytes(values)
    if isinstance(kind, pl.Struct):
        fields = series.struct.unnest()
        n_cells = fields.width * len(series)
        return NESTED_BYTES * n_cells + sum(map(n_bytes, fields.iter_columns()))
    return 8 * len(series)


def _is_plain(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Null)


def _text(series: pl.Series) -> pl.Series:
    kind = series.dtype
    if kind.is_temporal():
        return _moments(series)
    if kind == pl.Binary:
        values = [_decoded(v) for v in series.to_list()]
        return pl.Series(series.name, values, dtype=pl.String)
    if kind.is_nested():
        values = [_as_json(v) for v in series.cast(_without_moments(kind)).to_list()]
        return pl.Series(series.name, values, dtype=pl.String)
    return series.cast(pl.String)


def _moments(series: pl.Series) -> pl.Series:
    """Return moments and durations as ISO 8601, those out of range as numbers."""
    kind, number = series.dtype, series.to_physical()
    if isinstance(kind, pl.Date):
        low, high = _DAYS
    elif isinstance(kind, pl.Datetime):
        per_day = _PER_DAY[kind.time_unit]
        low, high = _DAYS[0] * per_day, (_DAYS[1] + 1) * per_day - 1
        kind = pl.Datetime(kind.time_unit)
    elif isinstance(kind, pl.Time):
        low, high = 0, _PER_DAY["ns"] - 1
    else:
        low, high = -(2**62), 2**62
    # a bound outside the type is no bound
    low, high = max(low, -(2**63)), min(high, 2**63 - 1)
    inside = number.set(~number.is_between(low, high), None)
    text = inside.cast(kind).dt.to_string("iso:strict")
    return text.fill_null(number.cast(pl.String)).alias(series.name)


def _without_moments(kind: Any) -> Any:
    """Return a nested type whose moments are numbers: Python's calendar is shorter."""
    if isinstance(kind, pl.List):
        return pl.List(_without_moments(kind.inner))
    if isinstance(kind, pl.Array):
        return pl.Array(_without_moments(kind.inner), kind.size)
    if isinstance(kind, pl.Struct):
        return pl.Struct({f.name: _without_moments(f.dtype) for f in kind.fields})
    if kind.is_temporal():
        return pl.Int32 if kind == pl.Date else pl.Int64
    return kind


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _as_json(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, default=_other)


def _other(value: Any) -> str:
    return _decoded(value) or "" if isinstance(value, bytes) else str(value)
