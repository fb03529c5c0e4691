"""Lines of fields between separators to text by column."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic.sources._findings import Findings
from evenflow.traffic.sources._lines import Lines


def read_fields(
    lines: Lines,
    names: Sequence[str],
    separator: str,
    findings: Findings,
    *,
    wanted: Collection[str],
    missing: Sequence[str] = ("",),
    has_quotes: bool = False,
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the text of columns, and the number of each line.

    A line with another number of fields is counted and left out.

    Parameters
    ----------
    names : sequence of str
        Of the fields; of two of one name the first counts.
    separator : str
        Of one byte or more.
    wanted : collection of str
        Names of columns to return, of which ``names`` has one or more.
    missing : sequence of str
        Text of a field without a value.
    has_quotes : bool
        Whether a field may be in quotes.
    """
    places = _places(names, wanted)
    is_plain = len(separator.encode()) == 1
    if not is_plain or (has_quotes and b'"' in lines.data):
        return _one_by_one(lines, len(names), places, separator, findings, missing)
    text = np.frombuffer(lines.data, np.uint8)
    ends = lines.ends
    cuts = np.flatnonzero(text == ord(separator))
    n_fields = np.diff(np.searchsorted(cuts, ends), prepend=0) + 1
    is_right = n_fields == len(names)
    if not is_right.all():
        _report(lines.numbers[~is_right], n_fields[~is_right], len(names), findings)
        lines = lines.keep(is_right)
    if not len(lines):
        return _frame([], places), lines.numbers
    frame = pl.read_csv(
        io.BytesIO(lines.data),
        separator=separator,
        has_header=False,
        quote_char=None,
        infer_schema=False,
        columns=list(places.values()),
        null_values=list(missing),
        empty_string_is_null="" in missing,
    )
    frame.columns = list(places)
    return frame, lines.numbers


def _places(names: Sequence[str], wanted: Collection[str]) -> dict[str, int]:
    """Return where the columns wanted are, in the order of the file."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in wanted:
            places.setdefault(name, place)
    return places


def _report(
    numbers: NDArray[np.int64],
    n_fields: NDArray[np.int64],
    n_names: int,
    findings: Findings,
) -> None:
    findings.many_unreadable(
        numbers.tolist(),
        lambda k: f"{n_fields[k]} fields; expected {n_names}, as the header has",
    )


def _one_by_one(
    lines: Lines,
    n_names: int,
    places: Mapping[str, int],
    separator: str,
    findings: Findings,
    missing: Sequence[str],
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the text of lines with quotes or a separator of several bytes."""
    if len(separator) > 1:
        rows = [text.split(separator) for text in lines.texts()]
    else:
        rows = [split_quoted(text, separator) for text in lines.texts()]
    n_fields = np.array([len(row) for row in rows])
    is_right = n_fields == n_names
    _report(lines.numbers[~is_right], n_fields[~is_right], n_names, findings)
    none = set(missing)
    kept = [
        [None if row[place] in none else row[place] for place in places.values()]
        for row, right in zip(rows, is_right, strict=True)
        if right
    ]
    return _frame(kept, places), lines.numbers[is_right]


def split_quoted(text: str, separator: str) -> list[str]:
    """Return the fields of a line, without the quotes around them."""
    try:
        return next(csv.reader([text], delimiter=separator))
    except (csv.Error, StopIteration):
        return []


def _frame(rows: list[list[str | None]], names: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")
