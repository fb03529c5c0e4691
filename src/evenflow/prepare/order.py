"""The order of rows by a column: numbers as numbers, dates as dates, never as text."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from evenflow.contract import shown
from evenflow.errors import DataError
from evenflow.schema import Column
from evenflow.text.numbers import MISSING, SPACE, numbers

_TIMES = (
    "", " %H:%M", " %H:%M:%S%.f", "T%H:%M", "T%H:%M:%S%.f", " %I:%M %p",
    " %I:%M:%S %p", " %I:%M:%S%.f %p",
)  # fmt: skip
_ZONES = (" %H:%M:%S%.f%#z", "T%H:%M:%S%.f%#z", " %H:%M:%S%.f %#z", "T%H:%M%#z")
_YEAR_FIRST = r"^\d{4}[-/.]\d"
_YEAR_LAST = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(\D|$)"
_NAMED = r"[A-Za-z]{3}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Sort keys of rows."""

    key: pl.Series
    """Numbers, null for a row without a value."""
    kind: str
    """What the values were read as, in words."""


def _joined(dates: tuple[str, ...], times: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(date + time for date in dates for time in times)


_ISO = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_FORMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("times (year-month-day)", _YEAR_FIRST, _joined(_ISO, _TIMES)),
    ("times (year-month-day, with time zone)", _YEAR_FIRST, _joined(_ISO, _ZONES)),
    ("times (day/month/year)", _YEAR_LAST,
     _joined(("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"), _TIMES)),
    ("times (month/day/year)", _YEAR_LAST,
     _joined(("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y"), _TIMES)),
    ("times (with the month's name)", _NAMED,
     (*_joined(("%d-%B-%Y", "%d/%B/%Y", "%d %B %Y", "%B %d %Y", "%a %d %B %Y"),
               (*_TIMES, " %H:%M:%S%.f %#z")),
      "%a %B %d %H:%M:%S %Y", "%d/%B/%Y:%H:%M:%S", "%d/%B/%Y:%H:%M:%S %#z")),
)  # fmt: skip
"""What a form of dates is called, how it begins, and how it is written."""


def order_of(values: pl.Series) -> Order:
    """Return the sort keys of a column.

    Texts are numbers if each is one, else dates of one form: year first, day first,
    month first (only where a value cannot be day first) or with the month's name.

    Raises
    ------
    DataError
        A value is neither, the dates have several forms, or no row has a value.
    """
    kind, key = "numbers", values
    if values.dtype.is_temporal():
        kind, key = "times", values.to_physical()
    elif values.dtype.is_float():
        key = values.fill_nan(None)
    elif not values.dtype.is_numeric():
        words = values.cast(pl.String).str.strip_chars(SPACE)
        words = words.set(words.str.to_lowercase().is_in(sorted(MISSING)), None)
        key, wrong = numbers(words, Column(name=values.name))
        if wrong.any():
            kind, key = _dates(words)
        elif (whole := words.cast(pl.Int64, strict=False)).null_count() == (
            words.null_count()
        ):
            key = whole  # nanoseconds since 1970 do not fit into a float
    if key.null_count() == len(key):
        raise DataError(
            f"[split] order: no row has a value in the column {values.name!r}; "
            "expected numbers or dates. Choose another column"
        )
    return Order(key=key, kind=kind)


def _dates(words: pl.Series) -> tuple[str, pl.Series]:
    given = words.is_not_null()
    plain = words.str.replace_all(r",\s+", " ").str.replace(r" ?(UTC|GMT)$", "Z")
    plain = plain.str.replace(r"(:\d\d),(\d)", "$1.$2")
    most, at = -1, 0
    for kind, start, formats in _FORMS:
        fit = words.str.contains(start).fill_null(value=False)
        if not fit.any():
            continue
        key = _parsed(plain.set(~fit, None), formats)
        unread = (key.is_null() & given).arg_true()
        if not len(unread):
            return kind, key
        if int(unread[0]) > most:
            most, at = int(unread[0]), int(unread[0])
    clock = words.str.to_time("%H:%M:%S%.f", strict=False).to_physical()
    if not (clock.is_null() & given).any():
        return "times of day", clock
    if most < 0:
        at = int(numbers(words, Column(name=words.name))[1].arg_true()[0])
    raise DataError(
        f"[split] order: found {shown(words[at])} in the column {words.name!r}, row "
        f"{at + 1}; expected numbers, or dates that are all of one form, such as "
        "2017-07-03 08:00 or 3/7/2017 8:00. Choose another column, or leave order out "
        "for the order of the file"
    )


def _parsed(words: pl.Series, formats: tuple[str, ...]) -> pl.Series:
    """Return microseconds since 1970, null where none of the formats fits."""
    key = pl.Series(words.name, [None] * len(words), dtype=pl.Int64)
    for one in formats:
        rest = words.set(key.is_not_null(), None)
        if rest.null_count() == len(rest):
            break
        found = rest.str.to_datetime(one, strict=False, time_unit="us").to_physical()
        key = key.zip_with(key.is_not_null(), found)
    return key
