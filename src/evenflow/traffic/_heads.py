"""The first bytes of many payloads, as numbers at places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evenflow.traffic.packets import Packets

WIDTH = 32
"""Bytes of each payload that are read at once."""
FURTHER = 512
"""Bytes that :meth:`Heads.texts` reads of the few payloads that need it."""
Numbers = NDArray[np.int64]
Mask = Any
"""An array of bool: comparisons of arrays have no type of their own."""


class Heads:
    """The beginnings of some packets' payloads, zero beyond what was captured.

    Attributes
    ----------
    head : ndarray of shape (n, WIDTH), uint8
    size : ndarray of shape (n,), int64
        Bytes that were captured.
    length : ndarray of shape (n,), int64
        Bytes of payload by the IP header.
    """

    def __init__(self, packets: Packets, rows: Numbers) -> None:
        self.packets, self.rows = packets, rows
        self.size = packets.payload_captured[rows]
        self.length = packets.payload_bytes[rows]
        data, start = packets.frames.data, packets.payload_start[rows]
        if len(data) < WIDTH:
            data = np.concatenate([data, np.zeros(WIDTH, np.uint8)])
        most = len(data) - WIDTH
        self.head = sliding_window_view(data, WIDTH)[np.minimum(start, most)]
        for row in np.flatnonzero(start > most):
            rest = data[start[row] :]
            self.head[row] = 0
            self.head[row, : len(rest)] = rest
        short = np.flatnonzero(self.size < WIDTH)
        self.head[short] *= np.arange(WIDTH) < self.size[short, None]

    def take(self, rows: Numbers) -> Heads:
        """Return some of them."""
        new = object.__new__(Heads)
        new.packets, new.rows = self.packets, self.rows[rows]
        new.head = self.head[rows]
        new.size, new.length = self.size[rows], self.length[rows]
        return new

    def u(self, at: int, n: int = 1) -> Numbers:
        """Return the number of ``n`` bytes at a place, the high byte first."""
        value = self.head[:, at].astype(np.int64)
        for k in range(1, n):
            value = value << 8 | self.head[:, at + k]
        return value

    def little(self, at: int, n: int) -> Numbers:
        """Return the number of ``n`` bytes at a place, the low byte first."""
        value = self.head[:, at + n - 1].astype(np.int64)
        for k in reversed(range(n - 1)):
            value = value << 8 | self.head[:, at + k]
        return value

    def at(self, where: Numbers, n: int = 1) -> Numbers:
        """Return the number at another place in each; 0 beyond the head."""
        every = np.arange(len(self.head))
        value = np.zeros(len(self.head), np.int64)
        for k in range(n):
            place = np.minimum(where + k, WIDTH - 1)
            byte = np.where(where + k < WIDTH, self.head[every, place], 0)
            value = value << 8 | byte
        return value

    def far(self, at: int, n: int) -> Numbers:
        """Return the number of ``n`` bytes beyond the head; -1 where it is missing."""
        value = np.full(len(self.head), -1, np.int64)
        has = np.flatnonzero(self.size >= at + n)
        start = self.packets.payload_start[self.rows[has]] + at
        found = np.zeros(len(has), np.int64)
        for k in range(n):
            found = found << 8 | self.packets.frames.data[start + k]
        value[has] = found
        return value

    def starts(self, text: bytes, at: int = 0) -> Mask:
        """Return where a text stands at a place."""
        part = np.frombuffer(text, np.uint8)
        same = (self.head[:, at : at + len(text)] == part).all(axis=1)
        return same & (self.size >= at + len(text))

    def uses(self, ports: Iterable[int]) -> Mask:
        """Return where one of the ports is one of these."""
        wanted = list(ports)
        source = self.packets.source_port[self.rows]
        destination = self.packets.destination_port[self.rows]
        return np.isin(source, wanted) | np.isin(destination, wanted)

    def texts(self) -> list[bytes]:
        """Return more of each payload, as it is: for few of them."""
        start = self.packets.payload_start[self.rows].tolist()
        sizes = np.minimum(self.size, FURTHER).tolist()
        data = self.packets.frames.data
        return [data[a : a + n].tobytes() for a, n in zip(start, sizes, strict=True)]

    def ber(self, at: Numbers) -> tuple[Numbers, Numbers]:
        """Return a length of BER at a place in each, and the place behind it.

        An invalid length has -1.
        """
        first = self.at(at)
        n = np.where(first < 0x80, 0, first - 0x80)
        value = first.copy()
        for k in range(1, 5):
            value = np.where(n == k, self.at(at + 1, k), value)
        return np.where(n > 4, -1, value), at + 1 + n
