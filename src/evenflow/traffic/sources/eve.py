"""Suricata's EVE JSON lines: the records of flows among them.

``bytes_toserver`` and ``bytes_toclient`` of a flow sum the lengths of packets as
Suricata gets them (``FlowHandlePacketUpdate`` in its ``src/flow.c``): frames with the
header of the link layer and padding. They are neither payload nor lengths by the IP
header, so they are not read. Nor is a flow's state one of Zeek's.

References
----------
.. [1] Open Information Security Foundation, "Eve JSON Format", Suricata User Guide.
"""

from __future__ import annotations

import polars as pl

from evenflow.text.times import nanoseconds
from evenflow.traffic.sources import _cells as cells
from evenflow.traffic.sources._cells import Cell
from evenflow.traffic.sources._findings import Findings
from evenflow.traffic.sources._lines import Lines
from evenflow.traffic.sources._objects import Fields, read_objects
from evenflow.traffic.sources._source import PER_PACKET, Source

CELLS = {
    "known": Cell("timestamp", nanoseconds),
    "ts": Cell("start", nanoseconds, is_required=True),
    "end": Cell("end", nanoseconds),
    "uid": Cell("flow_id", cells.words),
    "id.orig_h": Cell("src_ip", cells.address, is_required=True),
    "id.orig_p": Cell("src_port", cells.port),
    "id.resp_h": Cell("dest_ip", cells.address, is_required=True),
    "id.resp_p": Cell("dest_port", cells.port),
    "proto": Cell("proto", cells.words, is_required=True),
    "service": Cell("app_proto", cells.words),
    "orig_pkts": Cell("pkts_toserver", cells.count),
    "resp_pkts": Cell("pkts_toclient", cells.count),
}
FLOW: Fields = dict.fromkeys(("start", "end", "pkts_toserver", "pkts_toclient"))
OBJECT: Fields = {
    **dict.fromkeys(
        ("event_type", *(c.column for c in CELLS.values() if c.column not in FLOW))
    ),
    "flow": FLOW,
}
SERVICES = {"tls": "ssl", "dcerpc": "dce_rpc", "krb5": "krb", "failed": None,
            "unknown": None}  # fmt: skip
"""Zeek's names for what Suricata names otherwise."""

EXPECTED = (
    "has no JSON objects with an event_type in its first lines; expected Suricata's "
    "EVE log"
)


class _Reader:
    """Reads records of flows."""

    header: tuple[str, ...] = ()

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._has_read = False

    def read(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of some lines."""
        text, numbers = read_objects(lines, OBJECT, self.findings)
        kinds = text["event_type"]
        if not self._has_read:
            if kinds.null_count() == len(kinds):
                self.findings.refuse(numbers.tolist() or [0], EXPECTED)
                return cells.NOTHING
            self._has_read = True
        is_flow = (kinds == "flow").fill_null(value=False)
        for kind, n in kinds.filter(~is_flow).value_counts(sort=True).iter_rows():
            what = "no event_type" if kind is None else f"event_type {kind}"
            self.findings.skip(what, n)
        text = text.filter(is_flow).unnest("flow")
        frame = cells.typed(text, CELLS, numbers[is_flow.to_numpy()], self.findings)
        proto, number = cells.protocol(frame["proto"])
        return cells.finish(
            frame.with_columns(
                proto,
                number,
                pl.col("service").replace(SERVICES),
            )
        )


def _is_it(lines: list[str]) -> bool:
    return any(line.startswith("{") and '"event_type"' in line for line in lines)


_FRAMES = "Suricata's EVE flow records count bytes of frames, not {}"
SOURCE = Source(
    name="eve",
    title="Suricata's EVE log",
    columns=(
        "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto",
        "service", "duration", "orig_pkts", "resp_pkts", "ip_proto",
    ),
    reasons={
        **PER_PACKET,
        "orig_bytes": _FRAMES.format("payload"),
        "resp_bytes": _FRAMES.format("payload"),
        "orig_ip_bytes": _FRAMES.format("bytes by the IP header"),
        "resp_ip_bytes": _FRAMES.format("bytes by the IP header"),
        "conn_state": "Suricata's states of a flow are not those of Zeek",
        "history": "Suricata's EVE flow records do not have Zeek's history",
        "missed_bytes": "Suricata's EVE flow records do not count missed bytes",
    },
    reader=_Reader,
    is_it=_is_it,
)  # fmt: skip
