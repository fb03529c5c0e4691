"""A resolver of our own, whose answers are as various as those of the Internet.

What a name has follows from the name alone: aliases, addresses, nothing of this type,
no such name, a failure, or no answer at all.
"""

from __future__ import annotations

import re
import socket
import socketserver
import time
import zlib
from contextlib import suppress
from typing import Any

from evenflow.lab.finding import header, record

A, CNAME, SOA, MX, TXT, AAAA, HTTPS = 1, 5, 6, 15, 16, 28, 65
SILENT, FAILS, IS_GONE = 2, 5, 13
"""Names in a hundred below which there is no answer, a failure, no such name."""
NO_ERROR, SERVER_FAILED, NO_SUCH_NAME = 0, 2, 3
MOST_BY_UDP = 1232
TRUNCATED = 0x0200
SLOWEST_S = 0.25
MINUTE_NS = 60 * 10**9
"""What was asked for is known for so long."""
ROOM = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
"""The record by which a resolver says how long its datagrams may be (RFC 6891)."""
RANDOM = re.compile(rb"[0-9a-f]{8,}")


def answer(query: bytes, *, by_tcp: bool = False) -> bytes | None:
    """Return the answer to a question, None: there is none."""
    if len(query) < 17 or query[2] & 0x80:
        return None
    end = query.index(b"\0", 12)
    kind = int.from_bytes(query[end + 1 : end + 3], "big")
    found = zlib.crc32(query[12:end])
    share = found % 100
    if share < SILENT:
        return None
    status, records, authority = NO_ERROR, [], []
    if share < FAILS:
        status = SERVER_FAILED
    elif share < IS_GONE or RANDOM.fullmatch(query[13 : 13 + query[12]]):
        status = NO_SUCH_NAME
    else:
        records = _records(kind, found >> 7)
    if not records and status != SERVER_FAILED:
        authority = [record(b"\xc0\x0c", SOA, bytes(38 + found % 40))]
    flags, counts = 0x8180 | status, (1, len(records), len(authority), 1)
    asked, body = query[12 : end + 5], b"".join([*records, *authority])
    if not by_tcp and len(body) > MOST_BY_UDP:
        flags, counts, body = flags | TRUNCATED, (1, 0, 0, 1), b""
    return header(query[:2], flags, *counts) + asked + body + ROOM


def _records(kind: int, found: int) -> list[bytes]:
    """Return what a name has of a type."""
    aliases = [
        record(b"\xc0\x0c", CNAME, bytes(14 + (found >> i) % 40))
        for i in range(found % 4)
    ]
    n = 1 + (found >> 3) % 6
    if kind == A:
        return aliases + [record(b"\xc0\x0c", A, bytes(4))] * n
    if kind == AAAA and found % 5 > 1:
        return aliases + [record(b"\xc0\x0c", AAAA, bytes(16))] * n
    if kind == HTTPS and found % 5 > 2:
        return [*aliases, record(b"\xc0\x0c", HTTPS, bytes(30 + found % 90))]
    if kind == MX:
        return [record(b"\xc0\x0c", MX, bytes(10 + found % 20))] * n
    if kind == TXT:
        size = (found >> 5) % 240
        return [record(b"\xc0\x0c", TXT, bytes(size + 8))] * (n + found % 3)
    return aliases


def _waits(query: bytes) -> None:
    """Wait where the answer is not known yet: others have to be asked."""
    found = zlib.crc32(query[12:] + str(time.time_ns() // MINUTE_NS).encode())
    if found % 5 > 2:
        time.sleep(SLOWEST_S * ((found >> 4) % 1000 / 1000) ** 3)


class Datagrams(socketserver.BaseRequestHandler):
    """Answers a question by UDP."""

    def handle(self) -> None:
        """Answer once."""
        query, here = self.request
        with suppress(OSError, ValueError):
            if found := answer(query):
                _waits(query)
                here.sendto(found, self.client_address)


class Stream(socketserver.StreamRequestHandler):
    """Answers questions by TCP."""

    timeout = 20

    def handle(self) -> None:
        """Answer until the client leaves."""
        with suppress(OSError, ValueError):
            while len(size := self.rfile.read(2)) == 2:
                query = self.rfile.read(int.from_bytes(size, "big"))
                if found := answer(query, by_tcp=True):
                    _waits(query)
                    self.wfile.write(len(found).to_bytes(2, "big") + found)


class ByUdp(socketserver.ThreadingUDPServer):
    """The half of the resolver that most questions go to."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that left."""
