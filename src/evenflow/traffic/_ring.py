"""A ring of memory that the kernel fills with frames: TPACKET_V3 of AF_PACKET.

References
----------
.. [1] Linux, Documentation/networking/packet_mmap.rst.
"""

from __future__ import annotations

import errno
import mmap
import socket
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic.captures import Frames

SOL_PACKET = 263
PACKET_STATISTICS, PACKET_RX_RING, PACKET_VERSION = 6, 5, 10
TPACKET_V3 = 2
BLOCK_BYTES, FRAME_BYTES = 2**20, 2**11
RETIRE_MS = 50
"""Time after which the kernel gives a block on that is not full."""
USER, VLAN_VALID, VLAN_TPID_VALID = 1, 1 << 4, 1 << 6
STATUS_AT, COUNT_AT = 8, 12
"""Of a block: its status; the number of frames, the offset of the first, the length."""
LINK_LAYER = 48
"""Offset of the sockaddr_ll behind a frame's header."""
OUTGOING = 4
ETHERNET, RAW = 1, 101
IP = (0x0800, 0x86DD)
TAG = 0x8100


class Ring:
    """The ring of a socket.

    Parameters
    ----------
    packets : socket
        Of AF_PACKET, not yet bound.
    size : int
        Bytes; less where the kernel has not so much.

    Attributes
    ----------
    size : int
        Bytes that it has.
    """

    def __init__(self, packets: socket.socket, size: int) -> None:
        self._socket = packets
        packets.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        self._n_blocks = max(size // BLOCK_BYTES, 2)
        while True:
            try:
                packets.setsockopt(SOL_PACKET, PACKET_RX_RING, self._request())
                break
            except OSError as error:
                if error.errno != errno.ENOMEM or self._n_blocks == 2:
                    raise
                self._n_blocks //= 2
        self.size = self._n_blocks * BLOCK_BYTES
        self._map = mmap.mmap(
            packets.fileno(), self.size, mmap.MAP_SHARED,
            mmap.PROT_READ | mmap.PROT_WRITE,
        )  # fmt: skip
        self._next = 0

    def _request(self) -> bytes:
        per_block = BLOCK_BYTES // FRAME_BYTES
        return struct.pack(
            "=7I", BLOCK_BYTES, self._n_blocks, FRAME_BYTES,
            self._n_blocks * per_block, RETIRE_MS, 0, 0,
        )  # fmt: skip

    def blocks(self) -> Iterator[bytearray]:
        """Yield the blocks that are ready, and give each back to the kernel."""
        while True:
            start = self._next * BLOCK_BYTES
            (status,) = struct.unpack_from("=I", self._map, start + STATUS_AT)
            if not status & USER:
                return
            used = struct.unpack_from("=3I", self._map, start + COUNT_AT)[2]
            with memoryview(self._map) as ring:
                block = bytearray(ring[start : start + min(used, BLOCK_BYTES)])
            struct.pack_into("=I", self._map, start + STATUS_AT, 0)
            self._next = (self._next + 1) % self._n_blocks
            yield block

    def statistics(self) -> tuple[int, int]:
        """Return how many frames came and how many were dropped since the last call."""
        found = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
        received, dropped, _ = struct.unpack("=3I", found)
        return received, dropped

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


def n_frames(block: bytearray) -> int:
    """Return the number of frames of a block."""
    n: int = struct.unpack_from("=I", block, COUNT_AT)[0]
    return n


def frames(block: bytearray, link: int, *, loopback: frozenset[int]) -> Frames:
    """Return the frames of a block, with the VLAN tags that the kernel took out.

    Parameters
    ----------
    block : bytearray
    link : int
        Link type; of cooked frames, ``RAW``, those that are not IP are left out.
    loopback : set of int
        Numbers of interfaces on which each frame is seen twice; once is enough.
    """
    n, first = struct.unpack_from("=2I", block, COUNT_AT)
    data = np.frombuffer(block, np.uint8)
    at = _offsets(block, n, first)
    words = data[: len(data) // 4 * 4].view(np.uint32)
    halves = data[: len(data) // 2 * 2].view(np.uint16)
    w, h = at // 4, at // 2
    length = words[w + 3].astype(np.int64)
    wire = words[w + 4].astype(np.int64)
    status = words[w + 5]
    start = at + halves[h + 12 if link != RAW else h + 13]
    time_ns = words[w + 1].astype(np.int64) * 10**9 + words[w + 2]
    kept = np.ones(n, bool)
    if loopback:
        interface = words[w + (LINK_LAYER + 4) // 4].astype(np.int64)
        kept &= ~(
            np.isin(interface, [*loopback]) & (data[at + LINK_LAYER + 10] == OUTGOING)
        )
    if link == RAW:
        kept &= np.isin(halves[h + (LINK_LAYER + 2) // 2].byteswap(), IP)
    tagged = (status & VLAN_VALID != 0) & (length >= 12) & (link == ETHERNET)
    if tagged.any():
        rows = np.flatnonzero(tagged)
        has_tpid = status[rows] & VLAN_TPID_VALID != 0
        tpid = np.where(has_tpid, halves[h[rows] + 18], TAG)
        tci = words[w[rows] + 8]
        _tag(data, start[rows], tpid.astype(np.uint16), tci.astype(np.uint16))
        start[rows] -= 4
        length[rows] += 4
        wire[rows] += 4
    found = Frames(
        data=data, start=start, length=length, wire=wire, time_ns=time_ns,
        link=np.full(n, link, np.int64),
    )  # fmt: skip
    return found if kept.all() else found.take(np.flatnonzero(kept))


def _offsets(block: bytearray, n: int, first: int) -> NDArray[np.int64]:
    """Return where the header of each frame of a block begins."""
    step = struct.Struct("=I").unpack_from
    at, found = first, np.empty(n, np.int64)
    for i in range(n):
        found[i] = at
        at += step(block, at)[0]
    return found


def _tag(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    tpid: NDArray[np.uint16],
    tci: NDArray[np.uint16],
) -> None:
    """Move the two addresses of Ethernet four bytes down, and put the tag in."""
    addresses = np.arange(12)
    data[start[:, None] - 4 + addresses] = data[start[:, None] + addresses]
    tag = np.stack([tpid, tci], axis=1).byteswap().view(np.uint8)
    data[start[:, None] + 8 + np.arange(4)] = tag


def together(parts: list[Frames]) -> Frames:
    """Return the frames of several batches as one."""
    if len(parts) == 1:
        return parts[0]
    sizes = np.cumsum([0, *(len(part.data) for part in parts)])
    return Frames(
        data=np.concatenate([part.data for part in parts] or [np.zeros(0, np.uint8)]),
        start=_joined([p.start + n for p, n in zip(parts, sizes, strict=False)]),
        length=_joined([part.length for part in parts]),
        wire=_joined([part.wire for part in parts]),
        time_ns=_joined([part.time_ns for part in parts]),
        link=_joined([part.link for part in parts]),
    )


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
