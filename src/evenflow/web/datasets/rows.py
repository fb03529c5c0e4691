"""Rows of a data set as they are browsed: filtered, sorted, counted by value.

The exploration of a data set writes its rows as Parquet. A page reads the few columns
that decide what is on it, then those rows alone, and at most :data:`MAX_ROWS` are kept,
so time and memory of a page are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from evenflow.errors import DataError
from evenflow.files import replacing
from evenflow.schema import Table
from evenflow.web.datasets.explorations import NAME
from evenflow.web.store.data_folder import Home

MAX_ROWS = 1_000_000
"""Rows of a data set that can be browsed, the first ones."""
MAX_DOWNLOADED = 100_000
"""Rows of one download."""
MAX_FACET = 30
"""Values of a facet, the most frequent ones."""
MAX_FILTERS = 8
MAX_SHOWN = 12
"""Columns of a page beside the class, unless others are chosen."""
PART_ROWS = 2**14
CLASS, ATTACK = "class", "attack type"
"""Columns for the class and the attack type; a feature of such a name keeps it, with a
mark."""
OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "ge": "at least",
    "le": "at most",
    "has": "contains",
    "none": "is missing",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition on a column."""

    column: str
    operator: str
    value: str = ""

    @property
    def text(self) -> str:
        """The condition as an address carries it."""
        return f"{self.column}:{self.operator}:{self.value}"

    def __str__(self) -> str:
        return f"{self.column} {OPERATORS[self.operator]} {self.value}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The rows that an address asks for."""

    conditions: tuple[Condition, ...] = ()
    sort: str = ""
    """A column, after a ``-`` the greatest first; empty for the order of the file."""
    facets: tuple[str, ...] = ()

    def but(self, condition: Condition) -> Asked:
        """Return the same without one condition."""
        kept = tuple(one for one in self.conditions if one != condition)
        return replace(self, conditions=kept)

    def also(self, condition: Condition) -> Asked:
        """Return the same with one condition more."""
        return replace(self, conditions=(*self.but(condition).conditions, condition))


def path_of(home: Home, name: str) -> Path:
    """Return where the rows of a data set are kept.

    Raises
    ------
    DataError
        The name is invalid.
    """
    if not NAME.fullmatch(name):
        raise DataError(f"there is no data set {name[:80]!r}, expected one of the list")
    return home.explore / f"{name}.rows.parquet"


def write(home: Home, name: str, table: Table) -> None:
    """Write the first rows of a data set with their classes, whole or not at all.

    Raises
    ------
    StorageError
        They cannot be written.
    """
    frame = table.frame.head(MAX_ROWS)
    taken = {CLASS, ATTACK}
    frame = frame.rename({c: f"{c} (column)" for c in frame.columns if c in taken})
    labels = []
    if table.y is not None:
        classes = pl.Series(CLASS, table.schema.classes)
        labels.append(classes.gather(table.y[:MAX_ROWS]).alias(CLASS))
    if table.attack is not None:
        labels.append(table.attack.head(MAX_ROWS).cast(pl.String).alias(ATTACK))
    if labels:
        frame = pl.DataFrame(labels).hstack(frame)
    if table.extra is not None:
        more = table.extra.head(MAX_ROWS)
        names = {c: f"{c} (beside)" for c in more.columns if c in frame.columns}
        frame = frame.hstack(more.rename(names))
    with replacing(path_of(home, name)) as part:
        frame.write_parquet(part, row_group_size=PART_ROWS)


class Rows:
    """The kept rows of a data set.

    Raises
    ------
    DataError
        They are not there: the data set is not explored yet.
    """

    def __init__(self, path: Path) -> None:
        self.scan = pl.scan_parquet(path, glob=False)
        try:
            self.kinds = self.scan.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                "the rows of this data set are not kept yet, expected them after an "
                "exploration. Explore it again"
            ) from error
        self.columns = self.kinds.names()

    def is_number(self, column: str) -> bool:
        """Return whether a column holds numbers."""
        return self.kinds[column].is_numeric()

    def condition(self, text: str) -> Condition | None:
        """Return a condition as an address carries it; None for an invalid one."""
        # a column's name may hold a colon: the longest name that fits is it
        names = [c for c in self.columns if text.startswith(f"{c}:")]
        if not names:
            return None
        column = max(names, key=len)
        operator, _, value = text[len(column) + 1 :].partition(":")
        found = Condition(column=column, operator=operator, value=value[:200])
        return found if operator in OPERATORS and self._fits(found) else None

    def _fits(self, one: Condition) -> bool:
        if one.operator == "none":
            return True
        if one.operator == "has":
            return bool(one.value) and not self.is_number(one.column)
        return not self.is_number(one.column) or _number(one.value) is not None

    def expression(self, conditions: Sequence[Condition]) -> pl.Expr:
        """Return conditions, all of which hold, as Polars takes them."""
        kept = pl.lit(value=True)
        for one in conditions:
            kept = kept & self._expression(one)
        return kept

    def _expression(self, one: Condition) -> pl.Expr:
        column = _named(one.column)
        if one.operator == "none":
            is_nan = column.is_nan() if self.kinds[one.column].is_float() else False
            return column.is_null() | is_nan
        value: Any = _number(one.value) if self.is_number(one.column) else one.value
        if not self.is_number(one.column):
            column = column.cast(pl.String)
        if one.operator == "has":
            return column.str.contains(one.value, literal=True)
        if one.operator == "eq":
            return column.eq(value)
        if one.operator == "ne":
            return column.ne(value) | column.is_null()
        return column.ge(value) if one.operator == "ge" else column.le(value)

    def count(self, asked: Asked) -> int:
        """Return how many rows fit."""
        kept = self.scan.filter(self.expression(asked.conditions))
        found: int = kept.select(pl.len()).collect().item()
        return found

    def page(
        self, asked: Asked, columns: Sequence[str], *, start: int, n_rows: int
    ) -> list[dict[str, Any]]:
        """Return some rows in order, each with ``row``, its number from 1."""
        key = asked.sort.removeprefix("-")
        scan = self.scan.with_row_index("\0row", offset=1).filter(
            self.expression(asked.conditions)
        )
        if key:
            places = scan.select("\0row", _named(key).alias("\0key")).collect()
            places = places.sort(
                "\0key",
                descending=asked.sort.startswith("-"),
                nulls_last=True,
                maintain_order=True,
            )
        else:
            places = scan.select("\0row").collect()
        numbers = places["\0row"].slice(start, n_rows).to_list()
        found = (
            self.scan.with_row_index("\0row", offset=1)
            .filter(pl.col("\0row").is_in(numbers))
            .select(cs.by_name("\0row", *columns))
            .collect()
            .to_dicts()
        )
        by_number = {row["\0row"]: row for row in found}
        return [
            {"row": number, "values": [by_number[number][c] for c in columns]}
            for number in numbers
        ]

    def facet(self, asked: Asked, column: str) -> list[tuple[Any, int]]:
        """Return the most frequent values of a column among the rows that fit."""
        counts = (
            self.scan.filter(self.expression(asked.conditions))
            .select(_named(column).alias("value"))
            .group_by("value")
            .len()
            .sort(["len", "value"], descending=[True, False], nulls_last=True)
            .head(MAX_FACET)
            .collect()
        )
        return list(counts.iter_rows())

    def parts(self, asked: Asked) -> Iterator[pl.DataFrame]:
        """Yield the first rows that fit, all columns, part by part."""
        left = MAX_DOWNLOADED
        kept = self.expression(asked.conditions)
        n_rows = self.scan.select(pl.len()).collect().item()
        for start in range(0, n_rows, PART_ROWS):
            part = self.scan.slice(start, PART_ROWS).filter(kept).head(left).collect()
            left -= part.height
            yield part
            if not left:
                return


def _named(column: str) -> pl.Expr:
    """Return the column of that name; ``pl.col`` reads ``*`` and ``^...$`` as many."""
    return cs.by_name(column).as_expr()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value else None
