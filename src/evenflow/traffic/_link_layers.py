"""Headers below IP: Ethernet and its tags, PPP, MPLS, Linux cooked, 802.11."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic._cursor import ETHERTYPES, At, Cursor, Rows
from evenflow.traffic.packets import End

LINKS = {
    0: At.LOOPBACK, 1: At.ETHERNET, 9: At.PPP, 12: At.RAW, 14: At.RAW,
    50: At.PPP, 51: At.PPPOE, 101: At.RAW, 104: At.CISCO_HDLC, 105: At.WLAN,
    108: At.LOOPBACK, 113: At.SLL, 117: At.PFLOG, 119: At.PRISM, 127: At.RADIOTAP,
    163: At.AVS, 192: At.PPI, 204: At.PPP_SIDE, 205: At.HDLC_SIDE, 219: At.MPLS,
    228: At.IP4, 229: At.IP6, 239: At.NFLOG, 276: At.SLL2,
}  # fmt: skip
"""By link type."""
PPP_PROTOCOLS = {
    0x0021: At.IP4, 0x0057: At.IP6, 0x0281: At.MPLS, 0x0283: At.MPLS
}  # fmt: skip
FAMILIES = {2: At.IP4, 10: At.IP6, 24: At.IP6, 28: At.IP6, 30: At.IP6}
"""By address family of the BSDs and of Linux."""
NFLOG_PAYLOAD = 9


class LinkLayers(Cursor):
    """Steps over the headers below IP."""

    def _begin(self) -> None:
        """Set the first header of every packet, by the link type of its capture."""
        for link, kind in LINKS.items():
            self.kind[self.frames.link == link] = kind

    def _ethernet(self, rows: Rows) -> None:
        rows = self._having(rows, 14)
        self.next[rows] = self._bytes(rows, 12, 2)
        self.at[rows] += 14
        self.kind[rows] = At.ETHERTYPE

    def _ethertype(self, rows: Rows) -> None:
        is_length = self.next[rows] <= 1500
        self.kind[rows[is_length]] = At.LLC
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
        self.kind[rows] = At.ETHERTYPE

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
        self.kind[rows] = At.ETHERNET

    def _fabric_path(self, rows: Rows) -> None:
        rows = self._having(rows, 2)
        self.at[rows] += 2
        self.kind[rows] = At.ETHERNET

    def _mpls(self, rows: Rows) -> None:
        rows = self._having(rows, 5)
        is_last = self._bytes(rows, 2) & 1 == 1
        self.at[rows] += 4
        rows = rows[is_last]
        nibble = self._bytes(rows, 0) >> 4
        # a control word stands before an Ethernet frame (RFC 4448)
        self.at[rows[nibble == 0]] += 4
        self._to(rows, nibble, {0: At.ETHERNET, 4: At.IP4, 6: At.IP6}, End.NOT_IP)

    def _pppoe(self, rows: Rows) -> None:
        rows = self._having(rows, 6)
        is_session = self._bytes(rows, 1) == 0
        self._finish(rows[~is_session], End.NOT_IP)
        rows = rows[is_session]
        self.at[rows] += 6
        self.kind[rows] = At.PPP

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

    def _ppp_side(self, rows: Rows) -> None:
        rows = self._having(rows, 1)  # which side sent it
        self.at[rows] += 1
        self.kind[rows] = At.PPP

    def _hdlc_side(self, rows: Rows) -> None:
        rows = self._having(rows, 1)
        self.at[rows] += 1
        self.kind[rows] = At.CISCO_HDLC

    def _pflog(self, rows: Rows) -> None:
        rows = self._having(rows, 2)
        family = self._bytes(rows, 1)
        self.at[rows] += (self._bytes(rows, 0) + 3) & ~3
        self._to(rows, family, FAMILIES, End.NOT_IP)

    def _nflog(self, rows: Rows) -> None:
        rows = self._having(rows, 4)
        self.next[rows] = self._bytes(rows, 0)  # the family of what is in it
        self.at[rows] += 4
        self.kind[rows] = At.NFLOG_PART

    def _nflog_part(self, rows: Rows) -> None:
        """Skip a part before the packet; its numbers are little-endian."""
        rows = self._having(rows, 4)
        size = self._bytes(rows, 0) | self._bytes(rows, 1) << 8
        kind = self._bytes(rows, 2) | self._bytes(rows, 3) << 8
        is_packet = kind == NFLOG_PAYLOAD
        here = rows[is_packet]
        self.at[here] += 4
        self._to(here, self.next[here], FAMILIES, End.NOT_IP)
        rows, size = rows[~is_packet], size[~is_packet]
        self._finish(rows[size < 4], End.DAMAGED)
        rows, size = rows[size >= 4], size[size >= 4]
        self.at[rows] += (size + 3) & ~3

    def _ppi(self, rows: Rows) -> None:
        rows = self._having(rows, 8)
        size = self._bytes(rows, 2) | self._bytes(rows, 3) << 8
        link = sum(self._bytes(rows, 4 + k) << 8 * k for k in range(4))
        self._finish(rows[size < 8], End.DAMAGED)
        keep = size >= 8
        rows, size, link = rows[keep], size[keep], np.asarray(link)[keep]
        self.at[rows] += size
        self._to(rows, link, LINKS, End.UNKNOWN_LINK)

    def _raw(self, rows: Rows) -> None:
        rows = self._having(rows, 1)
        version = self._bytes(rows, 0) >> 4
        self._to(rows, version, {4: At.IP4, 6: At.IP6}, End.NOT_IP)

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
        self.kind[rows[has]] = At.WLAN

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
        self.kind[rows] = At.LLC
