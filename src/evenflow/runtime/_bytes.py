"""From a file or pipe to blocks of whole lines, in constant memory.

Everything is a generator of bytes, so plain, gzip and piped input are read alike.
"""

from __future__ import annotations

import select
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from evenflow.errors import DataError

CHUNK = 2**20
"""Bytes read at once; also the longest line allowed."""
MAX_JOINED, PATIENCE_MS = 32, 1
"""Parts of a pipe joined to one block at most, and the wait for each."""
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Some whole lines of a text."""

    data: bytes
    """Valid UTF-8, each line ended by one newline."""
    first_line: int
    """Line number of the first one, counted from 1."""
    n_lines: int


def chunks(stream: BinaryIO, *, name: str) -> Iterator[bytes]:
    """Yield what the stream has, as it comes, at most ``CHUNK`` bytes at once.

    A pipe hands over 64 KiB at most; what follows within a few milliseconds is
    added, since one large block costs a quarter of many small ones.

    Raises
    ------
    DataError
        The stream fails, as a folder or a bad disk does.
    """
    read = getattr(stream, "read1", stream.read)
    is_ready = _watch(stream)
    try:
        while data := read(CHUNK):
            for _ in range(MAX_JOINED):
                if len(data) >= CHUNK or not is_ready():
                    break
                more = read(CHUNK - len(data))
                if not more:
                    break
                data += more
            yield data
    except OSError as error:
        raise DataError(
            f"{name}: cannot be read ({error.strerror}), expected records there. "
            "Check the device or give another file"
        ) from error


def _watch(stream: BinaryIO) -> Callable[[], bool]:
    """Return a function that tells whether the stream has more right now."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLIN)
    except OSError:  # no file behind it
        return lambda: False
    return lambda: bool(poll.poll(PATIENCE_MS))


def plain(parts: Iterator[bytes], *, name: str) -> Iterator[bytes]:
    """Yield the text's bytes: unpacked if gzip, without a byte order mark.

    Raises
    ------
    DataError
        The gzip stream is damaged or cut short, or the text is UTF-16.
    """
    head = b""
    for part in parts:
        head += part
        if len(head) >= 4:
            break
    rest = chain([head], parts)
    if head.startswith(GZIP):
        yield from plain(_gunzip(rest, name=name), name=name)
        return
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{name}: found UTF-16 text, expected UTF-8. Convert it: "
            "iconv -f UTF-16 -t UTF-8"
        )
    if head.startswith(BOM):
        rest = chain([head[len(BOM) :]], parts)
    yield from rest


def lines(parts: Iterator[bytes], *, name: str) -> Iterator[Block]:
    """Yield blocks cut at line ends; a carriage return before one is dropped.

    Raises
    ------
    DataError
        A line is over 1 MiB, or holds a NUL byte or bytes that are no UTF-8.
    """
    carry, number = b"", 1
    for part in parts:
        first = part.find(b"\n")
        if len(carry) + (len(part) if first < 0 else first) > CHUNK:
            raise DataError(
                f"{name}: found a line over {CHUNK} bytes at line {number}, expected "
                "one record a line. Is it a text file with line ends (\\n)?"
            )
        cut = part.rfind(b"\n") + 1
        if not cut:
            carry += part
            continue
        block = _checked(carry + part[:cut], number, name)
        carry = part[cut:]
        number += block.n_lines
        yield block
    if carry:
        yield _checked(carry + b"\n", number, name)


def _checked(data: bytes, first_line: int, name: str) -> Block:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if (at := data.find(b"\0")) >= 0:
        line = first_line + data.count(b"\n", 0, at)
        raise DataError(
            f"{name}: found a NUL byte on line {line}, expected text. Is the file "
            "damaged, or of another format?"
        )
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            line = first_line + data.count(b"\n", 0, error.start)
            raise DataError(
                f"{name}: found the byte {data[error.start]:#04x} on line {line}, "
                "expected UTF-8 text. Convert it, for instance: "
                "iconv -f ISO-8859-1 -t UTF-8"
            ) from None
    return Block(data=data, first_line=first_line, n_lines=data.count(b"\n"))


def _gunzip(parts: Iterator[bytes], *, name: str) -> Iterator[bytes]:
    """Unpack gzip members, at most ``CHUNK`` bytes at once however they grow."""
    engine, is_open = zlib.decompressobj(31), False
    try:
        for part in parts:
            rest = part
            while rest:
                if not is_open and not (rest := rest.lstrip(b"\0")):
                    break  # padding after a member
                is_open = True
                data = engine.decompress(rest, CHUNK)
                if data:
                    yield data
                rest = engine.unconsumed_tail
                if engine.eof:
                    rest, is_open = engine.unused_data, False
                    engine = zlib.decompressobj(31)
        while is_open and (data := engine.decompress(b"", CHUNK)):
            yield data
            is_open = not engine.eof
    except zlib.error as error:
        raise DataError(
            f"{name}: found damaged gzip data ({error}), expected a whole .gz file. "
            "Get the file again"
        ) from None
    if is_open:
        raise DataError(
            f"{name}: the gzip data ends too early, expected a whole .gz file. It was "
            "cut short: get the file again"
        )
