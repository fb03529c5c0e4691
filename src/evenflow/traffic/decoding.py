"""Frames to packets: addresses, ports, lengths and flags, as columns.

Headers are peeled off round by round: each round takes every packet that stands at the
same kind of header and decodes that header for all of them at once, until all packets
have arrived at a transport protocol or at a reason why not. Tunnels are opened; what is
reported is the innermost packet, and the tunnel's number is a part of its key.

Lengths are those of the IP header, not of what was captured: padding, a short snap
length and offload would change them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic._checksums import folded, sums
from evenflow.traffic._cursor import At, Rows
from evenflow.traffic._internet import Internet
from evenflow.traffic._link_layers import LinkLayers
from evenflow.traffic.captures import Frames
from evenflow.traffic.packets import End, Packets

MOST_ROUNDS = 64
Sums = Callable[[NDArray[np.uint8], Rows, Rows], Rows]


def decode(
    frames: Frames,
    *,
    checksums: bool = True,
    sums: Sums = sums,
    tunnel: NDArray[np.uint64] | None = None,
    n_tunnels: NDArray[np.uint8] | None = None,
) -> Packets:
    """Return what the headers of frames say; no frame is refused.

    Parameters
    ----------
    frames : Frames
    checksums : bool
        Whether those of IPv4, TCP and UDP are verified. A machine that captures its own
        traffic sees wrong ones where its network card writes them.
    sums : callable, optional
        Adds the words of stretches of bytes, as those of
        :mod:`evenflow.traffic._checksums` do.
    tunnel, n_tunnels : ndarray of shape (n,), optional
        The columns of packets that these frames were taken from.
    """
    known = {"tunnel": tunnel, "n_tunnels": n_tunnels}
    adds = sums if checksums else None
    packets = _decoded(frames, known, sums=adds, opens_tunnels=True)
    is_lost = (packets.tunnel != 0) | (packets.n_tunnels > 0)
    is_lost &= packets.end > End.FRAGMENT
    rows = np.flatnonzero(is_lost)
    if len(rows):  # what cannot be opened is traffic of the two outer hosts
        known = {name: v if v is None else v[rows] for name, v in known.items()}
        outer = _decoded(frames.take(rows), known, sums=adds, opens_tunnels=False)
        for column in fields(Packets):
            if column.name != "frames":
                getattr(packets, column.name)[rows] = getattr(outer, column.name)
        packets.is_closed[rows] = True
    return packets


def _decoded(
    frames: Frames,
    known: dict[str, NDArray[Any] | None],
    *,
    sums: Sums | None,
    opens_tunnels: bool,
) -> Packets:
    decoder = Decoder(frames, opens_tunnels=opens_tunnels)
    for name, value in known.items():
        if value is not None:
            decoder.columns[name][:] = value
    packets = decoder.run()
    if sums is not None:
        decoder.check(packets, sums)
    return packets


class Decoder(LinkLayers, Internet):
    """All the steps, and the checksums at their end."""

    def run(self) -> Packets:
        """Take the steps until every packet has come to its end."""
        handlers: dict[int, Callable[[Rows], None]] = {
            kind: getattr(self, f"_{kind.name.lower()}")
            for kind in At
            if kind != At.DONE
        }
        self._begin()
        for _ in range(MOST_ROUNDS):
            kinds = np.unique(self.kind)
            if not kinds.any():
                break
            for kind in kinds[kinds > 0]:
                handlers[int(kind)](np.flatnonzero(self.kind == kind))
        else:
            self._finish(np.flatnonzero(self.kind), End.TOO_DEEP)
        return Packets(frames=self.frames, **self.columns)

    def check(self, packets: Packets, sums: Sums) -> None:
        """Mark what has a wrong checksum, of IP or of TCP, UDP and ICMP."""
        whole = packets.end <= End.FRAGMENT
        rows = np.flatnonzero(whole & (packets.version == 4))
        start, size = self.header[rows], self.header_size[rows]
        is_wrong = sums(self.data, start, start + size) != 0xFFFF
        packets.end[rows[is_wrong]] = End.WRONG_CHECKSUM

        start, stop = self.segment, packets.payload_start + packets.payload_bytes
        has_sum = np.isin(packets.protocol, (1, 6, 17, 58)) & packets.is_whole
        has_sum &= packets.end == End.TRANSPORT
        has_sum &= packets.payload_captured >= packets.payload_bytes
        has_sum &= ~self.is_routed  # the sum is over an address that is not here
        rows = np.flatnonzero(has_sum)
        written = self.data[start[rows] + 6].astype(int) | self.data[start[rows] + 7]
        may_lack = (packets.protocol[rows] == 17) & (packets.version[rows] == 4)
        rows = rows[~(may_lack & (written == 0))]
        start, stop = start[rows], stop[rows]
        pseudo = packets.protocol[rows] + stop - start
        for address in (packets.source[rows], packets.destination[rows]):
            words = np.ascontiguousarray(address).view(np.uint16)
            pseudo += words.sum(axis=1, dtype=np.int64)
        pseudo[packets.protocol[rows] == 1] = 0  # ICMP of IPv4 has no pseudo-header
        packets.is_bad[rows] = folded(sums(self.data, start, stop) + pseudo) != 0xFFFF
