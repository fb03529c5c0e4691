"""A datagram of IP of which fragments have come."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field

from evenflow.traffic._internet import EXTENSIONS, GENEVE_PORT, VXLAN_PORTS

LARGEST = 65535
"""Maximum number of bytes of a datagram; a "ping of death" is longer."""
PIECE_BYTES, DATAGRAM_BYTES = 150, 1000
"""What it costs to remember one, beside its data."""


@dataclass(slots=True)
class Datagram:
    """The fragments of a datagram that have come, and what they say."""

    key: tuple[int, ...]
    version: int
    tunnel: int
    n_tunnels: int
    header: bytes = b""
    pieces: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Where each begins and ends, and what was captured of it; none overlaps."""
    total: int = 0
    """Where it ends; 0: not known."""
    run: int = 0
    """Where what has come without a gap ends."""
    n_bytes: int = 0
    n_fragments: int = 0
    n_wrong: int = 0
    cost: int = DATAGRAM_BYTES
    """Bytes of memory, about."""
    time_ns: int = 0
    is_waiting: bool = True

    @property
    def is_whole(self) -> bool:
        return 0 < self.total <= self.run

    def put(self, start: int, size: int, data: bytes, *, has_more: bool) -> None:
        """Take a fragment."""
        stop = start + size
        last = self.pieces[-1][1] if self.pieces else 0
        # IPv6 does not count its own 40 bytes, nor the 8 of the fragment header
        around = max(len(self.header) - (48 if self.version == 6 else 0), 0)
        is_wrong = stop + around > LARGEST
        # it ends elsewhere than another one said
        is_wrong |= 0 < self.total < stop
        is_wrong |= not has_more and stop < max(last, self.total)
        if self.total or not has_more:
            self.total = max(self.total, stop)
        at = start
        gaps = []
        first = max(bisect_right(self.pieces, (start, LARGEST * 3, b"")) - 1, 0)
        for old_start, old_stop, old in self.pieces[first:]:
            if old_start >= stop:
                break
            low, high = max(start, old_start), min(stop, old_stop)
            if low >= high:
                continue
            known = min(high, start + len(data), old_start + len(old))  # of both
            here = data[low - start : max(known - start, 0)]
            is_wrong |= here != old[low - old_start : max(known - old_start, 0)]
            is_copy = (start, stop) == (old_start, old_stop)
            is_wrong |= self.version == 6 and not is_copy
            if at < old_start:
                gaps.append((at, old_start))
            at = max(at, old_stop)
        if at < stop:
            gaps.append((at, stop))
        for low, high in gaps:
            part = data[low - start : high - start]
            insort(self.pieces, (low, high, part))
            self.n_bytes += high - low
            self.cost += len(part) + PIECE_BYTES
        self._run_on()
        self.n_fragments += 1
        self.n_wrong += is_wrong

    def _run_on(self) -> None:
        """Continue what has come without a gap."""
        at = bisect_right(self.pieces, (self.run, -1, b""))
        for start, stop, _ in self.pieces[at:]:
            if start != self.run:
                break
            self.run = stop

    def packet(self) -> tuple[bytes, int]:
        """Return it as one packet of IP, as far as it was captured, and its length."""
        text = []
        at = 0
        for start, stop, data in self.pieces:
            if start != at:
                break
            text.append(data)
            if len(data) < stop - start:
                break
            at = stop
        length = len(self.header) + (self.run if self.is_whole else self.n_bytes)
        header = _unfragmented(self.header, self.version, length)
        return b"".join([header, *text]), length

    @property
    def may_hold_fragments(self) -> bool:
        """Whether a tunnel may be inside."""
        is_six = self.version == 6
        number = self.header[-8 if is_six else 9]
        tunnels = {4, 41, 47, *((44, *EXTENSIONS) if is_six else (51,))}
        port = int.from_bytes(self.pieces[0][2][2:4])
        is_udp = number == 17 and port in (*VXLAN_PORTS, GENEVE_PORT)
        return number in tunnels or is_udp


def _unfragmented(header: bytes, version: int, length: int) -> bytes:
    """Return a header of IP that has this length, and no part in fragmentation."""
    new = bytearray(header)
    if version == 6:  # the fragment header stays, and says that it is all
        new[4:6] = _sixteen(length - 40)
        new[-6:-4] = bytes(2)
        return bytes(new)
    new[2:4] = _sixteen(length)
    new[6:8] = new[10:12] = bytes(2)
    words = sum(int.from_bytes(new[k : k + 2]) for k in range(0, len(new), 2))
    words = (words & 0xFFFF) + (words >> 16)
    words = (words & 0xFFFF) + (words >> 16)
    new[10:12] = (words ^ 0xFFFF).to_bytes(2)
    return bytes(new)


def _sixteen(length: int) -> bytes:
    """Return a length as IP writes it; 0, as for offload, where it is too large."""
    return (length if length <= LARGEST else 0).to_bytes(2)
