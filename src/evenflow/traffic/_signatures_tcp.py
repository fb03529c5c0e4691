"""Signatures of binary protocols over TCP."""

from __future__ import annotations

import numpy as np

from evenflow.traffic._heads import Heads, Mask
from evenflow.traffic._signatures import TCP, is_one_of, signature

LONGEST_RECORD = 2**14 + 2**11
"""Maximum number of bytes of a record of TLS 1.2 (RFC 5246)."""


@signature("ssl", TCP, first=(0x14, 0x15, 0x16, 0x17))
def tls(h: Heads) -> Mask:
    """Match a record, from the beginning or within a connection."""
    kind, size = h.u(0), h.u(3, 2)
    found = (h.u(1) == 3) & (h.u(2) <= 4) & (size > 0) & (size <= LONGEST_RECORD)
    hello = (kind == 0x16) & is_one_of(h.u(5), (1, 2))
    # its three bytes of length and its own version
    is_hello = (h.u(6) == 0) & (h.u(9) == 3) & (h.u(10) <= 4)
    found &= ~hello | (h.size < 11) | is_hello
    found &= (kind != 0x14) | ((size == 1) & (h.u(5) == 1))
    found &= (kind != 0x15) | (size <= 64)
    return found & (h.size >= 6)


@signature("ssl", TCP, first=range(0x80, 0x90))
def ssl2(h: Heads) -> Mask:
    """Match the first message of SSL 2, and of clients that may speak a later one."""
    ciphers, session, challenge = h.u(5, 2), h.u(7, 2), h.u(9, 2)
    found = ((h.u(0, 2) & 0x7FFF) + 2 == h.length) & (h.u(2) == 1)
    found &= (h.u(3, 2) == 2) | ((h.u(3) == 3) & (h.u(4) <= 4))
    found &= (ciphers > 0) & (ciphers % 3 == 0) & is_one_of(session & 255, (0, 16))
    return found & (challenge >= 16) & (challenge <= 32) & (session < 256)


@signature("telnet", TCP, first=(0xFF,))
def telnet(h: Heads) -> Mask:
    """Match negotiation of options."""
    does, option, behind = h.u(1), h.u(2), h.u(3)
    found = (does >= 0xFB) & (does != 0xFF) & ((option <= 50) | (option >= 138))
    found &= (option <= 141) | (option == 255)
    is_text = is_one_of(behind, (10, 13, 27, *range(32, 127)))
    return found & (h.size >= 3) & ((h.size == 3) | (behind == 0xFF) | is_text)


@signature("mqtt", TCP, first=(0x10,))
def mqtt_connect(h: Heads) -> Mask:
    """Match CONNECT: a length of one to four bytes, then the name of the protocol."""
    found = np.zeros(len(h.size), bool)
    is_length = np.ones(len(h.size), bool)
    for k in range(1, 5):
        ends = is_length & (h.u(k) < 0x80)
        found |= ends & (h.starts(b"\0\4MQTT", k + 1) | h.starts(b"\0\6MQIsdp", k + 1))
        is_length &= h.u(k) >= 0x80
    return found


@signature("mqtt", TCP, first=(0x20,))
def mqtt_answer(h: Heads) -> Mask:
    """Match CONNACK: flags, a reason, and in version 5 properties."""
    reason = h.u(3)
    found = (h.u(1) + 2 == h.length) & (h.u(2) <= 1)
    three = (h.length == 4) & (reason <= 5)
    five = (h.length > 4) & (reason == 0) & (h.u(4) == h.length - 5)
    return found & (three | five) & (h.size >= 4)


@signature("smb", TCP, first=(0,))
def smb(h: Heads) -> Mask:
    marks = (0xFF534D42, 0xFE534D42, 0xFD534D42, 0xFC534D42)
    return np.isin(h.u(4, 4), marks) & (h.u(1, 3) >= 28)


@signature("rdp", TCP, first=(3,), zero=(1,))
def rdp(h: Heads) -> Mask:
    """Match connection request and confirm of X.224, with what only RDP puts there."""
    size, indicator = h.u(2, 2), h.u(4)
    found = (size == indicator + 5) & (size == h.length) & (h.u(6, 2) == 0)
    asks = (h.u(5) == 0xE0) & (h.u(8, 2) == 0) & (h.u(10) == 0)
    is_plain = size == 11
    asks_for = (h.u(11) == 1) & (h.u(13, 2) == 0x0800) & (size == 19)
    asks &= is_plain | asks_for | h.starts(b"Cookie: ", 11)
    says = (h.u(5) == 0xD0) & is_one_of(h.u(11), (2, 3)) & (h.u(13, 2) == 0x0800)
    return found & (asks | (says & (size == 19)))


@signature("s7comm", TCP, first=(3,), zero=(1,))
def s7comm(h: Heads) -> Mask:
    """Match a message of S7 within data of COTP."""
    found: Mask = h.u(4, 4) == 0x02F08032
    return found & is_one_of(h.u(8), (1, 2, 3, 7)) & (h.u(2, 2) >= 17)


@signature("mysql", TCP, zero=(2, 3))
def mysql(h: Heads) -> Mask:
    """Match a server's greeting, or its refusal of a host."""
    whole = h.little(0, 3) + 4 == h.length
    digit, behind = h.u(5), h.u(6)
    version = (digit >= 48) & (digit <= 57)
    version &= (behind == 46) | ((behind >= 48) & (behind <= 57))
    greets = (h.u(4) == 10) & version & (h.little(0, 3) > 30)
    codes = (1040, 1129, 1130, 1203, 1226)
    refuses = (h.u(4) == 255) & np.isin(h.little(5, 2), codes)
    return whole & (greets | refuses)


@signature("postgresql", TCP, first=(0,), zero=(1,))
def postgresql_begin(h: Heads) -> Mask:
    """Match a start-up message, or a request to encrypt or cancel."""
    size, code = h.u(0, 4), h.u(4, 4)
    found: Mask = size == h.length
    asks = np.isin(code, (80877103, 80877104)) & (size == 8)
    cancels = (code == 80877102) & (size == 16)
    letter = h.u(8)
    begins = (code >> 16 == 3) & (code & 0xFFFF < 8) & (letter >= 97) & (letter <= 122)
    return found & (asks | cancels | begins)


@signature("postgresql", TCP, first=b"RE")
def postgresql_answer(h: Heads) -> Mask:
    """Match a request for a password, or an error."""
    size, code = h.u(1, 4), h.u(5, 4)
    wants = (h.u(0) == 82) & (size >= 8) & (size <= 64) & (code <= 12) & (h.u(1) == 0)
    is_fatal = h.starts(b"SFATAL\0", 5) | h.starts(b"SERROR\0", 5)
    return (wants & (size < h.length)) | ((h.u(0) == 69) & is_fatal)


@signature("modbus", TCP, zero=(2, 3, 4))
def modbus(h: Heads) -> Mask:
    size, function = h.u(5), h.u(7) & 0x7F
    found = (size >= 2) & (size <= 254) & (size + 6 == h.length)
    known = (*range(1, 9), 11, 12, *range(15, 18), *range(20, 25), 43, 90)
    return found & is_one_of(function, known)


@signature("dce_rpc", TCP, first=(5,))
def dce_rpc(h: Heads) -> Mask:
    """Match a header of version 5: kind, format of numbers, length."""
    found = (h.u(1) <= 1) & (h.u(2) <= 19) & is_one_of(h.u(4), (0, 0x10))
    found &= h.u(3) & 3 > 0  # the first part of a message, or the last one
    found &= (h.u(5) <= 1) & (h.u(6, 2) == 0)
    size = np.where(h.u(4) == 0x10, h.little(8, 2), h.u(8, 2))
    return found & (size >= 16) & (h.size >= 16)


@signature("socks", TCP, first=(5,))
def socks5(h: Heads) -> Mask:
    """Match the ways to log in that a client offers."""
    n = h.u(1)
    known = is_one_of(h.u(2), (0, 1, 2, 3, 5, 6, 7, 8, 9, 0x80))
    known &= (n < 2) | is_one_of(h.u(3), (0, 1, 2, 3, 5, 6, 7, 8, 9, 0x80))
    return (n >= 1) & (n <= 8) & (n + 2 == h.length) & known


@signature("socks", TCP, first=(4,))
def socks4(h: Heads) -> Mask:
    """Match a command, a port, an address, and the name of a user."""
    found = is_one_of(h.u(1), (1, 2)) & (h.u(2, 2) > 0) & (h.length >= 9)
    found &= h.length <= 256
    rows = np.flatnonzero(found)
    for row, text in zip(rows, h.take(rows).texts(), strict=True):
        user = text[8:-1]
        found[row] = text[-1:] == b"\0" and (not user or user.isascii())
        found[row] &= all(32 < byte < 127 or byte == 0 for byte in user)
    return found


@signature("mssql", TCP, first=(0x04, 0x10, 0x12))
def mssql(h: Heads) -> Mask:
    """Match a packet of TDS: the last of its message, and all of it here."""
    return (h.u(1) == 1) & (h.u(2, 2) == h.length) & (h.u(7) == 0) & (h.u(6) <= 2)


@signature("tns", TCP, zero=(2, 3, 5))
def oracle(h: Heads) -> Mask:
    found: Mask = h.u(0, 2) == h.length
    return found & is_one_of(h.u(4), (1, 2, 4, 5, 11)) & (h.u(6, 2) == 0)


@signature("mongodb", TCP, zero=(3, 14, 15))
def mongodb(h: Heads) -> Mask:
    kinds = (1, *range(2001, 2008), 2010, 2011, 2012, 2013)
    whole = (h.little(0, 4) == h.length) & (h.length >= 16)
    return whole & np.isin(h.little(12, 4), kinds)


@signature("iec104", TCP, first=(0x68,))
def iec104(h: Heads) -> Mask:
    """Match a frame that begins, ends or tests the transfer."""
    found = (h.u(1) == 4) & (h.length == 6) & (h.u(3, 3) == 0)
    return found & is_one_of(h.u(2), (0x07, 0x0B, 0x13, 0x23, 0x43, 0x83))


@signature("tacacs", TCP, first=(0xC0, 0xC1))
def tacacs(h: Heads) -> Mask:
    found = (h.u(8, 4) + 12 == h.length) & is_one_of(h.u(1), (1, 2, 3))
    return found & (h.u(2) >= 1) & (h.u(2) <= 16) & (h.u(3) & ~5 == 0)


@signature("diameter", TCP, first=(1,))
def diameter(h: Heads) -> Mask:
    found = (h.u(1, 3) == h.length) & (h.u(4) & 15 == 0)
    return found & np.isin(h.u(5, 3), (257, 258, 265, 271, 272, 274, 275, 280, 282))


@signature("pptp", TCP, first=(0,))
def pptp(h: Heads) -> Mask:
    found: Mask = h.u(4, 4) == 0x1A2B3C4D
    return found & (h.u(0, 2) == h.length) & (h.u(2, 2) == 1)


@signature("bgp", TCP, first=(0xFF,))
def bgp(h: Heads) -> Mask:
    """Match a marker of sixteen bytes, then a length and a kind."""
    size = h.u(16, 2)
    found = h.starts(b"\xff" * 16) & (size >= 19) & (size <= 4096)
    return found & is_one_of(h.u(18), (1, 2, 3, 4, 5))


@signature("git", TCP, first=b"0")
def git(h: Heads) -> Mask:
    """Match a request of a client, behind its length in hexadecimal digits."""
    return h.starts(b"git-upload-", 4) | h.starts(b"git-receive-", 4)
