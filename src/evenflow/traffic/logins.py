"""Log-ins in clear text: what FTP, POP3 and Telnet say of them, packet by packet.

A packet is looked at alone, and says one thing at most: by the beginning of its payload
in FTP and POP3, by a phrase anywhere in its first 512 bytes in Telnet. Which command an
answer is to, and whether the connection is one of these services at all, is told where
packets are followed.

References
----------
.. [1] RFC 959, 4.2 (FTP); RFC 1939 and RFC 5034 (POP3); RFC 4217 and RFC 2595 (TLS).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic._heads import Heads
from evenflow.traffic.packets import End, Packets

NAMED, GUEST, PASSED, HIDDEN = 1, 2, 4, 8
"""Of the client: a user was named, one that everybody may use, a secret was given, what
follows is encrypted."""
DONE, OK, REFUSED, TOLD_DONE, TOLD_REFUSED = 16, 32, 64, 128, 256
"""Of the server: FTP's log-in is done, POP3's command is, either was refused; Telnet
shows that a log-in worked or failed, whatever was asked."""
SERVICES = ("ftp", "pop3", "telnet")
GUESTS = (b"ANONYMOUS", b"FTP", b"GUEST")
TELNET = 23
COMMANDS = {b"USER ": NAMED, b"PASS ": PASSED, b"APOP ": PASSED, b"AUTH ": PASSED}
SECURE = (b"AUTH TLS", b"AUTH SSL", b"STLS")
ANSWERS = {
    b"230 ": DONE, b"230-": DONE, b"232 ": DONE, b"530 ": REFUSED, b"530-": REFUSED,
    b"+OK": OK, b"-ERR": REFUSED,
}  # fmt: skip
FIRST = np.zeros(256, bool)
FIRST[list(b"UuPpAaSs25+-")] = True
WORKED = (b"last login",)
FAILED = (b"login incorrect", b"login failed", b"authentication failed")
IS_END = np.zeros(256, bool)
IS_END[list(b"\r\n \0")] = True


def login_words(packets: Packets) -> NDArray[np.int64]:
    """Return what each packet says of a log-in, by the constants above; 0 is nothing.

    Parameters
    ----------
    packets : Packets
    """
    found = np.zeros(len(packets), np.int64)
    has = (packets.payload_captured > 2) & (packets.end == End.TRANSPORT)
    has &= packets.is_whole & ~packets.is_bad & (packets.protocol == 6)
    rows = np.flatnonzero(has)
    data, start = packets.frames.data, packets.payload_start
    lines = rows[FIRST[data[start[rows]]]]
    if len(lines):
        found[lines] = _lines(Heads(packets, lines))
    typed = rows[packets.source_port[rows] == TELNET]
    for row in typed.tolist():
        n = min(int(packets.payload_captured[row]), 512)
        text = data[start[row] : start[row] + n].tobytes().lower()
        if any(phrase in text for phrase in FAILED):
            found[row] = TOLD_REFUSED
        elif any(phrase in text for phrase in WORKED):
            found[row] = TOLD_DONE
    return found


def _lines(heads: Heads) -> NDArray[np.int64]:
    """Return what the first lines of payloads say."""
    found = np.zeros(len(heads.size), np.int64)
    for text, word in ANSWERS.items():
        found[heads.starts(text)] = word
    heads.head[:] = np.where(
        (heads.head >= ord("a")) & (heads.head <= ord("z")), heads.head - 32, heads.head
    )
    for text, word in COMMANDS.items():
        found[heads.starts(text)] = word
    for text in SECURE:
        found[heads.starts(text)] = HIDDEN
    named = np.flatnonzero(found == NAMED)
    for name in GUESTS:
        one = heads.take(named)
        ends = IS_END[one.head[:, 5 + len(name)]]  # zero beyond what is there
        found[named[one.starts(name, at=5) & ends]] = NAMED | GUEST
    return found
