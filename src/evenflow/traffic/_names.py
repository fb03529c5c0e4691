"""Names of addresses and connections."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any


def address(version: Any, high: Any, low: Any) -> str:
    """Return an address in its usual form."""
    if version == 4:
        return str(ipaddress.IPv4Address(int(low)))
    return str(ipaddress.IPv6Address(int(high) << 64 | int(low)))


DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def uid(key: bytes, first_ns: int, number: int) -> str:
    """Return a name for a connection, in Zeek's form and the same in every run."""
    numbers = first_ns.to_bytes(8, "big", signed=True) + number.to_bytes(8, "big")
    digest = hashlib.blake2b(key + numbers)
    rest = int.from_bytes(digest.digest()[:12], "big")
    text = ""
    for _ in range(16):
        rest, digit = divmod(rest, 62)
        text += DIGITS[digit]
    return f"C{text}"
