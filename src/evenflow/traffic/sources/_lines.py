"""From the bytes of a log to whole lines that can be read, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.text.blocks import BOM, CHUNK, chunks, plain
from evenflow.traffic.sources._findings import Findings

MOST_LINE = 2**20
"""Maximum number of bytes of a line; a longer one is counted and skipped."""

MOST_JOINED = 4
"""Chunks of a file that are read as one: larger blocks are faster."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Whole lines of a log.

    Attributes
    ----------
    data : bytes
        UTF-8 without NUL bytes or empty lines, each line ended by one newline.
    numbers : ndarray of shape (n_lines,), int64
        Which line of the file each one is, counted from 1.
    """

    data: bytes
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def texts(self) -> list[str]:
        """Return the lines without their ends."""
        return self.data.decode().split("\n")[:-1]

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Return where in the data each line ends: the place of its newline."""
        return np.flatnonzero(np.frombuffer(self.data, np.uint8) == ord("\n"))

    def keep(self, is_kept: NDArray[np.bool_]) -> Lines:
        """Return some of the lines."""
        if is_kept.all():
            return self
        text = np.frombuffer(self.data, np.uint8)
        kept = np.repeat(is_kept, np.diff(self.ends, prepend=-1))
        return Lines(data=text[kept].tobytes(), numbers=self.numbers[is_kept])

    def part(self, start: int, stop: int) -> Lines:
        """Return the lines from ``start`` to before ``stop``."""
        ends = self.ends
        first = int(ends[start - 1]) + 1 if start else 0
        last = int(ends[stop - 1]) + 1 if stop else 0
        return Lines(data=self.data[first:last], numbers=self.numbers[start:stop])


class Cutter:
    """Cuts bytes, as they come, into whole lines.

    Parameters
    ----------
    findings : Findings
        Gets the lines that cannot be read.
    line : int
        Number of the line that begins.

    Attributes
    ----------
    rest : bytearray
        A line whose end has not come.
    """

    def __init__(self, findings: Findings, *, line: int = 1) -> None:
        self.findings = findings
        self.line = line
        self._is_within = False  # a line that is too long
        self.rest = bytearray()

    def add(self, part: bytes) -> Lines:
        """Take bytes; return the lines that they end."""
        if self._is_within:
            part = part[part.find(b"\n") + 1 :] if b"\n" in part else b""
            if not part:
                return _NOTHING
            self._is_within = False
            self.line += 1
        if not self.rest:
            # a writer that was not told of a truncation leaves a hole before its line
            part = part.lstrip(b"\0")
        cut = part.rfind(b"\n") + 1
        data = bytes(self.rest) + part[:cut] if cut else b""
        if cut:
            self.rest = bytearray(part[cut:].lstrip(b"\0"))
        else:
            self.rest += part
        first = self.line
        self.line += data.count(b"\n")
        if len(self.rest) > MOST_LINE:
            self.findings.unreadable(self.line, _too_long(len(self.rest)))
            self.rest.clear()
            self._is_within = True
        return self._clean(data, first) if data else _NOTHING

    def _clean(self, data: bytes, first: int) -> Lines:
        """Return the lines of which something can be read."""
        if first == 1:
            data = data.removeprefix(BOM)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        found = Lines(data=data, numbers=first + np.arange(data.count(b"\n")))
        lengths = np.diff(found.ends, prepend=-1) - 1
        is_fine = (
            lengths.min() > 0
            and lengths.max() <= MOST_LINE
            and b"\0" not in data
            and _is_text(data)
        )
        return found if is_fine else self._mixed(found)

    def _mixed(self, found: Lines) -> Lines:
        """Return the lines that can be read; count the others."""
        texts, numbers = [], []
        lines = found.data.split(b"\n")[:-1]
        for number, line in zip(found.numbers.tolist(), lines, strict=True):
            text = line.lstrip(b"\0")
            if not text.strip():
                continue
            if wrong := _wrong(text):
                self.findings.unreadable(number, wrong)
            else:
                texts.append(text + b"\n")
                numbers.append(number)
        return Lines(data=b"".join(texts), numbers=np.array(numbers, np.int64))


_NOTHING = Lines(data=b"", numbers=np.zeros(0, np.int64))


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_long(n: int) -> str:
    return f"{n:,} bytes and more; expected lines of at most {MOST_LINE:,} bytes"


def _wrong(line: bytes) -> str:
    """Return why a line is not text, or nothing."""
    if len(line) > MOST_LINE:
        return _too_long(len(line))
    if (at := line.find(b"\0")) >= 0:
        return f"a NUL byte at byte {at + 1}; expected text"
    try:
        line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        return f"the byte {byte:#04x} at byte {error.start + 1}; expected UTF-8"
    return ""


def is_object(line: bytes, objects: Collection[str] = ()) -> bool:
    """Return whether a line is a whole JSON object.

    Parameters
    ----------
    objects : collection of str
        Names of values that have to be objects or null themselves.
    """
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        found = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return all(isinstance(found.get(name), dict | NoneType) for name in objects)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield parts joined to larger ones, unless the next is long in coming."""
    waiting: list[bytes] = []
    for part in parts:
        waiting.append(part)
        if len(part) < CHUNK or len(waiting) == MOST_JOINED:
            yield b"".join(waiting)
            waiting.clear()
    if waiting:
        yield b"".join(waiting)


def read_lines(stream: BinaryIO, findings: Findings) -> Iterator[Lines]:
    """Yield the lines of a file, plain or gzip.

    A last line without an end is read where it is a whole JSON object; of any other,
    the last value may be cut short: it is counted.

    Raises
    ------
    DataError
        The stream cannot be read, or it is not text.
    """
    name = findings.source
    cutter = Cutter(findings)
    try:
        for part in _joined(plain(chunks(stream, name=name), name=name)):
            yield cutter.add(part)
    except DataError as error:
        if cutter.line == 1:
            raise
        findings.remark(f"{error}. What came before was read", is_warning=True)
    rest = bytes(cutter.rest)
    if is_object(rest):
        yield cutter.add(b"\n")
    elif rest.strip():
        findings.incomplete(cutter.line)
