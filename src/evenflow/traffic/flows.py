"""A capture to its connections, batch after batch, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import polars as pl

from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic.captures import read_frames
from evenflow.traffic.connections import Connections
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


def read_connections(
    stream: BinaryIO,
    *,
    source: str,
    checksums: bool = True,
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
    on_event : callable, optional
        Gets a note for each reason that packets were left out, at the end.

    Raises
    ------
    DataError
        It is not a capture.
    """
    open_ones = Connections()
    fragments = Fragments(checksums=checksums)
    seen = Counter[str]()
    for frames in read_frames(stream, source=source, on_event=on_event):
        packets = fragments.add(decode(frames, checksums=checksums))
        _count(seen, packets)
        yield open_ones.add(packets)
    packets = fragments.finish()
    _count(seen, packets)
    yield open_ones.add(packets)
    yield open_ones.finish()
    if n := open_ones.n_evicted:
        text = f"connections of {source} split because too many were open: {n:,}"
        on_event(Note(text=text, is_warning=True))
    _count_fragments(seen, fragments)
    for text, n in seen.items():
        on_event(Note(text=f"packets of {source} that {text}: {n:,}"))


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
