"""Rows that a program holds, as a DataFrame or a Table: nothing here reads a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from evenflow import frames
from evenflow.datasets import Dataset, _own, _own_rows
from evenflow.datasets._table_config import Config, Value, read_config
from evenflow.errors import DataError, RecipeError
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Schema, Table

WHERE = Path("rows in memory")
"""Stands for the file in messages, and is the name of the rows in a report."""
Rows = Mapping[str, Any]
"""Part (``train``, ``test``) -> its rows, a DataFrame or a Table."""


def load(
    split: str,
    *,
    rows: Rows | None = None,
    folders: Sequence[Path] = (),
    sha256: str = "",
    test_sha256: str = "",
    label: str | int | None = None,
    benign: Value | list[Value] | None = None,
    drop: list[str | int] | None = None,
    extra: list[str | int] | None = None,
    columns: dict[str, Literal["numeric", "category", "extra"]] | None = None,
    families: dict[str, str] | None = None,
    on_event: OnEvent = ignore,
) -> Table:
    """Return rows that a program holds, read as those of a ``table_file``.

    What is not named is guessed, with a :class:`~evenflow.progress.Note` for each
    guess. A Table is taken as it is.

    Parameters
    ----------
    split : {'train', 'test'}
    rows : mapping of str to DataFrame or Table
        Rows of each part.
    sha256, test_sha256 : str
        :func:`digest` of the parts that trained and judged; other rows are refused.
    label, benign, drop, extra, columns, families
        As in the TOML file of ``table_file``: the label column, its values that mean
        benign, columns to leave out, columns that are not features, kinds of columns,
        and label -> class.

    Raises
    ------
    DataError
        No rows are given or not those of the digest, or they cannot train a model;
        see ``table_file``.
    RecipeError
        A key describes the columns of a Table, whose schema says what they are.
    """
    del folders
    given = {
        "label": label,
        "benign": benign,
        "drop": drop,
        "extra": extra,
        "columns": columns,
        "families": families,
    }
    settings = read_config(None, (), **given)
    train = _part(rows, "train", sha256)
    if isinstance(train, Table):
        _refuse_keys(given)
        table = _checked(train)
    else:
        table = _own_rows.training(_own.typed(WHERE, _named(train)), settings, on_event)
    if split == "train":
        return table
    return _later(
        table.schema, _part(rows, "test", test_sha256), settings, on_event=on_event
    )


def load_later(
    schema: Schema,
    split: str,
    *,
    rows: Rows | None = None,
    folders: Sequence[Path] = (),
    sha256: str = "",
    test_sha256: str = "",
    on_event: OnEvent = ignore,
    **given: Any,
) -> Table:
    """Return rows that judge a model trained before, its columns and labels as then.

    Parameters
    ----------
    schema : Schema
        Of the rows that trained the model.
    sha256, test_sha256 : str
        Of the rows at the training; these rows may be any others.
    **given
        ``label`` and the further keys that :func:`load` takes.
    """
    del folders, sha256, test_sha256
    settings = read_config(None, (), **given)
    return _later(schema, _part(rows, split, ""), settings, on_event=on_event)


def digest(data: Any) -> str:
    """Return the SHA-256 of the rows of a frame or a Table, labels included.

    Equal values in the same order have the same digest in pandas and Polars.
    """
    if isinstance(data, Table):
        parts = [data.frame]
        if data.y is not None:
            names = np.array(data.schema.classes)[data.y]
            parts.append(pl.DataFrame({"class": names}))
        if data.attack is not None:
            parts.append(data.attack.alias("attack").to_frame())
    else:
        parts = [_named(data)]
    found = hashlib.sha256()
    for frame in parts:
        for column in frame.iter_columns():
            found.update(f"{column.name}\0{len(column)}\0".encode())
            found.update(_bytes(column))
    return found.hexdigest()


def _bytes(column: pl.Series) -> bytes:
    if column.dtype == pl.Datetime:
        column = column.dt.epoch("us")
    elif column.dtype == pl.Duration:
        column = column.dt.total_microseconds()
    elif column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy() + 0.0
        values[np.isnan(values)] = np.nan  # one bit pattern for every missing value
        return values.astype("<f8").tobytes()
    words = column.to_list()
    return "".join("-" if w is None else f"{len(str(w))}:{w}" for w in words).encode()


def _part(rows: Rows | None, split: str, sha256: str) -> Any:
    """Return the rows of a part, which have to be those of the digest."""
    if rows is None:
        raise DataError(
            f"found no {split} rows; expected rows in memory, which no file holds. "
            "Give them in Python, as evenflow.train(..., data=rows) or "
            'evenflow.evaluate(bundle, rows, "held_out"); or write them into a CSV or '
            "Parquet file and use table_file"
        )
    if split not in rows:
        raise DataError(
            f"found no {split} rows in memory, and the model was trained with some of "
            "their own. Judge it on those: evenflow.evaluate(bundle, rows); to train, "
            "give evenflow.train(..., test=rows)"
        )
    data = rows[split]
    if sha256 and (found := digest(data)) != sha256:
        raise DataError(
            f"the {split} rows in memory have the SHA-256 {found}, expected {sha256}: "
            "the rows that trained the model, in the same order. Give those; or "
            "evaluate the model on other rows with evenflow.evaluate(bundle, rows)"
        )
    return data


def _later(schema: Schema, data: Any, settings: Config, *, on_event: OnEvent) -> Table:
    if isinstance(data, Table):
        return _checked(data)
    file = _own.typed(WHERE, _named(data))
    return _own_rows.later(schema, file, settings, on_event)


def _named(data: Any) -> pl.DataFrame:
    if isinstance(data, np.ndarray):
        raise DataError(
            "found a NumPy array, expected a pandas or Polars DataFrame or an evenflow "
            "Table: the columns need names, and one is the label. Make it a DataFrame"
        )
    return frames.to_polars(data)


def _checked(table: Table) -> Table:
    """Return a Table that a program made, refused where it is not as Tables are."""
    if table.y is None:
        raise DataError(
            "the Table has no labels, expected y, the class code of each row. Give y, "
            "or a DataFrame with a label column"
        )
    wanted: dict[str, Any] = {c.name: pl.Float64 for c in table.schema.numeric}
    wanted |= {c.name: pl.String for c in table.schema.texts}
    for name, kind in wanted.items():
        if table.frame[name].dtype != kind:
            raise DataError(
                f"the Table, column {name}: found {table.frame[name].dtype}, expected "
                f"{kind}. Cast the column, or give a DataFrame"
            )
    return table


def _refuse_keys(given: Mapping[str, Any]) -> None:
    named = [key for key, value in given.items() if value is not None]
    if named:
        raise RecipeError(
            f"found {', '.join(named)} for rows that are a Table, whose schema says "
            "what its columns and labels are; expected none. Leave it out, or give a "
            "DataFrame"
        )


DATASET = Dataset(
    name="memory",
    title="Rows in the memory of a Python program",
    load=load,
    load_later=load_later,
    takes_rows=True,
    splits=("train", "test"),
    terms="Yours.",
    citation="Yours.",
    caveats=(
        "The rows are not in a file: keep them, or the model cannot be trained or "
        "evaluated on its held-out rows again.",
        "Without test rows of their own, test rows are drawn from the same rows: "
        "figures are optimistic for other networks.",
    ),
)
