"""A capture to its connections, batch after batch, and what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import polars as pl

from evenflow.ahead import ahead
from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic._compiled import PYTHON, can_compile, compiled
from evenflow.traffic.captures import FindRecords, Frames, read_frames
from evenflow.traffic.connections import Columns, Connections
from evenflow.traffic.decoding import decode
from evenflow.traffic.fragments import Fragments
from evenflow.traffic.packets import End, Packets

REASONS = {
    End.NOT_IP: "are not IP",
    End.CUT: "were captured too short for their headers",
    End.DAMAGED: "have a damaged IP header",
    End.TOO_DEEP: "are in too many tunnels or headers",
    End.ENCRYPTED: "are encrypted by their radio",
    End.WRONG_CHECKSUM: "have a wrong IP checksum (see --ignore-checksums)",
    End.UNKNOWN_LINK: "come from a link type that is not known",
}


DAY_NS = 86_400 * 10**9
LARGE = 40 * 2**20
"""Bytes of a capture for which compiling and threads are worth the while from the
beginning."""


class Read(NamedTuple):
    """Frames, and what following their packets needs of them."""

    frames: Frames
    columns: Columns


class Follower:
    """Frames to the rows of connections, and counts of what was left out.

    Parameters
    ----------
    checksums : bool
        Whether packets with a wrong checksum are left out.
    is_large : bool
        Whether compiling is worth the while from the beginning.
    **how
        Passed to :class:`~evenflow.traffic.connections.Connections`.
    """

    def __init__(
        self, *, checksums: bool = True, is_large: bool = False, **how: Any
    ) -> None:
        self.checksums = checksums
        if is_large and can_compile():
            how["is_compiled"] = True
        self.connections = Connections(**how)
        self.fragments = Fragments(checksums=checksums)
        self.seen = Counter[str]()
        self.n_leaps, self._last_ns = 0, np.zeros(0, np.int64)

    def add(self, frames: Frames) -> pl.DataFrame:
        """Take frames in their order; return the rows that are known by now."""
        return self.take(self.read(frames))

    def read(self, frames: Frames) -> Read:
        """Return what is read of frames, in their order.

        Another thread may do it while the ones before are followed.
        """
        sums = self.connections.kernel.sums
        packets = decode(frames, checksums=self.checksums, sums=sums)
        if len(packets):
            times = np.concatenate([self._last_ns, frames.time_ns])
            self.n_leaps += int((np.abs(np.diff(times)) > DAY_NS).sum())
            self._last_ns = times[-1:]
        return Read(frames, self._columns(self.fragments.add(packets)))

    def take(self, read: Read) -> pl.DataFrame:
        """Take what was read in its order; return the rows that are known by now."""
        return self.connections.follow(read.columns)

    def advance(self, now_ns: int) -> pl.DataFrame:
        """Take that no packet comes before a time; return the rows that are known."""
        late = self._follow(self.fragments.advance(now_ns))
        return pl.concat([late, self.connections.advance(now_ns)])

    def finish(self) -> pl.DataFrame:
        """Return the rows of all that is left."""
        return pl.concat(
            [self._follow(self.fragments.finish()), self.connections.finish()]
        )

    def _columns(self, packets: Packets) -> Columns:
        _count(self.seen, packets)
        return self.connections.columns(packets)

    def _follow(self, packets: Packets) -> pl.DataFrame:
        return self.connections.follow(self._columns(packets))

    def report(self, source: str, on_event: OnEvent) -> None:
        """Send a note for each thing that a reader of the connections should know."""
        if n := self.connections.n_evicted:
            text = f"connections of {source} split because too many were open: {n:,}"
            on_event(Note(text=text, is_warning=True))
        if n := self.connections.n_set_back:
            text = (
                f"times in {source} went back by more than a minute: {n:,}. Windows of "
                "time around such places are not to be trusted"
            )
            on_event(Note(text=text, is_warning=True))
        if n := self.n_leaps:
            text = (
                f"times in {source} more than a day from that of the packet before: "
                f"{n:,}. Unless captures were joined there, a clock was wrong or set: "
                "connections may begin at a wrong time, or be cut in two"
            )
            on_event(Note(text=text, is_warning=True))
        _count_fragments(self.seen, self.fragments)
        for text, n in self.seen.items():
            on_event(Note(text=f"packets of {source} that {text}: {n:,}"))


def read_connections(
    stream: BinaryIO,
    *,
    source: str,
    checksums: bool = True,
    size: int | None = None,
    on_event: OnEvent = ignore,
) -> Iterator[pl.DataFrame]:
    """Yield the connections of a capture as they end, then those still open.

    Parameters
    ----------
    stream : binary file
    source : str
        Name for messages.
    checksums : bool
        Whether packets with a wrong checksum are left out.
    size : int, optional
        Bytes to come; by default those of the stream, if it is a file.
    on_event : callable, optional
        Gets a note for each reason that packets were left out, at the end.

    Raises
    ------
    DataError
        It is not a capture.
    """
    is_large = (_size(stream) if size is None else size) > LARGE
    follower = Follower(checksums=checksums, is_large=is_large)
    frames = read_frames(
        stream,
        source=source,
        on_event=on_event,
        find_records=record_finder(is_large=is_large),
    )
    found = map(follower.read, frames)
    for read in ahead(found) if is_large else found:
        yield follower.take(read)
    yield follower.finish()
    follower.report(source, on_event)


def record_finder(*, is_large: bool) -> FindRecords:
    """Return what finds the records of a capture, compiled for a large one."""
    return (compiled() if is_large and can_compile() else PYTHON).records


def _size(stream: BinaryIO) -> int:
    """Return the bytes of a file; 0 where they are not known."""
    try:
        return os.fstat(stream.fileno()).st_size
    except (OSError, AttributeError):
        return 0


def _count(seen: Counter[str], packets: Packets) -> None:
    """Count what a reader of the connections should know."""
    for end, n in zip(*np.unique(packets.end, return_counts=True), strict=True):
        if end in REASONS:
            seen[REASONS[End(end)]] += int(n)
    if n := int(packets.is_bad.sum()):
        seen["have a wrong checksum and were left out (see --ignore-checksums)"] += n
    is_here = packets.end == End.TRANSPORT
    if n := int((is_here & ~packets.is_whole).sum()):
        seen["were captured without a whole transport header, and are not counted"] += n
    if n := int((is_here & ((packets.tunnel != 0) | (packets.n_tunnels > 0))).sum()):
        seen["were decapsulated from tunnels"] += n
    if n := int((is_here & (packets.wrong_fragments > 0)).sum()):
        seen["have fragments that contradict one another"] += n
    if n := int(packets.is_closed.sum()):
        seen["are in tunnels that could not be opened"] += n


def _count_fragments(seen: Counter[str], fragments: Fragments) -> None:
    """Count what became of datagrams that came in parts."""
    if n := fragments.n_whole:
        seen["were put together from fragments"] += n
    if n := fragments.n_partial:
        seen["lack fragments, and are counted by those that came"] += n
    if n := fragments.n_lost:
        seen["are fragments of which the first one never came"] += n
