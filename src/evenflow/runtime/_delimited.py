"""Read rows separated by comma, semicolon or tab, with or without a header.

Blocks without anything unusual go through Polars; a block with quotes, blank lines
or a wrong number of fields goes through Python's ``csv``, which finds exact lines.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from evenflow.contract import BadRow, fold, shown
from evenflow.errors import DataError
from evenflow.runtime._bytes import CHUNK, PIECE_LINES, Block
from evenflow.runtime._limits import MAX_COLUMNS
from evenflow.runtime._raw import Raw
from evenflow.schema import Schema

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How a file separates and names its columns."""

    delimiter: str
    names: tuple[str, ...]
    has_header: bool


def read(blocks: Iterator[Block], schema: Schema, *, name: str) -> Iterator[Raw]:
    """Yield the rows of a delimited text.

    Raises
    ------
    DataError
        The text is empty, has no rows, names no column of the schema, or a quote
        never ends.
    """
    first = _first_with_text(blocks)
    if first is None:
        raise DataError(
            f"{name} is empty; expected a header and rows of {schema.name}. Is it "
            "the right file?"
        )
    head, _, rest = first.data.partition(b"\n")
    dialect = sniff(head.decode(), schema, name=name)
    if dialect.has_header:
        first = Block(
            data=rest, first_line=first.first_line + 1, n_lines=first.n_lines - 1
        )
    n_rows = 0
    ahead = deque([first])

    def following() -> Block | None:
        return ahead.popleft() if ahead else next(blocks, None)

    while block := following():
        if not block.n_lines:
            continue
        raw = _fast(block, dialect)
        if raw is None and block.n_lines > PIECE_LINES:
            ahead.extendleft(reversed(list(block.pieces())))
            continue
        if raw is None:
            raw, rest_of_block = _careful(block, following, dialect, name=name)
            if rest_of_block is not None:
                ahead.appendleft(rest_of_block)
        n_rows += raw.frame.height + len(raw.bad)
        yield raw
    if not n_rows:
        raise DataError(
            f"{name} has a header and no rows; expected at least one row of "
            f"{schema.name}. Is it the right file?"
        )


def sniff(head: str, schema: Schema, *, name: str) -> Dialect:
    """Return the dialect under which the first line makes most sense."""
    known = {fold(n) for c in schema.columns for n in (c.name, *c.aliases)}
    splits = {d: _split(head, d) for d in DELIMITERS}
    if max(map(len, splits.values())) > MAX_COLUMNS:
        raise DataError(
            f"{name}: the first line has {max(map(len, splits.values()))} fields, "
            f"expected at most {MAX_COLUMNS}. Leave out what is not needed"
        )
    matches = {d: sum(fold(f) in known for f in fields) for d, fields in splits.items()}
    best = max(DELIMITERS, key=lambda d: matches[d])
    if matches[best]:
        names = _unique(splits[best])
        return Dialect(delimiter=best, names=names, has_header=True)
    layout = schema.layout
    if layout:
        least = max(layout.index(n) for n in schema.names if n in layout) + 1
        for delimiter, fields in splits.items():
            if least <= len(fields) <= len(layout):
                return Dialect(
                    delimiter=delimiter,
                    names=layout[: len(fields)],
                    has_header=False,
                )
    fields = max(splits.values(), key=len)
    order = (
        f", or {least} to {len(layout)} fields in the published order" if layout else ""
    )
    raise DataError(
        f"{name}: the first line has {len(fields)} fields ({shown(head)}) and none is "
        f"the name of a column of {schema.name}; expected a header that names "
        f"{', '.join(schema.names)}{order}. Add a header line"
    )


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return names with repeated ones numbered as pandas does: ``a, a.1``."""
    out: list[str] = []
    for given in names:
        name, number = given, 0
        while name in out:
            number += 1
            name = f"{given}.{number}"
        out.append(name)
    return tuple(out)


def _fast(block: Block, dialect: Dialect) -> Raw | None:
    """Return the rows of a block in which nothing is unusual, else None."""
    n_columns = len(dialect.names)
    if b'"' in block.data or b"\r" in block.data or n_columns < 2:
        return None
    data, lines = block.without_blank_lines()
    if data.count(dialect.delimiter.encode()) != len(lines) * (n_columns - 1):
        return None
    types = dict.fromkeys(dialect.names, pl.String)
    try:
        frame = pl.DataFrame(schema=types)
        if data:
            frame = pl.read_csv(
                data,
                has_header=False,
                separator=dialect.delimiter,
                quote_char=None,
                schema=types,
            )
    except pl.exceptions.PolarsError:  # too many fields here, too few there
        return None
    if frame.height != len(lines):
        return None

    @cache
    def texts() -> list[bytes]:
        return data.split(b"\n")

    return Raw(
        frame=frame,
        lines=lines,
        bad=(),
        text=lambda i: texts()[i].decode(),
    )


def _careful(
    block: Block, following: Callable[[], Block | None], dialect: Dialect, *, name: str
) -> tuple[Raw, Block | None]:
    """Return the rows of a block by Python's ``csv``.

    Its last record may end in the next block, the rest of which is returned too.
    """
    waiting: deque[str] = deque(_lines(block))
    consumed: list[str] = []
    n_chars = 0

    def feed() -> Iterator[str]:
        nonlocal n_chars
        while True:
            if not waiting:
                more = following()
                if more is None:
                    return
                waiting.extend(_lines(more))
            consumed.append(waiting.popleft())
            n_chars += len(consumed[-1])
            if n_chars > CHUNK and len(consumed) > 1:
                raise DataError(
                    f"{name}: found a record over {CHUNK} characters at line {line}, "
                    'expected a closing quote (") earlier. Correct the line'
                )
            yield consumed[-1]

    reader = csv.reader(feed(), delimiter=dialect.delimiter, strict=True)
    rows, numbers, texts, bad = [], [], [], []
    line, end = block.first_line, block.first_line + block.n_lines
    while line < end:
        if waiting and waiting[0] == "\n":  # a blank line is no record
            waiting.popleft()
            line += 1
            continue
        consumed.clear()
        n_chars = 0
        fields: list[str] | None
        try:
            fields, problem = next(reader, []), ""
        except csv.Error as error:
            fields, problem = None, str(error)
            if "field larger" in problem or "unexpected end" in problem:
                raise DataError(
                    f"{name}, line {line}: found a quoted field without end, expected "
                    'a closing quote ("). Correct the line'
                ) from None
        text = "".join(consumed).removesuffix("\n")
        if fields is None:
            expected = "fields whose quotes close at their end"
            bad.append(_bad(line, problem, expected, text))
        elif len(fields) == len(dialect.names):
            rows.append(fields)
            numbers.append(line)
            texts.append(text)
        else:
            found, expected = f"{len(fields)} fields", f"{len(dialect.names)}"
            bad.append(_bad(line, found, expected, text))
        line += len(consumed)
    columns = zip(*rows, strict=True) if rows else ((),) * len(dialect.names)
    frame = pl.DataFrame(
        [
            pl.Series(n, [field or None for field in column], dtype=pl.String)
            for n, column in zip(dialect.names, columns, strict=True)
        ]
    )
    raw = Raw(
        frame=frame,
        lines=np.asarray(numbers, dtype=np.int64),
        bad=tuple(bad),
        text=texts.__getitem__,
    )
    if not waiting:
        return raw, None
    data = "".join(waiting).encode()
    return raw, Block(data=data, first_line=line, n_lines=len(waiting))


def _bad(line: int, found: str, expected: str, text: str) -> BadRow:
    return BadRow(line=line, column="", found=found, expected=expected, text=text)


def _lines(block: Block) -> list[str]:
    return [f"{line}\n" for line in block.data.decode()[:-1].split("\n")]


def _first_with_text(blocks: Iterator[Block]) -> Block | None:
    """Return the first block that is not blank, less blank lines at its start."""
    for block in blocks:
        data = block.data.lstrip(b"\n") if block.data.strip() else b""
        if data:
            skipped = block.n_lines - data.count(b"\n")
            return Block(
                data=data,
                first_line=block.first_line + skipped,
                n_lines=block.n_lines - skipped,
            )
    return None
