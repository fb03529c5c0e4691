"""The common part of the Argus files of BoT-IoT: columns, classes, labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from evenflow.datasets import _remote, _tables
from evenflow.datasets._remote import RemoteFile
from evenflow.schema import BENIGN, Column, Schema, Table

CLASSES = (BENIGN, "ddos", "dos", "reconnaissance", "theft")
FAMILIES = {
    f"{family}_{kind}": family
    for family, kinds in {
        "ddos": "http tcp udp",
        "dos": "http tcp udp",
        "reconnaissance": "os_fingerprint service_scan",
        "theft": "data_exfiltration keylogging",
    }.items()
    for kind in kinds.split()
}
TAXONOMY = "BoT-IoT categories; an attack type is category and subcategory together"
PAGE = "https://research.unsw.edu.au/projects/bot-iot-dataset"
TERMS = (
    "UNSW Canberra: free for academic research; commercial use is to be agreed with "
    "the authors."
)
CITATION = (
    "N. Koroniotis, N. Moustafa, E. Sitnikova, B. Turnbull, 'Towards the development "
    "of realistic botnet dataset in the Internet of Things for network forensic "
    "analytics: Bot-IoT dataset', Future Generation Computer Systems 100, 2019, "
    "779-796. doi:10.1016/j.future.2019.05.041"
)


def _seconds(name: str, text: str) -> Column:
    return Column(name=name, low=0, unit="s", description=text)


def _count(name: str, text: str, unit: str = "packets") -> Column:
    return Column(name=name, low=0, step=1, unit=unit, description=text)


def _rate(name: str, text: str) -> Column:
    return Column(name=name, low=0, unit="packets/s", description=text)


def _window(name: str, text: str, high: float | None = None) -> Column:
    return Column(name=name, low=0, high=high, description=text)


_GROUP = "over the publisher's window of 100 rows"
COLUMNS: dict[str, Column] = {
    c.name: c
    for c in (
        Column(
            name="flgs", kind="category", description="Argus flow state flags"
        ),
        Column(
            name="flgs_number",
            kind="category",
            description="number the publisher gave to a value of flgs",
        ),
        Column(
            name="proto",
            kind="category",
            choices=("tcp", "udp", "icmp", "arp", "ipv6-icmp"),
            description="transport protocol",
        ),
        Column(
            name="proto_number",
            kind="category",
            description="number of the protocol: 1 tcp, 2 arp, 3 udp, 4 icmp",
        ),
        Column(
            name="state",
            kind="category",
            choices=("CON", "INT", "FIN", "RST", "REQ", "NRS", "URP", "ECO", "ACC",
                     "TST", "MAS"),
            description="Argus state of the transaction",
        ),
        Column(
            name="state_number",
            kind="category",
            description="number the publisher gave to a value of state",
        ),
        _count("pkts", "packets, both directions"),
        _count("bytes", "bytes, both directions", unit="bytes"),
        _seconds("dur", "duration of the record"),
        _seconds("mean", "mean duration of the aggregated records"),
        _seconds("stddev", "standard deviation of their durations"),
        _seconds("sum", "total of their durations"),
        _seconds("min", "least of their durations"),
        _seconds("max", "greatest of their durations"),
        _count("spkts", "packets from source to destination"),
        _count("dpkts", "packets from destination to source"),
        _count("sbytes", "bytes from source to destination", unit="bytes"),
        _count("dbytes", "bytes from destination to source", unit="bytes"),
        _rate("rate", "packets per second, both directions"),
        _rate("srate", "packets per second from source"),
        _rate("drate", "packets per second from destination"),
        _window("TnBPSrcIP", f"bytes per source address {_GROUP}"),
        _window("TnBPDstIP", f"bytes per destination address {_GROUP}"),
        _window("TnP_PSrcIP", f"packets per source address {_GROUP}"),
        _window("TnP_PDstIP", f"packets per destination address {_GROUP}"),
        _window("TnP_PerProto", f"packets per protocol {_GROUP}"),
        _window("TnP_Per_Dport", f"packets per destination port {_GROUP}"),
        _window("AR_P_Proto_P_SrcIP", f"rate per protocol and source address {_GROUP}"),
        _window(
            "AR_P_Proto_P_DstIP", f"rate per protocol and destination address {_GROUP}"
        ),
        Column(
            name="N_IN_Conn_P_DstIP",
            low=0,
            high=100,
            step=1,
            description=f"connections per destination address {_GROUP}",
        ),
        Column(
            name="N_IN_Conn_P_SrcIP",
            low=0,
            high=100,
            step=1,
            description=f"connections per source address {_GROUP}",
        ),
        _window("AR_P_Proto_P_Sport", f"rate per protocol and source port {_GROUP}"),
        _window(
            "AR_P_Proto_P_Dport", f"rate per protocol and destination port {_GROUP}"
        ),
        _window(
            "Pkts_P_State_P_Protocol_P_DestIP",
            f"packets per state, protocol and destination address {_GROUP}",
        ),
        _window(
            "Pkts_P_State_P_Protocol_P_SrcIP",
            f"packets per state, protocol and source address {_GROUP}",
        ),
        Column(
            name="seq",
            low=0,
            step=1,
            description="Argus sequence number: follows the order of the capture, "
            "and with it the class",
        ),
    )
}  # fmt: skip


def schema(name: str, columns: Sequence[str]) -> Schema:
    """Return a schema of the named Argus columns."""
    return Schema(
        name=name,
        columns=tuple(COLUMNS[c] for c in columns),
        classes=CLASSES,
        families=FAMILIES,
        taxonomy=TAXONOMY,
    )


def read(
    file: RemoteFile,
    folders: Sequence[Path],
    kind: Schema,
    *,
    page: str = PAGE,
    needs: Sequence[str] = ("category",),
) -> tuple[pl.DataFrame, Path]:
    """Return a published file's columns, verified, and where it lay.

    Raises
    ------
    DataError, ChecksumError
        The file is missing, damaged, not the published one, or lacks a column.
    """
    place, source = _remote.content(file, folders, page=page)
    frame = _tables.read(
        source,
        form=place.form,
        where=place.path,
        numeric=[c.name for c in kind.numeric],
    )
    _tables.require(frame, [*kind.names, *needs], place.path)
    return frame, place.path


def table(frame: pl.DataFrame, kind: Schema, where: Path) -> Table:
    """Return the Table of Argus rows.

    ``category`` gives the class (``Normal`` is benign), with ``subcategory`` the
    attack type; addresses, ports, times and numbers go aside.
    """
    category = pl.col("category").str.strip_chars().str.to_lowercase()
    attack = category
    if "subcategory" in frame.columns:
        attack = category + "_" + _tables.slug(pl.col("subcategory"))
    attack = pl.when(category == "normal").then(pl.lit(BENIGN)).otherwise(attack)
    aside = [n for n in frame.columns if n not in kind.names]
    return _tables.labelled(
        kind,
        frame,
        frame.select(attack.alias("attack")).to_series(),
        where=where,
        extra=_tables.extras(frame, aside),
    )
