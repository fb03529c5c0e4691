"""NetFlow and IPFIX as ``nfdump -o csv`` writes them, old form and new.

Bytes are those by the IP header. A flow is one of two directions (``nfdump -b`` or
``-B``), or of one: then the packets that answer stand in another row, and the zeros of
``opkt`` and ``obyt`` are not counts; they are null until a flow has an answer.

References
----------
.. [1] P. Haag, "nfdump(1)", nfdump 1.7.
"""

from __future__ import annotations

import polars as pl

from evenflow.text.times import nanoseconds
from evenflow.traffic.community_id import ANSWERS
from evenflow.traffic.sources import _cells as cells
from evenflow.traffic.sources._cells import Cell
from evenflow.traffic.sources._findings import Findings
from evenflow.traffic.sources._headed import HeadedReader, Numbers, names_of
from evenflow.traffic.sources._source import PER_PACKET, Source

NAMES = {
    "ts": "ts", "firstseen": "ts", "te": "te", "lastseen": "te", "td": "td",
    "duration": "td", "sa": "sa", "srcaddr": "sa", "da": "da", "dstaddr": "da",
    "sp": "sp", "srcport": "sp", "dp": "dp", "dstport": "dp", "pr": "pr",
    "proto": "pr", "ipkt": "ipkt", "inpackets": "ipkt", "packets": "ipkt",
    "pkt": "ipkt", "ibyt": "ibyt", "inbytes": "ibyt", "bytes": "ibyt", "byt": "ibyt",
    "opkt": "opkt", "outpackets": "opkt", "obyt": "obyt", "outbytes": "obyt",
    "flowid": "flid",
}  # fmt: skip
"""Names of columns, old and new."""
CELLS = {
    "ts": Cell("ts", nanoseconds, is_required=True),
    "end": Cell("te", nanoseconds),
    "duration": Cell("td", cells.duration),
    "uid": Cell("flid", cells.words),
    "id.orig_h": Cell("sa", cells.address, is_required=True),
    "id.orig_p": Cell("sp", cells.port),
    "id.resp_h": Cell("da", cells.address, is_required=True),
    "id.resp_p": Cell("dp", cells.port),
    "type": Cell("type", cells.count),
    "code": Cell("code", cells.count),
    "proto": Cell("pr", cells.words, is_required=True),
    "orig_pkts": Cell("ipkt", cells.count),
    "orig_ip_bytes": Cell("ibyt", cells.count),
    "resp_pkts": Cell("opkt", cells.count),
    "resp_ip_bytes": Cell("obyt", cells.count),
}
ONE_WAY = (
    "packets that answer are all zero so far in {source}, and not known: write flows "
    "of both directions with nfdump -B"
)
DAYS = r"^(?:(\d+)d )?(\d+):(\d\d):(\d\d(?:\.\d+)?)$"


class _Reader(HeadedReader):
    """Reads flows."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(
            findings,
            expected="a header of nfdump -o csv: ts,te,td,sa,da,... or firstSeen,...",
            known=NAMES,
            marks=(b"sa,da", b"srcaddr", b"summary"),
            is_header=_is_header,
            connections=self._flows,
            end="Summary",
        )

    def _flows(self, text: pl.DataFrame, numbers: Numbers) -> pl.DataFrame:
        text = _plain(text)
        frame = cells.typed(text, CELLS, numbers, self.findings)
        proto, number = cells.protocol(frame["proto"])
        frame = frame.with_columns(proto, number)
        is_known = pl.lit(self.measured(frame["resp_pkts"], ONE_WAY))
        answers = pl.col("resp_pkts", "resp_ip_bytes")
        return cells.finish(
            frame.with_columns(pl.when(is_known).then(answers), *_ports())
        )


def _plain(text: pl.DataFrame) -> pl.DataFrame:
    """Return durations in seconds, and types and codes of ICMP beside ports."""
    pair = (
        pl.col("dp").str.extract_groups(r"^(?<type>\d{1,3})\.(?<code>\d{1,3})$").struct
    )
    kind, td = pair.field("type"), pl.col("td")
    days, hours, minutes, seconds = (
        td.str.extract(DAYS, k).cast(pl.Float64, strict=False) for k in range(1, 5)
    )
    total = days.fill_null(0) * 86400 + hours * 3600 + minutes * 60 + seconds
    return text.with_columns(
        kind,
        pair.field("code"),
        pl.when(kind.is_null()).then(pl.col("dp")).alias("dp"),
        pl.coalesce(total.round(3).cast(pl.String), td).alias("td"),
    )


def _ports() -> list[pl.Expr]:
    """Return ports; of ICMP the type, and that of the answer or else the code."""
    to = pl.col("id.resp_p")
    is_icmp = pl.col("proto") == "icmp"
    kind = pl.coalesce("type", to // 256)  # NetFlow has both in one number
    answers = {
        number: kind.replace_strict(types, default=None, return_dtype=pl.Int64)
        for number, types in ANSWERS.items()
    }
    answer = pl.when(pl.col("ip_proto") == 1).then(answers[1]).otherwise(answers[58])
    code = pl.coalesce(answer, "code", to % 256)
    return [
        pl.when(is_icmp).then(kind).otherwise("id.orig_p").alias("id.orig_p"),
        pl.when(is_icmp).then(code).otherwise(to).alias("id.resp_p"),
    ]


def _is_header(names: list[str]) -> bool:
    return {"ts", "sa", "da", "pr"} <= set(names)


def _is_it(lines: list[str]) -> bool:
    return any(_is_header(names_of(line, NAMES)[0]) for line in lines[:1])


SOURCE = Source(
    name="nfdump",
    title="nfdump's CSV",
    columns=(
        "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto",
        "duration", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes",
        "ip_proto",
    ),
    reasons={
        **PER_PACKET,
        "orig_bytes": "NetFlow counts bytes by the IP header, not payload",
        "resp_bytes": "NetFlow counts bytes by the IP header, not payload",
        "service": "NetFlow does not name the service",
        "conn_state": "NetFlow has the flags of a flow, not the state of a connection",
        "history": "NetFlow does not have Zeek's history",
    },
    reader=_Reader,
    is_it=_is_it,
)  # fmt: skip
