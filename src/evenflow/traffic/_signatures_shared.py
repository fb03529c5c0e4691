"""Signatures of protocols that run over TCP and over UDP."""

from __future__ import annotations

import numpy as np

from evenflow.traffic._heads import WIDTH, Heads, Mask, Numbers
from evenflow.traffic._signatures import TCP, UDP, is_one_of, signature

LDAP_TAGS = (
    0x42, 0x4A, 0x50, 0x60, 0x61, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6B,
    0x6C, 0x6D, 0x6E, 0x6F, 0x73, 0x77, 0x78, 0x79,
)  # fmt: skip
KERBEROS_TAGS = (0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x7E)
RPC_PROGRAMS = {100000: "portmapper", 100003: "nfs", 100005: "mount"}


def _dns(h: Heads, at: int) -> Mask:
    """Return where a message of DNS stands; NetBIOS names have its form."""
    flags = h.u(at + 2, 2)
    n_questions, n_answers = h.u(at + 4, 2), h.u(at + 6, 2)
    n_authorities, n_more = h.u(at + 8, 2), h.u(at + 10, 2)
    is_answer = flags >> 15 == 1
    kind, code = flags >> 11 & 15, flags & 15
    found = (kind <= 9) & (kind != 3) & (flags & 0x40 == 0)
    found &= (n_authorities <= 64) & (n_more <= 64)
    asks = (n_questions >= 1) & (n_questions <= 16) & (n_answers <= 64) & (code == 0)
    says = (n_questions <= 4) & (n_questions + n_answers + n_authorities + n_more > 0)
    found &= np.where(is_answer, says & (code <= 10), asks)
    # a name: labels of up to 63 bytes, or a pointer where it answers only
    place = np.full(len(flags), at + 12)
    for _ in range(3):
        size = h.at(place)
        is_pointer = is_answer & (n_questions == 0) & (size >= 0xC0)
        found &= (size < 64) | is_pointer
        place = np.where((size > 0) & (size < 64), place + 1 + size, place)
    # behind a short name the type and class are seen
    is_seen = (h.at(place) == 0) & (place <= WIDTH - 5) & (place + 5 <= h.size)
    of = h.at(place + 3, 2) & 0x7FFF  # a bit is used by mDNS
    is_right = (h.at(place + 1, 2) >= 1) & (of >= 1) & (of <= 255)
    found &= ~is_seen | is_right
    return found & (h.size >= at + 12 + 5 * (n_questions > 0))


@signature("dns", UDP, zero=(4, 6))
def dns_udp(h: Heads) -> Mask:
    return _dns(h, 0)


@signature("dns", TCP, zero=(6, 8))
def dns_tcp(h: Heads) -> Mask:
    size = h.u(0, 2)
    return _dns(h, 2) & (size >= 17) & (size + 2 >= h.length)


@signature("stun", TCP, UDP, first=(0, 1))
def stun(h: Heads) -> Mask:
    """Match messages with the magic cookie of RFC 5389."""
    found: Mask = h.u(4, 4) == 0x2112A442
    return found & (h.u(2, 2) + 20 == h.length)


@signature("syslog", TCP, UDP, first=b"<")
def syslog(h: Heads) -> Mask:
    found = np.zeros(len(h.size), bool)
    value = np.zeros(len(h.size), np.int64)
    is_number = np.ones(len(h.size), bool)
    for k in (1, 2, 3):
        digit = h.u(k) - 48
        is_number &= (digit >= 0) & (digit <= 9)
        value = value * 10 + digit
        behind = h.u(k + 2)
        ends = (h.u(k + 1) == 62) & (behind >= 32) & (behind < 127)
        found |= is_number & ends & (value <= 191)
    return found


def _ldap(h: Heads) -> Mask:
    """Return where a message of LDAP stands: a number, then an operation."""
    size, at = h.ber(np.ones(len(h.size), np.int64))
    n = h.at(at + 1)
    found = (size >= 5) & (h.at(at) == 2) & (n >= 1) & (n <= 4)
    # the number is positive and written as shortly as possible
    found &= h.at(at + 2) < 0x80
    return found & is_one_of(h.at(at + 2 + n), LDAP_TAGS)


@signature("ldap_tcp", TCP, first=(0x30,))
def ldap_tcp(h: Heads) -> Mask:
    return _ldap(h)


@signature("ldap_udp", UDP, first=(0x30,))
def ldap_udp(h: Heads) -> Mask:
    size, at = h.ber(np.ones(len(h.size), np.int64))
    return _ldap(h) & (at + size <= h.length)


def _kerberos(h: Heads, at: int) -> Mask:
    """Return where a message of version 5 stands."""
    _, place = h.ber(np.full(len(h.size), at + 1))
    found = h.at(place) == 0x30
    _, place = h.ber(place + 1)
    found &= is_one_of(h.at(place), (0xA0, 0xA1)) & (h.at(place + 1, 4) == 0x03020105)
    return found & is_one_of(h.u(at), KERBEROS_TAGS)


@signature("krb", UDP, first=KERBEROS_TAGS)
def kerberos_udp(h: Heads) -> Mask:
    return _kerberos(h, 0)


@signature("krb_tcp", TCP, first=(0,))
def kerberos_tcp(h: Heads) -> Mask:
    return _kerberos(h, 4) & (h.u(0, 4) + 4 >= h.length)


def _openvpn(h: Heads, at: int, length: Numbers) -> Mask:
    """Return where a hard reset stands, the first packet of either side."""
    kind = h.u(at)
    plain = (kind == 0x38) & (h.u(at + 9, 5) == 0) & (length == 14)
    answer = (kind == 0x40) & (h.u(at + 9) == 1) & (length == 26)
    answer &= (h.u(at + 10, 4) == 0) & (h.u(at + 22, 4) == 0)
    # with a key: a hash of 20 bytes, then packet number 1 and the time
    keyed = (kind == 0x38) & (length == 42)
    keyed &= h.far(at + 29, 4) == 1
    return plain | answer | keyed


@signature("openvpn", UDP, first=(0x38, 0x40))
def openvpn_udp(h: Heads) -> Mask:
    return _openvpn(h, 0, h.length)


@signature("openvpn", TCP, first=(0,))
def openvpn_tcp(h: Heads) -> Mask:
    found = h.u(0, 2) + 2 == h.length
    return found & _openvpn(h, 2, h.length - 2)


def _rpc(h: Heads, at: int, program: int | None) -> Mask:
    """Return where a call of ONC RPC stands: a version of 2, then a program."""
    found = (h.u(at + 4, 4) == 0) & (h.u(at + 8, 4) == 2)
    number = h.u(at + 12, 4)
    if program is None:
        is_other = (number > 100000) & (number < 400000)
        is_other &= ~np.isin(number, list(RPC_PROGRAMS))
        return found & is_other & (h.u(at + 16, 4) < 32)
    return found & (number == program) & (h.u(at + 16, 4) < 32)


def _add_rpc() -> None:
    for program, name in (*RPC_PROGRAMS.items(), (None, "rpc")):

        @signature(name, UDP, zero=(4, 5, 6, 7, 8))
        def udp(h: Heads, program: int | None = program) -> Mask:
            return _rpc(h, 0, program)

        @signature(name, TCP, first=(0x80,), zero=(8, 9, 10, 11))
        def tcp(h: Heads, program: int | None = program) -> Mask:
            return _rpc(h, 4, program) & ((h.u(1, 3) + 4) >= h.length)


_add_rpc()


def _dnp3(h: Heads) -> Mask:
    found: Mask = (h.u(1) == 0x64) & (h.u(2) >= 5)
    # a primary station has functions 0 to 4 and 9, a secondary 0, 1, 11, 14, 15
    control = h.u(3)
    primary = is_one_of(control & 15, (0, 1, 2, 3, 4, 9))
    return found & np.where(
        control & 0x40 != 0, primary, is_one_of(control & 15, (0, 1, 11, 14, 15))
    )


@signature("dnp3_tcp", TCP, first=(5,))
def dnp3_tcp(h: Heads) -> Mask:
    return _dnp3(h)


@signature("dnp3_udp", UDP, first=(5,))
def dnp3_udp(h: Heads) -> Mask:
    return _dnp3(h)


@signature("enip", TCP, UDP, first=(0x04, 0x63, 0x64, 0x65, 0x66, 0x6F, 0x70))
def enip(h: Heads) -> Mask:
    """Match EtherNet/IP: a command, its length, no error, no options."""
    found = (h.u(1) == 0) & (h.little(2, 2) + 24 == h.length)
    return found & (h.u(8, 4) == 0) & (h.u(20, 4) == 0) & (h.size >= 24)
