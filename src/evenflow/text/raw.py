"""What every format's reader yields: rows as they stood, before the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import BadRow

MAX_COLUMNS = 1024
"""Columns of any source; a published data set has 115 at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """Some rows of a source."""

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    """Line of each row, ``(n_rows,)``, counted from 1."""
    bad: tuple[BadRow, ...]
    """Lines that are no row at all."""
    text: Callable[[int], str]
    """The source text of a row, by its number in the frame."""
    unit: str = "line"
    left_out: tuple[str, ...] = ()
    """Columns of the source that the frame does not hold."""


@dataclass(kw_only=True, slots=True)
class Findings:
    """What a reader counts while it reads, for the user to know."""

    encoding: str = ""
    """The encoding of a text of two or four bytes a character."""
    windows_1252: int = 0
    """Lines that are no UTF-8 and were read as Windows-1252."""
    blank: int = 0
    """Blank lines and records without any value, which were skipped."""
    headers: int = 0
    """Lines that repeat the header, as joined files have them, which were skipped."""
    repeated: tuple[str, ...] = ()
    """Names of columns that stand in the header again, as they were numbered."""

    def notes(self) -> list[str]:
        """Return the findings as sentences."""
        notes = []
        if self.encoding:
            notes.append(f"the text is {self.encoding.upper()}")
        if self.windows_1252:
            notes.append(
                f"{self.windows_1252:,} line(s) are not UTF-8 and were read as "
                "Windows-1252"
            )
        if self.blank:
            notes.append(
                f"{self.blank:,} blank line(s) or record(s) without a value were "
                "skipped"
            )
        if self.headers:
            notes.append(f"{self.headers:,} line(s) repeat the header and were skipped")
        if self.repeated:
            notes.append(
                "a column name stands more than once in the header; the later ones "
                f"are numbered: {', '.join(self.repeated)}"
            )
        return notes
