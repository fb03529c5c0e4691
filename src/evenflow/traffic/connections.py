"""Packets to connections, as Zeek counts them.

A connection is what passed between two endpoints until it was closed, reset, or silent
for long enough. Times are those of the packets: nothing here reads a clock, so a file,
a file in pieces and live traffic give the same connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic import _endpoints as k
from evenflow.traffic._follow import follow, is_over
from evenflow.traffic._names import address, uid
from evenflow.traffic.packets import End, Packets

Matrix = NDArray[np.int64]
N_KEY = 7

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
TEXTS = dict.fromkeys(
    ("uid", "id.orig_h", "id.resp_h", "proto", "conn_state", "history"), pl.String
)
ANSWERS = {0: 8, 8: 0, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
"""ICMP types that belong together."""
ANSWERS6 = {128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136,
            136: 135, 139: 140, 140: 139, 144: 145, 145: 144}  # fmt: skip


@dataclass
class Connections:
    """The connections that are open, and what ended.

    Parameters
    ----------
    server_ports : dict of {int: tuple of int}
        By IP protocol.
    most_open : int
        Maximum number of connections that are open after a batch; beyond it those
        that were silent longest end.

    Attributes
    ----------
    n_evicted : int
        Connections that ended because there was not enough room.
    """

    server_ports: dict[int, tuple[int, ...]] = field(
        default_factory=lambda: SERVER_PORTS
    )
    most_open: int = 2**20
    n_evicted: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._rows: dict[bytes, int] = {}
        self._free: list[int] = []
        self._n = 0
        self._keys = np.zeros((0, N_KEY), np.uint64)
        self._C = np.zeros((0, k.N_C), np.int64)
        self._E = np.zeros((0, k.N_E), np.int64)
        self._H = np.zeros((0, k.MOST_HISTORY), np.uint8)
        self._W = np.zeros((0, k.MOST_WAITING, 2), np.int64)
        self._grow(256)
        self._is_server = {}
        for protocol, ports in self.server_ports.items():
            self._is_server[protocol] = np.zeros(65536, bool)
            self._is_server[protocol][list(ports)] = True

    def _grow(self, n: int) -> None:
        """Make room for ``n`` connections."""
        self._keys = _longer(self._keys, n)
        self._C, self._H = _longer(self._C, n), _longer(self._H, n)
        self._E, self._W = _longer(self._E, 2 * n), _longer(self._W, 2 * n)

    def add(self, packets: Packets) -> pl.DataFrame:
        """Take packets in their order; return the connections that ended."""
        kept = np.flatnonzero(packets.end == End.TRANSPORT)
        if not len(kept):
            return self._frame(*self._nothing())
        keys, is_low = _keys(packets, kept)
        row = self._find(keys)
        protocol = packets.protocol[kept].astype(np.int64)
        n = len(kept)
        ended = np.zeros(n, np.int64)
        C, E = np.zeros((n, k.N_C), np.int64), np.zeros((2 * n, k.N_E), np.int64)
        H = np.zeros((n, k.MOST_HISTORY), np.uint8)
        whole = packets.is_whole[kept]
        n_ended = follow(
            self._C, self._E, self._H, self._W, row, is_low,
            self._may_turn(packets, kept), protocol, packets.frames.time_ns[kept],
            packets.flags[kept].astype(np.int64),
            packets.sequence[kept].astype(np.int64),
            packets.acknowledged[kept].astype(np.int64),
            packets.window[kept].astype(np.int64),
            packets.payload_bytes[kept], packets.payload_captured[kept],
            packets.ip_bytes[kept], packets.is_bad[kept], whole,
            ended, C, E, H,
        )  # fmt: skip
        frame = self._frame(
            self._keys[ended[:n_ended]], C[:n_ended], E[: 2 * n_ended], H[:n_ended]
        )
        # not the last time: one packet with a wrong clock would end all that is open
        now = int(np.median(packets.frames.time_ns[kept]))
        silent = self._end(self._silent(now))
        return pl.concat([frame, silent, self._end(self._too_many())])

    def _too_many(self) -> Matrix:
        """Return the rows that were silent longest, beyond what may be open."""
        rows = np.flatnonzero(self._C[: self._n, k.IS_OPEN])
        n = len(rows) - self.most_open
        if n <= 0:
            return rows[:0]
        self.n_evicted += n
        return rows[np.argsort(self._C[rows, k.LAST], kind="stable")[:n]]

    def _silent(self, now: int) -> Matrix:
        """Return the rows of connections that have ended by time."""
        waiting = now - self._C[: self._n, k.LAST]
        some = self._C[: self._n, k.IS_OPEN].astype(bool) & (waiting > k.LINGER_NS)
        found = [
            c for c in np.flatnonzero(some) if is_over(self._C, self._E, int(c), now)
        ]
        return np.array(found, np.int64)

    def _end(self, rows: Matrix) -> pl.DataFrame:
        """Return connections as a table, and free their rows."""
        both = np.stack([2 * rows, 2 * rows + 1], axis=1).ravel()
        frame = self._frame(
            self._keys[rows], self._C[rows], self._E[both], self._H[rows]
        )
        self._C[rows] = 0
        for row in rows:
            del self._rows[self._keys[row].tobytes()]
        self._free.extend(rows.tolist())
        return frame

    def finish(self) -> pl.DataFrame:
        """Return the connections that are still open, and forget them."""
        return self._end(np.flatnonzero(self._C[: self._n, k.IS_OPEN]))

    def _nothing(self) -> tuple[NDArray[np.uint64], Matrix, Matrix, NDArray[np.uint8]]:
        return self._keys[:0], self._C[:0], self._E[:0], self._H[:0]

    def _find(self, keys: NDArray[np.uint64]) -> Matrix:
        """Return the row of each packet's connection."""
        names = keys.tobytes()
        width = keys.shape[1] * keys.itemsize
        rows = np.zeros(len(keys), np.int64)
        for i in range(len(keys)):
            name = names[i * width : (i + 1) * width]
            found = self._rows.get(name)
            rows[i] = self._place(name) if found is None else found
        return rows

    def _place(self, name: bytes) -> int:
        """Return a free row for a connection that is new."""
        if self._free:
            row = self._free.pop()
        else:
            if self._n == len(self._C):
                self._grow(2 * self._n)
            row = self._n
            self._n += 1
        self._rows[name] = row
        self._keys[row] = np.frombuffer(name, np.uint64)
        return row

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

    def _frame(
        self, keys: NDArray[np.uint64], C: Matrix, E: Matrix, H: NDArray[np.uint8]
    ) -> pl.DataFrame:
        """Return connections as a table in the columns of Zeek's conn.log."""
        low_began = C[:, k.LOW_BEGAN] == 1
        o, r = E[0::2], E[1::2]
        protocol = C[:, k.PROTOCOL]
        version = keys[:, 6] & np.uint64(0xFF)
        low, high = (
            [address(v, *pair) for v, pair in zip(version, half, strict=True)]
            for half in (keys[:, 0:2], keys[:, 2:4])
        )
        first = [a if w else b for w, a, b in zip(low_began, low, high, strict=True)]
        second = [b if w else a for w, a, b in zip(low_began, low, high, strict=True)]
        low_port = (keys[:, 4] >> np.uint64(16)).astype(np.int64)
        high_port = (keys[:, 4] & np.uint64(0xFFFF)).astype(np.int64)
        history = [
            bytes(h[:n]).decode("ascii")
            for h, n in zip(H, C[:, k.N_HISTORY], strict=True)
        ]
        is_tcp = protocol == k.TCP
        sizes = [
            np.array(
                [
                    k.size(E, 2 * i + j) if is_tcp[i] else E[2 * i + j, k.PAYLOAD]
                    for i in range(len(C))
                ],
                np.int64,
            )
            for j in (0, 1)
        ]
        names = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
        # in whole microseconds, as Zeek reads captures
        lasted = np.maximum(C[:, k.LAST] // 1000 - C[:, k.FIRST] // 1000, 0) * 1000
        return pl.DataFrame(
            {
                "ts": C[:, k.FIRST],
                "uid": [
                    uid(key.tobytes(), int(row[k.FIRST]), int(row[k.NUMBER]))
                    for key, row in zip(keys, C, strict=True)
                ],
                "id.orig_h": first,
                "id.orig_p": np.where(low_began, low_port, high_port),
                "id.resp_h": second,
                "id.resp_p": np.where(low_began, high_port, low_port),
                "proto": [names.get(int(p), "unknown_transport") for p in protocol],
                "duration": lasted,
                "orig_bytes": sizes[0],
                "resp_bytes": sizes[1],
                "conn_state": [
                    state(int(p), o[i], r[i], sizes[0][i] + sizes[1][i], history[i])
                    for i, p in enumerate(protocol)
                ],
                "history": history,
                "orig_pkts": o[:, k.PACKETS],
                "resp_pkts": r[:, k.PACKETS],
                "orig_ip_bytes": o[:, k.IP_BYTES],
                "resp_ip_bytes": r[:, k.IP_BYTES],
                "missed_bytes": C[:, k.MISSED],
                "ip_proto": protocol,
                "last_packet": C[:, k.LAST_PACKET],
            },
            schema_overrides=TEXTS,
        )


def _longer(array: NDArray[Any], n: int) -> NDArray[Any]:
    new = np.zeros((n, *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new


def state(protocol: int, o: Matrix, r: Matrix, n_bytes: int, history: str) -> str:
    """Return Zeek's conn_state."""
    a, b = o[k.STATE], r[k.STATE]
    if protocol == k.UDP:
        return {(1, 1): "SF", (1, 0): "S0", (0, 1): "SHR"}.get((int(a), int(b)), "OTH")
    if protocol != k.TCP:
        return "OTH"
    silent = (k.INACTIVE, k.PARTIAL)
    if b == k.RESET:
        if a in (k.SYN_SENT, k.SYN_ACK_SENT) or (a == k.RESET and n_bytes == 0):
            return "REJ"
        return "RSTRH" if a in silent else "RSTR"
    if a == k.RESET:
        if b not in silent:
            return "RSTO"
        begins = history.removeprefix("^")
        before = begins.partition("R")[0]
        is_lone = (
            "R" in begins and before[:1] == "S" and not set(before) & set("HAFGIQ")
        )
        return "RSTOS0" if is_lone else "OTH"
    if a == b == k.CLOSED:
        return "SF"
    if a == k.CLOSED:
        return "SH" if b in silent else "S2"
    if b == k.CLOSED:
        return "SHR" if a in silent else "S3"
    if a == k.SYN_SENT and b == k.INACTIVE:
        return "S0"
    return "S1" if a == b == k.ESTABLISHED else "OTH"


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
    for number, answers in ((1, ANSWERS), (58, ANSWERS6)):
        rows = protocol == number
        for one, other in answers.items():
            code[rows & (kind == one)] = other
    return kind, code
