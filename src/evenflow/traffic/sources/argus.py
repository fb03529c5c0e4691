"""Argus's flow records as ``ra -c , -n -s ...`` writes them, with its header.

``SAppBytes`` and ``DAppBytes`` are payload; Argus measures them when it is started with
``-A``, else they are zero. So zeros are null before the first other value, but for
connections that were never made. ``SrcBytes`` and ``DstBytes`` are those of frames,
which no column of a connection holds. A connection that lasts has a record every few
seconds (``argus -S``), unless ``racluster`` joined them.

A state becomes one of Zeek's where it says as much: the flags of both sides, as ``ra
-Zb`` writes them; ``REQ`` of TCP when nothing was answered; the packets of both sides
of UDP; any other protocol but TCP. ``FIN``, ``RST``, ``CON`` and ``ACC`` do not say
which side it was: they become null. ICMP has no ports here, since what Argus writes
there differs by message.

References
----------
.. [1] QoSient, "ra(1)", Argus clients 3.0.8.
"""

from __future__ import annotations

import polars as pl

from evenflow.text.times import nanoseconds
from evenflow.traffic.sources import _cells as cells
from evenflow.traffic.sources._cells import Cell
from evenflow.traffic.sources._findings import Findings
from evenflow.traffic.sources._headed import HeadedReader, Numbers, names_of
from evenflow.traffic.sources._source import PER_PACKET, Source

NAMES = {
    "starttime": "StartTime", "stime": "StartTime", "lasttime": "LastTime",
    "ltime": "LastTime", "dur": "Dur", "proto": "Proto", "srcaddr": "SrcAddr",
    "saddr": "SrcAddr", "sport": "Sport", "dstaddr": "DstAddr", "daddr": "DstAddr",
    "dport": "Dport", "srcpkts": "SrcPkts", "spkts": "SrcPkts", "dstpkts": "DstPkts",
    "dpkts": "DstPkts", "sappbytes": "SAppBytes", "dappbytes": "DAppBytes",
    "state": "State",
}  # fmt: skip
"""Names of columns, long and as ``ra -s`` takes them."""
CELLS = {
    "ts": Cell("StartTime", nanoseconds, is_required=True, hint=" (ra -u)"),
    "end": Cell("LastTime", nanoseconds),
    "duration": Cell("Dur", cells.duration),
    "proto": Cell("Proto", cells.words, is_required=True),
    "id.orig_h": Cell("SrcAddr", cells.address, is_required=True),
    "id.orig_p": Cell("Sport", cells.port),
    "id.resp_h": Cell("DstAddr", cells.address, is_required=True),
    "id.resp_p": Cell("Dport", cells.port),
    "orig_pkts": Cell("SrcPkts", cells.count),
    "resp_pkts": Cell("DstPkts", cells.count),
    "orig_bytes": Cell("SAppBytes", cells.count),
    "resp_bytes": Cell("DAppBytes", cells.count),
    "state": Cell("State", cells.words),
}
NOT_IP = ("man", "arp", "rarp", "llc", "lldp", "eapol", "ipx", "stp", "cdp")
MAC = r"^(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}$"
NO_PAYLOAD = (
    "bytes of payload in {source} are all zero so far, and not known but for "
    "connections that were never made: start argus with -A to have them"
)
WITHOUT_PAYLOAD = ["S0", "REJ", "RSTOS0"]
"""States of connections that were never made."""


class _Reader(HeadedReader):
    """Reads records of flows."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(
            findings,
            expected="a header of ra with StartTime, Proto, SrcAddr and DstAddr: "
            "ra -r FILE -c , -n -u",
            known=NAMES,
            marks=(b"saddr", b"srcaddr"),
            is_header=_is_header,
            connections=self._flows,
        )

    def _flows(self, text: pl.DataFrame, numbers: Numbers) -> pl.DataFrame:
        small = text["Proto"].str.to_lowercase()
        is_other = small.is_in(NOT_IP) | text["SrcAddr"].str.contains(MAC)
        is_other = is_other.fill_null(value=False)
        for kind, n in small.filter(is_other).value_counts(sort=True).iter_rows():
            self.findings.skip("management" if kind == "man" else f"not IP: {kind}", n)
        text = text.filter(~is_other).with_columns(
            pl.col("Sport", "Dport").replace("*", None)
        )
        frame = cells.typed(text, CELLS, numbers[~is_other.to_numpy()], self.findings)
        proto, number = cells.protocol(frame["proto"])
        frame = frame.with_columns(proto, number)
        is_icmp = pl.col("proto") == "icmp"
        frame = frame.with_columns(
            pl.when(~is_icmp).then(pl.col("id.orig_p", "id.resp_p")), _conn_state()
        )
        both = frame["orig_bytes"] + frame["resp_bytes"]
        is_known = pl.lit(self.measured(both, NO_PAYLOAD))
        is_known |= pl.col("conn_state").is_in(WITHOUT_PAYLOAD).fill_null(value=False)
        payload = pl.col("orig_bytes", "resp_bytes")
        return cells.finish(frame.with_columns(pl.when(is_known).then(payload)))


def _conn_state() -> pl.Expr:
    """Return Zeek's state where Argus says as much."""
    nothing = pl.lit(None, pl.String)
    given, sent, answered = pl.col("state"), pl.col("orig_pkts"), pl.col("resp_pkts")
    udp = (
        pl.when((sent > 0) & (answered > 0)).then(pl.lit("SF"))
        .when((sent > 0) & (answered == 0)).then(pl.lit("S0"))
        .when((sent == 0) & (answered > 0)).then(pl.lit("SHR"))
        .otherwise(nothing)
    )  # fmt: skip
    flags = given.str.extract_groups(r"^(?<o>[FSRPAU78EC]*)_(?<r>[FSRPAU78EC]*)$")
    is_lone = (given == "REQ") & (answered == 0)
    tcp = pl.when(is_lone).then(pl.lit("S0")).otherwise(
        of_flags(flags.struct.field("o"), flags.struct.field("r"))
    )  # fmt: skip
    return (
        pl.when(pl.col("proto") == "tcp").then(tcp)
        .when(pl.col("proto") == "udp").then(udp)
        .when(pl.col("proto").is_not_null()).then(pl.lit("OTH"))
        .otherwise(nothing).alias("conn_state")
    )  # fmt: skip


def of_flags(orig: pl.Expr, resp: pl.Expr) -> pl.Expr:
    """Return Zeek's state of a TCP connection by the flags that each side sent.

    Null where the order of the flags decides.
    """

    def has(side: pl.Expr, flag: str) -> pl.Expr:
        return side.str.contains(flag, literal=True)

    both = has(orig, "S") & has(resp, "S")
    fin_o, fin_r = has(orig, "F"), has(resp, "F")
    rst_o, rst_r = has(orig, "R"), has(resp, "R")
    fin, rst = fin_o | fin_r, rst_o | rst_r
    alone = has(orig, "S") & (resp == "")
    rules = [
        (alone & ~fin_o & ~rst_o, "S0"), (alone & fin_o & ~rst_o, "SH"),
        (alone & rst_o & ~fin_o, "RSTOS0"),
        (orig.str.contains("^S[78EC]*$") & rst_r & ~has(resp, "S"), "REJ"),
        (both & ~rst & fin_o & fin_r, "SF"), (both & ~rst & fin_o, "S2"),
        (both & ~rst & fin_r, "S3"), (both & ~rst, "S1"),
        (both & ~fin & rst_o & ~rst_r, "RSTO"), (both & ~fin & rst_r & ~rst_o, "RSTR"),
    ]  # fmt: skip
    return pl.coalesce([pl.when(rule).then(pl.lit(state)) for rule, state in rules])


def _is_header(names: list[str]) -> bool:
    return {"StartTime", "SrcAddr", "DstAddr", "Proto"} <= set(names)


def _is_it(lines: list[str]) -> bool:
    return any(_is_header(names_of(line, NAMES)[0]) for line in lines[:1])


SOURCE = Source(
    name="argus",
    title="Argus's CSV",
    columns=(
        "ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "duration",
        "orig_bytes", "resp_bytes", "conn_state", "orig_pkts", "resp_pkts", "ip_proto",
    ),
    reasons={
        **PER_PACKET,
        "orig_ip_bytes": "Argus counts bytes of frames, not bytes by the IP header",
        "resp_ip_bytes": "Argus counts bytes of frames, not bytes by the IP header",
        "service": "Argus does not name the service",
        "uid": "Argus does not name a connection",
        "history": "Argus does not have Zeek's history",
    },
    reader=_Reader,
    is_it=_is_it,
)  # fmt: skip
