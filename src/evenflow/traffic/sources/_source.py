"""``Source``: a kind of log, which columns of a connection it has, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import polars as pl

from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.traffic.columns import CONNECTION
from evenflow.traffic.sources._findings import Findings
from evenflow.traffic.sources._lines import Lines, read_lines

DAY_NS = 86400 * 10**9
ALWAYS = ("last_packet", "known", "is_over")
"""Columns that follow from the others."""


class Reader(Protocol):
    """Turns the lines of one log into connections; it remembers the header."""

    header: tuple[str, ...]
    """Lines that say how those after them are read. May be set, to resume."""

    def read(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of some lines, in their order.

        Raises
        ------
        DataError
            It is not such a log.
        """
        ...


class Clock:
    """Puts rows in the order of ``known``, as they are in the log.

    A line was written no earlier than the one before it: what it says was known no
    earlier either, even if its last packet came before.

    Parameters
    ----------
    findings : Findings
    latest : int
        Nanoseconds since 1970: when the last row was known.
    """

    def __init__(self, findings: Findings, latest: int = 0) -> None:
        self.findings, self.latest = findings, latest

    def order(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return connections, none of which was known before one above it."""
        known = connections["known"]
        if known.null_count() == len(known):
            return connections
        running = known.cum_max().clip(lower_bound=self.latest)
        self.latest = int(running.max())  # type: ignore[arg-type]
        if ((running - known) > DAY_NS).any():
            self.findings.remark(
                f"times in {self.findings.source} go back by a day and more: windows "
                "of time over its connections are not to be trusted",
                is_warning=True,
            )
        return connections.with_columns(running)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of log.

    Attributes
    ----------
    name : str
        That of its file.
    title : str
        What it is, for messages: ``Zeek's conn.log``.
    columns : tuple of str
        Columns of a connection that it can have.
    reasons : mapping of {str: str}
        Why it has not some of the others.
    reader : callable
        Makes a :class:`Reader` that tells its findings.
    is_it : callable
        Whether the first lines of a file, as text, are those of such a log.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    reasons: Mapping[str, str]
    reader: Callable[[Findings], Reader]
    is_it: Callable[[list[str]], bool]

    def read(
        self, stream: BinaryIO, *, source: str, on_event: OnEvent = ignore
    ) -> Iterator[pl.DataFrame]:
        """Yield the connections of a finished log, plain or gzip, in its order.

        There is at least one frame, of no rows where there are no connections.

        Parameters
        ----------
        stream : binary file
            Read once, from where it stands; it may be a pipe.
        source : str
            Name for messages.
        on_event : callable, optional
            Gets notes of lines that were not read, and of records that are not
            connections.

        Raises
        ------
        DataError
            It is not such a log.
        """
        findings = Findings(source, on_event)
        reader = self.reader(findings)
        clock = Clock(findings)
        is_empty = True
        for lines in read_lines(stream, findings):
            if len(lines):
                yield clock.order(reader.read(lines))
                is_empty = False
        if is_empty:
            yield pl.DataFrame(schema=CONNECTION)
        findings.close()

    def missing(self, needed: Iterable[str]) -> dict[str, str]:
        """Return the columns that the log never has, each with the reason.

        Parameters
        ----------
        needed : iterable of str
            Columns of a connection that a contract reads.
        """
        return {
            name: self.reasons.get(name, "not in such a log")
            for name in needed
            if name not in self.columns and name not in ALWAYS
        }

    def check(self, needed: Iterable[str], *, contract: str) -> None:
        """Check that the log can have all that a contract needs.

        Raises
        ------
        DataError
            It lacks a column; the message says why.
        """
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.missing(needed).items():
            by_reason.setdefault(reason, []).append(name)
        if by_reason:
            lacks = "; ".join(
                f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()
            )
            raise DataError(
                f"the contract {contract} cannot be computed from {self.title}, which "
                f"lacks {lacks}. Read the packets instead, or choose another contract"
            )


MEASURES = tuple(
    name
    for name in CONNECTION
    if name.endswith(
        ("_data_pkts", "_push_pkts", "_resent_pkts", "_min", "_max", "_std")
    )
)
"""Columns that are measured packet by packet; no log has them."""
PER_PACKET = dict.fromkeys(
    (*MEASURES, "urgent", "wrong_fragments"), "measured packet by packet"
)
