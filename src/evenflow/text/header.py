"""The first line of a delimited text: its delimiter and the names of its columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from evenflow.conform import fold, shown, unique_names
from evenflow.errors import DataError
from evenflow.schema import Schema
from evenflow.text.raw import MAX_COLUMNS

DELIMITERS = (",", ";", "\t", "|")
NUMBER = re.compile(
    r"[-+]?(\d+([.,]\d*)*|[.,]\d+)(e[-+]?\d+)?|0x[0-9a-f]+", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How a file separates and names its columns."""

    delimiter: str
    names: tuple[str, ...]
    has_header: bool

    @property
    def least(self) -> int:
        """Minimum number of fields of a row: the last columns may lack a name."""
        n = len(self.names)
        while n > 1 and self.names[n - 1] == f"Unnamed: {n - 1}":
            n -= 1
        return n


def sniff(head: str, schema: Schema, *, name: str) -> Dialect:
    """Return the dialect under which the first line makes most sense for a schema.

    Raises
    ------
    DataError
        The line neither names columns of the schema nor has the published order.
    """
    known = {fold(n) for c in schema.columns for n in (c.name, *c.aliases)}
    splits = splits_of(head, name=name)
    matches = {d: sum(fold(f) in known for f in fields) for d, fields in splits.items()}
    best = max(DELIMITERS, key=lambda d: matches[d])
    layout = schema.layout
    least = 0
    if layout:
        least = max(layout.index(n) for n in schema.names if n in layout) + 1
        for delimiter, fields in splits.items():
            # a value may be the name of a column, as land is in NSL-KDD
            if (
                least <= len(fields) <= len(layout)
                and 2 * matches[delimiter] < len(schema.names)
                and is_data(fields)
            ):
                return Dialect(
                    delimiter=delimiter,
                    names=layout[: len(fields)],
                    has_header=False,
                )
    if matches[best]:
        names = unique_names(splits[best])
        return Dialect(delimiter=best, names=names, has_header=True)
    fields = max(splits.values(), key=len)
    order = (
        f", or {least} to {len(layout)} fields in the published order" if layout else ""
    )
    raise DataError(
        f"{name}: the first line has {len(fields)} fields ({shown(head)}) and none is "
        f"the name of a column of {schema.name}; expected a header that names "
        f"{', '.join(schema.names)}{order}. Add a header line"
    )


def split(line: str, delimiter: str) -> list[str]:
    """Return the fields of one line; no field where its quotes do not match."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def splits_of(head: str, *, name: str) -> dict[str, list[str]]:
    """Return the fields of the first line under each delimiter.

    Raises
    ------
    DataError
        There are more than columns may be.
    """
    splits = {d: split(head, d) for d in DELIMITERS}
    most = max(map(len, splits.values()))
    if most > MAX_COLUMNS:
        raise DataError(
            f"{name}: the first line has {most} fields, expected at most "
            f"{MAX_COLUMNS}. Leave out what is not needed"
        )
    return splits


def is_data(fields: Sequence[str]) -> bool:
    """Return whether a number is among the fields of a first line."""
    return any(NUMBER.fullmatch(f.strip()) for f in fields)
