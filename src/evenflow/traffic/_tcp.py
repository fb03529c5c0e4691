"""A TCP packet to the state of its connection, as Zeek keeps it.

The states, the letters of the history and their meaning are those of Zeek's conn.log,
whose expected logs are the tests.
"""

from __future__ import annotations

from typing import Any

from evenflow.traffic._endpoints import (
    ACK,
    ACK_WRAPS,
    ACKED,
    ATTEMPT,
    BEFORE,
    CLOSED,
    CLOSES_LATER,
    DID_CLOSE,
    END,
    END_WRAPS,
    ESTABLISHED,
    FIN,
    FIN_AT,
    INACTIVE,
    IS_PARTIAL,
    LARGE,
    LAST,
    LAST_FIN,
    LAST_RST,
    LAST_SYN,
    LETTER_A,
    LETTER_D,
    LETTER_F,
    LETTER_H,
    LETTER_I,
    LETTER_Q,
    LETTER_R,
    LETTER_S,
    LETTER_T,
    LETTER_W,
    N_FIN,
    N_RESENT,
    N_ZERO,
    PARTIAL,
    RESET,
    RST,
    SEEN,
    START,
    STATE,
    SYN,
    SYN_ACK_SENT,
    SYN_SENT,
    acknowledge,
    arrive,
    begin_at,
    close,
    delta,
    note,
    note_once,
    note_scaled,
    relative,
    set_state,
    turn,
)


def remember_flags(
    C: Any, E: Any, H: Any, c: int, e: int, flags: int, at: int, length: int
) -> None:
    """Add a packet's letters to the history."""
    # one call for all: Numba compiles a function anew for each constant it is given
    bit, letter, is_another = 6, LETTER_A, False
    set_flags = flags & (SYN | FIN | RST)
    if set_flags & (set_flags - 1):  # more than one
        if flags & FIN and flags & RST:
            bit, letter = 0, LETTER_I
        else:
            bit, letter = 1, LETTER_Q
    elif flags & SYN:
        bit, letter = 2, LETTER_H if flags & ACK else LETTER_S
        is_another = at != E[e, LAST_SYN]
        E[e, LAST_SYN] = at
    elif flags & FIN:
        bit, letter = 3, LETTER_F
        is_another = at + length != E[e, LAST_FIN]
        E[e, LAST_FIN] = at + length
    elif flags & RST:
        bit, letter = 4, LETTER_R
        is_another = at != E[e, LAST_RST]
        E[e, LAST_RST] = at
    elif length:
        bit, letter = 5, LETTER_D
    elif not flags & ACK:
        return
    if note_once(C, H, c, e, bit, letter) and is_another:
        note(C, H, c, e, letter)


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
        note_scaled(C, H, E, c, e, N_ZERO, LETTER_W)
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
        note_scaled(C, H, E, c, e, N_RESENT, LETTER_T)

    did_close = False
    state, other = E[e, STATE], E[peer, STATE]
    if state == INACTIVE:
        if flags & SYN:
            if is_orig:
                set_state(E, e, SYN_ACK_SENT if flags & ACK else SYN_SENT)
                C[c, ATTEMPT] = max(time_ns, 1)
            else:
                is_reversed = (
                    not flags & ACK
                    and other == SYN_ACK_SENT
                    and sequence == E[e, START]
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
