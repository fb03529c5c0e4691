"""The columns of a user's own table: their numbers, and how these are written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from evenflow.datasets import _guess
from evenflow.datasets._own import OwnFile
from evenflow.errors import DataError
from evenflow.prepare import names
from evenflow.schema import Column
from evenflow.text.numbers import numbers

MARKS = (("decimal", ",", "."), ("decimal", ",", " "), ("thousands", ".", ","),
         ("thousands", ".", " "), ("thousands", ".", "'"))  # fmt: skip
"""Keys that say how numbers are written, with decimal and thousands mark."""


def column_of(series: pl.Series, kind: str, marks: Column) -> Column:
    """Return what a column of a kind holds, for a schema.

    Parameters
    ----------
    marks : Column
        How the numbers of a text are written.
    """
    if kind == "category":
        return Column(name=series.name, kind="category")
    if series.dtype == pl.Boolean or _guess.is_truth(series.drop_nulls()):
        return Column(name=series.name, low=0, high=1, step=1)
    column = Column(name=series.name)
    if series.dtype == pl.String:
        column = replace(marks, name=series.name)
    x = numbers(series, column)[0].drop_nulls().to_numpy()
    x = x[np.isfinite(x)]
    # no bounds from values seen: a count that was 0 or 1 here may be 2 tomorrow
    return replace(column, step=1 if len(x) and (x == np.floor(x)).all() else None)


def refuse_marks(series: pl.Series, marks: Column, file: OwnFile) -> None:
    """Refuse a column of numbers that are written with other marks than those named.

    Raises
    ------
    DataError
        Shows the first such value, and how to name its marks.
    """
    if series.dtype != pl.String or names.is_identifier(series.name):
        return
    odd = numbers(series, marks)[1].arg_true()
    if not len(odd):
        return
    ways: dict[str, str] = {}
    for key, decimal, thousands in MARKS:
        column = Column(name=series.name, decimal=decimal, thousands=thousands)
        values, wrong = numbers(series, column)
        n_wrong, value = int(wrong.sum()), values[odd[0]]
        fits = _guess.are_few(n_wrong, int(values.is_not_null().sum()))
        if fits and n_wrong < len(odd) and value is not None:
            setting = f'{key} = "{decimal if key == "decimal" else thousands}"'
            ways.setdefault(setting, f"{setting} makes it {value:g}")
    if ways:
        raise DataError(
            f"{file.where}, {file.at(odd[0])}, column {series.name}: found "
            f"{series[odd[0]]!r}, expected a number with {_number_style(marks)}. Name "
            f"the marks ({'; '.join(ways.values())}), or declare the column as words: "
            f'{series.name} = "category" under [columns]'
        )


def _number_style(marks: Column) -> str:
    """Return how numbers are written, in words."""
    point = (
        f"the decimal mark {marks.decimal!r}" if marks.decimal else "a decimal point"
    )
    if not marks.thousands:
        return f"{point} and no mark between thousands"
    return f"{point} and the mark {marks.thousands!r} between thousands"
