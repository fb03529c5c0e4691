"""Read rows separated by comma, semicolon, tab or bar, with or without a header.

Blocks without anything unusual go through Polars; a block with quotes, blank lines
or a wrong number of fields goes through Python's ``csv``, which finds exact lines.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import polars as pl

from evenflow.conform import BadRow
from evenflow.errors import DataError
from evenflow.schema import Schema
from evenflow.text import form
from evenflow.text.blocks import CHUNK, PIECE_LINES, Block
from evenflow.text.header import Dialect, sniff, split
from evenflow.text.numbers import SPACE
from evenflow.text.raw import Findings, Raw

_BLANK = re.compile(rb'(?:[ \t\r",;|]*\n)+')
_SEP = re.compile(rb'"?sep=[^\n]?"?\n', re.IGNORECASE)


def read(
    blocks: Iterator[Block],
    schema: Schema,
    *,
    name: str,
    findings: Findings | None = None,
) -> Iterator[Raw]:
    """Yield the rows of a delimited text.

    Raises
    ------
    DataError
        The text is empty, has no rows, names no column of the schema, or a quote
        never ends.
    """
    findings = Findings() if findings is None else findings
    first = start(blocks, name=name, findings=findings)
    if first is None:
        raise DataError(
            f"{name} is empty; expected a header and rows of {schema.name}. Check "
            "that it is the right file"
        )
    head = first.data.partition(b"\n")[0].decode()
    n_rows = 0
    dialect = sniff(head, schema, name=name)
    for raw in rows(first, blocks, dialect, name=name, findings=findings):
        n_rows += raw.frame.height + len(raw.bad)
        yield raw
    if not n_rows:
        raise DataError(
            f"{name} has a header and no rows; expected at least one row of "
            f"{schema.name}. Check that it is the right file"
        )


def start(blocks: Iterator[Block], *, name: str, findings: Findings) -> Block | None:
    """Return the block that begins with the first line of a table; None if none does.

    Blank lines before it, records without a value and a spreadsheet's ``sep=;`` are
    skipped.

    Raises
    ------
    DataError
        The text is not a table.
    """
    for block in blocks:
        blank = _BLANK.match(block.data)
        at = blank.end() if blank else 0
        n_blank = block.data.count(b"\n", 0, at)
        findings.blank += n_blank
        if sep := _SEP.match(block.data, at):
            at, n_blank = sep.end(), n_blank + 1
        if at < len(block.data):
            form.refuse_text(block.data[at : at + 4096], name=name)
            return Block(
                data=block.data[at:],
                first_line=block.first_line + n_blank,
                n_lines=block.n_lines - n_blank,
            )
    return None


def rows(
    first: Block,
    blocks: Iterator[Block],
    dialect: Dialect,
    *,
    name: str,
    findings: Findings,
) -> Iterator[Raw]:
    """Yield the rows of a text under a dialect; ``first`` begins with its first line.

    A line without a value is skipped and counted. Fields past the last column are
    dropped where they are empty; any other number of fields makes a bad row.

    Raises
    ------
    DataError
        A quote never ends.
    """
    header: list[str] = []
    if dialect.has_header:
        head, _, rest = first.data.partition(b"\n")
        header = split(head.decode(), dialect.delimiter)
        findings.repeated = tuple(
            name
            for name, given in zip(dialect.names, header, strict=True)
            if given.strip(SPACE) not in ("", name)
        )
        first = Block(
            data=rest, first_line=first.first_line + 1, n_lines=first.n_lines - 1
        )
    ahead = deque([first])

    def following() -> Block | None:
        return ahead.popleft() if ahead else next(blocks, None)

    while block := following():
        if not block.n_lines:
            continue
        raw = _fast(block, dialect)
        if raw is not None:
            findings.blank += block.n_lines - raw.frame.height
        elif block.n_lines > PIECE_LINES:
            ahead.extendleft(reversed(list(block.pieces())))
            continue
        else:
            raw, rest_of_block = _careful(
                block, following, dialect, findings, name=name
            )
            if rest_of_block is not None:
                ahead.appendleft(rest_of_block)
        yield _records(raw, header, findings)


def _records(raw: Raw, header: Sequence[str], findings: Findings) -> Raw:
    """Return the rows that hold a value and do not repeat the header."""
    frame, first = raw.frame, raw.frame.to_series(0).str.strip_chars(SPACE)
    left_out = np.zeros(frame.height, dtype=np.bool_)
    if (first.is_null() | (first == "")).any():
        has_text = (pl.all().str.strip_chars(SPACE) != "").fill_null(value=False)
        blank = ~frame.select(pl.any_horizontal(has_text)).to_series()
        findings.blank += int(blank.sum())
        left_out |= blank.to_numpy()
    if header and (first == header[0].strip(SPACE)).any():
        same = [
            (pl.col(name).fill_null("").str.strip_chars(SPACE) == given.strip(SPACE))
            for name, given in zip(frame.columns, header, strict=True)
        ]  # files that were joined have the header in their middle
        again = frame.select(pl.all_horizontal(same)).to_series()
        findings.headers += int(again.sum())
        left_out |= again.to_numpy()
    if not left_out.any():
        return raw
    kept, text = np.flatnonzero(~left_out), raw.text
    return Raw(
        frame=frame[kept],
        lines=raw.lines[kept],
        bad=raw.bad,
        text=lambda i: text(int(kept[i])),
    )


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
    block: Block,
    following: Callable[[], Block | None],
    dialect: Dialect,
    findings: Findings,
    *,
    name: str,
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
    n_columns = len(dialect.names)
    rows, numbers, texts, bad = [], [], [], []
    line, end = block.first_line, block.first_line + block.n_lines
    while line < end:
        if waiting and waiting[0] == "\n":  # a blank line is no record
            waiting.popleft()
            findings.blank += 1
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
        elif not any(f.strip(SPACE) for f in fields):
            findings.blank += 1  # no record
        elif dialect.least <= len(fields) and not any(fields[n_columns:]):
            fields += [""] * (n_columns - len(fields))
            rows.append(fields[:n_columns])
            numbers.append(line)
            texts.append(text)
        else:
            found, expected = f"{len(fields)} fields", f"{n_columns}"
            if text.startswith(("#", "%", "//")):
                found, expected = "a comment", f"a row of {n_columns} fields"
            bad.append(_bad(line, found, expected, text))
        line += len(consumed)
    columns = zip(*rows, strict=True) if rows else ((),) * n_columns
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
