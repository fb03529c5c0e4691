"""Packets that no socket would send: from other addresses, or from no address yet."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from evenflow.lab.network import DEVICE

ICMP, TCP, UDP = 1, 6, 17
SYN, WINDOW = 2, 64_240
NO_ADDRESS, ALL = "0.0.0.0", "255.255.255.255"  # noqa: S104 (a source, to bind nothing)
COOKIE = b"\x63\x82\x53\x63"


def link() -> socket.socket:
    """Return a socket for whole frames of the namespace's only device."""
    here = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    here.bind((DEVICE, 0))
    return here


def send(packet: bytes, destination: str) -> None:
    """Send a packet of IPv4 as it is."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        with suppress(OSError):
            here.sendto(packet, (destination, 0))


def checksum(data: bytes) -> int:
    """Return the checksum of IP and of what it carries (RFC 1071)."""
    words = struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(proto: int, source: str, destination: str, body: bytes, number: int) -> bytes:
    """Return a packet of IPv4."""
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    start = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(body), number, 0x4000, 64, proto)
    total = checksum(start + b"\0\0" + ends)
    return start + total.to_bytes(2, "big") + ends + body


def _summed(proto: int, source: str, destination: str, body: bytes, at: int) -> bytes:
    """Return what an IP packet carries, with its checksum put in."""
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    pseudo = ends + struct.pack(">HH", proto, len(body))
    total = checksum(pseudo + body) or 0xFFFF
    return body[:at] + total.to_bytes(2, "big") + body[at + 2 :]


def syn(source: str, port: int, destination: str, other: int, *, number: int) -> bytes:
    """Return a packet that asks for a TCP connection."""
    options = b"\x02\x04\x05\xb4\x04\x02\x01\x03\x03\x07\x01\x01"
    head = struct.pack(">HHIIHHHH", port, other, number * 65_537, 0,
                       (8 << 12) | SYN, WINDOW, 0, 0)  # fmt: skip
    body = _summed(TCP, source, destination, head + options, 16)
    return ip(TCP, source, destination, body, number)


def datagram(
    source: str, port: int, destination: str, other: int, data: bytes, *, number: int
) -> bytes:
    """Return a packet of UDP."""
    head = struct.pack(">HHHH", port, other, 8 + len(data), 0)
    body = _summed(UDP, source, destination, head + data, 6)
    return ip(UDP, source, destination, body, number)


def echo(source: str, destination: str, data: bytes, *, number: int) -> bytes:
    """Return a ping."""
    body = struct.pack(">BBHHH", 8, 0, 0, number, 1) + data
    body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
    return ip(ICMP, source, destination, body, number)


def request(mac: bytes, kind: int, number: bytes) -> bytes:
    """Return a message of DHCP: kind 1 looks for a server, 3 asks for an address."""
    head = b"\1\1\6\0" + number + bytes(20) + mac + bytes(10 + 192) + COOKIE
    asks = b"\x37\x04\x01\x03\x06\x0f"
    return (head + bytes([53, 1, kind]) + asks + b"\xff").ljust(300, b"\0")


def dhcp(mac: bytes, kind: int, number: bytes, *, sender: bytes = b"") -> bytes:
    """Return the frame of a machine that has no address yet."""
    packet = datagram(
        NO_ADDRESS, 68, ALL, 67, request(mac, kind, number),
        number=int.from_bytes(number[:2], "big"),
    )  # fmt: skip
    return b"\xff" * 6 + (sender or mac) + b"\x08\x00" + packet
