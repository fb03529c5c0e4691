"""The Argus columns of BoT-IoT that connections give.

Argus writes a record of a flow every five seconds; merged to one a flow (racluster),
these columns were compared with real records of 36 captures, in the 7,227 flows of TCP
and UDP whose addresses and ports occur once on both sides. Packets, duration and rate
agree in 99.97 % of the flows, the rates of a side in 99.86 %, the state in 99.76 %;
[a page](argus.md) has each capture.

``N_IN_Conn_*`` count over the last 100 connections, which is what is known live. The
data set counts over blocks of 100 rows, rows that come later included: rows of a block
with the same address have the same number in all 3,475 cases of the sample. While one
host floods another both are 100.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic.contracts._contract import Contract
from evenflow.traffic.memory import Memory, State

MOST = 100
TCP = {
    "S0": "REQ", "REJ": "RST", "RSTO": "RST", "RSTR": "RST", "RSTRH": "RST",
    "RSTOS0": "RST", "SF": "FIN", "S2": "FIN", "S3": "FIN", "SH": "FIN", "SHR": "FIN",
    "S1": "CON", "OTH": "CON",
}  # fmt: skip
ICMP = {8: "ECO", 128: "ECO", 3: "URP", 13: "TST", 17: "MAS"}
RECORDS = (
    "it is over the records that Argus writes of a flow every 5 s, which a connection "
    "does not hold"
)
FRAMES = (
    "Argus counts frames with their padding, connections count by the IP header: 53 % "
    "of the flows agree when 14 bytes are added for each packet"
)
NUMBER = "it is a number that the publisher gave to a text column, and not published"
ABSENT = {
    "bytes": FRAMES,
    "sbytes": FRAMES,
    "dbytes": FRAMES,
    **dict.fromkeys(("mean", "stddev", "sum", "min", "max"), RECORDS),
    "flgs": "connections do not hold Argus's flags",
    **dict.fromkeys(("flgs_number", "proto_number", "state_number"), NUMBER),
    "seq": "it follows the order of the capture, and with it the class",
    **dict.fromkeys(
        (
            "TnBPSrcIP", "TnBPDstIP", "TnP_PSrcIP", "TnP_PDstIP", "TnP_PerProto",
            "TnP_Per_Dport", "AR_P_Proto_P_SrcIP", "AR_P_Proto_P_DstIP",
            "AR_P_Proto_P_Sport", "AR_P_Proto_P_Dport",
            "Pkts_P_State_P_Protocol_P_DestIP", "Pkts_P_State_P_Protocol_P_SrcIP",
        ),
        "in the data set it is over a block of 100 rows, rows that come later included",
    ),
}  # fmt: skip


class ArgusRows:
    """Rows in Argus's columns."""

    n_forgotten = 0

    def __init__(self) -> None:
        self.memory = Memory(("src", "dst"))

    def state(self) -> State:
        """Return the last connections as arrays."""
        return self.memory.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue from what :meth:`state` returned."""
        self.memory.restore(state)

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order."""
        memory = self.memory
        source, destination = memory.hosts.add(
            connections["id.orig_h"], connections["id.resp_h"]
        )
        rows = {
            "time": memory.clock.read(connections["known"].to_numpy()),
            "src": source,
            "dst": destination,
        }
        is_entry = memory.going_on.first(connections["uid"], connections["is_over"])
        view = memory.past.add(rows, is_entry)
        last = view.last(MOST)
        counts = {
            f"N_IN_Conn_P_{who}IP": np.maximum(view.by(key).window(last).count, 1)
            for who, key in (("Dst", "dst"), ("Src", "src"))
        }
        memory.tidy(memory.past.number >= memory.past.n - MOST)
        return connections.select(_basic()).with_columns(**counts)


def _basic() -> list[pl.Expr]:
    """Return the columns about the connection alone."""
    proto = pl.col("proto")
    is_six = pl.col("id.orig_h").str.contains(":", literal=True)
    state = (
        pl.when(proto == "udp")
        .then(
            pl.when(pl.col("conn_state") == "SF")
            .then(pl.lit("CON"))
            .otherwise(pl.lit("INT"))
        )
        .when(proto == "icmp")
        .then(pl.col("id.orig_p").replace_strict(ICMP, default="NRS"))
        .otherwise(pl.col("conn_state").replace_strict(TCP, default="CON"))
    )
    span = pl.coalesce(pl.col("last_packet") - pl.col("ts"), "duration")
    seconds = span.fill_null(0).clip(0) / 1e9
    both = pl.col("orig_pkts") + pl.col("resp_pkts")
    return [
        pl.when((proto == "icmp") & is_six)
        .then(pl.lit("ipv6-icmp"))
        .otherwise(proto)
        .alias("proto"),
        state.alias("state"),
        both.alias("pkts"),
        seconds.round(6).alias("dur"),
        pl.col("orig_pkts").alias("spkts"),
        pl.col("resp_pkts").alias("dpkts"),
        *(
            pl.when(seconds > 0)
            .then((n - 1).clip(0) / seconds)
            .otherwise(0.0)
            .alias(name)
            for name, n in (
                ("rate", both),
                ("srate", pl.col("orig_pkts")),
                ("drate", pl.col("resp_pkts")),
            )
        ),
    ]


PACKETS = "packets, and packets per second"
BOT_IOT = Contract(
    name="bot_iot",
    title="BoT-IoT, the 11 Argus columns that connections give",
    columns=(
        "proto", "state", "pkts", "dur", "spkts", "dpkts", "rate", "srate", "drate",
        "N_IN_Conn_P_DstIP", "N_IN_Conn_P_SrcIP",
    ),
    needs={
        "known": "the windows, which are in order",
        "id.orig_h": "N_IN_Conn_P_SrcIP",
        "id.resp_h": "N_IN_Conn_P_DstIP",
        "id.orig_p": "state, of ICMP by its type",
        "proto": "proto",
        "conn_state": "state",
        "orig_pkts": PACKETS,
        "resp_pkts": PACKETS,
    },
    absent=ABSENT,
    make=ArgusRows,
)  # fmt: skip
