"""Connections in the form of Zeek's conn.log: text with tabs, or a table."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

ZEEK_TYPES = {
    "ts": "time", "uid": "string", "id.orig_h": "addr", "id.orig_p": "port",
    "id.resp_h": "addr", "id.resp_p": "port", "proto": "enum", "service": "string",
    "duration": "interval", "orig_bytes": "count", "resp_bytes": "count",
    "conn_state": "string", "missed_bytes": "count", "history": "string",
    "orig_pkts": "count", "orig_ip_bytes": "count", "resp_pkts": "count",
    "resp_ip_bytes": "count", "ip_proto": "count",
}  # fmt: skip
"""The columns that are written, in Zeek's order and with its types."""
WORDS = ("uid", "service", "history")
"""Columns that hold what the sender of a log wrote."""
_CONTROL = r"[\x00-\x1f\x7f]"
SIDES = ("orig", "resp")


def header() -> str:
    """Return the lines before the first connection."""
    return "\n".join(
        [
            "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)",
            "#unset_field\t-", "#path\tconn",
            "\t".join(["#fields", *ZEEK_TYPES]),
            "\t".join(["#types", *ZEEK_TYPES.values()]), "",
        ]
    )  # fmt: skip


def lines(connections: pl.DataFrame) -> str:
    """Return connections as Zeek writes them, a line each.

    As with Zeek, the duration leaves out what came after both sides had closed, and a
    connection of one packet has neither duration nor byte counts.
    """
    lasted = pl.col("duration") > 0
    frame = connections.with_columns(
        _seconds("ts"),
        pl.when(lasted).then(_seconds("duration")),
        *(
            pl.when(lasted).then(pl.col(n)).alias(n)
            for n in ("orig_bytes", "resp_bytes")
        ),
        pl.col("history").replace("", None),
        pl.col("service").replace("", "(empty)"),
    ).select(*ZEEK_TYPES)
    words = [name for name in WORDS if frame[name].str.contains(_CONTROL).any()]
    frame = frame.with_columns(
        pl.col(words).map_elements(_escaped, return_dtype=pl.String)
    )
    return frame.write_csv(
        separator="\t", include_header=False, null_value="-", quote_style="never"
    )


def _escaped(text: str) -> str:
    return re.sub(_CONTROL, lambda found: f"\\x{ord(found[0]):02x}", text)


def _seconds(name: str) -> pl.Expr:
    """Return nanoseconds as seconds with six digits."""
    value = pl.col(name)
    whole = (value // 10**9).cast(pl.String)
    rest = (value % 10**9 // 1000).cast(pl.String).str.zfill(6)
    return (whole + "." + rest).alias(name)


def table(connections: pl.DataFrame) -> pl.DataFrame:
    """Return connections with times as numbers of seconds.

    Here the duration is that from the first to the last packet.
    """
    lasted = (pl.col("last_packet") - pl.col("ts")).clip(lower_bound=0)
    times = [pl.col("ts"), lasted.alias("duration")]
    times += [pl.col(f"{side}_gap_{n}") for side in SIDES for n in ("max", "std")]
    return connections.with_columns(map(_number, times)).drop(
        "last_packet", "known", "is_over"
    )


def _number(ns: pl.Expr) -> pl.Expr:
    """Return nanoseconds as seconds, the nearest number that there is."""
    # the division of Polars may be off by the last digit
    return ns.map_batches(
        lambda s: pl.Series(s.to_numpy() / np.float64(1e9), nan_to_null=True),
        return_dtype=pl.Float64,
    )
