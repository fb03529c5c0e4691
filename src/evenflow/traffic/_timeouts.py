"""The time after which a connection that is silent is over, as Zeek has it by default.

It follows from what is known so far: the protocol, the responder's port, whether both
sides are established, and the service that the payload showed. What was once longer
stays so. A DNS session is looked at every ten seconds, and is over if it was silent for
nine of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenflow.traffic._endpoints import (
    ATTEMPT,
    CHECK,
    CLOSING,
    DID_CLOSE,
    ESTABLISHED,
    INACTIVE,
    LAST,
    LOW_BEGAN,
    PROTOCOL,
    RESET,
    SERVICE,
    STATE,
    SYN_ACK_SENT,
    SYN_SENT,
    TCP,
    TIMEOUT,
    UDP,
    S,
)
from evenflow.traffic.services import IDS

ATTEMPT_NS, CLOSE_NS, LINGER_NS = 5 * S, 5 * S, 5 * S
IDLE_TCP_NS, IDLE_OTHER_NS, IDLE_LOGIN_NS = 300 * S, 60 * S, 3600 * S
LOGIN_PORTS = (21, 22, 23, 513)
"""Servers at which people log in over TCP, and pause."""
SSH, FTP, DNS = IDS["ssh"], IDS["ftp"], IDS["dns"]
DNS_PORTS = (53, 137, 5353, 5355)
"""Of UDP. Zeek does not look for DNS at other ports."""
DNS_CHECK_NS, DNS_SILENT_NS = 10 * S, 9 * S
DNS_HEADER = 12
"""Bytes that show whether a payload may be DNS."""


def begin_timeout(C: Any, K: Any, c: int, now: int) -> None:
    """Set how long a new connection may be silent."""
    protocol = C[c, PROTOCOL]
    C[c, TIMEOUT] = IDLE_TCP_NS if protocol == TCP else IDLE_OTHER_NS
    if protocol == UDP and server_port(C, K, c) in DNS_PORTS:
        C[c, CHECK] = now + DNS_CHECK_NS


def server_port(C: Any, K: Any, c: int) -> int:
    """Return the responder's port; a row of ``K`` is the key of a connection."""
    ports = np.int64(K[c, 4])
    return int(ports & 0xFFFF if C[c, LOW_BEGAN] else ports >> 16)


def take_established(C: Any, E: Any, K: Any, c: int) -> None:
    """Take a SYN of a connection: it may be established now."""
    both = E[2 * c, STATE] == ESTABLISHED and E[2 * c + 1, STATE] == ESTABLISHED
    if both and server_port(C, K, c) in LOGIN_PORTS:
        C[c, TIMEOUT] = IDLE_LOGIN_NS


def take_service(C: Any, c: int, service: int) -> None:
    """Take the service that a payload is the first to show."""
    C[c, SERVICE] = service
    if service in (SSH, FTP):
        C[c, TIMEOUT] = IDLE_LOGIN_NS


def check_session(C: Any, c: int, now: int) -> None:
    """Look at a DNS session that is not over, if it is time."""
    if now >= C[c, CHECK]:
        C[c, CHECK] = now + DNS_CHECK_NS


def due(C: Any, E: Any, c: int) -> int:
    """Return when a connection is over if no packet of it comes before."""
    silent = C[c, LAST]
    at = silent + C[c, TIMEOUT] + 1
    if C[c, PROTOCOL] != TCP:
        if C[c, CHECK]:
            at = min(at, max(C[c, CHECK], silent + DNS_SILENT_NS))
        return int(at)
    o, r = 2 * c, 2 * c + 1
    if C[c, CLOSING]:
        at = min(at, C[c, CLOSING] + CLOSE_NS)
    waits = E[o, STATE] in (SYN_SENT, SYN_ACK_SENT) and E[r, STATE] == INACTIVE
    if waits and C[c, ATTEMPT]:
        at = min(at, C[c, ATTEMPT] + ATTEMPT_NS)
    both = E[o, DID_CLOSE] and E[r, DID_CLOSE]
    one = E[o, DID_CLOSE] or E[r, DID_CLOSE]
    ended = E[o, STATE] in (RESET, INACTIVE) or E[r, STATE] in (RESET, INACTIVE)
    never_began = E[o, STATE] == INACTIVE and E[r, STATE] == INACTIVE
    if never_began or both or (one and ended):
        at = min(at, silent + LINGER_NS + 1)
    return int(at)
