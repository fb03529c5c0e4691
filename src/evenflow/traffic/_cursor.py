"""Many packets read at once: the header that each one has come to, and where it is."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic.captures import Frames
from evenflow.traffic.packets import End, Packets

Rows = NDArray[np.int64]


class At(IntEnum):
    """The header a packet stands at."""

    DONE = 0
    ETHERNET = 1
    ETHERTYPE = 2
    VLAN = 3
    MPLS = 4
    PPPOE = 5
    PPP = 6
    PBB = 7
    VN_TAG = 8
    SLL = 9
    SLL2 = 10
    LOOPBACK = 11
    RAW = 12
    IP4 = 13
    IP6 = 14
    IP_PROTOCOL = 15
    GRE = 16
    TCP = 17
    UDP = 18
    ICMP = 19
    WLAN = 20
    RADIOTAP = 21
    PRISM = 22
    AVS = 23
    LLC = 24
    CISCO_HDLC = 25
    ERSPAN = 26
    NFLOG = 27
    NFLOG_PART = 28
    FABRIC_PATH = 29
    PPI = 30
    PFLOG = 31
    PPP_SIDE = 32
    HDLC_SIDE = 33


ETHERTYPES = {
    0x0800: At.IP4, 0x86DD: At.IP6, 0x8100: At.VLAN, 0x88A8: At.VLAN,
    0x9100: At.VLAN, 0x9200: At.VLAN, 0x8847: At.MPLS, 0x8848: At.MPLS,
    0x8864: At.PPPOE, 0x88E7: At.PBB, 0x8926: At.VN_TAG, 0x6558: At.ETHERNET,
    0x8903: At.FABRIC_PATH, 0x880B: At.PPP, 0x88BE: At.ERSPAN, 0x22EB: At.ERSPAN,
}  # fmt: skip


class Cursor:
    """The state of one batch, a row for each packet."""

    def __init__(self, frames: Frames, *, opens_tunnels: bool = True) -> None:
        n = len(frames)
        self.frames = frames
        # reads of a few bytes beyond the last frame stay inside
        self.data = np.concatenate([frames.data, np.zeros(64, np.uint8)])
        self.at = frames.start.copy()
        self.stop = frames.start + frames.length  # of what was captured
        # of what was sent, by the header; no packet of IP is longer than 2**24
        self.ip_stop = frames.start + np.minimum(frames.wire, 2**24)
        self.kind = np.zeros(n, np.int8)
        self.next = np.zeros(n, np.int64)  # an ethertype or IP protocol number
        self.end = np.full(n, End.UNKNOWN_LINK, np.uint8)
        self.opens_tunnels = opens_tunnels
        self.in_ip = np.zeros(n, bool)
        self.is_routed = np.zeros(n, bool)  # by a header of IPv6, to another address
        self.segment = np.zeros(n, np.int64)  # where TCP, UDP or ICMP begins
        self.header = np.zeros(n, np.int64)  # where IPv4 begins, and how long it is
        self.header_size = np.zeros(n, np.int64)
        zeros: dict[str, Any] = {"end": self.end}
        for name, kind in Packets.__annotations__.items():
            if name not in ("frames", "end"):
                dtype = kind.partition("np.")[2].rstrip("]").replace("bool_", "bool")
                shape = (n, 2) if name in ("source", "destination") else n
                zeros[name] = np.zeros(shape, dtype)
        self.columns = zeros

    def _bytes(self, rows: Rows, offset: int, n: int = 1) -> NDArray[np.int64]:
        """Return a big-endian number of ``n`` bytes of each row's header."""
        at = self.at[rows] + offset
        value = self.data[at].astype(np.int64)
        for k in range(1, n):
            value = value << 8 | self.data[at + k]
        return value

    def _having(self, rows: Rows, n: int | NDArray[np.int64]) -> Rows:
        """Return the rows of which ``n`` more bytes were captured; end the others."""
        has = self.at[rows] + n <= self.stop[rows]
        self._finish(rows[~has], End.CUT)
        return rows[has]

    def _finish(self, rows: Rows, end: End) -> None:
        self.kind[rows] = At.DONE
        self.end[rows] = end

    def _to(
        self, rows: Rows, numbers: NDArray[np.int64], kinds: dict[int, At], other: End
    ) -> None:
        """Continue with the header that a number stands for."""
        new = np.zeros(len(rows), np.int8)
        for number, kind in kinds.items():
            new[numbers == number] = kind
        self.kind[rows] = new
        self.next[rows] = numbers
        self._finish(rows[new == 0], other)
