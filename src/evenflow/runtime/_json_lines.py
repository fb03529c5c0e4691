"""Read one JSON object a line.

Lines that are surely flat objects of the same keys go through Polars, which is told
the types of the columns that are used and looks at no other. All other lines go
through Python's ``json``, which infers nothing and can name what is wrong with each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import BadRow, as_float, match_columns, shown
from evenflow.errors import DataError
from evenflow.runtime.limits import Limits
from evenflow.runtime.words import word
from evenflow.schema import Schema
from evenflow.text.blocks import Block
from evenflow.text.raw import MAX_COLUMNS, Raw

CELL_BYTES = 8
MAX_DEPTH = 64
"""Levels to which values of columns that are not used may nest."""
STEP = 8
"""Bytes of a key that are compared at once."""


def read(
    blocks: Iterator[Block],
    schema: Schema,
    *,
    name: str,
    limits: Limits | None = None,
    all_columns: bool = False,
) -> Iterator[Raw]:
    """Yield the rows of a JSON-lines text; for blank lines a frame of no rows.

    A line without one of the schema's columns is a bad row (``null`` is a missing
    value, silence is not); if no line of the first block has it, the file lacks it.
    So is one that has a key twice, or a nested value in the schema's columns; in
    others that is text.

    Parameters
    ----------
    all_columns : bool
        Whether frames hold the columns that the schema does not name, too.

    Raises
    ------
    DataError
        The text holds no object, a column is missing throughout, or there are more
        keys or values than may be.
    """
    n_rows = n_cells = 0
    for raw in _raws(blocks, schema, name, all_columns=all_columns):
        n_rows += raw.frame.height + len(raw.bad)
        n_cells += raw.frame.height * raw.frame.width
        if limits:
            limits.check_unpacked(CELL_BYTES * n_cells, name=name)
            limits.check_time(name=name)
        yield raw
    if not n_rows:
        raise DataError(
            f"{name} is empty; expected one JSON object a line with the columns of "
            f"{schema.name}. Check that it is the right file"
        )


def _raws(
    blocks: Iterator[Block], schema: Schema, name: str, *, all_columns: bool
) -> Iterator[Raw]:
    is_first = True
    for block in blocks:
        data, lines = block.data, block.first_line + np.arange(block.n_lines)
        first = same_keys(data, len(lines))
        if first is None:
            data, lines = block.without_blank_lines()
            if len(lines) < block.n_lines:
                first = same_keys(data, len(lines))
        if first is not None:
            _check_keys(len(first), block, name)
            raw = _fast(data, lines, first, schema, all_columns=all_columns)
            if raw is not None:
                yield raw
                is_first = False
                continue
        # its first line is a place among ``lines``
        whole = Block(data=data, first_line=0, n_lines=len(lines))
        for piece in whole.pieces():
            yield _careful(
                piece, lines, schema, name, is_first=is_first, all_columns=all_columns
            )
            is_first = False


def same_keys(data: bytes, n_lines: int) -> dict[str, Any] | None:
    """Return the first line's object if all lines surely have its keys, else None.

    Surely: each line is one object in braces, holds nothing nested and has the first
    line's keys, each once, in that order and spelling. Nearly every file is so. Bytes
    are compared, which costs less than to parse them; JSON that is damaged elsewhere
    is left to who parses it.
    """
    if (
        not data.startswith(b'{"')
        or data.count(b"{") != n_lines
        or b"[" in data
        # else each quote begins or ends a text; and Polars reads half a surrogate
        # pair as a NUL
        or (b"\\" in data and re.search(rb'\\(["\\]|u[dD])', data))
    ):
        return None
    try:
        first: dict[str, Any] = json.loads(data[: data.index(b"\n")])
        keys = [key.encode() for key in first]
    except ValueError:
        return None
    text = np.frombuffer(data, dtype=np.uint8)
    quote = np.flatnonzero((text[:-1] == ord('"')) & (text[1:] == ord(":")))
    if len(quote) != n_lines * len(keys):
        return None
    # before each of these quotes stands ``"key``, in the first column on a new line
    ends = quote.reshape(n_lines, len(keys)) + STEP
    signs = [b'"' + key for key in keys]
    signs[0] = b"\n{" + signs[0]
    if any(end < len(sign) for end, sign in zip(ends[0].tolist(), signs, strict=True)):
        return None
    padded = b"\n" * STEP + data
    eights = np.ndarray(len(padded) - STEP + 1, dtype="<u8", buffer=padded, strides=1)
    while signs:
        shift = [8 * max(0, STEP - len(sign)) for sign in signs]
        wanted = [int.from_bytes(sign[-STEP:], "little") for sign in signs]
        found = eights[ends - STEP] >> np.array(shift, dtype=np.uint64)
        if (found != np.array(wanted, dtype=np.uint64)).any():
            return None
        longer = [len(sign) > STEP for sign in signs]
        signs = [sign[:-STEP] for sign in signs if len(sign) > STEP]
        ends = ends[:, longer] - STEP
    return first


def _check_keys(n_keys: int, block: Block, name: str) -> None:
    """Refuse more keys than columns may be: each may be a column of all rows.

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


def _fast(
    data: bytes,
    lines: NDArray[np.int64],
    first: Mapping[str, Any],
    schema: Schema,
    *,
    all_columns: bool,
) -> Raw | None:
    """Return the rows of objects of the same keys, else None.

    None where the type of a value changes from line to line, and where the text is
    not JSON.
    """
    try:
        names = match_columns(schema, list(first))
    except DataError:
        return None
    words = {names[c.name] for c in schema.texts}
    # numbers may stand as text, in all lines if they do in the first
    texts = {key for key in names.values() if isinstance(first[key], str)} - words
    if texts and (b"true" in data or b"false" in data):
        return None  # there Polars would make them words
    types = {
        key: pl.String if key in words or key in texts else pl.Float64
        for key in names.values()
    }
    try:
        if all_columns:
            frame = pl.read_ndjson(
                data, schema_overrides=types, infer_schema_length=None
            )
        else:
            frame = pl.read_ndjson(data, schema=types)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if frame.height != len(lines):
        return None

    @cache
    def rows() -> list[bytes]:
        return data.split(b"\n")

    return Raw(
        frame=frame,
        lines=lines,
        bad=(),
        text=lambda i: rows()[i].decode(),
        left_out=tuple(key for key in first if key not in frame.columns),
    )


def _careful(
    block: Block,
    lines: NDArray[np.int64],
    schema: Schema,
    name: str,
    *,
    is_first: bool,
    all_columns: bool,
) -> Raw:
    """Return the rows of any lines, by Python's ``json``."""
    records: list[tuple[int, str, dict[str, Any]]] = []
    bad: list[BadRow] = []
    for row, text in enumerate(block.data.decode().split("\n")[:-1], block.first_line):
        if not text.strip():
            continue
        line = int(lines[row])
        try:
            records.append((line, text, _record(text)))
        except ValueError as error:
            bad.append(_bad(line, "", str(error), "a JSON object", text))
    names = list(dict.fromkeys(chain.from_iterable(r for _, _, r in records)))
    _check_keys(len(names), block, name)
    wanted = _wanted(schema, names, name, is_first=is_first) if records else {}
    good, used = [], set(wanted.values())
    for line, text, record in records:
        if not used <= record.keys():
            column = next(c for c, key in wanted.items() if key not in record)
            bad.append(_bad(line, column, "nothing", "a value, or null", text))
        elif odd := _nested(record, used, text):
            bad.append(_bad(line, odd, shown(record[odd]), "a plain value", text))
        else:
            good.append((line, text, record))
    others = [key for key in names if key not in used]
    frame = pl.DataFrame(schema=dict.fromkeys(schema.names, pl.String))
    if good:
        keys = tuple(wanted.values())
        pick = itemgetter(*keys, keys[0])  # of one key alone it would make no tuple
        values = zip(*(pick(record) for _, _, record in good), strict=True)
        columns = {
            key: _column(key, found, schema.column(column).kind)
            for (column, key), found in zip(wanted.items(), values, strict=False)
        }
        if all_columns:
            columns |= {k: _other(k, [r.get(k) for _, _, r in good]) for k in others}
            columns = {key: columns[key] for key in names}
        frame = pl.DataFrame(columns)
    return Raw(
        frame=frame,
        lines=np.array([line for line, _, _ in good], dtype=np.int64),
        bad=tuple(sorted(bad, key=lambda b: b.line)),
        text=[text for _, text, _ in good].__getitem__,
        left_out=() if all_columns else tuple(others),
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


def _record(text: str) -> dict[str, Any]:
    """Return a line's object.

    Raises
    ------
    ValueError
        It does not hold an object of valid text; the message says what was found.
    """
    depth = _depth(text)
    if depth > MAX_DEPTH:
        raise ValueError(f"values nested {depth} levels deep")
    try:
        record = json.loads(text)
        if isinstance(record, dict) and _has_more_texts(record, text):
            record = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON ({error})") from None
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}")
    if "\\" in text:
        try:  # at any depth: UTF-8 cannot hold it
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            found = ascii(error.object[error.start : error.end])
            raise ValueError(f"half a surrogate pair, {found}") from None
    return record


def _has_more_texts(record: Mapping[str, Any], text: str) -> bool:
    """Return whether there are more quotes than keys and texts need: a key is twice.

    Or a text holds one, or a value nests: who finds out is slower.
    """
    n_texts = len(record) + list(map(type, record.values())).count(str)
    return text.count('"') != 2 * n_texts


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, whose values nobody knows where a key is there twice."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} twice")
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _nested(record: Mapping[str, Any], used: Collection[str], text: str) -> str:
    """Return the first used key of a value that is an object or a list; "" if none."""
    if "[" not in text and text.count("{") == 1:
        return ""
    return next(
        (k for k in record if k in used and type(record[k]) in (dict, list)), ""
    )


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


def _column(key: str, values: Sequence[Any], kind: str) -> pl.Series:
    """Return a column that is used: numbers as Float64, anything else as text."""
    if kind != "numeric":
        return pl.Series(key, [word(value) for value in values], dtype=pl.String)
    if str not in set(map(type, values)):
        return _floats(key, values)
    texts = [v if isinstance(v, (str, NoneType)) else repr(as_float(v)) for v in values]
    return pl.Series(key, texts, dtype=pl.String)


def _other(key: str, values: Sequence[Any]) -> pl.Series:
    """Return a column that is only shown: numbers as Float64, anything else as text."""
    if set(map(type, values)) <= {NoneType, bool, int, float}:
        return _floats(key, values)
    texts = [
        v if isinstance(v, (str, NoneType)) else json.dumps(v, ensure_ascii=False)
        for v in values
    ]
    return pl.Series(key, texts, dtype=pl.String)


def _floats(key: str, values: Sequence[Any]) -> pl.Series:
    try:
        found = [None if v is None else float(v) for v in values]
    except OverflowError:  # an integer of 400 digits
        found = [None if v is None else as_float(v) for v in values]
    return pl.Series(key, found, dtype=pl.Float64)


def _bad(line: int, column: str, found: str, expected: str, text: str) -> BadRow:
    return BadRow(line=line, column=column, found=found, expected=expected, text=text)
