"""A user's own labelled CSV or Parquet file, described by a small TOML or guessed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evenflow import contract
from evenflow.datasets import Dataset, _guess, _labels, _remote, _tables
from evenflow.datasets._table_config import Config, Value, find, read_config
from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.registry import nearest
from evenflow.schema import BENIGN, Column, Schema, Table


def load(
    split: str,
    *,
    folders: Sequence[Path] = (),
    path: str,
    test: str | None = None,
    config: str | None = None,
    label: str | None = None,
    benign: Value | list[Value] | None = None,
    drop: list[str] | None = None,
    on_event: OnEvent = ignore,
) -> Table:
    """Load a file; each guess is told as a :class:`~evenflow.progress.Note`.

    The label is found by name (``label``, ``class``, ``attack``, ...), benign by the
    value (``benign``, ``normal``, ``0``, ...), kinds by the values. Identifiers,
    addresses, ports, times and columns of very many words are no features. Each other
    value of the label is a class of its own, in lower case, unless ``families`` puts
    several together. ``?``, ``NA``, ``NaN``, ``null`` and nothing are missing.

    Parameters
    ----------
    split : {'train', 'test'}
    path : str
        The file: ``.csv``, ``.csv.gz``, ``.txt``, ``.tsv`` or ``.parquet``; where it
        is not an absolute path, also looked for in the data folders.
    test : str, optional
        A second file of the same columns, for judging (``split = "official"``).
    config : str, optional
        The TOML file: ``label``, ``benign``, ``drop``, ``extra``, ``[columns]`` and
        ``[families]``.
    label, benign, drop
        The same as in that file, and stronger.

    Raises
    ------
    RecipeError
        The TOML file has an unknown key.
    DataError
        The file is missing, empty or damaged, a value is no number, a column has no
        value, there is one class only, or a class has a single row.
    """
    settings = read_config(config, folders)
    given: dict[str, Any] = {"label": label, "benign": benign, "drop": drop}
    settings = settings.model_copy(
        update={k: v for k, v in given.items() if v is not None}
    )
    where = find(path, folders)
    notes: list[str] = []
    train = _prepared(where, settings, notes)
    for note in notes:
        on_event(Note(text=f"{where.name}: {note}"))
    if split == "train":
        return train
    if test is None:
        raise DataError(
            f"{where.name} has no test file; expected one for the official split. "
            'Write test = "FILE" under [dataset], or split = "stratified"'
        )
    return _like(train, find(test, folders), settings)


def _raw(where: Path) -> tuple[pl.DataFrame, bool]:
    """Return the file's columns (text as ``String``), and whether it is a text."""
    if where.suffix.lower() in (".parquet", ".pq"):
        frame, is_text = _tables.read_parquet(where), False
    else:
        source = _remote.unpack(where) if where.suffix == ".gz" else where
        form = "gzip" if where.suffix == ".gz" else "text"
        frame = _tables.read(source, form=form, where=where, numeric=())
        is_text = True
    for name, kind in frame.schema.items():
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise DataError(
                f"{where}, column {name}: found values of type {kind}, expected "
                f'numbers or words. Convert it, or write drop = ["{name}"]'
            )
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    if not frame.height:
        raise DataError(
            f"{where} has columns but no rows; expected labelled rows. Check the file"
        )
    return _guess.without_missing(frame), is_text


def _prepared(where: Path, settings: Config, notes: list[str]) -> Table:
    frame, is_text = _raw(where)
    _known(frame, settings, where)
    frame = frame.drop(settings.drop)
    label, rivals = settings.label, [*settings.extra]
    if label is None:
        label, more = _guess.label_column(frame)
        notes.append(f"guessed: the label is the column {label!r}")
        if more := [n for n in more if n not in settings.columns]:
            rivals += more
            notes.append(
                f"guessed: {_guess.listed(more)} also tell the label, so they are no "
                "features"
            )
    kinds = _kinds(frame, label, rivals, settings, where, notes)
    columns = tuple(
        _column(frame[name], kind, where, is_text)
        for name, kind in kinds.items()
        if kind != "extra"
    )
    if not columns:
        raise DataError(
            f"{where} has no feature column left; expected at least one. Name kinds "
            "under [columns]"
        )
    attack, families = _labels.attacks(frame[label], settings, where, notes, is_text)
    counts = attack.replace(families).value_counts(name="n")
    classes = sorted(c for c in counts["attack"].to_list() if c != BENIGN)
    if not classes or BENIGN not in counts["attack"].to_list():
        raise DataError(
            f"{where}: every row is {attack[0]!r}; expected benign rows and at least "
            "one kind of attack. Is the label column right, or benign?"
        )
    lone = counts.filter(pl.col("n") < 2)["attack"].to_list()
    if lone:
        raise DataError(
            f"{where}: {_guess.listed(sorted(lone))} "
            f"{'has' if len(lone) == 1 else 'have'} one row only; expected two or more "
            "in each class, to train and to judge. Drop the row, or put the class into "
            "another one under [families]"
        )
    schema = Schema(
        name=where.name.split(".")[0],
        columns=columns,
        classes=(BENIGN, *classes),
        families={a: c for a, c in families.items() if a != c},
        taxonomy=f"the values of the column {label!r}"
        + (", grouped by [families]" if settings.families else ""),
    )
    return _table(frame, schema, kinds, attack, where, is_text)


def _known(frame: pl.DataFrame, settings: Config, where: Path) -> None:
    named = [*settings.drop, *settings.extra, *settings.columns]
    if settings.label is not None:
        named.append(settings.label)
    for name in named:
        if name not in frame.columns:
            raise DataError(
                f"{where} has no column {name!r}; {nearest(name, frame.columns)}"
            )


def _kinds(
    frame: pl.DataFrame,
    label: str,
    aside: list[str],
    settings: Config,
    where: Path,
    notes: list[str],
) -> dict[str, str]:
    kinds: dict[str, str] = {}
    guessed: dict[str, list[str]] = {"numeric": [], "category": [], "extra": []}
    for name in frame.columns:
        if name == label:
            continue
        if name in settings.columns:
            kinds[name] = settings.columns[name]
        elif name in aside:
            kinds[name] = "extra"
        else:
            guess = _guess.kind_of(frame[name])
            kinds[name] = guess.kind
            guessed[guess.kind].append(
                f"{name} ({guess.why})" if guess.kind == "extra" else name
            )
    empty = [n for n, kind in kinds.items() if kind != "extra" and _is_empty(frame[n])]
    if empty:
        names = ", ".join(f'"{n}"' for n in empty)
        raise DataError(
            f"{where}: no row has a value in {_guess.listed(empty)}; expected columns "
            f"with values. Leave them out: drop = [{names}]"
        )
    words = {"numeric": "numbers", "category": "categories", "extra": "no features"}
    for kind, found in guessed.items():
        if found:
            notes.append(f"guessed {words[kind]}: {_guess.listed(found)}")
    return kinds


def _is_empty(series: pl.Series) -> bool:
    is_nan = series.is_nan().sum() if series.dtype.is_float() else 0
    return series.null_count() + is_nan == len(series)


def _column(series: pl.Series, kind: str, where: Path, is_text: bool) -> Column:
    if kind == "category":
        return Column(name=series.name, kind="category")
    x = _tables.numbers(series, where, 2 if is_text else None).to_numpy()
    x = x[np.isfinite(x)]
    if not len(x):
        return Column(name=series.name)
    if series.dtype == pl.Boolean:
        return Column(name=series.name, low=0, high=1, step=1)
    # no bounds from values seen: a count that was 0 or 1 here may be 2 tomorrow
    return Column(name=series.name, step=1 if (x == np.floor(x)).all() else None)


def _table(
    frame: pl.DataFrame,
    schema: Schema,
    kinds: dict[str, str],
    attack: pl.Series,
    where: Path,
    is_text: bool,
) -> Table:
    first_line = 2 if is_text else None
    typed = frame.with_columns(
        _tables.numbers(frame[c.name], where, first_line)
        if c.kind == "numeric"
        else contract.words(frame[c.name])
        for c in schema.columns
    )
    return _tables.labelled(
        schema,
        typed,
        attack,
        where=where,
        extra=_tables.extras(frame, [n for n, k in kinds.items() if k == "extra"]),
    )


def _like(train: Table, where: Path, settings: Config) -> Table:
    """Return a test file's rows in the columns and classes of the training file."""
    frame, is_text = _raw(where)
    schema = train.schema
    label = settings.label or _guess.label_column(frame)[0]
    _tables.require(frame, [*schema.names, label], where)
    attack, families = _labels.attacks(frame[label], settings, where, [], is_text)
    known = set(schema.classes)
    new = sorted(set(attack.replace(families).to_list()) - known)
    if new:
        raise DataError(
            f"{where} has the classes {_guess.listed(new)}, which no training row "
            f"has; expected: {', '.join(schema.classes)}. Put them into one of those "
            "under [families], or drop their rows"
        )
    grown = {a: c for a, c in families.items() if a != c}
    schema = Schema(
        name=schema.name,
        columns=schema.columns,
        classes=schema.classes,
        families={**schema.families, **grown},
        taxonomy=schema.taxonomy,
    )
    aside = [] if train.extra is None else train.extra.columns
    kinds = dict.fromkeys((n for n in aside if n in frame.columns), "extra")
    return _table(frame, schema, kinds, attack, where, is_text)


DATASET = Dataset(
    name="table_file",
    title="A CSV or Parquet file of your own",
    load=load,
    splits=("train", "test"),
    terms="Yours.",
    citation="Yours.",
    caveats=(
        "What is not named in the TOML file is guessed; read the notes.",
        "Without a second file, test rows are drawn from the same capture: the figure "
        "is optimistic for other networks.",
    ),
)
