"""Fragments of IP to the datagrams that they were cut from.

As with Zeek, a datagram is one packet: it stands where the fragment stood that made it
whole, at that fragment's time, with one IP header. Of bytes that came twice the first
ones count. Zeek forgets a datagram that never becomes whole; here what came of it is
still a packet of its connection if the first fragment is there, so that a flood or a
scan by fragments is not invisible.

References
----------
.. [1] J. Postel, "Internet Protocol", RFC 791.
.. [2] S. Krishnan, "Handling of Overlapping IPv6 Fragments", RFC 5722.
.. [3] U. Shankar and V. Paxson, "Active Mapping: Resisting NIDS Evasion Without
   Altering Traffic", IEEE Symposium on Security and Privacy, 2003.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic._datagram import Datagram
from evenflow.traffic.captures import Frames
from evenflow.traffic.decoding import decode
from evenflow.traffic.packets import End, Packets

TIMEOUT_NS = 60 * 10**9
"""Time in which all fragments must come: what RFC 1122 and RFC 8200 ask of hosts."""
MOST_FRAGMENTS = 2048
"""Maximum number of fragments of one datagram: more than 64 KiB in the smallest."""
RAW = 101
READ = (
    "version", "tunnel", "fragment_offset", "has_more", "ip_bytes", "payload_start",
    "payload_bytes", "payload_captured", "n_tunnels",
)  # fmt: skip
"""Columns of a fragment that are used, beside those that make its key."""


@dataclass
class Fragments:
    """The datagrams of which fragments are still to come.

    Parameters
    ----------
    checksums : bool
        Whether those of TCP and UDP are verified over whole datagrams.
    most_bytes : int
        Maximum memory for what waits; beyond it the oldest datagrams are given up.
    most_datagrams : int
        Maximum number that wait.

    Attributes
    ----------
    n_whole : int
        Datagrams that were put together.
    n_partial : int
        Datagrams that never became whole, but whose first fragment came.
    n_lost : int
        Fragments of the others.
    """

    checksums: bool = True
    most_bytes: int = 2**26
    most_datagrams: int = 2**14
    n_whole: int = field(default=0, init=False)
    n_partial: int = field(default=0, init=False)
    n_lost: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._waiting: dict[tuple[int, ...], Datagram] = {}
        self._timers: list[tuple[int, int, Datagram]] = []
        self._n_begun = 0
        self._last_time = 0
        self._n_bytes = 0
        self._later: list[tuple[int, Datagram]] = []
        self._parts: list[tuple[int, Packets]] = []

    def add(self, packets: Packets) -> Packets:
        """Return packets with whole datagrams in place of fragments.

        The frame of a datagram is of link type 101: the datagram itself. Its checksum
        is not verified where a part of it was not captured, never came, or
        contradicts another one.
        """
        rows = np.flatnonzero(packets.end == End.FRAGMENT)
        times = np.append(self._last_time, packets.frames.time_ns)
        self._last_time = int(times[-1])
        if not len(rows) and not self._waiting:
            self._timers.clear()
            return packets
        # a time is believed once two packets in a row have come that far
        clock = np.minimum(times[1:], times[:-1])
        begin = np.append(0, rows + 1)  # of what lies up to the next fragment
        peaks = np.maximum.reduceat(np.append(clock, 0), begin).tolist()
        if not len(rows) and not self._timers[0][0] < peaks[0]:
            return packets
        values = _values(packets, rows)
        at = 0
        for row, value, peak in zip(rows.tolist(), values, peaks[:-1], strict=True):
            if self._timers and peak > self._timers[0][0]:
                self._expire(clock, at, row + 1)
            self._take(packets.frames, value, int(times[row + 1]), 2 * row + 1)
            at = row + 1
        self._expire(clock, at, len(packets))
        return self._join(packets, np.flatnonzero(packets.end != End.FRAGMENT))

    def advance(self, now_ns: int) -> Packets:
        """Take that no packet comes before a time; return what is given up."""
        self._last_time = now_ns
        self._expire(np.array([now_ns]), 0, 1)
        return self._join(_nothing(), np.zeros(0, np.int64))

    def finish(self) -> Packets:
        """Return what came of the datagrams that still wait, and forget them."""
        while self._waiting:
            self._give_up(next(iter(self._waiting.values())), 0)
        self._timers.clear()
        return self._join(_nothing(), np.zeros(0, np.int64))

    def _take(self, frames: Frames, value: Any, now: int, place: int) -> None:
        """Take a fragment, and what becomes whole by it."""
        key, version, tunnel, offset, has_more, ip_bytes, start, size, captured, n = (
            value
        )
        if size == 0 or size >= ip_bytes:
            self.n_lost += 1
            return
        datagram = self._waiting.get(key)
        if datagram is None:
            datagram = self._begin(key, version, tunnel, n, now)
        if offset == 0 and not datagram.header:
            datagram.header = frames.data[start - ip_bytes + size : start].tobytes()
        datagram.time_ns = now
        data = frames.data[start : start + min(size, captured)].tobytes()
        self._n_bytes -= datagram.cost
        datagram.put(offset, size, data, has_more=has_more)
        self._n_bytes += datagram.cost
        if datagram.is_whole:
            self.n_whole += 1
            self._end(datagram)
            self._emit(datagram, place)
        elif datagram.n_fragments >= MOST_FRAGMENTS:
            self._give_up(datagram, place)
        while (
            len(self._waiting) > self.most_datagrams or self._n_bytes > self.most_bytes
        ):
            self._give_up(next(iter(self._waiting.values())), place)

    def _begin(
        self, key: tuple[int, ...], version: int, tunnel: int, n: int, now: int
    ) -> Datagram:
        datagram = Datagram(key, version, tunnel, n)
        self._waiting[key] = datagram
        self._n_bytes += datagram.cost
        if len(self._timers) > 2 * len(self._waiting) + 64:
            self._timers = [timer for timer in self._timers if timer[2].is_waiting]
            heapify(self._timers)
        self._n_begun += 1
        heappush(self._timers, (now + TIMEOUT_NS, self._n_begun, datagram))
        return datagram

    def _end(self, datagram: Datagram) -> None:
        del self._waiting[datagram.key]
        self._n_bytes -= datagram.cost
        datagram.is_waiting = False

    def _give_up(self, datagram: Datagram, place: int) -> None:
        """End a datagram that lacks fragments; keep what is known of it."""
        self._end(datagram)
        if datagram.header:
            self.n_partial += 1
            self._emit(datagram, place)
        else:
            self.n_lost += datagram.n_fragments
            datagram.pieces.clear()

    def _expire(self, clock: NDArray[np.int64], start: int, stop: int) -> None:
        """Give up what is too old, before the first packet that is late for it."""
        while self._timers:
            late = np.flatnonzero(clock[start:stop] > self._timers[0][0])
            if not len(late):
                return
            start += int(late[0])
            now = int(clock[start])
            while self._timers and self._timers[0][0] < now:
                datagram = heappop(self._timers)[2]
                if datagram.is_waiting:
                    self._give_up(datagram, 2 * start)

    def _emit(self, datagram: Datagram, place: int) -> None:
        """Put a packet at a place; at once where a fragment may be inside."""
        if not datagram.may_hold_fragments:
            self._later.append((place, datagram))
            return
        found = self._decoded([datagram])
        if found.end[0] == End.FRAGMENT:
            [value] = _values(found, np.zeros(1, np.int64))
            self._take(found.frames, value, datagram.time_ns, place)
        else:
            self._parts.append((place, found))

    def _decoded(self, datagrams: list[Datagram]) -> Packets:
        """Return datagrams as packets."""
        texts, lengths = zip(*(d.packet() for d in datagrams), strict=True)
        sizes = np.array([len(text) for text in texts], np.int64)
        frames = Frames(
            data=np.frombuffer(b"".join(texts), np.uint8),
            start=np.cumsum(sizes) - sizes,
            length=sizes,
            wire=np.array(lengths, np.int64),
            time_ns=np.array([d.time_ns for d in datagrams], np.int64),
            link=np.full(len(texts), RAW),
        )
        found = decode(
            frames,
            checksums=self.checksums,
            tunnel=np.array([d.tunnel for d in datagrams], np.uint64),
            n_tunnels=np.array([d.n_tunnels for d in datagrams], np.uint8),
        )
        found.wrong_fragments[:] = [d.n_wrong for d in datagrams]
        # of bytes that contradict one another systems keep different ones
        is_sure = np.array([d.is_whole and not d.n_wrong for d in datagrams])
        found.is_bad[:] &= is_sure
        for datagram in datagrams:  # a timer may still know it
            datagram.pieces.clear()
        return found

    def _join(self, packets: Packets, kept: NDArray[np.int64]) -> Packets:
        """Return the kept rows and those that were made, in order."""
        places = [2 * kept + 1]
        data = [packets.frames.data]
        rows = [_columns(packets, kept, 0)]
        size = len(packets.frames.data)
        parts = [(np.array([at]), found) for at, found in self._parts]
        if self._later:
            at, datagrams = zip(*self._later, strict=True)
            parts.append((np.array(at), self._decoded(list(datagrams))))
        for place, found in parts:
            places.append(place)
            data.append(found.frames.data)
            rows.append(_columns(found, np.arange(len(found)), size))
            size += len(found.frames.data)
        self._later, self._parts = [], []
        order = np.argsort(np.concatenate(places), kind="stable")
        columns = {
            name: np.concatenate([part[name] for part in rows])[order]
            for name in rows[0]
        }
        of_frames = {f.name for f in fields(Frames)} - {"data"}
        frames = Frames(
            data=np.concatenate(data) if len(data) > 1 else data[0],
            **{name: columns.pop(name) for name in of_frames},
        )
        return Packets(frames=frames, **columns)


def _nothing() -> Packets:
    none = np.zeros(0, np.int64)
    data = np.zeros(0, np.uint8)
    return decode(
        Frames(data=data, start=none, length=none, wire=none, time_ns=none, link=none)
    )


def _values(packets: Packets, rows: NDArray[np.int64]) -> list[tuple[Any, ...]]:
    """Return the key of each fragment, and what :data:`READ` names."""
    four = packets.version[rows] == 4
    keys = (
        packets.version[rows],
        np.where(four, packets.protocol[rows], 0),  # of IPv6 the first one tells it
        packets.tunnel[rows],
        packets.fragment_id[rows],
        *packets.source[rows].T,
        *packets.destination[rows].T,
    )
    key = zip(*(column.tolist() for column in keys), strict=True)
    read = (getattr(packets, name)[rows].tolist() for name in READ)
    return list(zip(key, *read, strict=True))


def _columns(packets: Packets, rows: NDArray[np.int64], shift: int) -> dict[str, Any]:
    """Return rows of packets and of their frames, on data that is ``shift`` further."""
    columns = {
        f.name: getattr(part, f.name)[rows]
        for part in (packets, packets.frames)
        for f in fields(part)
        if f.name not in ("frames", "data")
    }
    columns["start"] += shift
    columns["payload_start"] += shift
    return columns
