"""Values of a record that the model does not know, or that cannot go together.

A model gives a verdict on any record its contract allows: a word it never saw is scored
as unknown, and a number beyond all training values as if the model knew what to expect
there. Such values are said beside the verdict and counted for a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import match_columns, parse_numbers
from evenflow.knowledge.columns import family, titles
from evenflow.prepare.features import Preprocessor
from evenflow.runtime.plausible import KDD
from evenflow.runtime.words import word
from evenflow.schema import Column, Schema, Table

Value = float | str | None
LONGEST = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """Something unusual about a record."""

    columns: tuple[str, ...]
    """Columns it is about; the first is where it stands in the form."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Check:
    """One way in which a row is unusual, as an expression on a table's frame."""

    columns: tuple[str, ...]
    is_odd: pl.Expr
    about: str
    """In a count: "service: not seen in training"."""
    text: str
    """Of one record; ``{}`` stands for its value."""
    one: Callable[[Any], bool] | None = None
    """The same for one value that is not missing: a fast path."""
    ends: tuple[float, float] | None = None
    """A column whose least and greatest value lie between these has no odd row."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """The values that the training rows of a model held."""

    schema: Schema
    checks: tuple[_Check, ...]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, schema: Schema, prepare: Preprocessor, *, min_rows: int) -> Self:
        """Return what a model knows of the columns that it reads.

        Parameters
        ----------
        min_rows : int
            Training rows that a word needs for the model to know it.
        """
        checks: list[_Check] = []
        ends = zip(prepare.numeric, prepare.low, prepare.high, strict=True)
        for name, low, high in ends:
            checks += _of_number(schema.column(name), float(low), float(high))
        for name, words in prepare.categories.items():
            if len(words) > 1:
                checks.append(_of_word(name, words[:-1], min_rows))
        if family(schema.names) == "kdd":
            checks += [
                _Check(
                    columns=rule.columns,
                    is_odd=rule.is_odd.fill_null(value=False),
                    about=f"{', '.join(rule.columns)}: {rule.text}",
                    text=rule.text,
                )
                for rule in KDD
                if {*rule.columns} <= {*schema.names}
            ]
        return cls(schema=schema, checks=tuple(checks), labels=titles(schema.columns))

    def remarks(self, values: Mapping[str, Value]) -> tuple[Remark, ...]:
        """Return what is unusual about one record.

        Parameters
        ----------
        values : mapping of str to float, str or None
            By column name, as the contract reads them; None or NaN is missing.
        """
        found = []
        for check, is_rule_odd in zip(self.checks, self._rules(values), strict=True):
            value = values.get(check.columns[0])
            is_odd = is_rule_odd
            if check.one is not None:
                is_odd = value is not None and check.one(value)
            if is_odd:
                text = check.text.format(_shown(value))
                found.append(Remark(columns=check.columns, text=text))
        return tuple(found)

    def sentences(self, record: Mapping[str, object]) -> tuple[str, ...]:
        """Return :meth:`remarks` on raw values, after the label of the column.

        Raises
        ------
        DataError
            A column is missing, or a value is not a number or impossible.
        """
        names = match_columns(self.schema, list(record))
        raw = {name: record[key] for name, key in names.items()}
        numeric = self.schema.numeric
        numbers = parse_numbers(raw, numeric)
        values: dict[str, Value] = {
            column.name: float(number)
            for column, number in zip(numeric, numbers, strict=True)
        }
        values |= {c.name: word(raw[c.name]) for c in self.schema.categories}
        return tuple(
            f"{self.labels[one.columns[0]]}: {one.text}" for one in self.remarks(values)
        )

    def _rules(self, values: Mapping[str, Value]) -> Sequence[bool]:
        """Return whether one record breaks each check that is a rule of columns."""
        rules = [j for j, check in enumerate(self.checks) if check.one is None]
        odd = [False] * len(self.checks)
        if rules:
            used = {name for j in rules for name in self.checks[j].columns}
            frame = pl.DataFrame(
                {name: [values.get(name)] for name in used},
                schema={
                    c.name: pl.String if c.kind == "category" else pl.Float64
                    for c in self.schema.columns
                    if c.name in used
                },
            ).select(self.checks[j].is_odd.alias(str(j)) for j in rules)
            for j, is_odd in zip(rules, frame.row(0), strict=True):
                odd[j] = bool(is_odd)
        return odd

    def columns(self, table: Table) -> tuple[pl.Series, NDArray[np.int64]]:
        """Return the unusual columns of each row, and the rows of each check.

        Returns
        -------
        columns : Series of shape (n_rows,), str
            Names, separated by commas; null for a row with nothing unusual.
        counts : ndarray of shape (n_checks,), int64
        """
        counts = np.zeros(len(self.checks), dtype=np.int64)
        names: dict[str, list[pl.Series]] = {}
        for j, one in self._odd(table).items():
            counts[j] = one.sum()
            if counts[j]:
                names.setdefault(self.checks[j].columns[0], []).append(one)
        found = pl.Series("unusual", [None] * len(table), dtype=pl.String)
        if not names:
            return found, counts
        parts = pl.DataFrame(
            [_any(some).alias(name) for name, some in names.items()]
        ).with_row_index("")
        rows = parts.filter(pl.any_horizontal(pl.exclude("")))
        text = rows.select(
            pl.concat_str(
                [pl.when(pl.col(name)).then(pl.lit(name)) for name in names],
                separator=", ",
                ignore_nulls=True,
            )
        ).to_series()
        return found.scatter(rows[""], text), counts

    def notes(self, counts: NDArray[np.int64], most: int = 10) -> tuple[str, ...]:
        """Return the checks of most rows with their number, in sentences."""
        order = np.argsort(-counts, kind="stable")
        found = [j for j in order.tolist() if counts[j]]
        notes = [
            f"{counts[j]:,} row{'' if counts[j] == 1 else 's'}: {self.checks[j].about}"
            for j in found[:most]
        ]
        if rest := len(found) - most:
            notes += [f"and {rest} more kinds of unusual values"] * (rest > 0)
        return tuple(notes)

    def _odd(self, table: Table) -> dict[int, pl.Series]:
        """Return number of a check -> which rows fail it, of those that may be odd."""
        ranged = [(j, c.columns[0]) for j, c in enumerate(self.checks) if c.ends]
        ends = table.frame.select(
            end.alias(f"{j} {side}")
            for j, name in ranged
            for side, end in (("min", pl.col(name).min()), ("max", pl.col(name).max()))
        )
        inside = set()
        for j, _ in ranged:
            low, high = self.checks[j].ends or (0.0, 0.0)
            least, most = (ends[f"{j} {side}"][0] for side in ("min", "max"))
            # NaN, of a column without a value, is within every range
            if least is None or not (least < low or most > high):
                inside.add(j)
        left = [j for j in range(len(self.checks)) if j not in inside]
        frame = table.frame.select(self.checks[j].is_odd.alias(str(j)) for j in left)
        return {j: frame[str(j)] for j in left}


def _of_number(column: Column, low: float, high: float) -> list[_Check]:
    x = pl.col(column.name)
    ends = f"{_number(low)} to {_number(high)} {column.unit}".strip()
    unit = f" {column.unit}" if column.unit else ""
    found = [
        _Check(
            columns=(column.name,),
            is_odd=x.is_finite() & ~x.is_between(low, high),
            about=f"{column.name}: outside the range of the training rows, {ends}",
            text=f"{{}}{unit} is outside the range of the training rows, {ends}.",
            one=lambda value: math.isfinite(value) and not low <= value <= high,
            ends=(low, high),
        )
    ]
    if column.step == 1:
        text = "not a whole number, and the training rows hold only whole numbers"
        found.append(
            _Check(
                columns=(column.name,),
                is_odd=x.is_finite() & (x != x.floor()),
                about=f"{column.name}: {text}",
                text=f"{{}} is {text}.",
                one=lambda value: math.isfinite(value) and value % 1 != 0,
            )
        )
    return found


def _of_word(name: str, words: Sequence[str], min_rows: int) -> _Check:
    known = frozenset(words)
    few = f", or in fewer than {min_rows} rows" if min_rows > 1 else ""
    text = f"not seen in training{few}; the model treats it as unknown"
    return _Check(
        columns=(name,),
        is_odd=(~pl.col(name).is_in(list(words))).fill_null(value=False),
        about=f"{name}: {text}",
        text=f"\u201c{{}}\u201d was {text}.",
        one=lambda value: value not in known,
    )


def _any(some: Sequence[pl.Series]) -> pl.Series:
    found = some[0]
    for one in some[1:]:
        found = found | one
    return found


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\u2026"


def _number(value: float) -> str:
    is_whole = math.isfinite(value) and value.is_integer() and abs(value) < 1e15
    return f"{int(value):,}" if is_whole else f"{value:,.6g}"
