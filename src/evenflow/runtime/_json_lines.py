"""Read one JSON object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from evenflow.contract import BadRow, match_columns, shown
from evenflow.errors import DataError
from evenflow.runtime._bytes import Block
from evenflow.runtime._limits import MAX_COLUMNS
from evenflow.runtime._raw import Raw
from evenflow.schema import Schema

_KEY = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"\s*:')


def read(blocks: Iterator[Block], schema: Schema, *, name: str) -> Iterator[Raw]:
    """Yield the rows of a JSON-lines text.

    A line without one of the schema's columns is a bad row (``null`` is a missing
    value, silence is not); if no line of the first block has it, the file lacks it.

    Raises
    ------
    DataError
        The text holds no object, or a column is missing throughout.
    """
    n_rows = 0
    for block in blocks:
        raw = _fast(block, schema) or _careful(block, schema, name=name)
        n_rows += raw.frame.height + len(raw.bad)
        if raw.frame.height or raw.bad:
            yield raw
    if not n_rows:
        raise DataError(
            f"{name} is empty; expected one JSON object a line with the columns of "
            f"{schema.name}. Is it the right file?"
        )


def few_keys(blocks: Iterator[Block], *, name: str) -> Iterator[Block]:
    """Yield a stranger's blocks: every key would be a column of all rows.

    Raises
    ------
    DataError
        There are more keys than columns may be.
    """
    for block in blocks:
        n_keys = len(set(_KEY.findall(block.data)))
        if n_keys > MAX_COLUMNS:
            raise DataError(
                f"{name}: found {n_keys} different keys in {block.n_lines} lines from "
                f"line {block.first_line} on, expected at most {MAX_COLUMNS}. Leave "
                "out what is not needed"
            )
        yield block


def _fast(block: Block, schema: Schema) -> Raw | None:
    """Return the rows of a block if none lacks a value, else None.

    Polars makes an absent key null; where no value is null, no key is absent.
    """
    try:
        frame = pl.read_ndjson(block.data, infer_schema_length=None)
        names = match_columns(schema, frame.columns).values()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, DataError):
        return None
    used = frame.select(names)
    if (
        frame.height != block.n_lines
        or any(t.is_nested() for t in used.dtypes)
        or any(count for (count,) in used.null_count().transpose().iter_rows())
    ):
        return None

    @cache
    def texts() -> list[bytes]:
        return block.data.split(b"\n")

    return Raw(
        frame=frame,
        lines=np.arange(block.first_line, block.first_line + frame.height),
        bad=(),
        text=lambda i: texts()[i].decode(),
    )


def _careful(block: Block, schema: Schema, *, name: str) -> Raw:
    records: list[tuple[int, str, dict[str, Any]]] = []
    bad: list[BadRow] = []
    for line, text in enumerate(block.data.decode().split("\n")[:-1], block.first_line):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            found = "" if isinstance(record, dict) else f"a {type(record).__name__}"
        except (ValueError, RecursionError) as error:
            found = f"no JSON ({error})"
        if found:
            bad.append(_bad(line, "", found, "a JSON object", text))
        else:
            records.append((line, text, record))
    names = list(dict.fromkeys(key for _, _, record in records for key in record))
    wanted = match_columns(schema, names, source=name) if records else {}
    good = []
    for line, text, record in records:
        column = next((c for c, key in wanted.items() if key not in record), None)
        nested = (k for k in wanted.values() if isinstance(record.get(k), (dict, list)))
        odd = next(nested, None)
        if column is not None:
            bad.append(_bad(line, column, "nothing", "a value, or null", text))
        elif odd is not None:
            bad.append(_bad(line, odd, shown(record[odd]), "a plain value", text))
        else:
            good.append((line, text, record))
    frame = pl.DataFrame(
        [_series(key, [record.get(key) for _, _, record in good]) for key in names]
    )
    if not good:
        frame = pl.DataFrame(schema=dict.fromkeys(schema.names, pl.String))
    return Raw(
        frame=frame,
        lines=np.array([line for line, _, _ in good], dtype=np.int64),
        bad=tuple(sorted(bad, key=lambda b: b.line)),
        text=[text for _, text, _ in good].__getitem__,
    )


def _series(name: str, values: list[Any]) -> pl.Series:
    """Return numbers as Float64, anything else as text."""
    if all(v is None or isinstance(v, (bool, int, float)) for v in values):
        try:
            numbers = [None if v is None else float(v) for v in values]
            return pl.Series(name, numbers, dtype=pl.Float64)
        except OverflowError:  # an integer of 400 digits
            pass
    texts = [
        v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        for v in values
    ]
    return pl.Series(name, texts, dtype=pl.String)


def _bad(line: int, column: str, found: str, expected: str, text: str) -> BadRow:
    return BadRow(line=line, column=column, found=found, expected=expected, text=text)
