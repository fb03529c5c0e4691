"""How machines of a network find one another without a server: by asking all of them.

Messages of multicast DNS (RFC 6762), LLMNR (RFC 4795), NetBIOS names (RFC 1002), SSDP
and WS-Discovery, short ones, and who answers them.
"""

from __future__ import annotations

import selectors
import socket
import zlib
from contextlib import suppress
from typing import Any, NamedTuple

from evenflow.lab.network import DEVICE


class Group(NamedTuple):
    """Where a message goes that all machines shall hear."""

    port: int
    ip: str
    ip6: str


GROUPS = {
    "mdns": Group(5353, "224.0.0.251", "ff02::fb"),
    "llmnr": Group(5355, "224.0.0.252", "ff02::1:3"),
    "ssdp": Group(1900, "239.255.255.250", "ff02::c"),
    "wsd": Group(3702, "239.255.255.250", "ff02::c"),
    "netbios": Group(137, "", ""),  # by broadcast
    "dhcp6": Group(547, "", "ff02::1:2"),
}
ANSWERED = ("mdns", "llmnr", "ssdp", "wsd", "netbios")
SUFFIX = {"mdns": ".local"}
POINTER, SERVICE, TEXT, NETBIOS = 12, 33, 16, 32
ANSWERS, UNICAST = 0x80, 0x8000
OWNERS = {"mdns": 3, "ssdp": 2, "wsd": 3, "llmnr": 9, "netbios": 9}
"""Of so many machines one has what is asked for."""


def header(number: bytes, flags: int, *counts: int) -> bytes:
    """Return the beginning of a message of DNS."""
    return number + b"".join(n.to_bytes(2, "big") for n in (flags, *counts))


def encoded(name: str) -> bytes:
    """Return a name as it stands in a message of DNS."""
    labels = [label.encode()[:63] for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def netbios_name(name: str) -> bytes:
    """Return a name as NetBIOS writes it, each half of a byte as a letter."""
    text = name.upper().encode()[:15].ljust(15) + b"\0"
    letters = bytes(65 + half for byte in text for half in (byte >> 4, byte & 15))
    return b"\x20" + letters + b"\0"


def question(kind: str, name: str, what: int = 1, *, number: bytes = b"\0\0") -> bytes:
    """Return the message that asks for a name, as multicast DNS and its like do."""
    if kind == "netbios":
        return header(number, 0x0110, 1, 0, 0, 0) + netbios_name(name) + b"\0\x20\0\1"
    asked = encoded(name + SUFFIX.get(kind, "")) + what.to_bytes(2, "big")
    return header(number, 0, 1, 0, 0, 0) + asked + b"\0\1"


def record(name: bytes, what: int, data: bytes) -> bytes:
    """Return a record of DNS that is good for two minutes."""
    size = len(data).to_bytes(2, "big")
    return name + what.to_bytes(2, "big") + b"\0\1\0\0\0\x78" + size + data


def announcement(name: str, number: int) -> bytes:
    """Return what a machine says of itself by multicast DNS."""
    owner = encoded(f"{name}.local")
    records = [record(owner, 1, bytes(4)), record(owner, 28, bytes(16))]
    for i in range(number % 4):
        what = encoded(f"{name}._service{i}._tcp.local")
        records += [
            record(encoded(f"_service{i}._tcp.local"), POINTER, what),
            record(what, SERVICE, b"\0\0\0\0\x1f\x90" + owner),
            record(what, TEXT, b"\x1fversion=1 and what it can do..." * (number % 5)),
        ]
    return header(b"\0\0", 0x8400, 0, len(records), 0, 0) + b"".join(records)


def answers(kind: str, data: bytes, number: int) -> list[bytes]:
    """Return what a machine answers; nothing where it has not what is asked for."""
    is_dns = kind in ("mdns", "llmnr", "netbios")
    if is_dns and (len(data) < 17 or data[2] & ANSWERS):
        return []
    if not is_dns and not (b"M-SEARCH" in data or b"Probe" in data):
        return []
    asked = zlib.crc32(data[12:]) + number
    if asked % OWNERS[kind]:
        return []
    if kind == "mdns":
        return [announcement(f"host-{number}", asked)]
    if kind == "llmnr":
        end = data.index(b"\0", 12) + 5
        body = record(b"\xc0\x0c", 1, bytes(4))
        return [header(data[:2], 0x8000, 1, 1, 0, 0) + data[12:end] + body]
    if kind == "netbios":
        body = record(data[12:46], NETBIOS, bytes(6))
        return [header(data[:2], 0x8500, 0, 1, 0, 0) + body]
    if kind == "ssdp":
        text = f"HTTP/1.1 200 OK\r\nLOCATION: http://host-{number}/desc.xml\r\nST: "
        return [
            text.encode() + b"urn:schemas:service" * (3 + (asked + i) % 9) + b"\r\n\r\n"
            for i in range(1 + asked % 6)
        ]
    return [b"<?xml version='1.0'?><ProbeMatches>" + b"match " * (90 + asked % 60)]


def hears(kind: str, *, by_ipv6: bool) -> socket.socket:
    """Return a socket that hears what all machines are asked."""
    family = socket.AF_INET6 if by_ipv6 else socket.AF_INET
    here = socket.socket(family, socket.SOCK_DGRAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    group = GROUPS[kind]
    if by_ipv6:
        here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        device = socket.if_nametoindex(DEVICE)
        member = socket.inet_pton(family, group.ip6) + device.to_bytes(4, "little")
        here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    elif group.ip:
        member = socket.inet_aton(group.ip) + bytes(4)
        here.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    here.bind(("", group.port))
    return here


def answer_all(number: int) -> None:
    """Answer what all machines are asked, as the machine of this number."""
    with selectors.DefaultSelector() as selector:
        for kind in ANSWERED:
            for by_ipv6 in (False, True):
                if not by_ipv6 or GROUPS[kind].ip6:
                    here = hears(kind, by_ipv6=by_ipv6)
                    selector.register(here, selectors.EVENT_READ, (here, kind))
        while True:
            for key, _ in selector.select():
                here, kind = key.data
                with suppress(OSError):
                    data, other = here.recvfrom(4096)
                    for message in answers(kind, data, number):
                        here.sendto(message, _to(here, kind, data, other))


def _to(
    here: socket.socket, kind: str, data: bytes, other: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return where an answer goes: to who asked, or to all."""
    group = GROUPS[kind]
    wants_own = bool(data[-2] & 0x80) or other[1] != group.port
    if kind != "mdns" or wants_own:
        return other
    is_six = here.family == socket.AF_INET6
    return (group.ip6, group.port, 0, other[3]) if is_six else (group.ip, group.port)
