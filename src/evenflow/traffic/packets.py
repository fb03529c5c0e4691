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
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic.captures import Frames

MOST_TUNNELS = 8
"""Tunnels within tunnels that are opened."""
MOST_ROUNDS = 64
VXLAN_PORTS, GENEVE_PORT = (4789, 8472), 6081

Rows = NDArray[np.int64]


class End(IntEnum):
    """Where the decoding of a packet ended."""

    TRANSPORT = 0
    """At TCP, UDP, ICMP or another protocol over IP: it belongs to a connection."""
    FRAGMENT = 1
    """At a fragment of a datagram."""
    NOT_IP = 2
    CUT = 3
    """The capture holds too little of a header below the transport protocol."""
    DAMAGED = 4
    """A header contradicts itself."""
    TOO_DEEP = 5
    """More headers or tunnels than are opened."""
    ENCRYPTED = 6
    UNKNOWN_LINK = 7
    """The link type is not one that is known here."""


class _At(IntEnum):
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


LINKS = {
    0: _At.LOOPBACK, 1: _At.ETHERNET, 9: _At.PPP, 12: _At.RAW, 14: _At.RAW,
    50: _At.PPP, 51: _At.PPPOE, 101: _At.RAW, 104: _At.CISCO_HDLC, 105: _At.WLAN,
    108: _At.LOOPBACK, 113: _At.SLL, 119: _At.PRISM, 127: _At.RADIOTAP, 163: _At.AVS,
    219: _At.MPLS, 228: _At.IP4, 229: _At.IP6, 276: _At.SLL2,
}  # fmt: skip
"""By link type."""
ETHERTYPES = {
    0x0800: _At.IP4, 0x86DD: _At.IP6, 0x8100: _At.VLAN, 0x88A8: _At.VLAN,
    0x9100: _At.VLAN, 0x9200: _At.VLAN, 0x8847: _At.MPLS, 0x8848: _At.MPLS,
    0x8864: _At.PPPOE, 0x88E7: _At.PBB, 0x8926: _At.VN_TAG, 0x6558: _At.ETHERNET,
    0x880B: _At.PPP, 0x88BE: _At.ERSPAN, 0x22EB: _At.ERSPAN,
}  # fmt: skip
PPP_PROTOCOLS = {
    0x0021: _At.IP4, 0x0057: _At.IP6, 0x0281: _At.MPLS, 0x0283: _At.MPLS
}  # fmt: skip
IP_PROTOCOLS = {
    1: _At.ICMP, 4: _At.IP4, 6: _At.TCP, 17: _At.UDP, 41: _At.IP6, 47: _At.GRE,
    58: _At.ICMP,
}  # fmt: skip
FAMILIES = {2: _At.IP4, 10: _At.IP6, 24: _At.IP6, 28: _At.IP6, 30: _At.IP6}
"""By address family of the BSDs and of Linux."""
EXTENSIONS = (0, 43, 51, 60, 135, 139, 140)
"""Headers between IPv6 and its transport protocol; 51 also follows IPv4."""


@dataclass(frozen=True, kw_only=True)
class Packets:
    """What the headers of packets say, a column each, a row a frame.

    Attributes
    ----------
    frames : Frames
        Where they come from.
    end : ndarray of shape (n,), uint8
        An :class:`End`: the columns below hold for ``TRANSPORT`` and, but for ports
        and flags, for ``FRAGMENT``.
    version : uint8
        4 or 6.
    source, destination : ndarray of shape (n, 2), uint64
        Addresses; those of IPv4 as ``(0, address)``.
    protocol : uint8
        The IP protocol number.
    source_port, destination_port : uint16
        Of TCP and UDP; type and code of ICMP.
    ip_bytes : int64
        Length by the IP header, its own included.
    payload_bytes : int64
        Length of what the transport protocol carries, by the IP header.
    payload_start, payload_captured : int64
        Where in the frames' data it begins, and how much of it is there.
    is_whole : bool
        The transport header was captured.
    is_bad : bool
        A checksum of IP, TCP or UDP is wrong.
    flags, sequence, acknowledged, window
        Of TCP.
    fragment_id, fragment_offset, has_more
        Of a fragment; the offset in bytes.
    ttl : uint8
    tunnel : ndarray of shape (n,), uint64
        0 outside of tunnels; equal for packets in the same tunnels.
    n_tunnels : uint8
    """

    frames: Frames
    end: NDArray[np.uint8]
    version: NDArray[np.uint8]
    source: NDArray[np.uint64]
    destination: NDArray[np.uint64]
    protocol: NDArray[np.uint8]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]
    ip_bytes: NDArray[np.int64]
    payload_bytes: NDArray[np.int64]
    payload_start: NDArray[np.int64]
    payload_captured: NDArray[np.int64]
    is_whole: NDArray[np.bool_]
    is_bad: NDArray[np.bool_]
    flags: NDArray[np.uint8]
    sequence: NDArray[np.uint32]
    acknowledged: NDArray[np.uint32]
    window: NDArray[np.uint16]
    fragment_id: NDArray[np.uint32]
    fragment_offset: NDArray[np.int64]
    has_more: NDArray[np.bool_]
    ttl: NDArray[np.uint8]
    tunnel: NDArray[np.uint64]
    n_tunnels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.end)


def decode(frames: Frames, *, checksums: bool = True) -> Packets:
    """Return what the headers of frames say; no frame is refused.

    Parameters
    ----------
    frames : Frames
    checksums : bool
        Whether those of TCP and UDP are verified. A machine that captures its own
        traffic sees wrong ones where its network card writes them.
    """
    decoder = _Decoder(frames)
    packets = decoder.run()
    if checksums:
        decoder.check(packets)
    return packets


def _is_zero(total: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where sums of words, their checksum included, are as they should be."""
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


class _Decoder:
    """The state of one batch."""

    def __init__(self, frames: Frames) -> None:
        n = len(frames)
        self.frames = frames
        # reads of a few bytes beyond the last frame stay inside
        self.data = np.concatenate([frames.data, np.zeros(64, np.uint8)])
        self.at = frames.start.copy()
        self.stop = frames.start + frames.length  # of what was captured
        self.ip_stop = frames.start + frames.wire  # of what was sent, by the header
        self.kind = np.zeros(n, np.int8)
        self.next = np.zeros(n, np.int64)  # an ethertype or IP protocol number
        self.end = np.full(n, End.UNKNOWN_LINK, np.uint8)
        self.in_ip = np.zeros(n, bool)
        self.segment = np.zeros(n, np.int64)  # where TCP or UDP begins
        self.header = np.zeros(n, np.int64)  # where IPv4 begins, and how long it is
        self.header_size = np.zeros(n, np.int64)
        for link, kind in LINKS.items():
            self.kind[frames.link == link] = kind
        zeros = {"end": self.end}
        for name, kind in Packets.__annotations__.items():
            if name not in ("frames", "end"):
                dtype = kind.partition("np.")[2].rstrip("]").replace("bool_", "bool")
                shape = (n, 2) if name in ("source", "destination") else n
                zeros[name] = np.zeros(shape, dtype)
        self.columns = zeros

    def run(self) -> Packets:
        handlers: dict[int, Callable[[Rows], None]] = {
            kind: getattr(self, f"_{kind.name.lower()}")
            for kind in _At
            if kind != _At.DONE
        }
        for _ in range(MOST_ROUNDS):
            kinds = np.unique(self.kind)
            if not kinds.any():
                break
            for kind in kinds[kinds > 0]:
                handlers[int(kind)](np.flatnonzero(self.kind == kind))
        else:
            self._finish(np.flatnonzero(self.kind), End.TOO_DEEP)
        return Packets(frames=self.frames, **self.columns)

    def check(self, packets: Packets) -> None:
        """Mark what has a wrong checksum, of IP or of TCP and UDP."""
        sums = self._word_sums()
        whole = packets.end <= End.FRAGMENT
        rows = np.flatnonzero(whole & (packets.version == 4))
        start, size = self.header[rows], self.header_size[rows]
        is_wrong = ~_is_zero(self._sum(sums, start, start + size))
        packets.end[rows[is_wrong]] = End.DAMAGED

        start, stop = self.segment, packets.payload_start + packets.payload_bytes
        has_sum = np.isin(packets.protocol, (6, 17)) & packets.is_whole
        has_sum &= packets.end == End.TRANSPORT
        has_sum &= packets.payload_captured >= packets.payload_bytes
        rows = np.flatnonzero(has_sum)
        written = self.data[start[rows] + 6].astype(int) | self.data[start[rows] + 7]
        may_lack = (packets.protocol[rows] == 17) & (packets.version[rows] == 4)
        rows = rows[~(may_lack & (written == 0))]
        start, stop = start[rows], stop[rows]
        total = self._sum(sums, start, stop) + packets.protocol[rows] + stop - start
        for address in (packets.source[rows], packets.destination[rows]):
            words = np.ascontiguousarray(address).view(np.uint16)
            total += words.sum(axis=1, dtype=np.int64)
        packets.is_bad[rows] = ~_is_zero(total)

    def _word_sums(self) -> list[NDArray[np.int64]]:
        """Return sums of 16-bit words up to each place, for even and odd beginnings."""
        byte = self.data.astype(np.int64)
        is_odd = (np.arange(len(byte)) & 1).astype(bool)
        return [
            np.concatenate([[0], np.cumsum(np.where(is_odd == odd, byte << 8, byte))])
            for odd in (False, True)
        ]

    @staticmethod
    def _sum(
        sums: list[NDArray[np.int64]], start: Rows, stop: Rows
    ) -> NDArray[np.int64]:
        even, odd = sums
        return np.where(start & 1 == 0, even[stop] - even[start], odd[stop] - odd[start])

    # -- reading

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
        self.kind[rows] = _At.DONE
        self.end[rows] = end

    def _to(
        self, rows: Rows, numbers: NDArray[np.int64], kinds: dict[int, _At], other: End
    ) -> None:
        """Go on with the header that a number stands for."""
        new = np.zeros(len(rows), np.int8)
        for number, kind in kinds.items():
            new[numbers == number] = kind
        self.kind[rows] = new
        self.next[rows] = numbers
        self._finish(rows[new == 0], other)

    # -- link layers

    def _ethernet(self, rows: Rows) -> None:
        rows = self._having(rows, 14)
        self.next[rows] = self._bytes(rows, 12, 2)
        self.at[rows] += 14
        self.kind[rows] = _At.ETHERTYPE

    def _ethertype(self, rows: Rows) -> None:
        is_length = self.next[rows] <= 1500
        self.kind[rows[is_length]] = _At.LLC
        rows = rows[~is_length]
        self._to(rows, self.next[rows], ETHERTYPES, End.NOT_IP)

    def _llc(self, rows: Rows) -> None:
        rows = self._having(rows, 8)
        is_snap = self._bytes(rows, 0, 3) == 0xAAAA03
        self._finish(rows[~is_snap], End.NOT_IP)
        rows = rows[is_snap]
        number = self._bytes(rows, 6, 2)
        self.at[rows] += 8
        self._to(rows, number, ETHERTYPES, End.NOT_IP)

    def _typed(self, rows: Rows, size: int, offset: int) -> None:
        """Skip a header that names its ethertype at ``offset``."""
        rows = self._having(rows, size)
        self.next[rows] = self._bytes(rows, offset, 2)
        self.at[rows] += size
        self.kind[rows] = _At.ETHERTYPE

    def _vlan(self, rows: Rows) -> None:
        self._typed(rows, 4, 2)

    def _vn_tag(self, rows: Rows) -> None:
        self._typed(rows, 6, 4)

    def _sll(self, rows: Rows) -> None:
        self._typed(rows, 16, 14)

    def _sll2(self, rows: Rows) -> None:
        self._typed(rows, 20, 0)

    def _cisco_hdlc(self, rows: Rows) -> None:
        self._typed(rows, 4, 2)

    def _pbb(self, rows: Rows) -> None:
        rows = self._having(rows, 4)
        self.at[rows] += 4
        self.kind[rows] = _At.ETHERNET

    def _mpls(self, rows: Rows) -> None:
        rows = self._having(rows, 5)
        is_last = self._bytes(rows, 2) & 1 == 1
        self.at[rows] += 4
        rows = rows[is_last]
        nibble = self._bytes(rows, 0) >> 4
        # a control word stands before an Ethernet frame (RFC 4448)
        self.at[rows[nibble == 0]] += 4
        self._to(rows, nibble, {0: _At.ETHERNET, 4: _At.IP4, 6: _At.IP6}, End.NOT_IP)

    def _pppoe(self, rows: Rows) -> None:
        rows = self._having(rows, 6)
        is_session = self._bytes(rows, 1) == 0
        self._finish(rows[~is_session], End.NOT_IP)
        rows = rows[is_session]
        self.at[rows] += 6
        self.kind[rows] = _At.PPP

    def _ppp(self, rows: Rows) -> None:
        rows = self._having(rows, 4)
        self.at[rows] += 2 * (self._bytes(rows, 0, 2) == 0xFF03)
        is_short = self._bytes(rows, 0) & 1 == 1
        number = np.where(is_short, self._bytes(rows, 0), self._bytes(rows, 0, 2))
        self.at[rows] += np.where(is_short, 1, 2)
        self._to(rows, number, PPP_PROTOCOLS, End.NOT_IP)

    def _loopback(self, rows: Rows) -> None:
        rows = self._having(rows, 4)
        big = self._bytes(rows, 0, 4)
        # the byte order is that of the machine that captured
        family = np.where(big < 2**16, big, self._bytes(rows, 0))
        self.at[rows] += 4
        self._to(rows, family, FAMILIES, End.NOT_IP)

    def _raw(self, rows: Rows) -> None:
        rows = self._having(rows, 1)
        version = self._bytes(rows, 0) >> 4
        self._to(rows, version, {4: _At.IP4, 6: _At.IP6}, End.NOT_IP)

    def _radiotap(self, rows: Rows) -> None:
        rows = self._having(rows, 4)
        size = self._bytes(rows, 2) | self._bytes(rows, 3) << 8
        self._skip(rows, size, least=8)

    def _prism(self, rows: Rows) -> None:
        self._skip(rows, np.full(len(rows), 144), least=144)

    def _avs(self, rows: Rows) -> None:
        rows = self._having(rows, 8)
        self._skip(rows, self._bytes(rows, 4, 4), least=8)

    def _skip(self, rows: Rows, size: NDArray[np.int64], least: int) -> None:
        """Skip what a radio wrote before an 802.11 frame."""
        self._finish(rows[size < least], End.DAMAGED)
        rows, size = rows[size >= least], size[size >= least]
        has = self.at[rows] + size <= self.stop[rows]
        self._finish(rows[~has], End.CUT)
        self.at[rows[has]] += size[has]
        self.kind[rows[has]] = _At.WLAN

    def _wlan(self, rows: Rows) -> None:
        rows = self._having(rows, 24)
        control, flags = self._bytes(rows, 0), self._bytes(rows, 1)
        is_data = (control >> 2 & 3 == 2) & (control >> 4 & 4 == 0)
        self._finish(rows[~is_data], End.NOT_IP)
        is_closed = is_data & (flags & 0x40 != 0)
        self._finish(rows[is_closed], End.ENCRYPTED)
        is_open = is_data & ~is_closed
        rows, control, flags = rows[is_open], control[is_open], flags[is_open]
        has_quality = control >> 4 & 8 != 0
        size = 24 + 6 * (flags & 3 == 3) + 2 * has_quality
        size += 4 * (has_quality & (flags & 0x80 != 0))
        has = self.at[rows] + size + 14 <= self.stop[rows]
        self._finish(rows[~has], End.CUT)
        rows, size, has_quality = rows[has], size[has], has_quality[has]
        quality = self.data[self.at[rows] + 24 + 6 * (flags[has] & 3 == 3)]
        self.at[rows] += size
        # the first of several frames that were sent as one
        self.at[rows] += 14 * (has_quality & (quality & 0x80 != 0))
        self.kind[rows] = _At.LLC

    # -- IP

    def _enter(self, rows: Rows) -> Rows:
        """Count a tunnel where a packet is in IP already; end what is too deep."""
        inner = rows[self.in_ip[rows]]
        self.columns["n_tunnels"][inner] += 1
        is_deep = self.columns["n_tunnels"][rows] > MOST_TUNNELS
        self._finish(rows[is_deep], End.TOO_DEEP)
        rows = rows[~is_deep]
        self.in_ip[rows] = True
        for name in ("source_port", "destination_port", "flags"):
            self.columns[name][rows] = 0
        return rows

    def _ip4(self, rows: Rows) -> None:
        rows = self._enter(self._having(rows, 20))
        first = self._bytes(rows, 0)
        size, length = (first & 15) * 4, self._bytes(rows, 2, 2)
        # segmentation offload leaves the length to the network card
        length = np.where(length == 0, self.ip_stop[rows] - self.at[rows], length)
        is_right = (first >> 4 == 4) & (size >= 20) & (length >= size)
        self._finish(rows[~is_right], End.DAMAGED)
        rows, size, length = rows[is_right], size[is_right], length[is_right]
        columns = self.columns
        columns["version"][rows] = 4
        columns["ip_bytes"][rows] = length
        columns["ttl"][rows] = self._bytes(rows, 8)
        columns["source"][rows, 0] = columns["destination"][rows, 0] = 0
        columns["source"][rows, 1] = self._bytes(rows, 12, 4)
        columns["destination"][rows, 1] = self._bytes(rows, 16, 4)
        fragment = self._bytes(rows, 6, 2)
        columns["fragment_id"][rows] = self._bytes(rows, 4, 2)
        number = self._bytes(rows, 9)
        self.header[rows], self.header_size[rows] = self.at[rows], size
        self._limit(rows, self.at[rows] + length)
        self._transport(
            rows, number, size, (fragment & 0x1FFF) * 8, fragment & 0x2000 != 0
        )

    def _ip6(self, rows: Rows) -> None:
        rows = self._enter(self._having(rows, 40))
        is_right = self._bytes(rows, 0) >> 4 == 6
        self._finish(rows[~is_right], End.DAMAGED)
        rows = rows[is_right]
        length = self._bytes(rows, 4, 2)
        rest = self.ip_stop[rows] - self.at[rows] - 40  # a jumbogram says 0
        length = np.where(length == 0, np.maximum(rest, 0), length) + 40
        columns = self.columns
        columns["version"][rows] = 6
        columns["ip_bytes"][rows] = length
        columns["ttl"][rows] = self._bytes(rows, 7)
        for name, offset in (("source", 8), ("destination", 24)):
            for half in (0, 1):
                value = self._bytes(rows, offset + 8 * half, 8)
                columns[name][rows, half] = value.view(np.uint64)
        number = self._bytes(rows, 6)
        self._limit(rows, self.at[rows] + length)
        none = np.zeros(len(rows), np.int64)
        self._transport(rows, number, np.full(len(rows), 40), none, none > 0)

    def _limit(self, rows: Rows, stop: NDArray[np.int64]) -> None:
        self.ip_stop[rows] = stop
        self.stop[rows] = np.minimum(self.stop[rows], stop)

    def _transport(
        self,
        rows: Rows,
        number: NDArray[np.int64],
        size: NDArray[np.int64],
        offset: NDArray[np.int64],
        has_more: NDArray[np.bool_],
    ) -> None:
        """Go on behind an IP header, or end at a fragment."""
        self.at[rows] += size
        self.next[rows] = number
        columns = self.columns
        columns["protocol"][rows] = number
        columns["fragment_offset"][rows] = offset
        columns["has_more"][rows] = has_more
        self.kind[rows] = _At.IP_PROTOCOL
        is_part = (offset > 0) | has_more
        self._payload(rows[is_part], self.at[rows[is_part]])
        self._finish(rows[is_part], End.FRAGMENT)

    def _ip_protocol(self, rows: Rows) -> None:
        number = self.next[rows]
        is_six = self.columns["version"][rows] == 6
        is_extension = np.isin(number, EXTENSIONS) & (is_six | (number == 51))
        is_fragment = is_six & (number == 44)
        self._extension(rows[is_extension])
        self._fragment6(rows[is_fragment])
        is_other = ~(is_extension | is_fragment)
        rows, number = rows[is_other], number[is_other]
        self.columns["protocol"][rows] = number
        new = np.zeros(len(rows), np.int8)
        for key, kind in IP_PROTOCOLS.items():
            new[number == key] = kind
        self.kind[rows] = new
        rows = rows[new == 0]
        self._payload(rows, self.at[rows])
        self.columns["is_whole"][rows] = True
        self._finish(rows, End.TRANSPORT)

    def _extension(self, rows: Rows) -> None:
        rows = self._having(rows, 2)
        size = self._bytes(rows, 1)
        size = np.where(self.next[rows] == 51, (size + 2) * 4, (size + 1) * 8)
        self.next[rows] = self._bytes(rows, 0)
        self.at[rows] += size
        self._finish(rows[self.at[rows] > self.stop[rows]], End.CUT)

    def _fragment6(self, rows: Rows) -> None:
        rows = self._having(rows, 8)
        number, field = self._bytes(rows, 0), self._bytes(rows, 2, 2)
        self.columns["fragment_id"][rows] = self._bytes(rows, 4, 4)
        size = np.full(len(rows), 8)
        self._transport(rows, number, size, field & 0xFFF8, field & 1 == 1)

    # -- tunnels

    def _mix(self, rows: Rows, kind: int, number: NDArray[np.int64]) -> None:
        """Make a tunnel's number a part of the key of what is inside."""
        tunnel = self.columns["tunnel"]
        value = number.astype(np.uint64) + np.uint64((kind << 32) + 1)
        tunnel[rows] = (tunnel[rows] ^ value) * np.uint64(0x9E3779B97F4A7C15)

    def _gre(self, rows: Rows) -> None:
        rows = self._having(rows, 4)
        flags, number = self._bytes(rows, 0, 2), self._bytes(rows, 2, 2)
        has_key, has_sequence = flags & 0x2000 != 0, flags & 0x1000 != 0
        before_key = 4 + 4 * (flags & 0xC000 != 0)
        size = before_key + 4 * has_key + 4 * has_sequence
        size += 4 * ((flags & 7 == 1) & (flags & 0x80 != 0))
        has = self.at[rows] + size + 4 <= self.stop[rows]
        # what carries nothing that can be opened is traffic of its own
        is_known = np.isin(number, list(ETHERTYPES))
        closed = rows[~(has & is_known)]
        self._payload(closed, self.at[closed])
        self.columns["is_whole"][closed] = True
        self._finish(closed, End.TRANSPORT)
        keep = has & is_known
        rows, number, size = rows[keep], number[keep], size[keep]
        at = self.at[rows] + before_key[keep]
        key = np.zeros(len(rows), np.int64)
        for k in range(4):
            key = key << 8 | self.data[at + k]
        # version 1 (PPTP) has a length in the key's upper half, and a call number
        key &= np.where(flags[keep] & 7 == 1, 0xFFFF, 0xFFFFFFFF)
        self._mix(rows, 47, np.where(has_key[keep], key, 0))
        self.at[rows] += size
        # type I of ERSPAN has no header of its own; types II and III have one
        is_plain = (number == 0x88BE) & ~has_sequence[keep]
        self._to(rows, number, ETHERTYPES, End.NOT_IP)
        self.kind[rows[is_plain]] = _At.ETHERNET

    def _erspan(self, rows: Rows) -> None:
        size = np.where(self.next[rows] == 0x22EB, 12, 8)
        has = self.at[rows] + size <= self.stop[rows]
        self._finish(rows[~has], End.CUT)
        self.at[rows[has]] += size[has]
        self.kind[rows[has]] = _At.ETHERNET

    # -- transport protocols

    def _payload(self, rows: Rows, start: NDArray[np.int64]) -> None:
        columns = self.columns
        columns["payload_start"][rows] = start
        columns["payload_bytes"][rows] = np.maximum(self.ip_stop[rows] - start, 0)
        columns["payload_captured"][rows] = np.maximum(self.stop[rows] - start, 0)

    def _part(self, rows: Rows, n: int) -> Rows:
        """Return the rows whose transport header was captured; end the others."""
        has = self.at[rows] + n <= self.stop[rows]
        cut = rows[~has]
        self._payload(cut, self.at[cut])
        self.columns["is_whole"][cut] = False
        self._finish(cut, End.TRANSPORT)
        self.columns["is_whole"][rows[has]] = True
        return rows[has]

    def _ports(self, rows: Rows) -> None:
        self.segment[rows] = self.at[rows]
        self.columns["source_port"][rows] = self._bytes(rows, 0, 2)
        self.columns["destination_port"][rows] = self._bytes(rows, 2, 2)

    def _tcp(self, rows: Rows) -> None:
        has_ports = self.at[rows] + 4 <= self.stop[rows]
        self._ports(rows[has_ports])
        rows = self._part(rows, 20)
        size = (self._bytes(rows, 12) >> 4) * 4
        is_right = (size >= 20) & (self.at[rows] + size <= self.ip_stop[rows])
        is_right &= self.at[rows] + size <= self.stop[rows]
        self.columns["is_whole"][rows] = is_right
        columns = self.columns
        columns["sequence"][rows] = self._bytes(rows, 4, 4)
        columns["acknowledged"][rows] = self._bytes(rows, 8, 4)
        columns["flags"][rows] = np.where(is_right, self._bytes(rows, 13), 0)
        columns["window"][rows] = self._bytes(rows, 14, 2)
        self._payload(rows, self.at[rows] + np.where(is_right, size, 20))
        self._finish(rows, End.TRANSPORT)

    def _udp(self, rows: Rows) -> None:
        has_ports = self.at[rows] + 4 <= self.stop[rows]
        self._ports(rows[has_ports])
        rows = self._part(rows, 8)
        length = self._bytes(rows, 4, 2)
        stop = self.at[rows] + np.where(length >= 8, length, 2**17)
        self._limit(rows, np.minimum(self.ip_stop[rows], stop))
        self._payload(rows, self.at[rows] + 8)
        self._finish(rows, End.TRANSPORT)
        port = self._bytes(rows, 2, 2)
        self._vxlan(rows[np.isin(port, VXLAN_PORTS)])
        self._geneve(rows[port == GENEVE_PORT])

    def _vxlan(self, rows: Rows) -> None:
        rows = rows[self.at[rows] + 16 + 14 <= self.stop[rows]]
        # the flag of a network number, and nothing where nothing may stand (RFC 7348)
        is_one = (self._bytes(rows, 8, 4) == 0x08000000) & (self._bytes(rows, 15) == 0)
        rows = rows[is_one]
        self._mix(rows, 1, self._bytes(rows, 12, 3))
        self.at[rows] += 16
        self.kind[rows] = _At.ETHERNET

    def _geneve(self, rows: Rows) -> None:
        rows = rows[self.at[rows] + 16 <= self.stop[rows]]
        number = self._bytes(rows, 10, 2)
        size = 16 + (self._bytes(rows, 8) & 63) * 4
        is_one = (self._bytes(rows, 8) >> 6 == 0) & np.isin(number, list(ETHERTYPES))
        is_one &= self.at[rows] + size <= self.stop[rows]
        rows, number, size = rows[is_one], number[is_one], size[is_one]
        self._mix(rows, 2, self._bytes(rows, 12, 3))
        self.at[rows] += size
        self._to(rows, number, ETHERTYPES, End.NOT_IP)

    def _icmp(self, rows: Rows) -> None:
        has_type = self.at[rows] + 2 <= self.stop[rows]
        some = rows[has_type]
        self.columns["source_port"][some] = self._bytes(some, 0)
        self.columns["destination_port"][some] = self._bytes(some, 1)
        rows = self._part(rows, 8)
        self._payload(rows, self.at[rows] + 8)
        self._finish(rows, End.TRANSPORT)
