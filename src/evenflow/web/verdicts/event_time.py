"""Event times: when a record happened, by a column of its own.

A record without a time that can be believed has none, and counts at its arrival. A
time without a zone is of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from evenflow.text import times

COLUMNS = (
    "ts", "event_time", "start", "starttime", "start_time", "stime", "firstseen",
    "first_seen", "flow_start", "time", "@timestamp", "timestamp",
)  # fmt: skip
"""Columns that say when a record happened, the first one found is used: those of
Zeek, Suricata, Argus and nfdump, where a connection begins before it is logged."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No capture is older: times before it are the zero of a clock, or not times."""
AHEAD = timedelta(days=1)
"""How far a sensor's clock may be ahead of the arrival."""
MICROSECONDS = pl.Datetime("us", "UTC")


def column(names: Iterable[str], wanted: str = "") -> str | None:
    """Return the column that holds the event time; None without one.

    Parameters
    ----------
    names : iterable of str
    wanted : str
        The column that was named; else one of :data:`COLUMNS` is looked for.
    """
    folded = {name.strip().casefold(): name for name in reversed(list(names))}
    known = (wanted.strip().casefold(),) if wanted else COLUMNS
    return next((folded[name] for name in known if name in folded), None)


def parsed(values: pl.Series, arrived: datetime) -> pl.Series:
    """Return event times, null where a value cannot be one.

    Parameters
    ----------
    values : Series
        Text, numbers since 1970, or times.
    arrived : datetime
        When the records came: no event lies more than a day after it.

    Returns
    -------
    Series of Datetime("us", "UTC")
    """
    if values.dtype == pl.Date:
        found = values.cast(MICROSECONDS)
    elif isinstance(values.dtype, pl.Datetime):
        found = values.cast(pl.Datetime("us", values.dtype.time_zone))
        is_naive = values.dtype.time_zone is None
        zone = found.dt.replace_time_zone if is_naive else found.dt.convert_time_zone
        found = zone("UTC")
    elif values.dtype.is_nested():
        found = pl.Series([None], dtype=MICROSECONDS).new_from_index(0, len(values))
    else:
        text = values.cast(pl.String, strict=False)
        found = (times.nanoseconds(text) // 1000).cast(MICROSECONDS)
    x = pl.col("x")
    is_one = (x >= EARLIEST) & (x <= arrived + AHEAD)
    return found.to_frame("x").select(pl.when(is_one).then(x).alias("x"))["x"]


def of_records(
    rows: Sequence[Mapping[str, Any]], arrived: datetime, wanted: str = ""
) -> list[datetime]:
    """Return when records happened, their arrival where they do not say.

    All of them are read at once: one by one takes milliseconds a record.
    """
    texts: list[str | None] = []
    for values in rows:
        name = column(values, wanted)
        value = None if name is None else values[name]
        texts.append(None if isinstance(value, bool | None) else str(value))
    if not any(texts):  # fast path for records without a time
        return [arrived] * len(texts)
    found = parsed(pl.Series(texts, dtype=pl.String), arrived)
    return [at or arrived for at in found]
