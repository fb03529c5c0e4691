"""Text of times to nanoseconds since 1970, as programs of all kinds write them."""

from __future__ import annotations

import polars as pl

NANO = 10**9
MOST_S = 2**33
"""Seconds since 1970 from which a time is not believed, in the year 2242."""
FINER = {10**11: 10**3, 10**14: 10**6, 10**17: 10**9}
"""Numbers from which a time is one of milliseconds, micro- or nanoseconds -> how many
of these a second has."""
TIMES = (
    "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f", "%Y/%m/%dT%H:%M:%S%.f",
    "%Y/%m/%d.%H:%M:%S%.f",
)  # fmt: skip
"""Forms of a date and a time; only the first has a zone."""


def seconds(text: pl.Expr, most_s: int) -> pl.Expr:
    """Return seconds from 0 as nanoseconds, to the ninth digit; else null."""
    number = text.cast(pl.Float64, strict=False)
    point = text.str.find(".", literal=True)
    whole = text.str.slice(0, point).cast(pl.Int64, strict=False)
    digits = text.str.slice(point + 1, 9).str.pad_end(9, "0")
    exact = whole * NANO + digits.cast(pl.Int64, strict=False)
    near = (number * 1e6).round().cast(pl.Int64, strict=False) * 1000
    is_one = (number >= 0) & (number < most_s)
    return pl.when(is_one).then(pl.coalesce(exact, near))


def nanoseconds(text: pl.Series) -> pl.Series:
    """Return times as nanoseconds since 1970: of numbers, or of dates and times.

    A date without a zone is of UTC. What is not a time is null.

    Examples
    --------
    >>> nanoseconds(pl.Series(["1.5", "1970-01-01T01:00:02+01:00", "soon"])).to_list()
    [1500000000, 2000000000, None]
    """
    x = pl.col("x")
    numbers = [seconds(x, MOST_S), *(_finer(x, *unit) for unit in FINER.items())]
    dates = list(map(_date, TIMES))
    first = text.drop_nulls().head(1).str.contains(":", literal=True)
    found = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(text))
    for form in dates + numbers if first.any() else numbers + dates:
        if found.null_count() > text.null_count():
            found = found.fill_null(text.to_frame("x").select(form.alias("x"))["x"])
    kept = pl.when(x.is_between(0, MOST_S * NANO, closed="left")).then(x)
    return found.to_frame("x").select(kept.alias("x"))["x"]


def _finer(text: pl.Expr, least: int, per_s: int) -> pl.Expr:
    number = text.cast(pl.Float64, strict=False)
    is_one = (number >= least) & (number < MOST_S * per_s)
    micros = (number * (10**6 / per_s)).round().cast(pl.Int64, strict=False)
    return pl.when(is_one).then(micros * 1000)


def _date(form: str) -> pl.Expr:
    """Return dates and times of a form as nanoseconds since 1970."""
    text = pl.col("x").str.strip_chars().str.replace(" ", "T", literal=True)
    if zone := "UTC" if "%z" in form else None:
        text = text.str.replace("[Zz]$", "+0000")
    found = text.str.to_datetime(form, time_unit="ns", time_zone=zone, strict=False)
    return found.dt.epoch("ns")


def has_no_zone(text: pl.Series) -> bool:
    """Return whether a time is a date without a zone."""
    pattern = r"^\d{4}[-/]\d\d[-/]\d\d[T .]\d\d:\d\d:\d\d(?:\.\d*)?$"
    return bool(text.str.contains(pattern).any())
