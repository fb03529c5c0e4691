"""The NetFlow columns of NF-BoT-IoT-v2 that connections give.

What is an artefact of the data set is not imitated: a duration that is an overflow,
rates that do not follow from bytes and duration, an ICMP type in rows of TCP. TCP flags
are those that the history shows, without URG, ECE and CWR.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic.contracts._contract import Contract
from evenflow.traffic.memory import State

FLAGS = {"S": 0x02, "H": 0x12, "A": 0x10, "D": 0x10, "F": 0x11, "R": 0x04, "I": 0x06}
"""Letter of the history -> TCP flags that the packet had at least."""
PUSH = 0x08
EACH_SIDE = "connections have the duration of both sides together"
PACKETS = "connections do not count packets by length"
PER_SECOND = (
    "in the data set it is the bytes of each second, written one after the other as "
    "text: 140140 stands for 140 and 140"
)
NOT_ICMP = "in the data set a quarter of the rows of TCP have a value too"
NOT_RATE = "in the data set it follows from bytes and duration in 0.1 % of the rows"
ABSENT = {
    "L7_PROTO": "it is what nDPI guesses: it calls the UDP floods of the data set QUIC",
    "DURATION_IN": EACH_SIDE,
    "DURATION_OUT": EACH_SIDE,
    "FLOW_DURATION_MILLISECONDS": "in the data set it is an overflow: 2^32 "
    "microseconds less DURATION_IN",
    "MIN_TTL": "connections do not hold it",
    "MAX_TTL": "connections do not hold it",
    "MIN_IP_PKT_LEN": "in the data set it is 0 where one side was silent, in 84 % of "
    "the rows; SHORTEST_FLOW_PKT is the least length",
    "SRC_TO_DST_SECOND_BYTES": PER_SECOND,
    "DST_TO_SRC_SECOND_BYTES": PER_SECOND,
    "RETRANSMITTED_IN_BYTES": "connections count resent packets, not their bytes",
    "RETRANSMITTED_OUT_BYTES": "connections count resent packets, not their bytes",
    "SRC_TO_DST_AVG_THROUGHPUT": NOT_RATE,
    "DST_TO_SRC_AVG_THROUGHPUT": NOT_RATE,
    **dict.fromkeys(
        (
            "NUM_PKTS_UP_TO_128_BYTES", "NUM_PKTS_128_TO_256_BYTES",
            "NUM_PKTS_256_TO_512_BYTES", "NUM_PKTS_512_TO_1024_BYTES",
            "NUM_PKTS_1024_TO_1514_BYTES",
        ),
        PACKETS,
    ),
    "TCP_WIN_MAX_IN": "connections do not hold it",
    "TCP_WIN_MAX_OUT": "connections do not hold it",
    "ICMP_TYPE": NOT_ICMP,
    "ICMP_IPV4_TYPE": NOT_ICMP,
    "DNS_QUERY_ID": "it is in the payload",
    "DNS_QUERY_TYPE": "it is in the payload",
    "DNS_TTL_ANSWER": "it is in the payload",
    "FTP_COMMAND_RET_CODE": "it is in the payload",
}  # fmt: skip


class NetflowRows:
    """Rows in NetFlow's columns; each depends on its connection alone."""

    n_forgotten = 0

    def state(self) -> State:
        """Return nothing: no connection before matters."""
        return {}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue from nothing."""

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order."""
        client, server = _flags("orig"), _flags("resp")
        least, most = (
            of(_sent(side, f"size_{name}") for side in ("orig", "resp")).fill_null(0)
            for name, of in (("min", pl.min_horizontal), ("max", pl.max_horizontal))
        )
        return connections.select(
            pl.col("ip_proto").cast(pl.String).alias("PROTOCOL"),
            pl.col("orig_ip_bytes").alias("IN_BYTES"),
            pl.col("orig_pkts").alias("IN_PKTS"),
            pl.col("resp_ip_bytes").alias("OUT_BYTES"),
            pl.col("resp_pkts").alias("OUT_PKTS"),
            (client | server).alias("TCP_FLAGS"),
            client.alias("CLIENT_TCP_FLAGS"),
            server.alias("SERVER_TCP_FLAGS"),
            most.alias("LONGEST_FLOW_PKT"),
            least.alias("SHORTEST_FLOW_PKT"),
            most.alias("MAX_IP_PKT_LEN"),
            pl.col("orig_resent_pkts").alias("RETRANSMITTED_IN_PKTS"),
            pl.col("resp_resent_pkts").alias("RETRANSMITTED_OUT_PKTS"),
        )


def _sent(side: str, name: str) -> pl.Expr:
    """Return a length, null where the side sent nothing."""
    return pl.when(pl.col(f"{side}_pkts") > 0).then(pl.col(f"{side}_{name}"))


def _flags(side: str) -> pl.Expr:
    """Return the TCP flags of a side as far as its history shows them."""
    history = pl.col("history").fill_null("")
    found = pl.lit(0, pl.Int64)
    for letter, bits in FLAGS.items():
        sent = letter if side == "orig" else letter.lower()
        is_sent = history.str.contains(sent, literal=True).cast(pl.Int64)
        found = found | is_sent * bits
    if side == "resp":  # the answer to a SYN alone acknowledges it
        found = found | (pl.col("conn_state") == "REJ").cast(pl.Int64) * 0x10
    pushed = (pl.col(f"{side}_push_pkts").fill_null(0) > 0).cast(pl.Int64) * PUSH
    return pl.when(pl.col("proto") == "tcp").then(found | pushed).otherwise(0)


COUNTS = "packets and bytes by the IP header"
NETFLOW_V2 = Contract(
    name="netflow_v2",
    title="NF-BoT-IoT-v2, the 13 NetFlow columns that connections give",
    columns=(
        "PROTOCOL", "IN_BYTES", "IN_PKTS", "OUT_BYTES", "OUT_PKTS", "TCP_FLAGS",
        "CLIENT_TCP_FLAGS", "SERVER_TCP_FLAGS", "LONGEST_FLOW_PKT",
        "SHORTEST_FLOW_PKT", "MAX_IP_PKT_LEN", "RETRANSMITTED_IN_PKTS",
        "RETRANSMITTED_OUT_PKTS",
    ),
    needs={
        "proto": "the TCP flags",
        "conn_state": "the TCP flags",
        "history": "the TCP flags",
        "ip_proto": "PROTOCOL",
        **{
            f"{side}_{name}": what_for
            for side in ("orig", "resp")
            for name, what_for in (
                ("pkts", COUNTS),
                ("ip_bytes", COUNTS),
                ("size_min", "SHORTEST_FLOW_PKT"),
                ("size_max", "LONGEST_FLOW_PKT"),
                ("push_pkts", "TCP_FLAGS"),
                ("resent_pkts", "the retransmitted packets"),
            )
        },
    },
    absent=ABSENT,
    make=NetflowRows,
    protocol="ip_proto",
    protocols=(1, 6, 17),
)  # fmt: skip
