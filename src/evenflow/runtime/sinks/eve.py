"""A file that grows: a line of JSON an event, never a part of one.

It is opened again when it was rotated, and cut back to its last whole line where a
full disk, or a process that was killed, left half of one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from evenflow.errors import DataError, StorageError
from evenflow.files import storage_error
from evenflow.runtime.sinks import Outbox, Setup

TAIL = 2**20
"""Bytes from the end in which the last whole line is looked for."""


class GrowingFile:
    """A file that is appended to.

    Raises
    ------
    StorageError
        It cannot be opened for writing.
    """

    most_messages = 1024

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = self._open()
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise storage_error(path, error) from error

    def send(self, messages: Sequence[bytes]) -> None:
        """Append lines, all or none of them."""
        if self._is_rotated():
            os.close(self._fd)
            self._fd = -1
        if self._fd < 0:
            self._fd = self._open()
        before = os.fstat(self._fd)
        data = memoryview(b"".join(messages))
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            if stat.S_ISREG(before.st_mode):
                os.ftruncate(self._fd, before.st_size)
            raise

    def sync(self) -> None:
        """Have the disk hold what was written."""
        if self._fd >= 0 and stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        if self.path.is_fifo():
            raise StorageError(
                f"{self.path} is a pipe, expected a file. Write to stdout, and have "
                "the shell lead it into the pipe"
            )
        fd = os.open(self.path, flags, 0o640)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode):
            _cut(fd, found.st_size)
        return fd

    def _is_rotated(self) -> bool:
        if self._fd < 0:
            return False
        try:
            return not os.path.samestat(self.path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return True


def _cut(fd: int, size: int) -> None:
    """Cut a file back to its last whole line."""
    start = max(size - TAIL, 0)
    tail = os.pread(fd, size - start, start)
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail) and (whole or not start):
        os.ftruncate(fd, start + whole)


def open_sink(target: str, setup: Setup) -> Outbox:
    """Return a file as a sink."""
    if not target:
        raise DataError("found the sink 'eve', expected eve:FILE. Name the file")
    return setup.outbox(
        f"eve:{target}",
        GrowingFile(Path(target)),
        lambda event: setup.text(event) + b"\n",
    )
