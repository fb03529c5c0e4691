"""A pasted record: a line of a data set's file, a header with a line, or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass

from evenflow.conform import fold, match_columns, shown
from evenflow.errors import DataError
from evenflow.schema import BENIGN, Schema
from evenflow.text import header

NAME = "the pasted text"
MAX_CHARACTERS = 100_000
"""Characters of a pasted text."""
LABELS = ("label", "class", "attack", "attack_cat", "subcategory", "category")
"""Columns that say what a row is, the likeliest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pasted:
    """The values of one pasted record, not yet checked."""

    values: Mapping[str, object]
    """Column of the schema -> what was pasted."""
    places: Mapping[str, str]
    """Column of the schema -> where it stood, in words."""
    label: str
    """Label in the line (``benign`` for normal), or empty."""


def pasted(text: str, schema: Schema) -> Pasted:
    """Return the values of a pasted record.

    Raises
    ------
    DataError
        The text is invalid; the message says what was found and expected.
    """
    text = text.lstrip("\ufeff").strip(" \r\n\v\f")
    if not text.strip():
        raise _refusal("nothing", "a line of the data set or a JSON object")
    if len(text) > MAX_CHARACTERS:
        raise _refusal(
            f"{len(text):,} characters",
            f"one record of at most {MAX_CHARACTERS:,}",
            "Upload a file for many records",
        )
    if text[0] in "{[":
        return _json(text, schema)
    return _delimited_line(text, schema)


def _json(text: str, schema: Schema) -> Pasted:
    try:
        record = json.loads(text)
        json.dumps(record, ensure_ascii=False).encode()  # half a character is none
    except (ValueError, RecursionError) as error:
        raise _refusal(
            f"text that starts like JSON but is invalid ({error})",
            "one JSON object with a value for each column",
        ) from None
    if isinstance(record, list) and len(record) == 1:
        record = record[0]
    if not isinstance(record, dict):
        raise _refusal(
            f"a JSON {type(record).__name__}", "one JSON object", "Paste one record"
        )
    names = match_columns(schema, list(record), source=NAME)
    used = set(names.values())
    return Pasted(
        values={column: record[key] for column, key in names.items()},
        places={column: f"Key {key!r}" for column, key in names.items()},
        label=_label({k: v for k, v in record.items() if k not in used}),
    )


def _delimited_line(text: str, schema: Schema) -> Pasted:
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    dialect = _dialect(lines[0], schema)
    wanted = 2 if dialect.has_header else 1
    if len(lines) != wanted:
        found = "a header line" if dialect.has_header else ""
        n = len(lines) - dialect.has_header
        rows = f"{n or 'no'} line{'' if n == 1 else 's'} of values"
        raise _refusal(
            " and ".join(filter(None, (found, rows))),
            "one line of values",
            "Upload a file for many records" if n else "Paste the line too",
        )
    try:
        reader = csv.reader([lines[-1]], delimiter=dialect.delimiter, strict=True)
        fields = next(reader)
    except (csv.Error, StopIteration) as error:
        raise _refusal(f"a broken quote ({error})", "quotes that close") from None
    if len(fields) != len(dialect.names):
        raise _refusal(
            f"{len(fields)} fields", f"{len(dialect.names)}, as the header names"
        )
    names = match_columns(schema, dialect.names, source=NAME)
    at = {name: i for i, name in enumerate(dialect.names)}
    used = set(names.values())
    return Pasted(
        values={column: fields[at[name]] for column, name in names.items()},
        places={column: f"Field {at[n] + 1}" for column, n in names.items()},
        label=_label({n: fields[at[n]] for n in dialect.names if n not in used}),
    )


def _dialect(line: str, schema: Schema) -> header.Dialect:
    try:
        return header.sniff(line, schema, name=NAME)
    except DataError:
        pass
    # without a published order: the order in which the form asks
    splits = {d: len(line.split(d)) for d in header.DELIMITERS}
    delimiter = max(splits, key=lambda d: splits[d])
    n, names = splits[delimiter], schema.names
    if n == len(names):
        return header.Dialect(delimiter=delimiter, names=names, has_header=False)
    order = schema.layout or names
    where = f"; field {n + 1} should be {order[n]}" if n < len(order) else ""
    raise _refusal(
        f"{n} field{'' if n == 1 else 's'} ({shown(line)}) and no column's name",
        f"{len(names)} values in the order of {schema.name}{where}",
        "Or put a header line with the columns' names above it, or paste a JSON object",
    )


def _label(others: Mapping[str, object]) -> str:
    """Return what the other columns say the row is."""
    folded = {fold(name): value for name, value in others.items()}
    for name in LABELS:
        value = folded.get(name)
        if isinstance(value, str) and value.strip():
            # KDD Cup 99's own files end the label with a point
            word = value.strip().rstrip(".").lower()
            return BENIGN if word in ("normal", BENIGN) else word
    return ""


def _refusal(found: str, expected: str, do: str = "Paste it again") -> DataError:
    return DataError(f"{NAME}: found {found}, expected {expected}. {do}")
