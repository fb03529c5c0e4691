"""Standard streams as they are found: open, closed, or on a full disk.

A descriptor that is closed is opened on /dev/null first, so that no file gets
its number. A message that stderr does not take never fails a command; a result that
stdout does not take does.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from evenflow.errors import DataError, StorageError

STDIN = STDOUT = Path("-")
NAMES = ("stdin", "stdout", "stderr")


class Forgiving(io.FileIO):
    """A descriptor that drops text which it cannot write."""

    def write(self, data: Any, /) -> int:
        """Write the bytes, if they can be."""
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


class Closed(io.TextIOBase):
    """A standard output that was closed; knows whether anything was meant for it."""

    is_missed = False

    def write(self, text: str, /) -> int:
        """Lose the text."""
        self.is_missed = self.is_missed or bool(text)
        return len(text)


def prepare() -> None:
    """Make the program's standard streams safe to use; call it once, first."""
    for number, name in enumerate(NAMES):
        if getattr(sys, name) is None:
            _plug(number)
    if sys.stdout is None:
        sys.stdout = Closed()
    if sys.stderr is sys.__stderr__:  # and not what a test put there
        raw = io.BufferedWriter(Forgiving(2, "wb", closefd=False))
        encoding = sys.stderr.encoding if sys.stderr else "utf-8"
        sys.stderr = io.TextIOWrapper(
            raw, encoding, errors="backslashreplace", line_buffering=True
        )


def stdin() -> BinaryIO:
    """Return standard input, to read bytes from.

    Raises
    ------
    DataError
        It is closed.
    """
    if sys.stdin is None:
        raise DataError(
            "standard input is closed, expected records or text. Open it, or name a "
            "file"
        )
    return sys.stdin.buffer


def stdout() -> BinaryIO:
    """Return standard output, to write bytes to.

    Raises
    ------
    StorageError
        It is closed.
    """
    if is_closed():
        raise closed()
    return sys.stdout.buffer


def is_closed() -> bool:
    """Return whether the program was started without a standard output."""
    return isinstance(sys.stdout, Closed)


def is_taken(*written: Path | None) -> bool:
    """Return whether a file given is standard output; words then go to stderr.

    Parameters
    ----------
    *written : Path or None
        Files that a command writes; ``-`` is standard output.

    Raises
    ------
    click.UsageError
        Two of them are.
    """
    n = sum(_is_stdout(path) for path in written if path is not None)
    if n > 1:
        raise click.UsageError(
            "two results would be mixed on standard output; expected one. Write the "
            "other to a file"
        )
    return n == 1


def _is_stdout(path: Path) -> bool:
    try:
        return path == STDOUT or os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def check() -> None:
    """Check that no result went to a closed standard output.

    Raises
    ------
    StorageError
        Something was written to a standard output that is closed.
    """
    if isinstance(sys.stdout, Closed) and sys.stdout.is_missed:
        raise closed()


def closed() -> StorageError:
    """Return the error to raise for a result that goes to a closed stdout."""
    return StorageError(
        "standard output is closed, expected it to be open for the result. Redirect it "
        "to a file or to /dev/null, or name a file"
    )


def _plug(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        handle = os.open(os.devnull, os.O_RDWR)
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)
