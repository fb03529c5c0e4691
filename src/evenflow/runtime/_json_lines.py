"""Read one JSON object a line.

Polars infers a type for whatever it parses, so it is given flat objects of few keys
alone. Lines in which a value nests go through Python's ``json``, which infers nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.contract import BadRow, match_columns, shown
from evenflow.errors import DataError
from evenflow.runtime._limits import Limits
from evenflow.schema import Schema
from evenflow.text.blocks import Block
from evenflow.text.raw import MAX_COLUMNS, Raw

MAX_CELLS = 2**22
"""Rows times keys of one frame: a key of one line is a column of all its rows."""
CELL_BYTES = 8
MANY_LINES, MAX_KEYS = 100, 2**14
"""Lines, and characters of their keys, for which a look at all at once pays."""
MAX_DEPTH = 64
"""Levels to which values of columns that are not used may nest."""
_KEY = r'"(?:[^"\\]|\\.)*"\s*:'


def read(
    blocks: Iterator[Block], schema: Schema, *, name: str, limits: Limits | None = None
) -> Iterator[Raw]:
    """Yield the rows of a JSON-lines text; for blank lines a frame of no rows.

    A line without one of the schema's columns is a bad row (``null`` is a missing
    value, silence is not); if no line of the first block has it, the file lacks it.
    A nested value is a bad row in the schema's columns, and text in others.

    Raises
    ------
    DataError
        The text holds no object, a column is missing throughout, or there are more
        keys or values than may be.
    """
    n_rows = n_cells = 0
    for raw in _raws(blocks, schema, name):
        n_rows += raw.frame.height + len(raw.bad)
        n_cells += raw.frame.height * raw.frame.width
        if limits:
            limits.check_unpacked(CELL_BYTES * n_cells, name=name)
            limits.check_time(name=name)
        yield raw
    if not n_rows:
        raise DataError(
            f"{name} is empty; expected one JSON object a line with the columns of "
            f"{schema.name}. Is it the right file?"
        )


def _raws(blocks: Iterator[Block], schema: Schema, name: str) -> Iterator[Raw]:
    is_first = True
    for block in blocks:
        data, lines = block.without_blank_lines()
        n_lines = len(lines)
        is_flat = _is_flat(data, n_lines)
        most = n_lines
        if is_flat:
            most = MAX_CELLS // _n_keys(block, data, name)
        # its first line is a place among ``lines``
        whole = Block(data=data, first_line=0, n_lines=n_lines)
        for part in whole.pieces(most):
            raw = _fast(part, lines, schema) if is_flat else None
            if raw is not None:
                yield raw
                is_first = False
                continue
            for piece in part.pieces():
                yield _careful(piece, lines, schema, name, is_first=is_first)
                is_first = False


def _is_flat(data: bytes, n_lines: int) -> bool:
    """Return whether every line is one object in braces, and holds nothing nested."""
    return (
        n_lines > 0
        and data.startswith(b"{")
        and data.endswith(b"}\n")
        and data.count(b"}\n{") == n_lines - 1
        and data.count(b"{") == n_lines
        and b"[" not in data
        # Polars reads half a surrogate pair as a NUL
        and b"\\ud" not in data
        and b"\\uD" not in data
    )


def _n_keys(block: Block, data: bytes, name: str) -> int:
    """Return how many different keys there are, 1 or more."""
    keys = _keys_of_all(data)
    if keys is None:
        found = pl.Series([data.decode()]).str.extract_all(_KEY).explode()
        n_keys = found.n_unique()
    else:
        n_keys = len(keys)
    _check_keys(n_keys, block, name)
    return max(1, n_keys)


def _keys_of_all(data: bytes) -> list[str] | None:
    """Return the first line's keys if all lines have them in that order, else None.

    Almost every file is so, and to see it takes half the time of counting keys.
    """
    n_lines = data.count(b"\n")
    if n_lines < MANY_LINES or any(s in data for s in (b"\\", b" :", b"\t:", b"\r")):
        return None
    try:
        keys = list(json.loads(data[: data.index(b"\n")]))
    except ValueError:
        return None
    text = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero((text[:-1] == ord('"')) & (text[1:] == ord(":")))
    if sum(map(len, keys)) > MAX_KEYS or len(ends) != n_lines * len(keys):
        return None
    for key, end in zip(keys, ends.reshape(n_lines, -1).T, strict=True):
        for step, sign in enumerate(reversed(f'"{key}'.encode()), 1):
            # a step before the text's start is one back from its end, a newline
            if (text[end - step] != sign).any():
                return None
    return keys


def _check_keys(n_keys: int, block: Block, name: str) -> None:
    """Refuse more keys than columns may be: each is a column of all rows.

    Raises
    ------
    DataError
        There are more.
    """
    if n_keys > MAX_COLUMNS:
        raise DataError(
            f"{name}: found {n_keys} different keys in {block.n_lines} lines from "
            f"line {block.first_line} on, expected at most {MAX_COLUMNS}. Leave "
            "out what is not needed"
        )


def _fast(block: Block, lines: NDArray[np.int64], schema: Schema) -> Raw | None:
    """Return the rows of flat objects if none lacks a value, else None.

    Polars makes an absent key null; where no value is null, no key is absent.
    """
    try:
        frame = pl.read_ndjson(block.data, infer_schema_length=None)
        names = match_columns(schema, frame.columns).values()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, DataError):
        return None
    used = frame.select(names)
    if frame.height != block.n_lines or any(
        count for (count,) in used.null_count().transpose().iter_rows()
    ):
        return None

    @cache
    def texts() -> list[bytes]:
        return block.data.split(b"\n")

    return Raw(
        frame=frame,
        lines=lines[block.first_line : block.first_line + block.n_lines],
        bad=(),
        text=lambda i: texts()[i].decode(),
    )


def _careful(
    block: Block,
    lines: NDArray[np.int64],
    schema: Schema,
    name: str,
    *,
    is_first: bool,
) -> Raw:
    """Return the rows of any lines, by Python's ``json``."""
    records: list[tuple[int, str, dict[str, Any], list[str]]] = []
    bad: list[BadRow] = []
    for row, text in enumerate(block.data.decode().split("\n")[:-1], block.first_line):
        if not text.strip():
            continue
        line = int(lines[row])
        try:
            records.append((line, text, *_record(text)))
        except ValueError as error:
            bad.append(_bad(line, "", str(error), "a JSON object", text))
    names = list(dict.fromkeys(key for _, _, record, _ in records for key in record))
    _check_keys(len(names), block, name)
    wanted = _wanted(schema, names, name, is_first=is_first) if records else {}
    good = []
    for line, text, record, nested in records:
        column = next((c for c, key in wanted.items() if key not in record), None)
        odd = next((key for key in wanted.values() if key in nested), None)
        if column is not None:
            bad.append(_bad(line, column, "nothing", "a value, or null", text))
        elif odd is not None:
            found = shown(json.loads(record[odd]))
            bad.append(_bad(line, odd, found, "a plain value", text))
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


def _wanted(
    schema: Schema, names: list[str], name: str, *, is_first: bool
) -> dict[str, str]:
    """Return the key of each column; a later line that lacks one is itself bad."""
    try:
        return match_columns(schema, names, source=name)
    except DataError:
        if is_first:
            raise
        return {column: column for column in schema.names}


def _record(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return a line's object, nested values as JSON text, and which keys those are.

    Raises
    ------
    ValueError
        It holds no object, or one that is no text; says what was found.
    """
    depth = _depth(text)
    if depth > MAX_DEPTH:
        raise ValueError(f"values nested {depth} levels deep")
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ValueError(f"no JSON ({error})") from None
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}")
    nested = [key for key, value in record.items() if isinstance(value, (dict, list))]
    for key in nested:
        record[key] = json.dumps(record[key], ensure_ascii=False)
    if "\\" in text:
        for word in chain(record, record.values()):
            if isinstance(word, str) and not _is_text(word):
                raise ValueError(f"half a surrogate pair in {ascii(word)[:60]}")
    return record, nested


def _is_text(word: str) -> bool:
    """Return whether UTF-8 can hold it."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(text: str) -> int:
    """Return how deep objects and lists nest; strings hold none."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return 0
    bare = text.replace("\\\\", "").replace('\\"', "")
    outside = "".join(bare.split('"')[::2]).encode()
    signs = np.frombuffer(outside, dtype=np.uint8)
    steps = np.isin(signs, list(b"{[")).astype(np.int64)
    steps -= np.isin(signs, list(b"}]"))
    return int(steps.cumsum().max(initial=0))


def _series(name: str, values: list[Any]) -> pl.Series:
    """Return numbers as Float64, anything else as text."""
    if all(v is None or isinstance(v, (bool, int, float)) for v in values):
        try:
            numbers = [None if v is None else float(v) for v in values]
            return pl.Series(name, numbers, dtype=pl.Float64)
        except OverflowError:  # an integer of 400 digits
            pass
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String)


def _bad(line: int, column: str, found: str, expected: str, text: str) -> BadRow:
    return BadRow(line=line, column=column, found=found, expected=expected, text=text)
