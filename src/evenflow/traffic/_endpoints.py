"""Connections and their two endpoints as rows of integers, and how they change.

A connection is a row of ``C``; its endpoints are rows ``2 * c`` (the originator's) and
``2 * c + 1`` of ``E``; turning the roles swaps the two. ``H`` holds the letters of the
history and ``W`` the segments beyond a gap. Sequence numbers are unwrapped by counting
how often they passed 2**32.
"""

from __future__ import annotations

from typing import Any

# columns of C
(FIRST, LAST, PROTOCOL, IS_PARTIAL, SEEN, MARKS, N_HISTORY, CLOSING, ATTEMPT, MISSED,
 TIMEOUT, IS_OPEN, LOW_BEGAN, LAST_PACKET, NUMBER, N_C) = range(16)  # fmt: skip
# columns of E
(STATE, BEFORE, START, END, END_WRAPS, ACKED, ACK_WRAPS, PACKETS, IP_BYTES, PAYLOAD,
 N_FIN, FIN_AT, DID_CLOSE, LAST_SYN, LAST_FIN, LAST_RST, IN_ORDER, N_WAITING,
 N_RESENT, NEXT_RESENT, N_ZERO, NEXT_ZERO, N_BAD, NEXT_BAD, N_GAPS, NEXT_GAP,
 CLOSES_LATER, N_E) = range(28)  # fmt: skip
# states of an endpoint
INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = range(7)
ACTIVE = 1
"""Of UDP."""

FIN, SYN, RST, ACK = 1, 2, 4, 16
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
MOST_HISTORY = 64
MOST_WAITING = 16
"""Segments beyond a gap that are remembered in each direction."""
LARGE = 1_048_576
"""A leap of sequence numbers by a SYN or RST that is not believed."""
S = 1_000_000_000
ATTEMPT_NS, CLOSE_NS, LINGER_NS = 5 * S, 5 * S, 5 * S
IDLE_TCP_NS, IDLE_OTHER_NS = 300 * S, 60 * S
UPPER = ord("a") - ord("A")


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


def size(E: Any, e: int) -> int:
    """Return the payload bytes of a TCP endpoint, by its sequence numbers."""
    peer = e ^ 1
    none_acked = E[e, ACKED] == E[e, START] or E[e, ACKED] == E[e, START] + 1
    if (
        E[e, BEFORE] == SYN_SENT
        and E[e, STATE] == RESET
        and E[peer, STATE] == INACTIVE
        and not none_acked
    ):
        return 0
    end = (E[e, END_WRAPS] << 32) + E[e, END]
    acked = (E[e, ACK_WRAPS] << 32) + E[e, ACKED]
    n = int(max(end, acked) - E[e, START])
    if n > 0:
        n -= 1
    if E[e, N_FIN] > 0 and n > 0:
        n -= 1
    return max(n, 0)


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
        H[c, n] = ord("^")
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
        note_scaled(C, H, E, c, e, N_GAPS, ord("G"))
        C[c, MISSED] += n_bytes


def join(E: Any, W: Any, e: int) -> None:
    """Move on over the segments that wait and now follow."""
    moved = True
    while moved:
        moved = False
        for k in range(E[e, N_WAITING]):
            if W[e, k, 0] <= E[e, IN_ORDER]:
                E[e, IN_ORDER] = max(E[e, IN_ORDER], W[e, k, 1])
                last = E[e, N_WAITING] - 1
                W[e, k, 0] = W[e, last, 0]
                W[e, k, 1] = W[e, last, 1]
                E[e, N_WAITING] = last
                moved = True
                break


def arrive(E: Any, W: Any, e: int, start: int, stop: int) -> None:
    """Take a segment of payload, by relative sequence numbers."""
    if start <= E[e, IN_ORDER]:
        E[e, IN_ORDER] = max(E[e, IN_ORDER], stop)
        join(E, W, e)
        return
    for k in range(E[e, N_WAITING]):  # one that touches another becomes part of it
        if W[e, k, 0] <= stop and start <= W[e, k, 1]:
            W[e, k, 0] = min(W[e, k, 0], start)
            W[e, k, 1] = max(W[e, k, 1], stop)
            return
    if E[e, N_WAITING] < MOST_WAITING:
        n = E[e, N_WAITING]
        W[e, n, 0] = start
        W[e, n, 1] = stop
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
        for k in range(E[e, N_WAITING]):
            if W[e, k, 0] < upto and (nearest < 0 or W[e, k, 0] < W[e, nearest, 0]):
                nearest = k
        if nearest < 0:
            break
        gap = W[e, nearest, 0] - E[e, IN_ORDER]
        if gap > 0:
            tell_gap(C, E, H, c, e, gap)
        E[e, IN_ORDER] = max(E[e, IN_ORDER], W[e, nearest, 0])
        join(E, W, e)
    if upto > E[e, IN_ORDER]:
        tell_gap(C, E, H, c, e, upto - E[e, IN_ORDER])
        E[e, IN_ORDER] = upto


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
