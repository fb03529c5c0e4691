"""JSON objects, one a line, to text by column."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic.sources._findings import Findings, shown
from evenflow.traffic.sources._lines import Lines, is_object

Fields = Mapping[str, "Fields | None"]
"""Names of values, and of what an object among them holds; others are skipped."""


def read_objects(
    lines: Lines, fields: Fields, findings: Findings
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the text of the named values, and the number of each line.

    Numbers are as they are written but for zeros at the end; a list or an object is
    its JSON. Lines that are not an object are counted and left out.
    """
    schema = _schema(fields)
    try:
        return _parsed(lines, schema), lines.numbers
    except pl.exceptions.PolarsError:
        pass
    objects = [name for name, inner in fields.items() if inner is not None]
    is_one = np.array(
        [is_object(x, objects) for x in lines.data.split(b"\n")[:-1]], bool
    )
    good = lines.keep(is_one)
    parts = _halves(good, schema)
    frames = [_parsed(part, schema) for part in parts]
    numbers = np.concatenate([lines.numbers[:0], *(part.numbers for part in parts)])
    rows = np.flatnonzero(~np.isin(lines.numbers, numbers))
    texts = lines.texts()
    findings.many_unreadable(
        lines.numbers[rows].tolist(),
        lambda k: f"{shown(texts[rows[k]])!r}; expected a JSON object",
    )
    empty = pl.DataFrame(schema=schema)
    return pl.concat([empty, *frames]), numbers


def _schema(fields: Fields) -> pl.Schema:
    return pl.Schema(
        {
            name: pl.String() if inner is None else pl.Struct(_schema(inner))
            for name, inner in fields.items()
        }
    )


def _parsed(lines: Lines, schema: pl.Schema) -> pl.DataFrame:
    """Return the values of lines, each of which is a row.

    Raises
    ------
    PolarsError
        A line is not an object, or an object in it is something else.
    """
    if not len(lines):
        return pl.DataFrame(schema=schema)
    frame = pl.read_ndjson(io.BytesIO(lines.data), schema=schema)
    if len(frame) != len(lines):
        raise pl.exceptions.ComputeError("lines and rows differ")
    return frame


def _halves(lines: Lines, schema: pl.Schema) -> list[Lines]:
    """Return the lines in parts that can be parsed, without those that cannot."""
    try:
        _parsed(lines, schema)
    except pl.exceptions.PolarsError:
        n = len(lines)
        if n == 1:
            return []
        halves = lines.part(0, n // 2), lines.part(n // 2, n)
        return [part for half in halves for part in _halves(half, schema)]
    return [lines] if len(lines) else []
