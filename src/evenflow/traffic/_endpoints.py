"""Connections and their two endpoints as rows of integers, and how they change.

A connection is a row of ``C``; its endpoints are rows ``2 * c`` (the originator's) and
``2 * c + 1`` of ``E``; turning the roles swaps the two. ``H`` holds the letters of the
history. ``W`` holds the segments beyond a gap, a row for each endpoint that has some:
few have. Sequence numbers are unwrapped by counting how often they passed 2**32.

The functions are plain Python on integers and arrays, which Numba compiles unchanged.
"""

from __future__ import annotations

from typing import Any

from evenflow.traffic.logins import (
    DONE,
    GUEST,
    HIDDEN,
    NAMED,
    OK,
    PASSED,
    REFUSED,
    TOLD_DONE,
    TOLD_REFUSED,
)

# columns of C
(FIRST, LAST, PROTOCOL, IS_PARTIAL, SEEN, MARKS, N_HISTORY, CLOSING, ATTEMPT, MISSED,
 TIMEOUT, IS_OPEN, LOW_BEGAN, LAST_PACKET, SERIAL, LOOK, CLOSE_ROW, SERVICE, URGENT,
 WRONG_FRAGMENTS, ASKED, LOGGED_IN, FAILED_LOGINS, IS_GUEST, IS_HIDDEN, CHECK,
 N_C) = range(27)  # fmt: skip
# columns of E
(STATE, BEFORE, START, END, END_WRAPS, ACKED, ACK_WRAPS, PACKETS, IP_BYTES, PAYLOAD,
 N_FIN, FIN_AT, DID_CLOSE, LAST_SYN, LAST_FIN, LAST_RST, IN_ORDER, N_WAITING,
 N_RESENT, NEXT_RESENT, N_ZERO, NEXT_ZERO, N_BAD, NEXT_BAD, N_GAPS, NEXT_GAP,
 CLOSES_LATER, WAITS, BEGAN_AT, LAST_AT, N_DATA, N_PUSH, SIZE_MIN, SIZE_MAX,
 SIZE_SQUARES, GAP_MAX, GAP_SQUARES, N_E) = range(38)  # fmt: skip
# states of an endpoint
INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = range(7)
ACTIVE = 1
"""Of UDP."""

FIN, SYN, RST, PUSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
MOST_HISTORY = 64
MOST_WAITING = 16
"""Segments beyond a gap that are remembered in each direction."""
LARGE = 1_048_576
"""A leap of sequence numbers by a SYN or RST that is not believed."""
S = 1_000_000_000
SHOWS_SERVICE = 5
"""Packets with payload of each side that may show the service."""
NEVER = 2**62
LOOK_NS = (1 * S, 10 * S, 60 * S, 600 * S)
"""Ages at which a connection that goes on has a row."""
# letters of the history, and what lies between the two cases
(LETTER_A, LETTER_C, LETTER_D, LETTER_F, LETTER_G, LETTER_H, LETTER_I, LETTER_Q,
 LETTER_R, LETTER_S, LETTER_T, LETTER_W, TURNED) = b"ACDFGHIQRSTW^"  # fmt: skip
UPPER = ord("a") - ord("A")
MOST_GAP = 2**30
"""Of microseconds: the square of a longer gap would fill the sum of squares."""
MOST_SQUARES = 2**62


def delta(a: int, b: int) -> int:
    """Return ``a - b`` of 32-bit sequence numbers, from -2**31 on."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def relative(E: Any, e: int, number: int, last: int, wraps: int) -> int:
    """Return a sequence number counted from an endpoint's first; may be negative."""
    step = delta(number, last)
    if step < 0 and wraps and number > last:
        wraps -= 1
    elif step > 0 and number < last:
        wraps += 1
    if wraps == 0:
        return delta(number, E[e, START])
    return int((wraps << 32) + number - E[e, START])


def note(C: Any, H: Any, c: int, e: int, letter: int) -> None:
    """Add a letter to the history, in lower case for the responder."""
    n = C[c, N_HISTORY]
    if n < MOST_HISTORY:
        H[c, n] = letter + (UPPER if e % 2 else 0)
        C[c, N_HISTORY] = n + 1


def note_once(C: Any, H: Any, c: int, e: int, bit: int, letter: int) -> bool:
    """Add a letter unless it is there; return whether it was."""
    mark = 1 << (bit + (16 if e % 2 else 0))
    if C[c, MARKS] & mark:
        return True
    C[c, MARKS] |= mark
    note(C, H, c, e, letter)
    return False


def note_scaled(
    C: Any, H: Any, E: Any, c: int, e: int, count: int, letter: int
) -> None:
    """Add a letter the 1st, 10th, 100th, ... time; the next one stands beside."""
    E[e, count] += 1
    if E[e, count] == E[e, count + 1]:
        E[e, count + 1] *= 10
        note(C, H, c, e, letter)


def set_state(E: Any, e: int, state: int) -> None:
    """Change the state of an endpoint and remember the one before."""
    if E[e, STATE] != state:
        E[e, BEFORE] = E[e, STATE]
        E[e, STATE] = state


def begin_at(E: Any, e: int, first: int, end: int) -> None:
    """Set an endpoint's sequence numbers."""
    E[e, START] = E[e, ACKED] = first
    E[e, END] = end
    E[e, END_WRAPS] = E[e, ACK_WRAPS] = 0


def note_login(C: Any, c: int, is_client: bool, word: int) -> None:
    """Take what a packet says of a log-in: an answer is to the last command."""
    if is_client:
        if word & (NAMED | PASSED):
            C[c, ASKED] = word & (NAMED | PASSED)
        if word & NAMED:
            C[c, IS_GUEST] = 1 if word & GUEST else 0
        if word & HIDDEN:
            C[c, IS_HIDDEN] = 1
        return
    asked = C[c, ASKED]
    if word & TOLD_DONE or (word & DONE and asked) or (word & OK and asked == PASSED):
        C[c, LOGGED_IN] = 1
        C[c, ASKED] = 0
    elif word & TOLD_REFUSED or (word & REFUSED and asked):
        C[c, FAILED_LOGINS] += 1
        C[c, ASKED] = 0


def turn(C: Any, E: Any, H: Any, c: int) -> None:
    """Swap originator and responder, all that was noted of them included."""
    for k in range(N_E):
        held = E[2 * c, k]
        E[2 * c, k] = E[2 * c + 1, k]
        E[2 * c + 1, k] = held
    C[c, SEEN] = (C[c, SEEN] & 1) << 1 | C[c, SEEN] >> 1
    C[c, LOW_BEGAN] = 1 - C[c, LOW_BEGAN]
    C[c, IS_PARTIAL] = 0
    n = C[c, N_HISTORY]
    if n < MOST_HISTORY:
        H[c, n] = TURNED
        C[c, N_HISTORY] = n + 1


def tell_gap(C: Any, E: Any, H: Any, c: int, e: int, n_bytes: int) -> None:
    """Count bytes that were acknowledged and not seen."""
    is_clean = True
    for k in (e, e ^ 1):
        is_clean = is_clean and (
            E[k, STATE] == ESTABLISHED
            or (E[k, STATE] == CLOSED and E[k, BEFORE] == ESTABLISHED)
        )
    if is_clean:
        note_scaled(C, H, E, c, e, N_GAPS, LETTER_G)
        C[c, MISSED] += n_bytes


def release_row(E: Any, W: Any, e: int) -> None:
    """Give the row of ``W`` back; the free ones are linked, from row 0 on."""
    row = E[e, WAITS]
    if row:
        W[row, 0, 0] = W[0, 0, 0]
        W[0, 0, 0] = row
        E[e, WAITS] = 0
        E[e, N_WAITING] = 0


def join(E: Any, W: Any, e: int) -> None:
    """Move on over the segments that wait and now follow."""
    row = E[e, WAITS]
    moved = row > 0
    while moved:
        moved = False
        for k in range(E[e, N_WAITING]):
            if W[row, k, 0] <= E[e, IN_ORDER]:
                E[e, IN_ORDER] = max(E[e, IN_ORDER], W[row, k, 1])
                last = E[e, N_WAITING] - 1
                W[row, k, 0] = W[row, last, 0]
                W[row, k, 1] = W[row, last, 1]
                E[e, N_WAITING] = last
                moved = True
                break
    if E[e, N_WAITING] == 0:
        release_row(E, W, e)


def arrive(E: Any, W: Any, e: int, start: int, stop: int) -> None:
    """Take a segment of payload, by relative sequence numbers."""
    if start <= E[e, IN_ORDER]:
        E[e, IN_ORDER] = max(E[e, IN_ORDER], stop)
        join(E, W, e)
        return
    if E[e, WAITS] == 0:
        free = W[0, 0, 0]
        if free == 0:  # too many connections have gaps: this segment counts as missing
            return
        W[0, 0, 0] = W[free, 0, 0]
        E[e, WAITS] = free
    row = E[e, WAITS]
    for k in range(E[e, N_WAITING]):  # one that touches another becomes part of it
        if W[row, k, 0] <= stop and start <= W[row, k, 1]:
            W[row, k, 0] = min(W[row, k, 0], start)
            W[row, k, 1] = max(W[row, k, 1], stop)
            return
    if E[e, N_WAITING] < MOST_WAITING:
        n = E[e, N_WAITING]
        W[row, n, 0] = start
        W[row, n, 1] = stop
        E[e, N_WAITING] = n + 1


def acknowledge(C: Any, E: Any, H: Any, W: Any, c: int, e: int, upto: int) -> None:
    """Take what the peer acknowledged: what was not seen by now is missing."""
    if E[e, N_FIN] > 0 and upto >= E[e, FIN_AT]:
        upto = E[e, FIN_AT] - 1
    if upto <= E[e, IN_ORDER]:
        return
    if upto <= 2 and C[c, IS_PARTIAL]:
        return
    while True:
        nearest = -1
        row = E[e, WAITS]
        for k in range(E[e, N_WAITING]):
            if W[row, k, 0] < upto and (
                nearest < 0 or W[row, k, 0] < W[row, nearest, 0]
            ):
                nearest = k
        if nearest < 0:
            break
        gap = W[row, nearest, 0] - E[e, IN_ORDER]
        if gap > 0:
            tell_gap(C, E, H, c, e, gap)
        E[e, IN_ORDER] = max(E[e, IN_ORDER], W[row, nearest, 0])
        join(E, W, e)
    if upto > E[e, IN_ORDER]:
        tell_gap(C, E, H, c, e, upto - E[e, IN_ORDER])
        E[e, IN_ORDER] = upto


def measure(E: Any, e: int, now: int, ip_bytes: int, payload: int, flags: int) -> None:
    """Take the size of a packet, and the time since the one before."""
    if E[e, PACKETS] == 0:
        E[e, SIZE_MIN] = ip_bytes
        E[e, BEGAN_AT] = now
    else:
        E[e, SIZE_MIN] = min(E[e, SIZE_MIN], ip_bytes)
        gap = max(now - E[e, LAST_AT], 0)
        E[e, GAP_MAX] = max(E[e, GAP_MAX], gap)
        micro = min(gap // 1000, MOST_GAP)
        E[e, GAP_SQUARES] = min(E[e, GAP_SQUARES] + micro * micro, MOST_SQUARES)
    E[e, SIZE_MAX] = max(E[e, SIZE_MAX], ip_bytes)
    E[e, SIZE_SQUARES] = min(E[e, SIZE_SQUARES] + ip_bytes * ip_bytes, MOST_SQUARES)
    E[e, LAST_AT] = max(E[e, LAST_AT], now)
    E[e, PACKETS] += 1
    E[e, IP_BYTES] += ip_bytes
    E[e, N_DATA] += payload > 0
    E[e, N_PUSH] += flags & PUSH > 0


def close(C: Any, E: Any, c: int, e: int) -> None:
    """Note that an endpoint closed, and whether the connection did.

    An endpoint whose payload has a gap closes when the gap is filled or given up.
    """
    if E[e, N_WAITING] > 0:
        E[e, CLOSES_LATER] = 1
        return
    E[e, CLOSES_LATER] = 0
    if E[e, DID_CLOSE]:
        return
    E[e, DID_CLOSE] = 1
    peer = e ^ 1
    if E[e, STATE] == RESET or E[peer, DID_CLOSE] or E[peer, STATE] == INACTIVE:
        C[c, CLOSING] = max(C[c, LAST], 1)
