"""Limits on the work that reading an untrusted source may cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from evenflow.errors import DataError
from evenflow.text.blocks import Block

LINES_PER_ROW = 16
"""Lines that a text may have for each record allowed: blank ones cost work too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of the work for one source; a source over a limit is refused.

    Rows and bytes are counted before a library parses them.
    """

    rows: int
    unpacked_bytes: int
    """Bytes of the text, or of the Parquet pages, when unpacked."""
    seconds: float | None = None
    """Seconds from now until the source must have been read and scored."""
    started: float = field(default_factory=time.monotonic)

    def check_rows(self, found: int, *, name: str) -> None:
        """Refuse more records than the limit.

        Raises
        ------
        DataError
            There are more.
        """
        if found > self.rows:
            raise DataError(
                f"{name}: found more than {self.rows:,} records, expected at most so "
                "many in one file. Split the file"
            )

    def check_unpacked(self, found: int, *, name: str) -> None:
        """Refuse more bytes than the limit.

        Raises
        ------
        DataError
            There are more.
        """
        if found > self.unpacked_bytes:
            raise DataError(
                f"{name}: found more than {self.unpacked_bytes / 2**20:,.0f} MiB when "
                "unpacked, expected at most so many in one file. Split the file"
            )

    def check_lines(self, found: int, *, name: str) -> None:
        """Refuse more lines than :data:`LINES_PER_ROW` for each record allowed.

        Raises
        ------
        DataError
            There are more.
        """
        if found > LINES_PER_ROW * self.rows:
            raise DataError(
                f"{name}: found more than {LINES_PER_ROW * self.rows:,} lines, "
                "expected at most so many in one file. Remove blank lines, or split "
                "the file"
            )

    @property
    def is_late(self) -> bool:
        """Whether the last second is over."""
        return (
            self.seconds is not None and time.monotonic() > self.started + self.seconds
        )

    def check_time(self, *, name: str) -> None:
        """Refuse to go on after the last second.

        Raises
        ------
        DataError
            The time is over.
        """
        if self.is_late:
            raise DataError(
                f"{name}: not scored after {self.seconds:g} s, the limit of a request. "
                "Send fewer records at once, or upload them as a file"
            )


def bounded(parts: Iterator[bytes], limits: Limits, *, name: str) -> Iterator[bytes]:
    """Yield the parts as long as they sum to no more than the limit.

    Raises
    ------
    DataError
        There are more.
    """
    found = 0
    for part in parts:
        found += len(part)
        limits.check_unpacked(found, name=name)
        yield part


def counted(blocks: Iterator[Block], limits: Limits, *, name: str) -> Iterator[Block]:
    """Yield the blocks as long as lines and time last.

    Raises
    ------
    DataError
        There are more lines, or it takes longer.
    """
    for block in blocks:
        limits.check_lines(block.first_line + block.n_lines - 1, name=name)
        limits.check_time(name=name)
        yield block
