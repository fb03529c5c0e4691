"""The order of rows by a column: numbers as numbers, dates as dates, never as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from evenflow.conform import shown
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
    """Kind of the values, in words."""


def _joined(dates: tuple[str, ...], times: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(date + time for date in dates for time in times)


_DAY_FIRST, _MONTH_FIRST = "times (day/month/year)", "times (month/day/year)"
_ISO = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_FORMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("times (year-month-day)", _YEAR_FIRST, _joined(_ISO, _TIMES)),
    ("times (year-month-day, with time zone)", _YEAR_FIRST, _joined(_ISO, _ZONES)),
    (_DAY_FIRST, _YEAR_LAST,
     _joined(("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"), _TIMES)),
    (_MONTH_FIRST, _YEAR_LAST,
     _joined(("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y"), _TIMES)),
    ("times (with the month's name)", _NAMED,
     (*_joined(("%d-%B-%Y", "%d/%B/%Y", "%d %B %Y", "%B %d %Y", "%a %d %B %Y"),
               (*_TIMES, " %H:%M:%S%.f %#z")),
      "%a %B %d %H:%M:%S %Y", "%d/%B/%Y:%H:%M:%S", "%d/%B/%Y:%H:%M:%S %#z")),
)  # fmt: skip
"""What a form of dates is called, how it begins, and how it is written."""


def order_of(values: pl.Series, *, day_first: bool | None = None) -> Order:
    """Return the sort keys of a column.

    Texts are numbers if each is one, else dates of one form: year first, day first,
    month first or with the month's name.

    Parameters
    ----------
    values : Series
    day_first : bool, optional
        Whether the day or the month comes first where the year comes last. Without,
        the dates must tell.

    Raises
    ------
    DataError
        A value is neither, the dates have several forms, or may have the day or the
        month first and another order with each, or no row has a value.
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
            kind, key = _dates(words, day_first)
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


def _dates(words: pl.Series, day_first: bool | None) -> tuple[str, pl.Series]:
    given = words.is_not_null()
    plain = words.str.replace_all(r",\s+", " ").str.replace(r" ?(UTC|GMT)$", "Z")
    plain = plain.str.replace(r"(:\d\d),(\d)", "$1.$2")
    most, at = -1, 0
    other = {None: "", True: _MONTH_FIRST, False: _DAY_FIRST}[day_first]
    read: dict[str, pl.Series] = {}
    for kind, start, formats in _FORMS:
        if kind == other:
            continue
        fit = words.str.contains(start).fill_null(value=False)
        if not fit.any():
            continue
        key = _parsed(plain.set(~fit, None), formats)
        unread = (key.is_null() & given).arg_true()
        if not len(unread):
            read[kind] = key
        elif int(unread[0]) > most:
            most, at = int(unread[0]), int(unread[0])
    if len(read) == 2:
        return _either(words, *read.values())
    if read:
        return read.popitem()
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


def _either(
    words: pl.Series, day: pl.Series, month: pl.Series
) -> tuple[str, pl.Series]:
    """Return the order of dates that can be read with the day or the month first.

    Raises
    ------
    DataError
        Each reading gives another order.
    """
    if day.rank("dense").equals(month.rank("dense")):
        return "times (day/month/year, or month/day/year in the same order)", day
    row = int((day != month).arg_true()[0])
    first, second = _day(day[row]), _day(month[row])
    raise DataError(
        f"[split] order: found {shown(words[row])} in the column {words.name!r}, row "
        f"{row + 1}, which is {first} or {second}, and no other row decides which; "
        "expected dates of one meaning. Write day_first = true (the day comes first) "
        "or day_first = false (the month comes first) under [split]"
    )


def _day(microseconds: int) -> str:
    day = datetime(1970, 1, 1) + timedelta(microseconds=microseconds)
    return f"{day.day} {day:%B} {day.year}"


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
