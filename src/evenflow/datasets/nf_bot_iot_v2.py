"""NF-BoT-IoT-v2: BoT-IoT's packets as NetFlow records, a sample of 278,781."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenflow.datasets import Dataset, _remote, _tables
from evenflow.datasets._remote import RemoteFile
from evenflow.progress import OnEvent, ignore
from evenflow.schema import BENIGN, Column, Schema, Table


def _count(
    name: str, text: str, unit: str = "packets", high: float | None = None
) -> Column:
    return Column(name=name, low=0, high=high, step=1, unit=unit, description=text)


def _flags(name: str, text: str) -> Column:
    return Column(name=name, low=0, high=255, step=1, description=text)


SCHEMA = Schema(
    name="nf_bot_iot_v2",
    columns=(
        Column(
            name="PROTOCOL",
            kind="category",
            choices=("1", "6", "17"),
            description="IP protocol number: 1 ICMP, 6 TCP, 17 UDP",
        ),
        Column(
            name="L7_PROTO",
            low=0,
            description="nDPI's number of the application protocol, with a "
            "sub-protocol behind the point; 7 HTTP, 188 QUIC, 0 unknown, and hardly "
            "any other, so it stays a number",
        ),
        _count("IN_BYTES", "bytes from the client", unit="bytes"),
        _count("IN_PKTS", "packets from the client"),
        _count("OUT_BYTES", "bytes to the client", unit="bytes"),
        _count("OUT_PKTS", "packets to the client"),
        _flags("TCP_FLAGS", "all TCP flags of the flow, or-ed"),
        _flags("CLIENT_TCP_FLAGS", "TCP flags of the client, or-ed"),
        _flags("SERVER_TCP_FLAGS", "TCP flags of the server, or-ed"),
        _count("DURATION_IN", "duration of the client's stream", unit="ms"),
        _count("DURATION_OUT", "duration of the server's stream", unit="ms"),
        _count("MIN_TTL", "least time to live", unit="hops", high=255),
        _count("MAX_TTL", "greatest time to live", unit="hops", high=255),
        _count("LONGEST_FLOW_PKT", "longest packet", unit="bytes"),
        _count("SHORTEST_FLOW_PKT", "shortest packet", unit="bytes"),
        _count("MIN_IP_PKT_LEN", "least IP packet length", unit="bytes"),
        _count("MAX_IP_PKT_LEN", "greatest IP packet length", unit="bytes"),
        Column(
            name="SRC_TO_DST_SECOND_BYTES",
            low=0,
            unit="bytes/s",
            description="client to server; implausibly large where the duration is "
            "near zero",
        ),
        Column(
            name="DST_TO_SRC_SECOND_BYTES",
            low=0,
            unit="bytes/s",
            description="server to client; implausibly large where the duration is "
            "near zero",
        ),
        _count("RETRANSMITTED_IN_BYTES", "retransmitted by the client", unit="bytes"),
        _count("RETRANSMITTED_IN_PKTS", "retransmitted by the client"),
        _count("RETRANSMITTED_OUT_BYTES", "retransmitted by the server", unit="bytes"),
        _count("RETRANSMITTED_OUT_PKTS", "retransmitted by the server"),
        _count("SRC_TO_DST_AVG_THROUGHPUT", "client to server", unit="bit/s"),
        _count("DST_TO_SRC_AVG_THROUGHPUT", "server to client", unit="bit/s"),
        _count("NUM_PKTS_UP_TO_128_BYTES", "packets of at most 128 bytes"),
        _count("NUM_PKTS_128_TO_256_BYTES", "packets of 128 to 256 bytes"),
        _count("NUM_PKTS_256_TO_512_BYTES", "packets of 256 to 512 bytes"),
        _count("NUM_PKTS_512_TO_1024_BYTES", "packets of 512 to 1,024 bytes"),
        _count("NUM_PKTS_1024_TO_1514_BYTES", "packets of 1,024 to 1,514 bytes"),
        _count("TCP_WIN_MAX_IN", "largest TCP window of the client", "bytes"),
        _count("TCP_WIN_MAX_OUT", "largest TCP window of the server", "bytes"),
        _count("ICMP_TYPE", "ICMP type * 256 + code", unit="", high=65_535),
        _count("ICMP_IPV4_TYPE", "ICMP type", unit="", high=255),
        _count("DNS_QUERY_ID", "transaction number of the query", "", high=65_535),
        _count("DNS_QUERY_TYPE", "type of the query: 1 A, 28 AAAA", unit=""),
        _count("DNS_TTL_ANSWER", "time to live of the first A record", unit="s"),
        _count("FTP_COMMAND_RET_CODE", "FTP return code", unit=""),
    ),
    classes=(BENIGN, "ddos", "dos", "reconnaissance", "theft"),
    taxonomy="BoT-IoT categories; no subcategory, so an attack type is its category",
)
FILE = RemoteFile(
    name="NF-BoT-IoT-v2_reduced_278781.csv",
    folder="bot-iot",
    sha256="f955bb79c183b8c4ec81c8e7d0562457e48806c1526ca645931d127b085bdccc",
    size=49_618_101,
    other_names=("botiot_reduced.csv",),
    parquet="NF-BoT-IoT-v2_reduced_278781.parquet",
    parquet_sha256="b20f38a33583e8588e8a7d28006eda1427478baadcab75b35720f7cdba6c89d4",
)
SOURCE = "https://github.com/c2dc/fl-unsup-nids"
ADDRESSES = ("IPV4_SRC_ADDR", "L4_SRC_PORT", "IPV4_DST_ADDR", "L4_DST_PORT")
ARTEFACT = "FLOW_DURATION_MILLISECONDS"


def load(split: str, *, folders: Sequence[Path], on_event: OnEvent = ignore) -> Table:
    """Load the sample; ``train`` is all of it.

    Addresses and ports stand aside: all attacks come from four addresses.
    ``FLOW_DURATION_MILLISECONDS`` is dropped: it is zero or an overflow just under
    2^32 microseconds, so often by class that it betrays the label. ``Dataset`` is one
    value. Nothing else is changed.
    """
    del split, on_event
    place, source = _remote.content(FILE, folders, page=SOURCE)
    frame = _tables.read(
        source,
        form=place.form,
        where=place.path,
        numeric=[c.name for c in SCHEMA.numeric],
    )
    _tables.require(frame, [*SCHEMA.names, "Attack"], place.path)
    return _tables.labelled(
        SCHEMA,
        frame,
        frame["Attack"].str.strip_chars().str.to_lowercase(),
        where=place.path,
        extra=_tables.extras(frame, ADDRESSES),
    )


DATASET = Dataset(
    name="nf_bot_iot_v2",
    title="NF-BoT-IoT-v2, sample of 278,781 NetFlow records (2021)",
    load=load,
    splits=("train",),
    reads_own_file=False,
    files=(FILE,),
    schema=SCHEMA,
    url=SOURCE,
    terms="University of Queensland: published for research purposes; BoT-IoT's own "
    "terms (free for academic research) hold as well.",
    citation="M. Sarhan, S. Layeghy, M. Portmann, 'Towards a Standard Feature Set for "
    "Network Intrusion Detection System Datasets', Mobile Networks and Applications, "
    "2021. doi:10.1007/s11036-021-01843-0. Sample: G. de Carvalho Bertoli et al., "
    "Computers & Security, 2023. doi:10.1016/j.cose.2023.103106",
    caveats=(
        "Only 18,267 rows are distinct in these columns: evenflow's splits keep copies "
        "on one side; published figures on random splits did not.",
        "33 theft rows (23 distinct): read its recall with its interval.",
        "A sample to fixed class counts: proportions are its authors', not traffic's.",
        "FLOW_DURATION_MILLISECONDS is an overflow and is left out.",
    ),
)
