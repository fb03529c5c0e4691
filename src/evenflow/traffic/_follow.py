"""One packet after another to connections: when they begin, continue and end.

Time is that of the packets. It is believed once two packets in a row have come that
far: one packet with a wrong clock would otherwise end all that is open. Whenever it
passes a quarter of a second, connections that are silent end and those that go on
may have a row. So the rows and their order do not depend on how packets were batched.
Where time was believed that was wrong, a thousand packets in a row that are a minute
behind it and more set it back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenflow.traffic._endpoints import (
    ACK,
    ACTIVE,
    ATTEMPT,
    BEGAN_AT,
    CHECK,
    CLOSE_ROW,
    CLOSING,
    DID_CLOSE,
    FIRST,
    ICMP,
    ICMP6,
    IN_ORDER,
    INACTIVE,
    IS_HIDDEN,
    IS_OPEN,
    LAST,
    LAST_AT,
    LAST_PACKET,
    LETTER_C,
    LETTER_D,
    LOOK,
    LOOK_NS,
    LOW_BEGAN,
    N_BAD,
    N_DATA,
    N_HISTORY,
    N_RESENT,
    NEVER,
    NEXT_BAD,
    NEXT_GAP,
    NEXT_RESENT,
    NEXT_ZERO,
    PAYLOAD,
    PROTOCOL,
    SERIAL,
    SERVICE,
    SHOWS_SERVICE,
    START,
    STATE,
    SYN,
    SYN_ACK_SENT,
    TCP,
    TURNED,
    UDP,
    URG,
    URGENT,
    WRONG_FRAGMENTS,
    S,
    measure,
    note_login,
    note_once,
    note_scaled,
    release_row,
)
from evenflow.traffic._tcp import tcp_packet
from evenflow.traffic._timeouts import (
    DNS,
    DNS_HEADER,
    begin_timeout,
    check_session,
    due,
    take_established,
    take_service,
)

TICK_NS = 250_000_000
BACK_NS, MAX_BEHIND = 60 * S, 1000
"""How far behind the clock how many packets in a row set it back."""
DAY_NS = 86_400 * S
# what is known of all connections, in G
(CLOCK, LAST_TIME, TICKED, NEXT_DUE, N_OPEN, N_BEGAN, LOOKS, MAX_OPEN, IS_FULL,
 N_BEHIND, WENT_BACK, SETTLED, WRITTEN, RELEASED, N_TICKS, N_G) = range(16)  # fmt: skip
# what is known of a row that was written: of which connection, when it was known,
# whether the connection is over, and at which tick the row was let go
OF, KNOWN, IS_OVER, AT_TICK, N_AT = range(5)


def open_connection(
    C: Any, E: Any, H: Any, c: int, protocol: int, time_ns: int, is_turned: bool
) -> None:
    """Begin a connection in a row that is free."""
    C[c] = 0
    E[2 * c] = 0
    E[2 * c + 1] = 0
    H[c] = 0
    C[c, FIRST] = C[c, LAST] = C[c, LAST_PACKET] = time_ns
    C[c, PROTOCOL] = protocol
    C[c, IS_OPEN] = 1
    for e in (2 * c, 2 * c + 1):
        E[e, IN_ORDER] = 1
        E[e, NEXT_RESENT] = E[e, NEXT_ZERO] = E[e, NEXT_BAD] = E[e, NEXT_GAP] = 1
    if is_turned:
        H[c, 0] = TURNED
        C[c, N_HISTORY] = 1


def correct_times(C: Any, E: Any, c: int, now: int) -> None:
    """Shift the times of a connection that began by a clock that was far ahead."""
    shift = C[c, FIRST] - now
    for k in (FIRST, LAST, LAST_PACKET, ATTEMPT, CLOSING, LOOK, CHECK):
        if now + DAY_NS < C[c, k] < NEVER:
            C[c, k] -= shift
    for e in (2 * c, 2 * c + 1):
        for k in (BEGAN_AT, LAST_AT):
            if E[e, k] > now + DAY_NS:
                E[e, k] -= shift


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


def write(
    C: Any, E: Any, H: Any, G: Any, c: int, known: int, is_over: bool,
    at: Any, out_C: Any, out_E: Any, out_H: Any,
) -> None:  # fmt: skip
    """Copy a connection as the next row that is known."""
    n = G[WRITTEN]
    at[n, OF] = c
    at[n, KNOWN] = known
    at[n, IS_OVER] = is_over
    copy_row(C, c, out_C, n)
    copy_row(E, 2 * c, out_E, 2 * n)
    copy_row(E, 2 * c + 1, out_E, 2 * n + 1)
    copy_row(H, c, out_H, n)
    G[WRITTEN] = n + 1


def copy_row(given: Any, row: int, out: Any, n: int) -> None:
    """Copy a row to the ``n``-th of another array."""
    out[n] = given[row]


def end(C: Any, E: Any, W: Any, D: Any, G: Any, c: int) -> None:
    """End a connection; its row is free at the end of the batch."""
    release_row(E, W, 2 * c)
    release_row(E, W, 2 * c + 1)
    C[c, IS_OPEN] = 0
    D[c] = NEVER
    G[N_OPEN] -= 1


def plan(C: Any, E: Any, D: Any, G: Any, c: int) -> None:
    """Note when a connection has to be looked at next."""
    D[c] = min(due(C, E, c), C[c, LOOK])
    if C[c, CHECK]:
        D[c] = min(D[c], C[c, CHECK])
    G[NEXT_DUE] = min(G[NEXT_DUE], D[c])


def release(G: Any, at: Any, before: int, until: int) -> None:
    """Let all rows go that were written: they were known by a tick."""
    for n in range(G[RELEASED], G[WRITTEN]):
        at[n, KNOWN] = min(max(at[n, KNOWN], before), until)
        at[n, AT_TICK] = G[N_TICKS]
    G[RELEASED] = G[WRITTEN]
    G[N_TICKS] += 1


def tick(
    C: Any, E: Any, H: Any, W: Any, D: Any, G: Any, n_used: int,
    at: Any, out_C: Any, out_E: Any, out_H: Any,
) -> bool:  # fmt: skip
    """Settle what is due by the last tick, and let all rows go that are known.

    Returns
    -------
    bool
        False where nothing was done, as there is no room for the rows.
    """
    now = G[TICKED]
    if G[NEXT_DUE] <= now:
        rows = np.flatnonzero(D[:n_used] <= now)
        if G[WRITTEN] + len(rows) > len(at):
            return False
        for c in rows:
            settle(C, E, H, W, D, G, c, now, at, out_C, out_E, out_H)
        G[NEXT_DUE] = D[:n_used].min()
    release(G, at, G[SETTLED], now)
    G[SETTLED] = now
    return True


def settle(
    C: Any, E: Any, H: Any, W: Any, D: Any, G: Any, c: Any, now: int,
    at: Any, out_C: Any, out_E: Any, out_H: Any,
) -> None:  # fmt: skip
    """Write a connection that is over or has to have a row."""
    over = due(C, E, c)
    is_over = over <= now
    if is_over or C[c, LOOK] <= now:
        known = over if is_over else C[c, LOOK]
        write(C, E, H, G, c, known, is_over, at, out_C, out_E, out_H)
    if is_over:
        end(C, E, W, D, G, c)
        return
    if C[c, CHECK]:
        check_session(C, c, now)
    if C[c, LOOK] <= now:
        later = NEVER
        for age in LOOK_NS:
            if C[c, FIRST] + age > now and not C[c, CLOSE_ROW]:
                later = min(later, C[c, FIRST] + age)
        C[c, LOOK] = later
    plan(C, E, D, G, c)


def follow(
    C: Any, E: Any, H: Any, W: Any, D: Any, G: Any, n_used: int, start: int, K: Any,
    row: Any, is_low: Any, may_turn: Any, protocol: Any, time_ns: Any, flags: Any,
    sequence: Any, acked: Any, window: Any, payload: Any, captured: Any, ip_bytes: Any,
    is_bad: Any, is_whole: Any, service: Any, wrong: Any,
    login: Any, at: Any, out_C: Any, out_E: Any, out_H: Any,
) -> int:  # fmt: skip
    """Take packets in their order, until something else has to be done.

    Returns
    -------
    int
        How many packets were taken. There are packets left where the clock went back,
        where there is no room for more rows, and where there are ``MAX_OPEN``
        connections.
    """
    for i in range(start, len(row)):
        c, kind, now = row[i], protocol[i], time_ns[i]
        believed = min(G[LAST_TIME], now)
        if G[N_BEHIND] >= MAX_BEHIND:
            G[N_BEHIND] = 0
            G[WENT_BACK] = 1
            G[CLOCK] = believed
            G[TICKED] = believed // TICK_NS * TICK_NS
            return i
        if believed > G[CLOCK]:
            G[CLOCK] = believed
            G[TICKED] = max(G[TICKED], believed // TICK_NS * TICK_NS)
        if G[TICKED] > G[SETTLED] and not tick(
            C, E, H, W, D, G, n_used, at, out_C, out_E, out_H
        ):
            return i
        if G[WRITTEN] == len(at):
            return i
        if C[c, IS_OPEN]:
            if now < C[c, FIRST] - DAY_NS:
                correct_times(C, E, c, now)
                plan(C, E, D, G, c)
            over = due(C, E, c)
            is_over = now >= over
            if not is_over and kind == TCP and is_whole[i]:
                is_over = is_reused(C, E, c, flags[i], sequence[i])
            if is_over:
                known = min(now, over)
                write(C, E, H, G, c, known, is_over, at, out_C, out_E, out_H)
                end(C, E, W, D, G, c)
            elif C[c, CHECK]:
                check_session(C, c, now)
        is_new = not C[c, IS_OPEN]
        if is_new:
            if G[N_OPEN] >= G[MAX_OPEN]:
                G[IS_FULL] = 1
                return i
            turns = may_turn[i]
            if kind == TCP and flags[i] & SYN:
                turns = flags[i] & ACK > 0
            open_connection(C, E, H, c, kind, now, turns)
            C[c, LOW_BEGAN] = is_low[i] != turns
            begin_timeout(C, K, c, now)
            C[c, SERIAL] = G[N_BEGAN]
            C[c, LOOK] = now + LOOK_NS[0] if G[LOOKS] else NEVER
            G[N_BEGAN] += 1
            G[N_OPEN] += 1
        is_behind = now < G[CLOCK] - BACK_NS
        G[N_BEHIND] = G[N_BEHIND] + 1 if is_behind else 0
        G[LAST_TIME] = now
        e = 2 * c + (C[c, LOW_BEGAN] != is_low[i])
        if is_bad[i] or not is_whole[i]:
            if is_bad[i] and kind in (TCP, UDP):
                note_scaled(C, H, E, c, e, N_BAD, LETTER_C)
            if is_new:
                plan(C, E, D, G, c)
            continue
        if kind == TCP:
            n_resent = E[2 * c, N_RESENT] + E[2 * c + 1, N_RESENT]
            e = tcp_packet(
                C, E, H, W, c, e, now, flags[i], sequence[i], acked[i], window[i],
                payload[i], captured[i],
            )  # fmt: skip
            if login[i] and n_resent == E[2 * c, N_RESENT] + E[2 * c + 1, N_RESENT]:
                note_login(C, c, e % 2 == 0, login[i])
            if payload[i] and not captured[i]:
                C[c, IS_HIDDEN] = 1
            if flags[i] & SYN:
                take_established(C, E, K, c)
            if flags[i] & URG:
                C[c, URGENT] += 1
            if G[LOOKS] and C[c, CLOSING] and not C[c, CLOSE_ROW]:
                C[c, CLOSE_ROW] = 1
                C[c, LOOK] = now
            if is_new or E[2 * c, DID_CLOSE] or E[2 * c + 1, DID_CLOSE]:
                plan(C, E, D, G, c)
        else:
            C[c, LAST] = max(C[c, LAST], now)
            E[e, STATE] = ACTIVE
            if kind == UDP:
                note_once(C, H, c, e, 5, LETTER_D)
            if is_new:
                plan(C, E, D, G, c)
        C[c, LAST_PACKET] = max(C[c, LAST_PACKET], now)
        C[c, WRONG_FRAGMENTS] += wrong[i]
        if service[i] and not C[c, SERVICE] and E[e, N_DATA] < SHOWS_SERVICE:
            take_service(C, c, service[i])
        if C[c, CHECK] and C[c, SERVICE] != DNS and captured[i] >= DNS_HEADER:
            C[c, CHECK] = 0  # the payload is not DNS, whatever the port
        measure(E, e, now, ip_bytes[i], payload[i], flags[i])
        if kind in (TCP, UDP, ICMP, ICMP6):
            E[e, PAYLOAD] += payload[i]
    return len(row)
