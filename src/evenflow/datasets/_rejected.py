"""Rows of a user's own table that ``score`` rejects: they neither train nor judge."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from evenflow import conform
from evenflow.conform import BadRow, Conformed
from evenflow.datasets import _guess
from evenflow.datasets._own import OwnFile
from evenflow.errors import DataError
from evenflow.schema import Schema

MOST_LISTED = 20
"""Rows that a note lists by their lines."""


def checked(
    schema: Schema, frame: pl.DataFrame, file: OwnFile, notes: list[str]
) -> Conformed:
    """Return the valid rows, as ``score`` tells them; note the others.

    Parameters
    ----------
    frame : DataFrame
        The schema's columns of the file.
    notes : list of str
        Gets the rejected rows and the infinite values.

    Raises
    ------
    DataError
        Many values of a column, or most rows, are invalid.
    """
    found = conform.check(
        schema, frame.select(schema.names), lines=file.lines, source=str(file.where)
    )
    kept = found.table.frame
    if found.bad:
        _refuse_many(found, frame, file)
        notes.append(_message(found.bad, frame.height))
    infinite = {c.name: int(kept[c.name].is_infinite().sum()) for c in schema.numeric}
    notes += [f"{name}: infinite values: {n:,}" for name, n in infinite.items() if n]
    return found


def _refuse_many(found: Conformed, frame: pl.DataFrame, file: OwnFile) -> None:
    for name, bad in _by_column(found.bad).items():
        n_given = frame.height - frame[name].null_count()
        if not _guess.are_few(len(bad), n_given - len(bad)):
            raise DataError(
                f"{file.where}, column {name}: found {len(bad):,} values that are not "
                f"{bad[0].expected} (first on {_first(bad)}), expected at most a tenth "
                "of such values. Correct them; or, if the column holds words, write "
                f'{name} = "category" under [columns]'
            )
    if len(found.bad) > len(found.rows):
        raise DataError(
            f"{file.where}: found {len(found.bad):,} rows of "
            f"{len(found.bad) + len(found.rows):,} with a value that is not possible "
            f"in its column (first: {found.bad[0]}), expected fewer than half. Correct "
            "the values, or name the kinds of the columns under [columns]"
        )


def _message(bad: Sequence[BadRow], n_rows: int) -> str:
    numbers = ", ".join(f"{row.line:,}" for row in bad[:MOST_LISTED])
    more = f" and {len(bad) - MOST_LISTED:,} more" if len(bad) > MOST_LISTED else ""
    columns = "; ".join(
        f"{name}: {len(rows):,}, first on {_first(rows)}, expected {rows[0].expected}"
        for name, rows in _by_column(bad).items()
    )
    return (
        f"rows rejected, as score rejects them: {len(bad):,} of {n_rows:,} "
        f"({bad[0].unit} {numbers}{more}). {columns}"
    )


def _by_column(bad: Sequence[BadRow]) -> dict[str, list[BadRow]]:
    found: dict[str, list[BadRow]] = {}
    for row in bad:
        found.setdefault(row.column, []).append(row)
    return found


def _first(bad: Sequence[BadRow]) -> str:
    return f"{bad[0].unit} {bad[0].line}: {bad[0].found}"
