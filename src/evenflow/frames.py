"""Frames of rows as a program holds them, read as Polars frames.

A pandas frame is read by what it offers, so pandas need not be installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import check, unique_names
from evenflow.errors import DataError
from evenflow.schema import Schema, Table

ACCEPTED = "a pandas or Polars DataFrame, a NumPy array or an evenflow Table"
NOT_AVAILABLE = {"NAType", "NaTType"}
"""Types of the missing values of pandas."""


def to_polars(data: Any, *, names: Sequence[str] = ()) -> pl.DataFrame:
    """Return rows as a Polars frame, with null for each missing word.

    Parameters
    ----------
    data : DataFrame or ndarray
        Rows of pandas, Polars or anything else that Polars reads through Arrow; or an
        array of shape (n_rows, n_columns).
    names : sequence of str
        Columns of an array, in order.

    Raises
    ------
    DataError
        An array has another number of columns, or nested values.
    TypeError
        The rows are none of these.
    """
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, np.ndarray):
        return _of_array(data, names)
    if not isinstance(data, pl.DataFrame):
        if hasattr(data, "iloc") and hasattr(data, "columns"):
            data = _of_pandas(data)
        elif hasattr(data, "__arrow_c_stream__"):
            data = pl.DataFrame(data)
        else:
            raise TypeError(f"found {type(data).__name__}, expected {ACCEPTED}")
    found: pl.DataFrame = data.with_columns(
        pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    )
    return found


def to_table(schema: Schema, data: Any) -> Table:
    """Return rows as a table of a schema, which all of them have to fit.

    Parameters
    ----------
    schema : Schema
    data : DataFrame or ndarray
        The schema's columns under their names, in any order and beside others; or an
        array of them in the schema's order.

    Raises
    ------
    DataError
        A column is missing, or a row has a value that is not possible; the message
        names the first such row and column.
    """
    found = check(schema, to_polars(data, names=schema.names))
    if found.bad:
        more = f"; {len(found.bad):,} such rows" if len(found.bad) > 1 else ""
        raise DataError(
            f"{found.bad[0]} (rows count from 1{more}). Correct the value, or leave "
            "the row out"
        )
    return found.table


def _of_array(data: NDArray[Any], names: Sequence[str]) -> pl.DataFrame:
    if data.ndim != 2 or data.shape[1] != len(names):
        raise DataError(
            f"found an array of shape {data.shape}, expected (n_rows, {len(names)}): "
            f"the columns {', '.join(names[:8])}{', ...' if len(names) > 8 else ''} "
            "in this order. Give those, or a DataFrame with their names"
        )
    if data.dtype.kind not in "biufUO":
        raise DataError(
            f"found an array of {data.dtype}, expected numbers, words or objects. "
            "Convert it"
        )
    return pl.DataFrame([_column(n, data[:, j]) for j, n in enumerate(names)])


def _of_pandas(data: Any) -> pl.DataFrame:
    names = unique_names([str(name) for name in data.columns])
    return pl.DataFrame(
        [_of_series(name, data.iloc[:, j]) for j, name in enumerate(names)]
    )


def _of_series(name: str, column: Any) -> pl.Series:
    """Return a column of pandas; its nullable numbers become floats."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "mM":
        unit = "datetime64[us]" if kind == "M" else "timedelta64[us]"
        return pl.Series(name, column.to_numpy(dtype=unit))
    if kind in "iuf" and not isinstance(column.dtype, np.dtype):
        return pl.Series(name, column.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind in "biuf" and isinstance(column.dtype, np.dtype):
        return _column(name, column.to_numpy())
    return _objects(name, column.to_list())


def _column(name: str, values: NDArray[Any]) -> pl.Series:
    if values.dtype.kind == "O":
        return _objects(name, values.tolist())
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return pl.Series(name, values)


def _objects(name: str, values: Iterable[Any]) -> pl.Series:
    """Return a column of objects, with null for what means no value."""
    plain = [None if _is_missing(value) else value for value in values]
    made = pl.Series(name, plain, strict=False)
    if made.dtype == pl.Object:  # of types that Polars does not know
        made = pl.Series(name, [None if v is None else str(v) for v in plain])
    return made


def _is_missing(value: object) -> bool:
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in NOT_AVAILABLE
