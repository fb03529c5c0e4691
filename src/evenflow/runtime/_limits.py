"""How much of a stranger's file is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evenflow.errors import DataError

MAX_COLUMNS = 1024
"""Columns of any source; a published data set has 115 at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Most that may be read of one source; what is over them is refused."""

    rows: int
    unpacked_bytes: int
    """Bytes of the text, or of the Parquet pages, when unpacked."""

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
