"""Addresses as text."""

from __future__ import annotations

import ipaddress
from typing import Any


def address(version: Any, high: Any, low: Any) -> str:
    """Return an address in its usual form."""
    if version == 4:
        return str(ipaddress.IPv4Address(int(low)))
    return str(ipaddress.IPv6Address(int(high) << 64 | int(low)))
