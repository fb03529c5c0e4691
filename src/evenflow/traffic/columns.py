"""The columns of a connection, wherever it comes from: a capture, a card or a log.

A source that does not know a column leaves it null; a contract refuses a source that
lacks what it needs.
"""

from __future__ import annotations

import polars as pl

CONNECTION: dict[str, type[pl.DataType]] = {
    "ts": pl.Int64,
    "uid": pl.String,
    "id.orig_h": pl.String,
    "id.orig_p": pl.Int64,
    "id.resp_h": pl.String,
    "id.resp_p": pl.Int64,
    "proto": pl.String,
    "service": pl.String,
    "duration": pl.Int64,
    "orig_bytes": pl.Int64,
    "resp_bytes": pl.Int64,
    "conn_state": pl.String,
    "history": pl.String,
    "orig_pkts": pl.Int64,
    "resp_pkts": pl.Int64,
    "orig_ip_bytes": pl.Int64,
    "resp_ip_bytes": pl.Int64,
    "missed_bytes": pl.Int64,
    "ip_proto": pl.Int64,
    "last_packet": pl.Int64,
    "known": pl.Int64,
    "is_over": pl.Boolean,
    "urgent": pl.Int64,
    "wrong_fragments": pl.Int64,
    "logged_in": pl.Int64,
    "failed_logins": pl.Int64,
    "is_guest": pl.Int64,
    **{
        f"{side}_{name}": kind
        for side in ("orig", "resp")
        for name, kind in (
            ("data_pkts", pl.Int64),
            ("push_pkts", pl.Int64),
            ("resent_pkts", pl.Int64),
            ("size_min", pl.Int64),
            ("size_max", pl.Int64),
            ("size_std", pl.Float64),
            ("gap_max", pl.Int64),
            ("gap_std", pl.Float64),
        )
    },
}
"""Name and type of each column, in order.

``id.*``, ``proto`` to ``ip_proto``
    As in Zeek's conn.log; ``*_bytes`` are payload, ``*_ip_bytes`` by the IP header.
    ICMP has its types as ports, where they are known.
``service``
    The application protocol that the payload shows, by Zeek's names; null: none.
    Without it, :func:`evenflow.traffic.services.port_service` is a guess.
``ts``, ``last_packet``, ``known``
    Nanoseconds since 1970: the first packet, the last one, and the moment at which
    the row could be made. Rows are in the order of ``known``.
``duration``
    Nanoseconds; null: not known.
``is_over``
    False in a row of a connection that goes on: what is known of it by ``known``. Its
    later rows have the same ``uid``.
``urgent``, ``wrong_fragments``
    Packets with the urgent flag; fragments that contradict others.
``logged_in``, ``failed_logins``, ``is_guest``
    Of FTP, POP3 and Telnet in clear text: whether a log-in worked (1) or not (0), how
    many were refused, whether the last user named was anonymous, ftp or guest. Null of
    another service, where the payload was not captured, and where it is encrypted.
``*_size_*``, ``*_gap_*``
    Of a side's packets: IP bytes; nanoseconds between two of them.
"""


def conform(connections: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a connection in order, null where they are missing."""
    return connections.select(
        pl.col(name).cast(kind)
        if name in connections.columns
        else pl.lit(None, kind).alias(name)
        for name, kind in CONNECTION.items()
    )
