"""Raw rows, which every format's reader yields: before the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
    """Lines that are not rows."""
    text: Callable[[int], str]
    """The source text of a row, by its number in the frame."""
    unit: str = "line"
    left_out: tuple[str, ...] = ()
    """Columns of the source that the frame does not hold."""
    connections: pl.DataFrame | None = None
    """The connection of each row, where rows are made of connections."""


@dataclass(kw_only=True, slots=True)
class Findings:
    """Counts of a reader that the user should know."""

    encoding: str = ""
    """The encoding of a text of two or four bytes a character."""
    windows_1252: int = 0
    """Lines that are not UTF-8 and were read as Windows-1252."""
    blank: int = 0
    """Blank lines and records without any value, which were skipped."""
    headers: int = 0
    """Lines that repeat the header, as joined files have them, which were skipped."""
    repeated: tuple[str, ...] = ()
    """Names of columns that stand in the header again, as they were numbered."""

    remarks: list[str] = field(default_factory=list)
    """Sentences of a reader of connections."""

    def notes(self) -> list[str]:
        """Return the findings as sentences."""
        notes = []
        if self.encoding:
            notes.append(f"the text is {self.encoding.upper()}")
        if self.windows_1252:
            notes.append(
                f"lines that are not UTF-8 and were read as Windows-1252: "
                f"{self.windows_1252:,}"
            )
        if self.blank:
            notes.append(
                f"blank lines and records without a value, skipped: {self.blank:,}"
            )
        if self.headers:
            notes.append(f"lines that repeat the header, skipped: {self.headers:,}")
        if self.repeated:
            notes.append(
                "a column name occurs more than once in the header; the later ones are "
                f"numbered: {', '.join(self.repeated)}"
            )
        return notes
