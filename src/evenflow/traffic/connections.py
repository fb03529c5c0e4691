"""Packets to connections, as Zeek counts them.

A connection is what passed between two endpoints until it was closed, reset, or silent
for long enough. Times are those of the packets: nothing here reads a clock, so a file,
a file in pieces and live traffic give the same connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic import _endpoints as k
from evenflow.traffic import _follow as f
from evenflow.traffic import _index as x
from evenflow.traffic._compiled import PYTHON, can_compile, compiled
from evenflow.traffic._table import table
from evenflow.traffic.community_id import ANSWERS
from evenflow.traffic.logins import login_words
from evenflow.traffic.packets import End, Packets
from evenflow.traffic.services import payload_service

Matrix = NDArray[np.int64]
N_KEY = 7
COMPILE_AFTER = 250_000
"""Packets that Python follows in about the time that compiling takes."""
MAX_WITH_GAPS = 2**14
"""Maximum number of endpoints of which segments beyond a gap are remembered."""
ROWS_AT_ONCE = 2**12
MOST_KEPT = 2**16
"""Rows for which room is kept from batch to batch: each takes a kilobyte."""
FREE = k.NEVER + 1
"""When a row is due that holds no connection."""

SERVER_PORTS = {
    6: (
        7, 9, 13, 20, 21, 22, 23, 25, 37, 43, 53, 70, 79, 80, 88, 102, 110, 111, 113,
        119, 135, 139, 143, 179, 389, 443, 445, 465, 502, 513, 514, 515, 548, 554, 563,
        585, 587, 593, 614, 631, 636, 873, 989, 990, 992, 993, 995, 1080, 1433, 1434,
        1521, 1723, 1883, 2049, 3128, 3268, 3306, 3389, 4711, 5060, 5222, 5223, 5269,
        5432, 5671, 5672, 5900, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8443, 8883,
        8888, 9200, 11211, 20000, 27017,
    ),
    17: (
        7, 9, 13, 19, 37, 53, 67, 69, 88, 111, 123, 137, 138, 161, 162, 389, 443,
        500, 514, 520, 623, 1434, 1645, 1646, 1701, 1812, 1813, 1900, 2123,
        2152, 3478, 3544, 4500, 4789, 5060, 5072, 5353, 5355, 6081, 8472, 11211,
    ),
}  # fmt: skip
"""Ports where servers listen: a first packet from one of them is an answer."""


class Columns(NamedTuple):
    """Packets as they are followed: keys of their connections, and columns."""

    keys: NDArray[np.uint64]
    values: tuple[NDArray[Any], ...]


class _Written(NamedTuple):
    """Rows that the kernel wrote, and room for more."""

    at: NDArray[Any]
    C: NDArray[Any]
    E: NDArray[Any]
    H: NDArray[Any]
    keys: NDArray[Any]

    @classmethod
    def room(cls, n: int) -> _Written:
        return cls(
            np.zeros((n, f.N_AT), np.int64),
            np.zeros((n, k.N_C), np.int64),
            np.zeros((2 * n, k.N_E), np.int64),
            np.zeros((n, k.MOST_HISTORY), np.uint8),
            np.zeros((n, N_KEY), np.uint64),
        )

    def rows(self, start: int, stop: int) -> _Written:
        """Return some of the rows."""
        return _Written(
            self.at[start:stop], self.C[start:stop], self.E[2 * start : 2 * stop],
            self.H[start:stop], self.keys[start:stop],
        )  # fmt: skip

    def copied(self, n: int) -> _Written:
        """Return the rows with room for ``n``, or less than they have."""
        new = _Written.room(n)
        for old, array in zip(self, new, strict=True):
            rows = min(len(old), len(array))
            array[:rows] = old[:rows]
        return new


@dataclass
class Connections:
    """The connections that are open, and what is known of those that ended.

    Parameters
    ----------
    server_ports : dict of {int: tuple of int}
        By IP protocol.
    max_open : int
        Maximum number of connections that are open at once; for another one the
        32nd part of them that was silent longest ends.
    early : bool
        Whether a connection that goes on has a row at the ages of
        :data:`evenflow.traffic._endpoints.LOOK_NS`, and one as soon as both sides
        closed it: else the row comes when no packet of it can come any more.
    is_compiled : bool, optional
        Whether packets are followed by compiled code; by default after
        ``COMPILE_AFTER`` packets, where Numba is installed.

    Attributes
    ----------
    n_evicted : int
        Connections that ended because there was not enough room.
    n_set_back : int
        Times that the clock was set back, after it had followed wrong times.
    """

    server_ports: dict[int, tuple[int, ...]] = field(
        default_factory=lambda: SERVER_PORTS
    )
    max_open: int = 2**17
    early: bool = False
    is_compiled: bool | None = None
    n_evicted: int = field(default=0, init=False)
    n_set_back: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        # random, so that nobody can choose addresses that share a bucket
        self._factors = np.frombuffer(token_bytes(8 * N_KEY), np.uint64) | np.uint64(1)
        self._n_packets = 0
        self.kernel = compiled() if self.is_compiled else PYTHON
        self._keys = np.zeros((0, N_KEY), np.uint64)
        self._R, self._L = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._T = np.zeros(x.N_T, np.int64)
        self._T[x.FREE] = x.NONE
        self._C = np.zeros((0, k.N_C), np.int64)
        self._E = np.zeros((0, k.N_E), np.int64)
        self._H = np.zeros((0, k.MOST_HISTORY), np.uint8)
        self._D = np.zeros(0, np.int64)
        self._grow(256)
        self._W = np.zeros((MAX_WITH_GAPS + 1, k.MOST_WAITING, 2), np.int64)
        self._W[:-1, 0, 0] = np.arange(1, MAX_WITH_GAPS + 1)
        self._G = np.zeros(f.N_G, np.int64)
        self._G[[f.CLOCK, f.LAST_TIME, f.TICKED, f.SETTLED]] = -k.NEVER
        self._G[f.NEXT_DUE] = k.NEVER
        self._G[f.LOOKS], self._G[f.MAX_OPEN] = self.early, self.max_open
        self._out = _Written.room(ROWS_AT_ONCE)
        self._n_waiting = 0
        """Rows that were written in a batch before, and wait for a tick."""
        self._is_server = {}
        for protocol, ports in self.server_ports.items():
            self._is_server[protocol] = np.zeros(65536, bool)
            self._is_server[protocol][list(ports)] = True

    def _grow(self, n: int) -> None:
        """Make room for ``n`` connections."""
        self._keys, self._D = _longer(self._keys, n), _longer(self._D, n)
        self._R, self._L = _longer(self._R, n), _longer(self._L, n)
        self._B = np.full(2 * n, x.NONE, np.int64)
        buckets = self._buckets(self._keys[: self._n])
        self.kernel.link_all(self._R, self._L, self._B, buckets)
        self._C, self._H = _longer(self._C, n), _longer(self._H, n)
        self._E = _longer(self._E, 2 * n)

    @property
    def _n(self) -> int:
        """Rows that were ever used."""
        return int(self._T[x.USED])

    @property
    def _state(self) -> tuple[Any, ...]:
        return self._C, self._E, self._H, self._W, self._D, self._G

    def add(self, packets: Packets) -> pl.DataFrame:
        """Take packets in their order; return the rows that are known by now."""
        return self.follow(self.columns(packets))

    def columns(self, packets: Packets) -> Columns:
        """Return what is needed of packets; another thread may do it."""
        kept = np.flatnonzero(packets.end == End.TRANSPORT)
        keys, is_low = _keys(packets, kept)
        return Columns(keys, (
            is_low, self._may_turn(packets, kept),
            packets.protocol[kept].astype(np.int64), packets.frames.time_ns[kept],
            packets.flags[kept].astype(np.int64),
            packets.sequence[kept].astype(np.int64),
            packets.acknowledged[kept].astype(np.int64),
            packets.window[kept].astype(np.int64),
            packets.payload_bytes[kept], packets.payload_captured[kept],
            packets.ip_bytes[kept], packets.is_bad[kept], packets.is_whole[kept],
            payload_service(packets)[kept].astype(np.int64),
            packets.wrong_fragments[kept].astype(np.int64), login_words(packets)[kept],
        ))  # fmt: skip

    def follow(self, columns: Columns) -> pl.DataFrame:
        """Take packets in their order; return the rows that are known by now."""
        rows, n = self._find(columns.keys), len(columns.keys)
        found = (self._keys, rows, *columns.values)
        self._n_packets += n
        if self.is_compiled is None and self._n_packets > COMPILE_AFTER:
            self.compile()
        i = 0
        while i < n:
            i = self.kernel.follow(*self._state, self._n, i, *found, *self._out[:4])
            if self._G[f.WENT_BACK]:
                self._set_back()
            elif self._G[f.IS_FULL]:
                self._make_room()
            elif i < n:
                self._lengthen()
        return self._table()

    def compile(self) -> None:
        """Follow packets by compiled code from now on, where Numba is installed."""
        self.is_compiled = can_compile()
        self.kernel = compiled() if self.is_compiled else PYTHON

    def advance(self, now_ns: int) -> pl.DataFrame:
        """Take that no packet comes before a time; return the rows that are known."""
        ticked = now_ns // f.TICK_NS * f.TICK_NS
        if ticked > self._G[f.TICKED]:
            self._G[f.CLOCK] = self._G[f.LAST_TIME] = now_ns
            self._G[f.TICKED] = ticked
            while not self.kernel.tick(*self._state, self._n, *self._out[:4]):
                self._lengthen()
        return self._table()

    def finish(self) -> pl.DataFrame:
        """Return the connections that are still open, and forget them."""
        until = int(self._G[[f.TICKED, f.CLOCK, f.LAST_TIME]].max())
        self._release(int(self._G[f.TICKED]), until)
        frames = [self._table()]
        rows = np.flatnonzero(self._C[: self._n, k.IS_OPEN])
        rows = rows[np.argsort(self._C[rows, k.SERIAL])]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            self._end(rows[start : start + ROWS_AT_ONCE])
            self._release(until, until)
            frames.append(self._table())
        return pl.concat(frames)

    def _set_back(self) -> None:
        """End what is from a time that was wrong, and let all rows go."""
        self._G[f.WENT_BACK] = 0
        self.n_set_back += 1
        is_wrong = self._C[: self._n, k.LAST] > self._G[f.CLOCK] + f.BACK_NS
        is_wrong &= self._C[: self._n, k.IS_OPEN] == 1
        self._end(np.flatnonzero(is_wrong))
        settled = int(self._G[f.SETTLED])
        self._release(settled, settled)
        self._G[f.SETTLED] = self._G[f.TICKED]

    def _make_room(self) -> None:
        """End the 32nd part of the connections, those that were silent longest."""
        rows = np.flatnonzero(self._C[: self._n, k.IS_OPEN])
        order = np.lexsort((self._C[rows, k.SERIAL], self._C[rows, k.LAST]))
        rows = rows[order[: max(len(rows) // 32, 1)]]
        self.n_evicted += len(rows)
        self._G[f.IS_FULL] = 0
        self._end(rows)

    def _end(self, rows: Matrix) -> None:
        """End connections now."""
        start = int(self._G[f.WRITTEN])
        while start + len(rows) > len(self._out.at):
            self._lengthen()
        new = self._out.rows(start, start + len(rows))
        new.at[:, f.OF], new.at[:, f.IS_OVER] = rows, 1
        new.at[:, f.KNOWN] = max(self._G[f.CLOCK], self._G[f.LAST_TIME])
        new.C[:], new.H[:] = self._C[rows], self._H[rows]
        new.E[:] = self._E[_ends(rows)]
        self._G[f.WRITTEN] += len(rows)
        for row in rows.tolist():
            f.end(self._C, self._E, self._W, self._D, self._G, row)

    def _lengthen(self) -> None:
        """Make room for more rows."""
        self._out = self._out.copied(2 * len(self._out.at))

    def _release(self, before: int, until: int) -> None:
        """Let the rows go that wait."""
        self.kernel.release(self._G, self._out.at, before, until)

    def _table(self) -> pl.DataFrame:
        """Return the rows that were let go, and free those of what has ended."""
        n, n_written = int(self._G[f.RELEASED]), int(self._G[f.WRITTEN])
        new = slice(self._n_waiting, n_written)
        self._out.keys[new] = self._keys[self._out.at[new, f.OF]]
        found = self._out.rows(0, n)
        at, serial = found.at, found.C[:, k.SERIAL]
        order = np.lexsort((at[:, f.IS_OVER], serial, at[:, f.KNOWN], at[:, f.AT_TICK]))
        known = table(found.keys, found.C, found.E, found.H, at)[order]

        left = self._out.rows(n, n_written)
        for array, rest in zip(self._out, left, strict=True):
            array[: len(rest)] = rest
        self._n_waiting = self._G[f.WRITTEN] = n_written - n
        self._G[f.RELEASED] = 0
        if len(self._out.at) > MOST_KEPT:
            self._out = self._out.copied(max(ROWS_AT_ONCE, 2 * self._n_waiting))

        is_free = self._C[: self._n, k.IS_OPEN] == 0
        is_free &= self._D[: self._n] == k.NEVER
        rows = np.flatnonzero(is_free)
        self._D[rows] = FREE
        self.kernel.forget(self._R, self._L, self._B, self._T, rows)
        return known

    def _find(self, keys: NDArray[np.uint64]) -> Matrix:
        """Return the row of each packet's connection."""
        found, i = np.empty(len(keys), np.int64), 0
        buckets = self._buckets(keys)
        while True:
            index = self._keys, self._R, self._L, self._B, self._T, self._D
            i = self.kernel.find(*index, keys, buckets, i, found)
            if i == len(keys):
                return found
            self._grow(2 * self._n)
            buckets = self._buckets(keys)

    def _buckets(self, keys: NDArray[np.uint64]) -> Matrix:
        """Return a bucket for each key, by the upper bits of a sum of products."""
        # Dietzfelbinger et al. 1997, doi:10.1006/jagm.1997.0873
        shift = np.uint64(65 - len(self._B).bit_length())
        found: Matrix = (keys @ self._factors >> shift).astype(np.int64)
        return found

    def _may_turn(self, packets: Packets, kept: Matrix) -> NDArray[np.bool_]:
        """Return where the sender of a first packet is rather the server."""
        answer = np.zeros(len(kept), bool)
        protocol = packets.protocol[kept]
        from_port = packets.source_port[kept]
        to_port = packets.destination_port[kept]
        for number, is_server in self._is_server.items():
            is_one = is_server[from_port] & ~is_server[to_port]
            answer |= (protocol == number) & is_one
        to = packets.destination[kept]
        is_four = packets.version[kept] == 4
        is_many = np.where(
            is_four,
            (to[:, 1] >> 28 == 14) | (to[:, 1] == 0xFFFFFFFF),
            to[:, 0] >> np.uint64(56) == 0xFF,
        )
        turned: NDArray[np.bool_] = answer & ~is_many
        return turned


def _ends(rows: Matrix) -> Matrix:
    """Return the rows of the endpoints of connections."""
    return np.stack([2 * rows, 2 * rows + 1], axis=1).ravel()


def _longer(array: NDArray[Any], n: int) -> NDArray[Any]:
    new = np.zeros((n, *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new


def _keys(
    packets: Packets, kept: Matrix
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return what tells connections apart, and what comes from the lower end."""
    a, z = packets.source[kept], packets.destination[kept]
    protocol = packets.protocol[kept].astype(np.uint64)
    p = packets.source_port[kept].astype(np.uint64)
    q = packets.destination_port[kept].astype(np.uint64)
    p, q = _icmp_ports(protocol, p, q)
    is_low = np.where(
        a[:, 0] != z[:, 0],
        a[:, 0] < z[:, 0],
        np.where(a[:, 1] != z[:, 1], a[:, 1] < z[:, 1], p <= q),
    )
    turn = ~is_low[:, None]
    low, high = np.where(turn, z, a), np.where(turn, a, z)
    ports = np.where(is_low, p << np.uint64(16) | q, q << np.uint64(16) | p)
    version = packets.version[kept].astype(np.uint64)
    keys = np.column_stack(
        [low, high, ports, packets.tunnel[kept], protocol << np.uint64(8) | version]
    )
    return keys, is_low


def _icmp_ports(
    protocol: NDArray[np.uint64], kind: NDArray[np.uint64], code: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return type and the type of the answer, where there is one, else the code."""
    code = code.copy()
    for number, answers in ANSWERS.items():
        rows = protocol == number
        for one, other in answers.items():
            code[rows & (kind == one)] = other
    return kind, code
