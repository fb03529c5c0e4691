"""Community ID v1: one name for a connection in the logs of every tool.

References
----------
.. [1] C. Kreibich, "Community ID Flow Hashing", version 1, Corelight.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import struct

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
ANSWERS = {
    ICMP: {0: 8, 8: 0, 9: 10, 10: 9, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17},
    ICMP6: {
        128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136, 136: 135,
        139: 140, 140: 139, 144: 145, 145: 144,
    },
}  # fmt: skip
"""Types of ICMP that answer each other, by IP protocol."""
PORTED = frozenset({TCP, UDP, SCTP, *ANSWERS})
"""IP protocols with ports, or types in their place."""


def community_id(
    source: str, destination: str, source_port: int, destination_port: int, proto: int
) -> str:
    """Return the Community ID of a connection, with seed 0; both directions have one.

    Parameters
    ----------
    source, destination : str
        Addresses of IPv4 or IPv6.
    source_port, destination_port : int
        Ports of TCP, UDP and SCTP; type and code of ICMP. Ignored for others.
    proto : int
        Number of the IP protocol.

    Raises
    ------
    ValueError
        One of the addresses is invalid.

    Examples
    --------
    >>> community_id("128.232.110.120", "66.35.250.204", 34855, 80, TCP)
    '1:LQU9qZlK+B5F3KDmev6m5PMibrg='
    """
    a = ipaddress.ip_address(source).packed
    z = ipaddress.ip_address(destination).packed
    p, q, turns = source_port, destination_port, True
    if proto in ANSWERS:
        q, turns = ANSWERS[proto].get(p, q), p in ANSWERS[proto]
    if turns and (z, q) < (a, p):
        a, z, p, q = z, a, q, p
    data = struct.pack("!H", 0) + a + z + struct.pack("!BB", proto & 0xFF, 0)
    if proto in PORTED:
        data += struct.pack("!HH", p & 0xFFFF, q & 0xFFFF)
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    return f"1:{base64.b64encode(digest).decode()}"
