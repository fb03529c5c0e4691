"""IP and what it carries: fragments, tunnels, TCP, UDP, ICMP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic._cursor import ETHERTYPES, At, Cursor, Rows
from evenflow.traffic.packets import End

MOST_TUNNELS = 8
"""Maximum number of tunnels within tunnels that are opened."""
VXLAN_PORTS, GENEVE_PORT = (4789, 8472), 6081
IP_PROTOCOLS = {
    1: At.ICMP, 4: At.IP4, 6: At.TCP, 17: At.UDP, 41: At.IP6, 47: At.GRE,
    58: At.ICMP,
}  # fmt: skip
TUNNELS = (At.IP4, At.IP6, At.GRE)
EXTENSIONS = (0, 43, 51, 60, 135, 139, 140)
"""Headers between IPv6 and its transport protocol; 51 also follows IPv4."""


class Internet(Cursor):
    """Steps over the headers of IP, tunnels and transport protocols."""

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
        """Continue behind an IP header, or end at a fragment."""
        self.at[rows] += size
        self.next[rows] = number
        columns = self.columns
        columns["protocol"][rows] = number
        columns["fragment_offset"][rows] = offset
        columns["has_more"][rows] = has_more
        self.kind[rows] = At.IP_PROTOCOL
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
            if self.opens_tunnels or kind not in TUNNELS:
                new[number == key] = kind
        self.kind[rows] = new
        rows = rows[new == 0]
        self._payload(rows, self.at[rows])
        self.columns["is_whole"][rows] = True
        self._finish(rows, End.TRANSPORT)

    def _extension(self, rows: Rows) -> None:
        rows = self._having(rows, 2)
        is_routing = self.next[rows] == 43
        self.is_routed[rows] |= is_routing & (self.data[self.at[rows] + 3] > 0)
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
        # of a whole datagram Zeek does not count this header
        self.columns["ip_bytes"][rows[field & 0xFFF9 == 0]] -= 8
        self._transport(rows, number, size, field & 0xFFF8, field & 1 == 1)

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
        self.kind[rows[is_plain]] = At.ETHERNET

    def _erspan(self, rows: Rows) -> None:
        size = np.where(self.next[rows] == 0x22EB, 12, 8)
        size += 8 * self._has_more_of_erspan(rows)
        has = self.at[rows] + size <= self.stop[rows]
        self._finish(rows[~has], End.CUT)
        self.at[rows[has]] += size[has]
        self.kind[rows[has]] = At.ETHERNET

    def _has_more_of_erspan(self, rows: Rows) -> NDArray[np.bool_]:
        """Return whether a header of type III has eight more bytes."""
        is_three = self.next[rows] == 0x22EB
        is_here = self.at[rows] + 12 <= self.stop[rows]
        has_more: NDArray[np.bool_] = is_three & is_here
        has_more[is_here] &= self._bytes(rows[is_here], 11) & 1 == 1
        return has_more

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
        rows = self._having(rows, 4)
        self._ports(rows)
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
        rows = self._having(rows, 4)
        self._ports(rows)
        rows = self._part(rows, 8)
        length = self._bytes(rows, 4, 2)
        stop = self.at[rows] + np.where(length >= 8, length, 2**17)
        self._limit(rows, np.minimum(self.ip_stop[rows], stop))
        self._payload(rows, self.at[rows] + 8)
        self._finish(rows, End.TRANSPORT)
        if not self.opens_tunnels:
            return
        port = self._bytes(rows, 2, 2)
        self._vxlan(rows[np.isin(port, VXLAN_PORTS)])
        self._geneve(rows[port == GENEVE_PORT])

    def _vxlan(self, rows: Rows) -> None:
        rows = rows[self.at[rows] + 16 + 14 <= self.stop[rows]]
        # the flag of a network number; other bits are ignored on receipt (RFC 7348)
        rows = rows[self._bytes(rows, 8) & 0x08 > 0]
        self._mix(rows, 1, self._bytes(rows, 12, 3))
        self.at[rows] += 16
        self.kind[rows] = At.ETHERNET

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
        rows = self._having(rows, 2)
        self.segment[rows] = self.at[rows]
        self.columns["source_port"][rows] = self._bytes(rows, 0)
        self.columns["destination_port"][rows] = self._bytes(rows, 1)
        rows = self._part(rows, 8)
        self._payload(rows, self.at[rows] + 8)
        self._finish(rows, End.TRANSPORT)
