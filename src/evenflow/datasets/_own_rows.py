"""Rows of a user's own table: its columns and labels, named or guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from evenflow import conform
from evenflow.conform import Conformed
from evenflow.datasets import _columns, _guess, _labels, _rejected, _tables
from evenflow.datasets._own import OwnFile
from evenflow.datasets._table_config import Config
from evenflow.errors import DataError
from evenflow.prepare.suspects import label_twins, likely_twins, too_few
from evenflow.progress import Note, OnEvent
from evenflow.registry import nearest
from evenflow.schema import ATTACK, BENIGN, Schema, Table


def training(file: OwnFile, settings: Config, on_event: OnEvent) -> Table:
    """Return the rows that may train, without features that are copies of the label."""
    table, notes = _read(file, settings)
    twins = [n for n in label_twins(table) if n not in settings.columns]
    if twins:
        it = "it" if len(twins) == 1 else "them"
        leak = f"{_guess.listed(twins)} alone {'tells' if len(twins) == 1 else 'tell'}"
        if len(twins) == len(table.schema.columns):
            raise DataError(
                f"{table.schema.name}: {leak} attack from benign, as a label does, and "
                "no other feature is left; expected columns that describe the traffic. "
                "Name those to learn from under [columns]"
            )
        # a row is not rejected for a value in a column that no model reads
        extra = [*settings.extra, *twins]
        table, notes = _read(file, settings.model_copy(update={"extra": extra}))
        notes.append(
            f"guessed: {leak} attack from benign without an error, as a label does, so "
            f"no model reads {it}; to learn from {it}, name {it} under [columns]"
        )
    for note in notes:
        on_event(Note(text=f"{file.where.name}: {note}"))
    if unsure := [n for n in likely_twins(table) if n not in settings.columns]:
        text = f"{file.where.name}: {too_few(unsure, len(table))}"
        on_event(Note(text=text, is_warning=True))
    return table


def _read(file: OwnFile, settings: Config) -> tuple[Table, list[str]]:
    """Return the rows of a file and what was guessed of them."""
    where = file.where
    _known(file.frame, settings, where)
    frame = file.frame.drop(settings.drop)
    notes = [*file.notes]
    label = settings.label
    if label is None:
        label = _guess.label_column(frame)
        notes.append(f"guessed: the label is the column {label!r}")
    rivals = [
        name
        for name in _guess.label_columns(frame)
        if name != label and name not in settings.columns
    ]
    if rivals:
        notes.append(
            f"guessed: {_guess.listed(rivals)} also "
            + (
                "reveals the label, so it is not used as a feature"
                if len(rivals) == 1
                else "reveal the label, so they are not used as features"
            )
        )
    values, frame = frame[label], _guess.without_missing(frame.drop(label))
    labels = _labels.read(
        values,
        settings,
        where=where,
        at=file.at,
        binary=[name for name in rivals if _guess.is_binary(frame[name])],
        notes=notes,
    )
    kinds = _kinds(frame, [*rivals, *settings.extra], settings, file, notes)
    columns = tuple(
        _columns.column_of(frame[name], kind, settings.marks)
        for name, kind in kinds.items()
        if kind != "extra"
    )
    if not columns:
        raise DataError(
            f"{where} has no feature column left; expected at least one. Name kinds "
            "under [columns]"
        )
    schema = Schema(
        name=where.name.split(".")[0],
        columns=columns,
        classes=(BENIGN, ATTACK),
        taxonomy=f"the values of the column {label!r}"
        + (", grouped by [families]" if settings.families else ""),
        layout=file.layout,
        label=label,
        benign=labels.benign,
    )
    found = _rejected.checked(schema, frame, file, notes)
    attack = labels.attack.gather(found.rows)
    n_rows = dict(attack.replace(labels.families).value_counts(name="n").rows())
    classes = sorted(c for c in n_rows if c != BENIGN)
    if not classes or BENIGN not in n_rows:
        what = "benign" if not classes else "an attack"
        raise DataError(
            f"{where}: every row is {what}; expected benign rows and at least one "
            f"kind of attack to train on. Is the label column {label!r} right, or "
            "benign?"
        )
    if lone := sorted(c for c, n in n_rows.items() if n == 1):
        notes.append(
            f"classes of one row: {_guess.listed(lone)}; such a class is either in the "
            "training or in the test rows, never in both. Group it with another one "
            "under [families]"
        )
    present = set(attack)
    families = {a: c for a, c in labels.families.items() if a != c and a in present}
    schema = replace(schema, classes=(BENIGN, *classes), families=families)
    extra = [name for name, kind in kinds.items() if kind == "extra"]
    return _table(schema, found, frame[found.rows].select(extra), attack, file), notes


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
    aside: list[str],
    settings: Config,
    file: OwnFile,
    notes: list[str],
) -> dict[str, str]:
    kinds: dict[str, str] = {}
    guessed: dict[str, list[str]] = {"numeric": [], "category": [], "extra": []}
    for name in frame.columns:
        if name in settings.columns:
            kinds[name] = settings.columns[name]
        elif name in aside:
            kinds[name] = "extra"
        else:
            guess = _guess.kind_of(frame[name], settings.marks)
            _columns.refuse_marks(frame[name], settings.marks, file)
            kinds[name] = guess.kind
            guessed[guess.kind].append(
                f"{name} ({guess.why})" if guess.kind == "extra" else name
            )
    empty = [n for n, kind in kinds.items() if kind != "extra" and _is_empty(frame[n])]
    if empty:
        names = ", ".join(f'"{n}"' for n in empty)
        raise DataError(
            f"{file.where}: no row has a value in {_guess.listed(empty)}; expected "
            f"columns with values. Leave them out: drop = [{names}]"
        )
    words = {"numeric": "numbers", "category": "categories", "extra": "no features"}
    for kind, found in guessed.items():
        if found:
            notes.append(f"guessed {words[kind]}: {_guess.listed(found)}")
    return kinds


def _is_empty(series: pl.Series) -> bool:
    is_nan = series.is_nan().sum() if series.dtype.is_float() else 0
    return series.null_count() + is_nan == len(series)


def _table(
    schema: Schema,
    found: Conformed,
    extra: pl.DataFrame,
    attack: pl.Series,
    file: OwnFile,
) -> Table:
    """Return the valid rows, with labels and the columns beside."""
    table = _tables.labelled(
        schema, found.table.frame, attack, where=file.where, extra=extra
    )
    return replace(table, n_rejected=len(found.bad))


def later(schema: Schema, file: OwnFile, settings: Config, on_event: OnEvent) -> Table:
    """Return the rows of a later table in the columns and by the labels of a schema."""
    where = file.where
    frame, notes = file.frame, [*file.notes]
    label = label_like(schema, frame, where, settings, notes)
    labels = _labels.read_later(
        frame[label], settings, schema, where=where, at=file.at, notes=notes
    )
    frame = _guess.without_missing(frame.drop(label))
    found = conform.match_columns(schema, frame.columns, source=str(where))
    frame = frame.rename({there: name for name, there in found.items()})
    extra = [n for n in frame.columns if n not in found and n not in settings.drop]
    types = labels.families.keys() - {BENIGN}
    schema = replace(
        schema.including(sorted(types), labels.families), name=where.name.split(".")[0]
    )
    kept = _rejected.checked(schema, frame, file, notes)
    attack = labels.attack.gather(kept.rows)
    table = _table(schema, kept, frame[kept.rows].select(extra), attack, file)
    for note in notes:
        on_event(Note(text=f"{where.name}: {note}"))
    return table


def label_like(
    schema: Schema,
    frame: pl.DataFrame,
    where: Path,
    settings: Config,
    notes: list[str],
) -> str:
    """Return the label column: named, or spelled as in training, or guessed."""
    for wanted in filter(None, (settings.label, schema.label)):
        if wanted in frame.columns:
            return wanted
        for name in frame.columns:
            if conform.fold(name) == conform.fold(wanted):
                return name
        if wanted != schema.label:
            raise DataError(
                f"{where} has no column {wanted!r}; {nearest(wanted, frame.columns)}"
            )
    features = conform.match_columns(schema, frame.columns, source=str(where))
    label = _guess.label_column(frame.drop(features.values()))
    notes.append(f"guessed: the label is the column {label!r}")
    return label
