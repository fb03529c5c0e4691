"""Signatures of binary protocols over UDP."""

from __future__ import annotations

import numpy as np

from evenflow.traffic._heads import Heads, Mask
from evenflow.traffic._signatures import UDP, is_one_of, signature


@signature("dtls", UDP, first=(0x14, 0x15, 0x16, 0x17))
def dtls(h: Heads) -> Mask:
    kind, size = h.u(0), h.u(11, 2)
    found = is_one_of(h.u(2), (0xFC, 0xFD, 0xFF)) & (h.u(1) == 0xFE)
    found &= (size > 0) & (size + 13 <= h.length) & (h.u(3, 2) < 256)
    begins = (h.u(3, 2) == 0) & (kind == 0x16)
    return found & (~begins | (h.u(13) <= 24))


@signature("quic", UDP, first=range(0xC0, 0x100))
def quic(h: Heads) -> Mask:
    """Match a long header of a version that is known."""
    version, size = h.u(1, 4), h.u(5)
    published = (version == 1) | (version == 0x6B3343CF) | (version == 0x709A50C4)
    draft = (version >= 0xFF000014) & (version <= 0xFF000022)
    facebook = (version >= 0xFACEB000) & (version <= 0xFACEB00F)
    digit = ((h.u(3) >= 48) & (h.u(3) <= 57)) & ((h.u(4) >= 48) & (h.u(4) <= 57))
    google = digit & ((h.u(1, 2) == 0x5130) | (h.u(1, 2) == 0x5430))
    other = h.at(6 + size)  # the number of bytes of the second identifier
    found = (published | draft | facebook) & (size <= 20) & (other <= 20)
    found &= size + other > 0
    return (found | google) & (h.length >= 20)


@signature("quic", UDP, first=(0x09, 0x0D, 0x19, 0x1D, 0x29, 0x2D))
def google_quic(h: Heads) -> Mask:
    """Match the header before version 46: flags, a number of eight bytes, a version."""
    digit = ((h.u(11) >= 48) & (h.u(11) <= 57)) & ((h.u(12) >= 48) & (h.u(12) <= 57))
    return (h.u(9, 2) == 0x5130) & digit


@signature("ntp", UDP, first=[v << 3 | m | w for v in (1, 2, 3, 4) for m in range(1, 6)
                              for w in (0, 0x40, 0x80, 0xC0)])  # fmt: skip
def ntp(h: Heads) -> Mask:
    """Match a message of time: no stratum, interval or delay that no clock has."""
    poll, precision = h.u(2), h.u(3)
    found = (h.u(1) <= 16) & ((poll <= 17) | (poll >= 250))
    found &= (precision == 0) | (precision >= 0xE0)
    found &= (h.u(4, 2) < 16) & (h.u(8, 2) < 32)
    found &= (h.length >= 48) & (h.length <= 1024) & (h.length % 4 == 0)
    # sent after 1968, but a client may send anything
    is_client = is_one_of(h.u(0) & 7, (1, 3)) & (h.length == 48)
    return found & (is_client | (h.far(40, 4) >= 2**31)) & (h.size >= 12)


@signature("ntp", UDP, first=[w | v << 3 | 6 for w in (0, 0xC0) for v in (2, 3, 4)])
def ntp_control(h: Heads) -> Mask:
    """Match a message of control: a known command and its count of bytes."""
    rest = h.length - 12 - h.u(10, 2)
    is_plain = (h.u(1) & 0x1F <= 12) & (h.u(8, 2) < 512)
    # what follows is padded, and may have a key's number and a hash
    return (
        is_plain
        & is_one_of(np.clip(rest, 0, 255), (0, 1, 2, 3, 12, 20, 24))
        & ((rest >= 0) & (h.length >= 12) & (h.u(6, 2) < 1024))
    )


@signature("snmp", UDP, first=(0x30,))
def snmp(h: Heads) -> Mask:
    """Match a version, then a community, or in version 3 a sequence."""
    size, at = h.ber(np.ones(len(h.size), np.int64))
    version = h.at(at + 2)
    found = (h.at(at, 2) == 0x0201) & (at + size == h.length)
    community = (version <= 1) & (h.at(at + 3) == 4) & (h.at(at + 4) < 0x80)
    return found & (community | ((version == 3) & (h.at(at + 3) == 0x30)))


@signature("dhcp", UDP, first=(1, 2))
def dhcp(h: Heads) -> Mask:
    """Match a message of BOOTP with the magic cookie of DHCP."""
    found = (h.u(2) <= 16) & (h.length >= 240)
    rows = np.flatnonzero(found)
    found[rows] = h.take(rows).far(236, 4) == 0x63825363
    return found


@signature("dhcpv6", UDP, first=range(1, 14))
def dhcpv6(h: Heads) -> Mask:
    """Match a message between its ports whose first option fits."""
    is_relayed = is_one_of(h.u(0), (12, 13))
    option = np.where(is_relayed, h.far(34, 2), h.u(4, 2))
    size = np.where(is_relayed, h.far(36, 2) + 38, h.u(6, 2) + 8)
    found: Mask = h.uses((546, 547)) & (option >= 1) & (option <= 25)
    return found & (size <= h.length) & (~is_relayed | (h.u(1) <= 32))


@signature("tftp", UDP, first=(0,), zero=(0,))
def tftp(h: Heads) -> Mask:
    """Match a request to read or write: the name of a file, then a mode."""
    found = is_one_of(h.u(1), (1, 2)) & (h.u(2) >= 32) & (h.u(2) < 127)
    rows = np.flatnonzero(found)
    for row, text in zip(rows, h.take(rows).texts(), strict=True):
        name, *rest = text[2:].split(b"\0")
        is_mode = rest and rest[0].lower() in (b"octet", b"netascii", b"mail")
        found[row] = bool(is_mode) and len(rest) > 1 and name.isascii()
    return found


@signature("wireguard", UDP, first=(1, 2, 3, 4), zero=(1, 2, 3))
def wireguard(h: Heads) -> Mask:
    kind, n = h.u(0), h.length
    fixed = ((kind == 1) & (n == 148)) | ((kind == 2) & (n == 92))
    fixed |= (kind == 3) & (n == 64)
    # the counter of a packet of data has not passed 2**32
    data = (kind == 4) & (n >= 32) & (n % 16 == 0) & (h.u(12, 4) == 0)
    return fixed | (data & (h.u(4, 4) != 0))


@signature("radius", UDP, first=(1, 2, 3, 4, 5, 11, 12, 13, *range(40, 46)))
def radius(h: Heads) -> Mask:
    found = (h.u(2, 2) == h.length) & (h.length >= 20) & (h.length <= 4096)
    fits = (h.u(20) > 0) & (h.u(21) >= 2) & (h.u(21) + 20 <= h.length)
    return found & (fits | (h.length == 20))


def _ike(h: Heads, at: int) -> Mask:
    found: Mask = h.u(at + 24, 4) + at == h.length
    found &= is_one_of(h.u(at + 17), (0x10, 0x20))
    found &= is_one_of(h.u(at + 18), (2, 4, 5, 6, 32, 34, 35, 36, 37))
    return found & (h.u(at + 16) <= 60) & (h.u(at, 4) != 0)


@signature("ike", UDP, zero=(24, 25))
def ike(h: Heads) -> Mask:
    return _ike(h, 0)


@signature("ike", UDP, first=(0,), zero=(0, 1, 2, 3))
def ike_nat(h: Heads) -> Mask:
    """Match behind the marker of a port shared with encrypted data (RFC 3948)."""
    return _ike(h, 4)


@signature("coap", UDP, first=range(0x40, 0x70))
def coap(h: Heads) -> Mask:
    """Match a request at its port whose first option is one of a request."""
    n = h.u(0) & 15
    found = h.uses((5683,)) & (n <= 8) & (h.u(1) >= 1) & (h.u(1) <= 7)
    option = h.at(4 + n)
    kind, size = option >> 4, option & 15
    letter = h.at(5 + n)
    is_text = is_one_of(kind, (3, 11, 8)) & (size >= 1) & (size <= 12)
    is_text &= (letter >= 33) & (letter < 127)
    is_text &= (h.at(6 + n) >= 33) | (size < 2)
    is_text &= (h.at(6 + n) < 127) & ((size < 3) | (h.at(7 + n) < 127))
    is_number = (kind == 6) & (size <= 1) & (h.at(5 + n + size) >> 4 == 5)
    return found & (is_text | is_number) & (5 + n + size <= h.length)


@signature("rdpeudp", UDP, first=(0xFF,))
def rdpeudp(h: Heads) -> Mask:
    """Match the first packet of either side, padded to the largest size."""
    found = (h.u(0, 4) == 0xFFFFFFFF) & (h.u(6, 2) & 1 == 1)
    return found & (h.length >= 1132) & (h.length <= 1232) & (h.u(6) <= 0x1F)


@signature("gtpv1", UDP, first=range(0x30, 0x38))
def gtpv1(h: Heads) -> Mask:
    kinds = (1, 2, *range(16, 22), 26, 27, 254, 255)
    return (h.u(2, 2) + 8 == h.length) & is_one_of(h.u(1), kinds) & (h.length >= 8)


@signature("teredo", UDP, first=range(0x60, 0x70))
def teredo(h: Heads) -> Mask:
    """Match a packet of IPv6, all of it."""
    found = (h.u(4, 2) + 40 == h.length) & is_one_of(h.u(6), (6, 17, 44, 58, 59))
    # from or to an address of Teredo or of a link
    return found & ((h.u(8, 4) == 0x20010000) | (h.u(24, 4) == 0x20010000) | (
        h.u(8, 2) == 0xFE80
    ))  # fmt: skip


@signature("l2tp", UDP, first=(0xC8,))
def l2tp(h: Heads) -> Mask:
    """Match a message of control."""
    return (h.u(1) == 2) & (h.u(2, 2) == h.length) & (h.length >= 12)


@signature("rip", UDP, first=(1, 2), zero=(2, 3))
def rip(h: Heads) -> Mask:
    found = is_one_of(h.u(1), (1, 2)) & ((h.length - 4) % 20 == 0)
    has_metric = (h.u(20, 4) >= 1) & (h.u(20, 4) <= 16)
    found &= (h.u(4, 2) == 0xFFFF) | (is_one_of(h.u(4, 2) & 255, (0, 2)) & has_metric)
    return found & (h.u(4, 2) != 0x00FF) & (h.size >= 24)


@signature("bacnet", UDP, first=(0x81,))
def bacnet(h: Heads) -> Mask:
    return (h.u(1) <= 11) & (h.u(2, 2) == h.length) & (h.length >= 6)


@signature("netbios-dgm", UDP, first=range(0x10, 0x17))
def netbios_datagram(h: Heads) -> Mask:
    """Match a datagram that says the port it came from."""
    return (h.u(1) <= 15) & (h.u(8, 2) == 138) & (h.length >= 14)


@signature("ipmi", UDP, first=(6,), zero=(1,))
def ipmi(h: Heads) -> Mask:
    return (h.u(2) == 0xFF) & is_one_of(h.u(3), (6, 7)) & (h.length >= 12)


@signature("memcached", UDP, zero=(2, 3, 4, 6, 7))
def memcached(h: Heads) -> Mask:
    """Match a command or answer behind a header of eight bytes."""
    words = (b"stats", b"get ", b"gets ", b"set ", b"STAT ", b"VALUE ", b"version")
    found = np.zeros(len(h.size), bool)
    for word in words:
        found |= h.starts(word, 8)
    return found
