"""A log that grows: its new lines, across rotation, truncation and a restart."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import polars as pl

from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.text.blocks import CHUNK, GZIP
from evenflow.traffic.columns import CONNECTION
from evenflow.traffic.sources._findings import Findings
from evenflow.traffic.sources._lines import Cutter, Lines
from evenflow.traffic.sources._source import Clock, Source

MARK_BYTES = 2**12
"""Bytes before a position by which its file is known again: more than a line has."""
NUMBERS = ("device", "inode", "offset", "held", "line", "known")
POLL_S = 0.25
PATIENCE_LINES = 100
"""Lines that may be unreadable before a growing file is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far a log was read.

    Attributes
    ----------
    device, inode : int
        Of the file.
    offset : int
        Bytes of it that were read: those of whole lines.
    held : int
        Bytes after the offset that were read too: of a line that has not ended.
    line : int
        Number of the line that begins there, counted from 1.
    mark : str
        Digest of the last bytes that were read.
    known : int
        Nanoseconds since 1970: when the last connection was known.
    header : tuple of str
        Lines that say how those after the offset are read.
    """

    device: int
    inode: int
    offset: int
    held: int
    line: int
    mark: str
    known: int = 0
    header: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the position as a JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the position that a JSON object holds.

        Raises
        ------
        DataError
            It is not a position.
        """
        try:
            value = json.loads(text)
            numbers = {k: value[k] for k in NUMBERS}
            is_one = all(type(n) is int and n >= 0 for n in numbers.values())
            mark, header = value["mark"], value["header"]
            if not is_one or not all(isinstance(x, str) for x in [mark, *header]):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DataError(
                f"found {text[:60]!r}, expected the position of a log as JSON. "
                "Delete it to read the log from its beginning"
            ) from None
        return cls(**numbers, mark=mark, header=tuple(header))


def _mark(descriptor: int, offset: int) -> str:
    """Return a digest of the bytes before an offset."""
    start = max(offset - MARK_BYTES, 0)
    found = os.pread(descriptor, offset - start, start)
    return hashlib.blake2b(found, digest_size=16).hexdigest()


class _File:
    """An open file that is read from an offset on."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            raise DataError(f"{path} is not a plain file; only those can be followed")
        if os.pread(self.descriptor, len(GZIP), 0) == GZIP:
            self.close()
            raise DataError(
                f"{path} is packed by gzip; expected a log as it is written, to follow "
                "it or to go on from a state. Unpack it, or add --no-follow and leave "
                "out --state to read it whole"
            )
        self.identity = found.st_dev, found.st_ino
        self.offset = offset
        self.mark = _mark(self.descriptor, offset)

    def read(self) -> bytes:
        """Return what comes next; nothing where the file ends."""
        found = os.pread(self.descriptor, CHUNK, self.offset)
        if found:
            self.offset += len(found)
            self.mark = _mark(self.descriptor, self.offset)
        return found

    def has(self, offset: int, mark: str) -> bool:
        """Return whether certain bytes are before an offset."""
        size = os.fstat(self.descriptor).st_size
        return size >= offset and _mark(self.descriptor, offset) == mark

    def is_truncated(self) -> bool:
        """Return whether what was read is no longer there."""
        return not self.has(self.offset, self.mark)

    def close(self) -> None:
        os.close(self.descriptor)


class Tail:
    """Reads the new lines of a log.

    A file that was renamed is read to its end before the one that took its name. Of one
    that was truncated, the rest is read from its copy, where that is beside it: if a
    whole line of it was read before. Else it looks like one that was not truncated.

    Parameters
    ----------
    path : Path
        It need not exist yet.
    findings : Findings
    position : Position, optional
        Where a former run stood; else the log is read from its beginning.
    """

    def __init__(
        self, path: Path, findings: Findings, position: Position | None = None
    ) -> None:
        self.path, self.findings = path, findings
        self._file: _File | None = None
        self._next: deque[Path] = deque()
        self._cutter = Cutter(findings)
        if position:
            self._resume(position)

    def _resume(self, position: Position) -> None:
        """Open the file of a position, wherever rotation moved it."""
        files = [
            file
            for path in [self.path, *self._rotated()]
            if (file := self._opened(path, position.offset)) is not None
        ]
        # the file itself first: a copy has the same bytes
        identity = position.device, position.inode
        files.sort(key=lambda file: file.identity != identity)
        read = position.offset + position.held
        same = [file for file in files if file.has(read, position.mark)]
        self._file = same[0] if same else None
        for file in files:
            if file is not self._file:
                file.close()
        if self._file is None:
            self.findings.remark(
                f"the file of {self.path.name} that was read to byte "
                f"{position.offset:,} is not there; lines after that may be missing. "
                f"{self.path.name} is read from its beginning",
                is_warning=True,
            )
            return
        self._cutter = Cutter(self.findings, line=position.line)

    def _opened(self, path: Path, offset: int = 0) -> _File | None:
        try:
            return _File(path, offset)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(
                f"cannot read {path}: {error.strerror}; expected a log to follow"
            ) from error

    def _rotated(self) -> dict[Path, os.stat_result]:
        """Return files beside the log with names that rotation gives, newest first."""
        stem, suffix = re.escape(self.path.stem), re.escape(self.path.suffix)
        number = r"[.-]\d[\d.:_T-]*"
        form = re.compile(rf"{stem}(?:{suffix}{number}|{number}{suffix})")
        found = {}
        try:
            for path in self.path.parent.iterdir():
                if form.fullmatch(path.name) and path.is_file():
                    found[path] = path.stat()
        except OSError:
            return {}
        return dict(
            sorted(found.items(), key=lambda pair: pair[1].st_mtime_ns, reverse=True)
        )

    def _after(self, file: _File) -> list[Path]:
        """Return files that were rotated after one, oldest first."""
        last = os.fstat(file.descriptor).st_mtime_ns
        found = [
            path
            for path, about in self._rotated().items()
            if (about.st_dev, about.st_ino) != file.identity
            and about.st_mtime_ns > last
        ]
        return found[::-1]

    def poll(self) -> Lines | None:
        """Return new lines; None where there is nothing to read now.

        Raises
        ------
        DataError
            The log cannot be read.
        """
        if self._file is None:
            self._file = self._opened(self.path)
            if self._file is None:
                return None
        file = self._file
        if file.is_truncated():
            self._find_copy(file)
            file = self._file
        part = file.read()
        if not part and self._is_replaced(file):
            part = file.read()  # written before the writer opened the other one
            if not part:
                self._turn(file)
                return self._cutter.add(b"")
        return self._cutter.add(part) if part else None

    def _is_replaced(self, file: _File) -> bool:
        """Return whether a file at its end has been left for another one."""
        if self._next:
            return True
        try:
            found = self.path.stat()
        except OSError:
            is_begun = False
        else:
            if (found.st_dev, found.st_ino) == file.identity:
                return False
            # until a line is in the new one, the writer may still use the old one
            is_begun = found.st_size > 0
        return is_begun or bool(self._after(file))

    def _turn(self, file: _File) -> None:
        """Continue with the beginning of the next file."""
        self._end()
        if not self._next:
            self._next.extend([*self._after(file), self.path])
        file.close()
        self._file = None
        while self._next and self._file is None:
            self._file = self._opened(self._next.popleft())

    def finish(self) -> None:
        """Count a last line without its end; the next run may read it whole."""
        self._end()

    def _end(self) -> None:
        """Count a last line that was never ended."""
        if self._cutter.rest.strip():
            self.findings.incomplete(self._cutter.line)
        self._cutter = Cutter(self.findings)

    def _find_copy(self, file: _File) -> None:
        """Continue with the copy of a file that was truncated, else with itself."""
        for path in self._rotated() if file.offset else ():
            copy = self._opened(path, file.offset)
            if copy is not None and copy.has(file.offset, file.mark):
                file.close()
                self._file = copy
                self._next.append(self.path)
                return
            if copy is not None:
                copy.close()
        if file.path == self.path:
            self.findings.remark(
                f"{self.path.name} was truncated, and no copy of it is beside it: "
                "lines before that may be missing",
                is_warning=True,
            )
        self._end()
        file.offset, file.mark = 0, _mark(file.descriptor, 0)

    def position(self, header: tuple[str, ...], known: int) -> Position | None:
        """Return where the next line begins; None before there is a file."""
        if self._file is None:
            return None
        held = len(self._cutter.rest)
        device, inode = self._file.identity
        return Position(
            device=device,
            inode=inode,
            offset=self._file.offset - held,
            held=held,
            line=self._cutter.line,
            mark=self._file.mark,
            known=known,
            header=header,
        )

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None


def follow(
    path: Path,
    source: Source,
    *,
    stop: threading.Event,
    position: Position | None = None,
    until_end: bool = False,
    poll_s: float = POLL_S,
    on_event: OnEvent = ignore,
) -> Iterator[tuple[pl.DataFrame, Position]]:
    """Yield the connections of a log as it grows, each frame with the position after.

    While no line comes there are frames without rows. A last line without its end is
    held back until that comes. Whoever has dealt with
    a frame and keeps its position can resume there: no line is lost or read twice.

    Parameters
    ----------
    path : Path
        It need not exist yet.
    source : Source
        The kind of log.
    stop : threading.Event
        Ends the following once it is set.
    position : Position, optional
        Where a former run stood; else the log is read from its beginning.
    until_end : bool
        Whether to end where there is no further line now.
    poll_s : float
        Seconds between two looks at a log without new lines.

    Raises
    ------
    DataError
        The log cannot be read, or it is of another kind.
    """
    findings = Findings(path.name, on_event, patience=PATIENCE_LINES)
    reader = source.reader(findings)
    if position:
        reader.header = position.header
    clock = Clock(findings, position.known if position else 0)
    tail = Tail(path, findings, position)
    try:
        while not stop.is_set():
            lines, frame = tail.poll(), pl.DataFrame(schema=CONNECTION)
            if lines is None and until_end:
                tail.finish()
                break
            if lines is None:
                stop.wait(poll_s)
            elif len(lines):
                frame = clock.order(reader.read(lines))
            if now := tail.position(reader.header, clock.latest):
                yield frame, now
    finally:
        tail.close()
        findings.close()
