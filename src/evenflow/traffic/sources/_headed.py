"""Tables of text whose first line names the columns, as Argus and nfdump write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic.sources import _cells as cells
from evenflow.traffic.sources._delimited import read_fields, split_quoted
from evenflow.traffic.sources._findings import Findings, shown
from evenflow.traffic.sources._lines import Lines

MEASURED = ("measured",)
SEPARATORS = ",;\t|"
Numbers = NDArray[np.int64]


def names_of(line: str, known: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the names of a header, as ``known`` has them, and its separator."""
    separator = max(SEPARATORS, key=line.count)
    names = [name.strip() for name in split_quoted(line, separator)]
    return [known.get(name.lower(), name) for name in names], separator


class HeadedReader:
    """Reads the lines under a header, whatever the order of its columns.

    Parameters
    ----------
    findings : Findings
    expected : str
        What such a log is, for messages.
    known : mapping of {str: str}
        Names of columns in lower case, and what the log's cells call them.
    marks : tuple of bytes
        Of which one is in each line that is not a row, in lower case.
    connections : callable
        Text of all known columns and numbers of lines to connections.
    end : str
        First word of what follows the rows.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        expected: str,
        known: Mapping[str, str],
        marks: tuple[bytes, ...],
        is_header: Callable[[list[str]], bool],
        connections: Callable[[pl.DataFrame, Numbers], pl.DataFrame],
        end: str = "",
    ) -> None:
        self.findings = findings
        self._expected, self._known, self._marks = expected, known, marks
        self._is_header, self._connections, self._end = is_header, connections, end
        self._line, self._names, self._separator = "", list[str](), ","
        self._has_ended = False
        self.has_counts = False

    @property
    def header(self) -> tuple[str, ...]:
        """Return the line that names the columns, and whether counts were measured."""
        return (
            (self._line, *(MEASURED if self.has_counts else ())) if self._line else ()
        )

    @header.setter
    def header(self, lines: tuple[str, ...]) -> None:
        if lines:
            self._name(lines[0])
        self.has_counts = lines[1:] == MEASURED

    def _name(self, line: str) -> None:
        """Take a line for the header."""
        self._line = line
        self._names, self._separator = names_of(line, self._known)
        self._has_ended = False

    def read(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of some lines."""
        frames = [cells.NOTHING]
        start = 0
        for row in self._others(lines):
            text = lines.part(row, row + 1).texts()[0]
            is_end = text.strip() == self._end
            if not is_end and not self._is_header(names_of(text, self._known)[0]):
                continue
            if row > start:
                frames.append(self._rows(lines.part(start, row)))
            start = row + 1
            if is_end:
                self._has_ended = True
            else:
                self._name(text)
        if start < len(lines):
            frames.append(self._rows(lines.part(start, len(lines))))
        return pl.concat(frames)

    def measured(self, counts: pl.Series, remark: str) -> pl.Series:
        """Return which zeros are counts, and do not stand for what was not measured.

        A log whose counts are all zero did not measure them: zeros are counts after
        the first other value.

        Parameters
        ----------
        remark : str
            What to tell while there is no such value.
        """
        is_count = (counts > 0).fill_null(value=False).cum_max() | self.has_counts
        self.has_counts = self.has_counts or bool(is_count.any())
        if counts.count() and not self.has_counts:
            self.findings.remark(
                remark.format(source=self.findings.source), is_warning=True
            )
        return is_count

    def _others(self, lines: Lines) -> list[int]:
        """Return where lines may be that are not rows."""
        small = lines.data.lower()
        if not any(mark in small for mark in self._marks):
            return []
        return [
            row
            for row, text in enumerate(small.split(b"\n")[:-1])
            if any(mark in text for mark in self._marks)
        ]

    def _rows(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of lines that are rows."""
        if self._has_ended:
            self.findings.skip("summary", len(lines))
            return cells.NOTHING
        if not self._names:
            first = lines.part(0, 1).texts()[0]
            what = f"begins with {shown(first)!r}; expected {self._expected}"
            self.findings.refuse(lines.numbers.tolist(), what)
            return cells.NOTHING
        text, numbers = read_fields(
            lines,
            self._names,
            self._separator,
            self.findings,
            wanted=set(self._known.values()),
            has_quotes=True,
        )
        text = text.select(
            # Argus fills up with spaces
            pl.col(name).str.strip_chars().replace("", None)
            if name in text.columns
            else pl.lit(None, pl.String).alias(name)
            for name in dict.fromkeys(self._known.values())
        )
        return self._connections(text, numbers)
