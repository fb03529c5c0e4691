"""One packet after another to connections: when they begin, continue and end."""

from __future__ import annotations

from typing import Any

from evenflow.traffic._endpoints import (
    ACK,
    ACTIVE,
    ATTEMPT,
    ATTEMPT_NS,
    CLOSE_NS,
    CLOSING,
    DID_CLOSE,
    FIRST,
    ICMP,
    ICMP6,
    IDLE_OTHER_NS,
    IDLE_TCP_NS,
    IN_ORDER,
    INACTIVE,
    IP_BYTES,
    IS_OPEN,
    LAST,
    LAST_PACKET,
    LINGER_NS,
    LOW_BEGAN,
    N_BAD,
    N_HISTORY,
    NEXT_BAD,
    NEXT_GAP,
    NEXT_RESENT,
    NEXT_ZERO,
    NUMBER,
    PACKETS,
    PAYLOAD,
    PROTOCOL,
    RESET,
    START,
    STATE,
    SYN,
    SYN_ACK_SENT,
    SYN_SENT,
    TCP,
    TIMEOUT,
    UDP,
    note_once,
    note_scaled,
)
from evenflow.traffic._tcp import tcp_packet


def open_connection(
    C: Any, E: Any, H: Any, c: int, protocol: int, time_ns: int, is_turned: bool
) -> None:
    """Begin a connection in a row that is free."""
    C[c] = 0
    E[2 * c] = 0
    E[2 * c + 1] = 0
    C[c, FIRST] = C[c, LAST] = C[c, LAST_PACKET] = time_ns
    C[c, PROTOCOL] = protocol
    C[c, IS_OPEN] = 1
    for e in (2 * c, 2 * c + 1):
        E[e, IN_ORDER] = 1
        E[e, NEXT_RESENT] = E[e, NEXT_ZERO] = E[e, NEXT_BAD] = E[e, NEXT_GAP] = 1
    C[c, TIMEOUT] = IDLE_TCP_NS if protocol == TCP else IDLE_OTHER_NS
    if is_turned:
        H[c, 0] = ord("^")
        C[c, N_HISTORY] = 1


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
    both = E[o, DID_CLOSE] and E[r, DID_CLOSE]
    ended = (RESET, INACTIVE)
    return bool(both or E[o, STATE] in ended or E[r, STATE] in ended)


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
            or (
                kind == TCP
                and is_whole[i]
                and is_reused(C, E, c, flags[i], sequence[i])
            )
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
            number = C[c, NUMBER] + 1 if C[c, FIRST] == now else 0
            open_connection(C, E, H, c, kind, now, turns)
            C[c, NUMBER] = number  # of those that began at the same time
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
        C[c, LAST_PACKET] = max(C[c, LAST_PACKET], now)
        E[e, PACKETS] += 1
        E[e, IP_BYTES] += ip_bytes[i]
        if kind in (TCP, UDP, ICMP, ICMP6):
            E[e, PAYLOAD] += payload[i]
    return n_ended
