"""From a file or pipe to blocks of whole lines, in constant memory.

Everything is a generator of bytes, so plain, gzip and piped input are read alike.
"""

from __future__ import annotations

import select
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.text import form
from evenflow.text.raw import Findings

CHUNK = 2**20
"""Bytes read at once; also the longest line allowed."""
MAX_JOINED, PATIENCE_MS = 32, 1
"""Parts of a pipe joined to one block at most, and the wait for each."""
PIECE_LINES = 2**12
"""Lines that are read one by one before anything else happens."""
GZIP = b"\x1f\x8b"
GZIP_STEP = 2**14
"""Packed bytes given to zlib at once: it copies what follows the end of a member."""
MAX_MEMBERS = 2**16
"""Members of a packed text; bgzip makes one of each 64 KiB."""
PARQUET = b"PAR1"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Some whole lines of a text."""

    data: bytes
    """Valid UTF-8, each line ended by one newline."""
    first_line: int
    """Line number of the first one, counted from 1."""
    n_lines: int

    def without_blank_lines(self) -> tuple[bytes, NDArray[np.int64]]:
        """Return the lines that are not empty, and the number of each."""
        if not self.data.startswith(b"\n") and b"\n\n" not in self.data:
            return self.data, self.first_line + np.arange(self.n_lines)
        text = np.frombuffer(self.data, dtype=np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        is_blank = np.diff(ends, prepend=-1) == 1
        kept = np.ones(len(text), dtype=np.bool_)
        kept[ends[is_blank]] = False
        return text[kept].tobytes(), self.first_line + np.flatnonzero(~is_blank)

    def pieces(self, n_lines: int = PIECE_LINES) -> Iterator[Block]:
        """Yield the block in pieces of at most so many lines."""
        if self.n_lines <= n_lines:
            yield self
            return
        text = np.frombuffer(self.data, dtype=np.uint8)
        ends = np.flatnonzero(text == ord("\n")) + 1
        cuts = [0, *ends[n_lines - 1 : -1 : n_lines].tolist(), len(text)]
        for k, (start, stop) in enumerate(pairwise(cuts)):
            first = k * n_lines
            yield Block(
                data=self.data[start:stop],
                first_line=self.first_line + first,
                n_lines=min(n_lines, self.n_lines - first),
            )


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


def plain(
    parts: Iterator[bytes],
    *,
    name: str,
    most_members: int | None = None,
    findings: Findings | None = None,
) -> Iterator[bytes]:
    """Yield the text's bytes: unpacked if gzip, without a byte order mark.

    UTF-16 and UTF-32 become UTF-8.

    Parameters
    ----------
    most_members : int, optional
        Gzip members that may follow each other.
    findings : Findings, optional
        Takes the encoding.

    Raises
    ------
    DataError
        The gzip stream or the text is damaged or truncated, the stream is packed twice
        or of too many members, or it is not text.
    """
    head, rest = _begun(parts)
    if head.startswith(GZIP):
        head, rest = _begun(_gunzip(rest, name=name, most_members=most_members))
        if head.startswith(GZIP):
            raise DataError(
                f"{name}: found gzip data inside gzip data, expected text packed once. "
                "Unpack it once: gzip -d"
            )
        if head.startswith(PARQUET):
            raise DataError(
                f"{name}: found Parquet inside gzip data, expected Parquet as it is. "
                "Unpack it: gzip -d"
            )
    form.refuse(head, name=name)
    if encoding := form.encoding_of(head):
        if findings is not None:
            findings.encoding = encoding
        yield from form.decoded(rest, encoding, name=name)
        return
    if head.startswith(BOM):
        rest = chain([next(rest)[len(BOM) :]], rest)
    yield from rest


def _begun(parts: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, four or more where there are so many, and all parts."""
    head = b""
    for part in parts:
        head += part
        if len(head) >= 4:
            break
    return head, chain([head], parts)


def lines(
    parts: Iterator[bytes], *, name: str, findings: Findings | None = None
) -> Iterator[Block]:
    """Yield blocks cut at line ends; a carriage return before one is dropped.

    Raises
    ------
    DataError
        A line is over 1 MiB, or holds a NUL byte or bytes that are neither UTF-8 nor
        Windows-1252.
    """
    findings = Findings() if findings is None else findings
    carry, number = bytearray(), 1
    for part in form.with_newlines(parts, most=CHUNK):
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
        block = _checked(bytes(carry) + part[:cut], number, name, findings)
        carry = bytearray(part[cut:])
        number += block.n_lines
        yield block
    if carry:
        yield _checked(bytes(carry) + b"\n", number, name, findings)


def _checked(data: bytes, first_line: int, name: str, findings: Findings) -> Block:
    if b"\r" in data:
        data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n")
    if (at := data.find(b"\0")) >= 0:
        line = first_line + data.count(b"\n", 0, at)
        raise DataError(
            f"{name}: found a NUL byte on line {line}, expected text. Is the file "
            "damaged, or of another format?"
        )
    if not data.isascii():
        try:
            data, n_others = form.repaired(data)
        except UnicodeDecodeError as error:
            line = first_line + data.count(b"\n", 0, error.start)
            raise DataError(
                f"{name}: found the byte {data[error.start]:#04x} on line {line}, "
                "expected text in UTF-8 (or UTF-16, or Windows-1252). Convert it, for "
                "instance: iconv -f ISO-8859-15 -t UTF-8"
            ) from None
        findings.windows_1252 += n_others
    return Block(data=data, first_line=first_line, n_lines=data.count(b"\n"))


def _gunzip(
    parts: Iterator[bytes], *, name: str, most_members: int | None
) -> Iterator[bytes]:
    """Unpack gzip members, gathered to about ``CHUNK`` bytes, however they grow.

    What a part unpacks to is not held back for the next one, which may be long in
    coming on a pipe.
    """
    engine, is_open, n_members = zlib.decompressobj(31), False, 0
    text = bytearray()
    try:
        for part in parts:
            for start in range(0, len(part), GZIP_STEP):
                rest = part[start : start + GZIP_STEP]
                while rest:
                    if not is_open and not (rest := rest.lstrip(b"\0")):
                        break  # padding after a member
                    is_open = True
                    text += engine.decompress(rest, CHUNK)
                    if len(text) >= CHUNK:
                        yield bytes(text)
                        text.clear()
                    rest = engine.unconsumed_tail
                    if engine.eof:
                        rest, is_open = engine.unused_data, False
                        engine, n_members = zlib.decompressobj(31), n_members + 1
                        if most_members is not None and n_members > most_members:
                            raise DataError(
                                f"{name}: found more than {most_members:,} gzip "
                                "members, expected at most so many. Compress it again: "
                                "gzip -dc FILE | gzip"
                            )
            if text:
                yield bytes(text)
                text.clear()
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
            f"{name}: the gzip data ends too early, expected a whole .gz file. It is "
            "truncated: get the file again"
        )
