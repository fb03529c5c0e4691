"""A user's own labelled CSV or Parquet file, described by a small TOML or guessed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.datasets import Dataset, _own, _own_rows
from evenflow.datasets._table_config import (
    Decimal,
    Thousands,
    Value,
    find,
    read_config,
)
from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Schema, Table


def load(
    split: str,
    *,
    folders: Sequence[Path] = (),
    path: str,
    test: str | None = None,
    config: str | None = None,
    label: str | int | None = None,
    benign: Value | list[Value] | None = None,
    drop: list[str | int] | None = None,
    header: list[str | int] | None = None,
    decimal: Decimal | None = None,
    thousands: Thousands | None = None,
    on_event: OnEvent = ignore,
) -> Table:
    """Load a file, with a :class:`~evenflow.progress.Note` for each guess.

    The label is found by name (``label``, ``class``, ``attack``, ...), benign by a
    value that says so (``benign``, ``normal.``, ``BenignTraffic``, 0 beside 1) and
    never by how frequent it is, kinds by the values. Identifiers,
    addresses, ports, times and columns of very many words are not features. Each other
    value of the label is a class of its own, in lower case, unless ``families`` puts
    several together. ``?``, ``-``, ``NA``, ``NaN``, ``null`` and nothing are missing.
    A row with any other word in a column of numbers is rejected and counted, with a
    note of its line: ``score`` rejects it too.

    Parameters
    ----------
    split : {'train', 'test'}
    path : str
        The file: CSV (with comma, semicolon, tab or ``|``; plain or gzip) or Parquet,
        whatever its name; where it is not an absolute path, also looked for in the
        data folders.
    test : str, optional
        A second file of the same columns, for judging (``split = "official"``).
    config : str, optional
        The TOML file: ``label``, ``benign``, ``drop``, ``extra``, ``header``,
        ``decimal``, ``thousands``, ``[columns]`` and ``[families]``.
    label, benign, drop
        The same as in that file, and stronger.
    header : list of str, optional
        The names of the columns of a file that has none. KDD Cup 99, NSL-KDD and the
        raw files of UNSW-NB15 are known without.
    decimal, thousands : str, optional
        How numbers are written: ``decimal = ","`` reads ``1.234,5``, ``thousands =
        ","`` reads ``1,234.5``.

    Raises
    ------
    RecipeError
        The TOML file has an unknown key.
    DataError
        The file is missing, empty, damaged or no table, many values of a column are
        not of its kind, a column has no value, no value of the label surely means
        benign, or there is one class only.
    """
    settings = read_config(
        config,
        folders,
        label=label,
        benign=benign,
        drop=drop,
        header=header,
        decimal=decimal,
        thousands=thousands,
    )
    where = find(path, folders)
    file = _own.read(where, header=settings.header)
    train = _own_rows.training(file, settings, on_event)
    if split == "train":
        return train
    file = _own.read(_test_file(where, test, folders), header=settings.header)
    return _own_rows.later(train.schema, file, settings, on_event)


def load_later(
    schema: Schema,
    split: str,
    *,
    folders: Sequence[Path] = (),
    path: str,
    test: str | None = None,
    config: str | None = None,
    on_event: OnEvent = ignore,
    **given: Any,
) -> Table:
    """Load a file that judges a model trained before, as :func:`load` does.

    Columns, benign and attack types mean what they meant in training: nothing of them
    is guessed again. The rows may be benign only, attacks only, or of new types.
    Without a second file, ``test`` is the file itself.

    Parameters
    ----------
    schema : Schema
        Of the rows that trained the model.
    **given
        ``label`` and the further keys that :func:`load` takes.

    Raises
    ------
    DataError
        As :func:`load`; a class may have any number of rows here.
    """
    settings = read_config(config, folders, **given)
    where = find(path if split == "train" or test is None else test, folders)
    file = _own.read(where, header=settings.header)
    return _own_rows.later(schema, file, settings, on_event)


def label_column(
    schema: Schema, frame: pl.DataFrame, *, label: str = "", name: str
) -> str:
    """Return the column of a frame that holds the labels of a model's rows.

    Parameters
    ----------
    schema : Schema
        Of the model; none of its columns is a label.
    frame : DataFrame
        Columns as they stand in a file.
    label : str
        Name of the column, where it is known; it is found by its name otherwise.
    name : str
        Name of the file, for messages.

    Raises
    ------
    DataError
        There is no such column, or none that looks like a label.
    """
    settings = read_config(None, (), label=label or None)
    return _own_rows.label_like(schema, frame, Path(name), settings, [])


def load_frame(
    schema: Schema,
    frame: pl.DataFrame,
    *,
    name: str,
    lines: NDArray[np.int64],
    label: str,
    benign: Sequence[str] = (),
    on_event: OnEvent = ignore,
) -> Table:
    """Return the rows of a file that was read already, as :func:`load_later` does.

    Parameters
    ----------
    schema : Schema
        Of the model that the rows judge.
    frame : DataFrame
        Columns as they stand in the file.
    name : str
        Name of the file, for messages and reports.
    lines : ndarray of shape (n_rows,), int64
        Line of each row.
    label : str
        The column of the labels.
    benign : sequence of str
        Values of the label that mean benign; found by their names otherwise.

    Raises
    ------
    DataError
        As :func:`load_later`.
    """
    given = {"label": label, "benign": list(benign) or None}
    file = _own.OwnFile(where=Path(name), frame=frame, lines=lines, layout=(), notes=())
    return _own_rows.later(schema, file, read_config(None, (), **given), on_event)


def _test_file(where: Path, test: str | None, folders: Sequence[Path]) -> Path:
    if test is None:
        raise DataError(
            f"{where.name} has no test file; expected one for the official split. "
            'Write test = "FILE" under [dataset], or split = "stratified"'
        )
    return find(test, folders)


DATASET = Dataset(
    name="table_file",
    title="A CSV or Parquet file of your own",
    load=load,
    load_later=load_later,
    splits=("train", "test"),
    terms="Yours.",
    citation="Yours.",
    caveats=(
        "Keys that the TOML file lacks are guessed; read the notes.",
        "Without a second file, test rows are drawn from the same capture: figures are "
        "optimistic for other networks.",
    ),
)
