"""One packet after another to the state of connections, as Zeek keeps it.

Plain functions on integer arrays, so that Numba can compile them where it is installed;
they run without it, slower. A connection is a row of ``C``; its two endpoints are rows
``2 * c`` (the originator's) and ``2 * c + 1`` of ``E``; turning the roles swaps the two.

The states and their meaning are those of Zeek's conn.log, whose expected logs are the
tests; sequence numbers are unwrapped by counting how often they passed 2**32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

compiled: Callable[..., Any]
try:
    from numba import njit as compiled
except ImportError:  # the extra "traffic" has it

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is."""
        return function


# columns of C
(FIRST, LAST, PROTOCOL, IS_PARTIAL, SEEN, MARKS, N_HISTORY, CLOSING, ATTEMPT, MISSED,
 TIMEOUT, IS_OPEN, LOW_BEGAN, N_C) = range(14)  # fmt: skip
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


@compiled
def delta(a: int, b: int) -> int:
    """Return ``a - b`` of 32-bit sequence numbers, from -2**31 on."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@compiled
def relative(E: Any, e: int, number: int, last: int, wraps: int) -> int:
    """Return a sequence number counted from an endpoint's first; may be negative."""
    step = delta(number, last)
    if step < 0 and wraps and number > last:
        wraps -= 1
    elif step > 0 and number < last:
        wraps += 1
    if wraps == 0:
        return delta(number, E[e, START])
    return (wraps << 32) + number - E[e, START]


@compiled
def note(C: Any, H: Any, c: int, e: int, letter: int) -> None:
    """Add a letter to the history, in lower case for the responder."""
    n = C[c, N_HISTORY]
    if n < MOST_HISTORY:
        H[c, n] = letter + (UPPER if e % 2 else 0)
        C[c, N_HISTORY] = n + 1


@compiled
def note_once(C: Any, H: Any, c: int, e: int, bit: int, letter: int) -> bool:
    """Add a letter unless it is there; return whether it was."""
    mark = 1 << (bit + (16 if e % 2 else 0))
    if C[c, MARKS] & mark:
        return True
    C[c, MARKS] |= mark
    note(C, H, c, e, letter)
    return False


@compiled
def note_scaled(
    C: Any, H: Any, E: Any, c: int, e: int, count: int, letter: int
) -> None:
    """Add a letter the 1st, 10th, 100th, ... time; the next one stands beside."""
    E[e, count] += 1
    if E[e, count] == E[e, count + 1]:
        E[e, count + 1] *= 10
        note(C, H, c, e, letter)


@compiled
def open_connection(
    C: Any, E: Any, H: Any, c: int, protocol: int, time_ns: int, is_turned: bool
) -> None:
    """Begin a connection in a row that is free."""
    C[c] = 0
    E[2 * c] = 0
    E[2 * c + 1] = 0
    C[c, FIRST] = C[c, LAST] = time_ns
    C[c, PROTOCOL] = protocol
    C[c, IS_OPEN] = 1
    for e in (2 * c, 2 * c + 1):
        E[e, IN_ORDER] = 1
        E[e, NEXT_RESENT] = E[e, NEXT_ZERO] = E[e, NEXT_BAD] = E[e, NEXT_GAP] = 1
    C[c, TIMEOUT] = IDLE_TCP_NS if protocol == TCP else IDLE_OTHER_NS
    if is_turned:
        H[c, 0] = ord("^")
        C[c, N_HISTORY] = 1


@compiled
def is_over(C: Any, E: Any, c: int, now: int) -> bool:
    """Return whether a connection has ended by time, before a packet of now."""
    idle = now - C[c, LAST]
    if idle > C[c, TIMEOUT]:
        return True
    if C[c, PROTOCOL] != TCP:
        return False
    o, r = 2 * c, 2 * c + 1
    if C[c, CLOSING] and now >= C[c, CLOSING] + CLOSE_NS:
        return True
    waits = E[o, STATE] in (SYN_SENT, SYN_ACK_SENT) and E[r, STATE] == INACTIVE
    if waits and C[c, ATTEMPT] and now >= C[c, ATTEMPT] + ATTEMPT_NS:
        return True
    if idle <= LINGER_NS:
        return False
    if E[o, STATE] == INACTIVE and E[r, STATE] == INACTIVE:
        return True
    if not (E[o, DID_CLOSE] or E[r, DID_CLOSE]):
        return False
    return (
        (E[o, DID_CLOSE] and E[r, DID_CLOSE])
        or E[o, STATE] == RESET or E[r, STATE] == RESET
        or E[o, STATE] == INACTIVE or E[r, STATE] == INACTIVE
    )  # fmt: skip


@compiled
def is_reused(C: Any, E: Any, c: int, flags: int, sequence: int) -> bool:
    """Return whether a TCP packet begins another connection of the same hosts."""
    o, r = 2 * c, 2 * c + 1
    if not flags & SYN:
        return False
    begins = o
    if flags & ACK:
        if E[o, STATE] != INACTIVE:
            return False
        begins = r
    if not (E[o, DID_CLOSE] or E[r, DID_CLOSE]):
        if sequence == E[begins, START]:
            return False
        if (
            not flags & ACK
            and E[begins, STATE] == SYN_ACK_SENT
            and E[r, STATE] == INACTIVE
            and sequence == E[r, START]
        ):
            return False
    return True


@compiled
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
    n = max(end, acked) - E[e, START]
    if n > 0:
        n -= 1
    if E[e, N_FIN] > 0 and n > 0:
        n -= 1
    return max(n, 0)


@compiled
def set_state(E: Any, e: int, state: int) -> None:
    """Change the state of an endpoint and remember the one before."""
    if E[e, STATE] != state:
        E[e, BEFORE] = E[e, STATE]
        E[e, STATE] = state


@compiled
def begin_at(E: Any, e: int, first: int, end: int) -> None:
    """Set an endpoint's sequence numbers."""
    E[e, START] = E[e, ACKED] = first
    E[e, END] = end
    E[e, END_WRAPS] = E[e, ACK_WRAPS] = 0


@compiled
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


@compiled
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


@compiled
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


@compiled
def arrive(E: Any, W: Any, e: int, start: int, stop: int) -> None:
    """Take a segment of payload, by relative sequence numbers."""
    if start <= E[e, IN_ORDER]:
        E[e, IN_ORDER] = max(E[e, IN_ORDER], stop)
        join(E, W, e)
    elif E[e, N_WAITING] < MOST_WAITING:
        n = E[e, N_WAITING]
        W[e, n, 0] = start
        W[e, n, 1] = stop
        E[e, N_WAITING] = n + 1


@compiled
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
            if W[e, k, 0] < upto and (
                nearest < 0 or W[e, k, 0] < W[e, nearest, 0]
            ):
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


@compiled
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


@compiled
def remember_flags(
    C: Any, E: Any, H: Any, c: int, e: int, flags: int, at: int, length: int
) -> None:
    """Add a packet's letters to the history."""
    n_set = (flags & SYN > 0) + (flags & FIN > 0) + (flags & RST > 0)
    if n_set > 1:
        if flags & FIN and flags & RST:
            note_once(C, H, c, e, 0, ord("I"))
        else:
            note_once(C, H, c, e, 1, ord("Q"))
    elif flags & SYN:
        letter = ord("H") if flags & ACK else ord("S")
        if note_once(C, H, c, e, 2, letter) and at != E[e, LAST_SYN]:
            note(C, H, c, e, letter)
        E[e, LAST_SYN] = at
    elif flags & FIN:
        if note_once(C, H, c, e, 3, ord("F")) and at + length != E[e, LAST_FIN]:
            note(C, H, c, e, ord("F"))
        E[e, LAST_FIN] = at + length
    elif flags & RST:
        if note_once(C, H, c, e, 4, ord("R")) and at != E[e, LAST_RST]:
            note(C, H, c, e, ord("R"))
        E[e, LAST_RST] = at
    elif length:
        note_once(C, H, c, e, 5, ord("D"))
    elif flags & ACK:
        note_once(C, H, c, e, 6, ord("A"))


@compiled
def tcp_packet(
    C: Any, E: Any, H: Any, W: Any, c: int, e: int, time_ns: int, flags: int,
    sequence: int, acked: int, window: int, length: int, captured: int,
) -> int:  # fmt: skip
    """Take one TCP packet of endpoint ``e``; return the endpoint's row afterwards."""
    peer = e ^ 1
    is_orig = e % 2 == 0
    bit = 1 if is_orig else 2
    if not C[c, SEEN] & bit:
        if is_orig:
            C[c, IS_PARTIAL] = not flags & SYN or flags & ACK > 0
        elif not C[c, IS_PARTIAL]:
            C[c, IS_PARTIAL] = not flags & SYN
    in_stream = 0 if flags & RST else length
    end = (sequence + in_stream + (flags & SYN > 0) + (flags & FIN > 0)) & 0xFFFFFFFF

    state = E[e, STATE]
    if state == INACTIVE:
        if flags & SYN:
            begin_at(E, e, sequence, end)
        else:
            begin_at(E, e, (sequence - 1) & 0xFFFFFFFF, sequence)
    elif flags & SYN and (
        (state in (SYN_SENT, SYN_ACK_SENT) and sequence != E[e, START])
        or state in (ESTABLISHED, PARTIAL)
        or (state == RESET and E[e, BEFORE] == INACTIVE)
    ):
        begin_at(E, e, sequence, end)

    at = relative(E, e, sequence, E[e, END], E[e, END_WRAPS])
    is_before = at < 0 and E[e, END_WRAPS] == 0
    remember_flags(C, E, H, c, e, flags, at, length)
    if (
        window == 0
        and not flags & RST
        and E[peer, STATE] != CLOSED
        and E[e, STATE] != RESET
    ):
        note_scaled(C, H, E, c, e, N_ZERO, ord("W"))
    if not (E[e, DID_CLOSE] and E[peer, DID_CLOSE]):
        C[c, LAST] = max(C[c, LAST], time_ns)
    if flags & FIN:
        E[e, N_FIN] += 1
        E[e, FIN_AT] = at + in_stream + (flags & SYN > 0) + 1

    upto = 0
    if flags & ACK:
        if E[peer, STATE] == INACTIVE:
            upto = 1
            before = (acked - 1) & 0xFFFFFFFF
            begin_at(E, peer, before, before)
        else:
            upto = relative(E, peer, acked, E[peer, ACKED], E[peer, ACK_WRAPS])
            if upto < 0:
                upto = 0
            elif not flags & RST:
                step = delta(acked, E[peer, ACKED])
                if step > 0 and not (acked == 0 and step > LARGE):
                    E[peer, ACK_WRAPS] += acked < E[peer, ACKED]
                    E[peer, ACKED] = acked

    ahead = delta(end, E[e, END])
    if flags & (SYN | RST) and abs(ahead) > LARGE:
        pass
    elif flags & FIN and E[e, END] == (E[e, START] + 1) & 0xFFFFFFFF:
        E[e, END_WRAPS] += end < E[e, END]
        E[e, END] = end
    elif E[e, STATE] == RESET:
        pass
    elif ahead > 0:
        E[e, END_WRAPS] += end < E[e, END]
        E[e, END] = end
    elif length > 0:
        note_scaled(C, H, E, c, e, N_RESENT, ord("T"))

    did_close = False
    state, other = E[e, STATE], E[peer, STATE]
    if state == INACTIVE:
        if flags & SYN:
            if is_orig:
                set_state(E, e, SYN_ACK_SENT if flags & ACK else SYN_SENT)
                C[c, ATTEMPT] = max(time_ns, 1)
            else:
                is_reversed = (
                    not flags & ACK and other == SYN_ACK_SENT and sequence == E[e, START]
                )
                if is_reversed:
                    turn(C, E, H, c)
                    e, peer = peer, e
                    is_orig = True
                    bit = 1
                    set_state(E, peer, ESTABLISHED)
                elif other == SYN_SENT:
                    set_state(E, peer, ESTABLISHED)
                set_state(E, e, ESTABLISHED)
        if flags & FIN:
            set_state(E, e, CLOSED)
            did_close = True
        if flags & RST:
            set_state(E, e, RESET)
            did_close = True
        if E[e, STATE] == INACTIVE:
            if not is_orig and length == 0 and other == SYN_SENT:
                pass
            elif flags & ACK and other == ESTABLISHED:
                set_state(E, e, ESTABLISHED)
                C[c, IS_PARTIAL] = 0
            else:
                set_state(E, e, PARTIAL)
    elif state in (SYN_SENT, SYN_ACK_SENT):
        if flags & FIN:
            set_state(E, e, CLOSED)
            did_close = True
        if flags & RST:
            set_state(E, e, RESET)
            did_close = True
    elif state in (ESTABLISHED, PARTIAL):
        if flags & SYN and state == PARTIAL and other == INACTIVE and not flags & ACK:
            set_state(E, e, SYN_SENT)
        if flags & FIN and not flags & RST:
            set_state(E, e, CLOSED)
            if other == RESET and E[peer, BEFORE] == CLOSED:
                set_state(E, peer, CLOSED)
            did_close = True
        if flags & RST:
            set_state(E, e, RESET)
            did_close = True
    elif state == CLOSED and flags & RST and other != CLOSED:
        set_state(E, e, RESET)
        did_close = not E[e, DID_CLOSE]

    if flags & ACK:
        acknowledge(C, E, H, W, c, peer, upto)
        if E[peer, CLOSES_LATER]:
            close(C, E, c, peer)
    C[c, SEEN] |= bit
    if length > 0 and captured >= length and not flags & RST and not is_before:
        begins = at + (flags & SYN > 0)
        arrive(E, W, e, begins, begins + length)
    if did_close or E[e, CLOSES_LATER]:
        close(C, E, c, e)
    return e


@compiled
def follow(
    C: Any, E: Any, H: Any, W: Any, row: Any, is_low: Any, may_turn: Any, protocol: Any,
    time_ns: Any, flags: Any, sequence: Any, acked: Any, window: Any, payload: Any,
    captured: Any, ip_bytes: Any, is_bad: Any, is_whole: Any,
    ended: Any, ended_C: Any, ended_E: Any, ended_H: Any,
) -> int:  # fmt: skip
    """Take packets in their order; return how many connections ended meanwhile.

    Those are copied to the rows of ``ended``, ``ended_C``, ``ended_E`` and
    ``ended_H``: a packet ends at most one.
    """
    n_ended = 0
    for i in range(len(row)):
        c, kind, now = row[i], protocol[i], time_ns[i]
        if C[c, IS_OPEN] and (
            is_over(C, E, c, now)
            or (kind == TCP and is_whole[i] and is_reused(C, E, c, flags[i], sequence[i]))
        ):
            ended[n_ended] = c
            ended_C[n_ended] = C[c]
            ended_E[2 * n_ended] = E[2 * c]
            ended_E[2 * n_ended + 1] = E[2 * c + 1]
            ended_H[n_ended] = H[c]
            n_ended += 1
            C[c, IS_OPEN] = 0
        if not C[c, IS_OPEN]:
            turns = may_turn[i]
            if kind == TCP and flags[i] & SYN:
                turns = flags[i] & ACK > 0
            open_connection(C, E, H, c, kind, now, turns)
            C[c, LOW_BEGAN] = is_low[i] != turns
        e = 2 * c + (C[c, LOW_BEGAN] != is_low[i])
        if is_bad[i]:
            note_scaled(C, H, E, c, e, N_BAD, ord("C"))
            continue
        if not is_whole[i]:
            continue
        if kind == TCP:
            e = tcp_packet(
                C, E, H, W, c, e, now, flags[i], sequence[i], acked[i], window[i],
                payload[i], captured[i],
            )  # fmt: skip
        else:
            C[c, LAST] = max(C[c, LAST], now)
            E[e, STATE] = ACTIVE
            if kind == UDP:
                note_once(C, H, c, e, 5, ord("D"))
        E[e, PACKETS] += 1
        E[e, IP_BYTES] += ip_bytes[i]
        if kind in (TCP, UDP, ICMP, ICMP6):
            E[e, PAYLOAD] += payload[i]
    return n_ended
