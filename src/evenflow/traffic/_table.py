"""Rows of integers to the columns of connections."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic import _endpoints as k
from evenflow.traffic import _follow as f
from evenflow.traffic.columns import conform
from evenflow.traffic.logins import SERVICES as LOGINS
from evenflow.traffic.services import NAMES

Matrix = NDArray[np.int64]
Words = NDArray[np.uint64]
PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
SERVICES = pl.Series([name or None for name in NAMES], dtype=pl.String)
CLEAR = np.isin(NAMES, LOGINS)
"""Whether log-ins of a service are in clear text."""
DIGITS = np.frombuffer(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8
)


def table(keys: Words, C: Matrix, E: Matrix, H: Any, at: Matrix) -> pl.DataFrame:
    """Return connections as a table in the columns of :mod:`evenflow.traffic.columns`.

    Parameters
    ----------
    keys : ndarray of shape (n, 7), uint64
    C, E, H : ndarray of shape (n, ...), (2 * n, ...), (n, ...)
        As in :mod:`evenflow.traffic._endpoints`.
    at : ndarray of shape (n, 4), int64
        As in :mod:`evenflow.traffic._follow`.
    """
    low_began = C[:, k.LOW_BEGAN] == 1
    o, r = E[0::2], E[1::2]
    protocol = C[:, k.PROTOCOL]
    ends = _addresses(keys[:, 6] & np.uint64(0xFF), keys[:, 0:4])
    low_port = (keys[:, 4] >> np.uint64(16)).astype(np.int64)
    high_port = (keys[:, 4] & np.uint64(0xFFFF)).astype(np.int64)
    sizes = [_sizes(protocol, one, other) for one, other in ((o, r), (r, o))]
    history = _texts(H)
    began = pl.Series(low_began)
    ports = np.where(low_began, high_port, low_port)
    return conform(
        pl.DataFrame(
            {
                "ts": C[:, k.FIRST],
                "uid": uids(keys, C[:, k.FIRST], C[:, k.SERIAL]),
                "id.orig_h": ends[0].zip_with(began, ends[1]),
                "id.orig_p": np.where(low_began, low_port, high_port),
                "id.resp_h": ends[1].zip_with(began, ends[0]),
                "id.resp_p": ports,
                "proto": _protocols(protocol),
                "service": SERVICES.gather(C[:, k.SERVICE]),
                # in whole microseconds, as Zeek reads captures
                "duration": np.maximum(C[:, k.LAST] // 1000 - C[:, k.FIRST] // 1000, 0)
                * 1000,
                "orig_bytes": sizes[0],
                "resp_bytes": sizes[1],
                "conn_state": states(
                    protocol, o, r, sizes[0] + sizes[1], history.to_numpy()
                ),
                "history": history,
                "orig_pkts": o[:, k.PACKETS],
                "resp_pkts": r[:, k.PACKETS],
                "orig_ip_bytes": o[:, k.IP_BYTES],
                "resp_ip_bytes": r[:, k.IP_BYTES],
                "missed_bytes": C[:, k.MISSED],
                "ip_proto": protocol,
                "last_packet": C[:, k.LAST_PACKET],
                "known": at[:, f.KNOWN],
                "is_over": at[:, f.IS_OVER] == 1,
                "urgent": C[:, k.URGENT],
                "wrong_fragments": C[:, k.WRONG_FRAGMENTS],
                **_logins(C),
                **_measures("orig", o),
                **_measures("resp", r),
            },
        )
    )


def _logins(C: Matrix) -> dict[str, pl.Series]:
    """Return what was seen of log-ins, where they are in clear text."""
    is_clear = CLEAR[C[:, k.SERVICE]] & (C[:, k.IS_HIDDEN] == 0)
    places = {
        "logged_in": k.LOGGED_IN,
        "failed_logins": k.FAILED_LOGINS,
        "is_guest": k.IS_GUEST,
    }
    return {
        name: pl.Series(C[:, place]).set(pl.Series(~is_clear), None)
        for name, place in places.items()
    }


def _measures(side: str, E: Matrix) -> dict[str, Any]:
    """Return the sizes of a side's packets and the times between them."""
    n = E[:, k.PACKETS]
    gaps = np.maximum(n - 1, 0)
    span = (E[:, k.LAST_AT] - E[:, k.BEGAN_AT]) / 1000
    return {
        f"{side}_data_pkts": E[:, k.N_DATA],
        f"{side}_push_pkts": E[:, k.N_PUSH],
        f"{side}_resent_pkts": E[:, k.N_RESENT],
        f"{side}_size_min": E[:, k.SIZE_MIN],
        f"{side}_size_max": E[:, k.SIZE_MAX],
        f"{side}_size_std": _std(n, E[:, k.IP_BYTES], E[:, k.SIZE_SQUARES]),
        f"{side}_gap_max": E[:, k.GAP_MAX],
        f"{side}_gap_std": 1000 * _std(gaps, span, E[:, k.GAP_SQUARES]),
    }


def _std(n: Any, total: Any, squares: Any) -> NDArray[np.float64]:
    """Return standard deviations from numbers, sums and sums of squares."""
    n = np.maximum(n, 1)
    std: NDArray[np.float64] = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
    return std


def _protocols(protocol: Matrix) -> pl.Series:
    return pl.Series(protocol, dtype=pl.Int64).replace_strict(
        PROTOCOLS, default="unknown_transport", return_dtype=pl.String
    )


def _sizes(protocol: Matrix, own: Matrix, peer: Matrix) -> Matrix:
    """Return payload bytes; those of TCP by the sequence numbers, as Zeek does."""
    start, acked = own[:, k.START], own[:, k.ACKED]
    end = (own[:, k.END_WRAPS] << 32) + own[:, k.END]
    n = np.maximum(end, (own[:, k.ACK_WRAPS] << 32) + acked) - start
    n -= n > 0
    n -= (own[:, k.N_FIN] > 0) & (n > 0)
    is_refused = (own[:, k.BEFORE] == k.SYN_SENT) & (own[:, k.STATE] == k.RESET)
    is_refused &= peer[:, k.STATE] == k.INACTIVE
    is_refused &= (acked != start) & (acked != start + 1)
    n = np.where(is_refused, 0, np.maximum(n, 0))
    return np.where(protocol == k.TCP, n, own[:, k.PAYLOAD])


def states(
    protocol: Matrix, o: Matrix, r: Matrix, n_bytes: Matrix, history: Any
) -> NDArray[np.str_]:
    """Return Zeek's conn_state of each connection."""
    a, b = o[:, k.STATE], r[:, k.STATE]
    silent_a, silent_b = (np.isin(s, (k.INACTIVE, k.PARTIAL)) for s in (a, b))
    began = np.isin(a, (k.SYN_SENT, k.SYN_ACK_SENT))
    is_lone = np.zeros(len(a), bool)
    rows = np.flatnonzero((a == k.RESET) & silent_b)
    is_lone[rows] = [_is_lone_syn(h) for h in history[rows]]
    tcp = np.select(
        [
            (b == k.RESET) & (began | ((a == k.RESET) & (n_bytes == 0))),
            (b == k.RESET) & silent_a,
            b == k.RESET,
            (a == k.RESET) & ~silent_b,
            is_lone,
            (a == k.CLOSED) & (b == k.CLOSED),
            (a == k.CLOSED) & silent_b,
            a == k.CLOSED,
            (b == k.CLOSED) & silent_a,
            b == k.CLOSED,
            (a == k.SYN_SENT) & (b == k.INACTIVE),
            (a == k.ESTABLISHED) & (b == k.ESTABLISHED),
        ],
        ["REJ", "RSTRH", "RSTR", "RSTO", "RSTOS0", "SF", "SH", "S2", "SHR", "S3",
         "S0", "S1"],
        "OTH",
    )  # fmt: skip
    udp = np.select(
        [(a == 1) & (b == 1), (a == 1) & (b == 0), (a == 0) & (b == 1)],
        ["SF", "S0", "SHR"],
        "OTH",
    )
    other = np.where(protocol == k.UDP, udp, "OTH")
    return np.where(protocol == k.TCP, tcp, other)


def _is_lone_syn(history: str) -> bool:
    """Return whether a side reset what it had only begun."""
    before, reset, _ = history.removeprefix("^").partition("R")
    return bool(reset) and before[:1] == "S" and not set(before) & set("HAFGIQ")


def _addresses(version: Words, pairs: Words) -> list[pl.Series]:
    """Return the lower and the higher address in their usual form."""
    found = []
    for words in (pairs[:, 0:2], pairs[:, 2:4]):
        octets = pl.DataFrame(
            {str(i): words[:, 1] >> np.uint64(24 - 8 * i) & np.uint64(255)
             for i in range(4)}
        )  # fmt: skip
        text = octets.select(pl.concat_str(pl.all(), separator=".").alias("a"))["a"]
        six = np.flatnonzero(version != 4)
        if len(six):
            names = {
                pair.tobytes(): _ip6(*map(int, pair))
                for pair in np.unique(words[six], axis=0)
            }
            text = text.scatter(six, [names[words[i].tobytes()] for i in six])
        found.append(text)
    return found


def _ip6(high: int, low: int) -> str:
    import ipaddress

    return str(ipaddress.IPv6Address(high << 64 | low))


def uids(keys: Words, first_ns: Matrix, serial: Matrix) -> pl.Series:
    """Return names for connections, in Zeek's form and the same in every run."""
    words = [*keys.T, first_ns.astype(np.uint64), serial.astype(np.uint64)]
    text = np.empty((len(keys), 17), np.uint8)
    text[:, 0] = ord("C")
    for half in range(2):
        rest = np.full(len(keys), half, np.uint64)
        for word in words:
            rest = mix(rest ^ word)
        for i in range(8):
            text[:, 1 + 8 * half + i] = DIGITS[rest % np.uint64(62)]
            rest //= np.uint64(62)
    return _texts(text)


def _texts(letters: NDArray[np.uint8]) -> pl.Series:
    """Return rows of letters, with zeros after the last one, as texts."""
    rows = np.ascontiguousarray(letters).view(f"S{letters.shape[1]}").ravel()
    return pl.Series(rows.tolist(), dtype=pl.Binary).cast(pl.String)


def mix(words: Words) -> Words:
    """Return numbers of which each bit depends on all bits of the given ones."""
    # splitmix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195)
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)
