"""UNSW-NB15: the publisher's two partitions, recognised by size, not by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from evenflow.datasets import Dataset, _remote, _tables
from evenflow.datasets._remote import Place, RemoteFile
from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.schema import BENIGN, Column, Schema, Table

CLASSES = (
    BENIGN, "analysis", "backdoor", "dos", "exploits", "fuzzers", "generic",
    "reconnaissance", "shellcode", "worms",
)  # fmt: skip


def _count(name: str, text: str, unit: str = "", high: float | None = None) -> Column:
    return Column(name=name, low=0, high=high, step=1, unit=unit, description=text)


def _amount(name: str, text: str, unit: str) -> Column:
    return Column(name=name, low=0, unit=unit, description=text)


def _word(name: str, text: str, choices: str = "") -> Column:
    return Column(
        name=name, kind="category", choices=tuple(choices.split()), description=text
    )


_LAST = "of the last 100 connections"
SCHEMA = Schema(
    name="unsw_nb15",
    columns=(
        _amount("dur", "duration of the record", "s"),
        _word("proto", "transport protocol"),
        _word(
            "service",
            "service; - where none is known, which is a value and not a gap",
            "- dns http smtp ftp ftp-data pop3 ssh dhcp snmp ssl irc radius",
        ),
        _word("state", "state of the protocol", "FIN INT CON REQ RST ECO ACC CLO PAR"),
        _count("spkts", "packets from source to destination", "packets"),
        _count("dpkts", "packets from destination to source", "packets"),
        _count("sbytes", "bytes from source to destination", "bytes"),
        _count("dbytes", "bytes from destination to source", "bytes"),
        _amount("rate", "packets per second", "packets/s"),
        _count("sttl", "time to live, source to destination", "hops", 255),
        _count("dttl", "time to live, destination to source", "hops", 255),
        _amount("sload", "source bits per second", "bit/s"),
        _amount("dload", "destination bits per second", "bit/s"),
        _count("sloss", "source packets retransmitted or dropped", "packets"),
        _count("dloss", "destination packets retransmitted or dropped", "packets"),
        _amount("sinpkt", "time between source packets", "ms"),
        _amount("dinpkt", "time between destination packets", "ms"),
        _amount("sjit", "source jitter", "ms"),
        _amount("djit", "destination jitter", "ms"),
        _count("swin", "source TCP window advertisement", high=255),
        _count("stcpb", "source TCP base sequence number", high=2**32 - 1),
        _count("dtcpb", "destination TCP base sequence number", high=2**32 - 1),
        _count("dwin", "destination TCP window advertisement", high=255),
        _amount("tcprtt", "TCP set-up round trip: synack + ackdat", "s"),
        _amount("synack", "TCP set-up: SYN to SYN_ACK", "s"),
        _amount("ackdat", "TCP set-up: SYN_ACK to ACK", "s"),
        _count("smean", "mean packet size of the source", "bytes"),
        _count("dmean", "mean packet size of the destination", "bytes"),
        _count("trans_depth", "depth into the HTTP connection"),
        _count("response_body_len", "uncompressed HTTP response body", "bytes"),
        _count("ct_srv_src", f"same service and source, {_LAST}"),
        _count("ct_state_ttl", "code of state and times to live", high=6),
        _count("ct_dst_ltm", f"same destination, {_LAST}"),
        _count("ct_src_dport_ltm", f"same source and destination port, {_LAST}"),
        _count("ct_dst_sport_ltm", f"same destination and source port, {_LAST}"),
        _count("ct_dst_src_ltm", f"same source and destination, {_LAST}"),
        _count("is_ftp_login", "FTP log-ins with a password; not only 0 and 1"),
        _count("ct_ftp_cmd", "commands in the FTP session"),
        _count("ct_flw_http_mthd", "HTTP methods such as GET and POST"),
        _count("ct_src_ltm", f"same source, {_LAST}"),
        _count("ct_srv_dst", f"same service and destination, {_LAST}"),
        _count("is_sm_ips_ports", "1: same addresses and ports both ways", high=1),
    ),
    classes=CLASSES,
    taxonomy="UNSW-NB15 attack categories; an attack type is its category",
)
_NAMES = ("UNSW_NB15_training-set.csv", "UNSW_NB15_testing-set.csv")
TEST = RemoteFile(
    name="UNSW_NB15_training-set.csv",  # sic: see the caveat
    folder="unsw-nb15",
    sha256="734fe6642edf758f7c94d7d9149426b49d202fe8e7bf0bef47392489c3c0a559",
    size=15_380_800,
    other_names=("UNSW_NB15_testing-set.csv", "UNSW_NB15_82332.csv"),
    parquet="UNSW_NB15_82332.parquet",
    parquet_sha256="486d85f303a7b7e5fd4d1aff2841da427bb98c9699bc67740d0c6b6360a56b68",
)
TRAIN = RemoteFile(
    name="UNSW_NB15_testing-set.csv",
    folder="unsw-nb15",
    sha256=None,
    least_size=20_000_000,
    other_names=("UNSW_NB15_training-set.csv", "UNSW_NB15_175341.csv"),
    parquet="UNSW_NB15_175341.parquet",
)
FILES = {"train": TRAIN, "test": TEST}
N_ROWS = {"train": 175_341, "test": 82_332}
# Counts of the partition whose checksum nobody published; they are its check.
TRAIN_COUNTS = {
    BENIGN: 56_000, "analysis": 2_000, "backdoor": 1_746, "dos": 12_264,
    "exploits": 33_393, "fuzzers": 18_184, "generic": 40_000,
    "reconnaissance": 10_491, "shellcode": 1_133, "worms": 130,
}  # fmt: skip
PAGE = "https://research.unsw.edu.au/projects/unsw-nb15-dataset"


def load(split: str, *, folders: Sequence[Path], on_event: OnEvent = ignore) -> Table:
    """Load a partition: ``train`` is the one of 175,341 rows, ``test`` of 82,332.

    The files circulate with their names exchanged, so a file counts by what it holds:
    the SHA-256 of the test partition, the row and class counts of the training one.
    ``id`` stands aside (it follows the order, and the order follows the class);
    ``label`` repeats whether ``attack_cat`` is Normal. ``Backdoors`` is ``Backdoor``.

    Raises
    ------
    DataError
        No file here holds that partition.
    """
    for place in places(folders):
        table = _read(place)
        if len(table) != N_ROWS[split]:
            continue
        if split == "test":
            _remote.verify(place, TEST)
        elif table.counts() != TRAIN_COUNTS:
            on_event(
                Note(
                    text=f"unsw_nb15: {place.path} has the training partition's rows "
                    f"but other classes ({_tables.tally(table.counts())}; published: "
                    f"{_tables.tally(TRAIN_COUNTS)})"
                )
            )
        return table
    other = "test" if split == "train" else "train"
    raise DataError(
        f"unsw_nb15: none of the files here holds the official {split} partition of "
        f"{N_ROWS[split]:,} rows (looked for {' and '.join(_NAMES)}; their names are "
        f"often swapped, so the rows are counted). Get it from {PAGE} and put it into "
        f"unsw-nb15/ in a data folder; or use the {other} partition alone: "
        f'split = {{name = "stratified", source = "{other}"}}'
    )


def places(folders: Sequence[Path]) -> list[Place]:
    """Return where files of either partition lie, text before Parquet."""
    found: dict[Path, Place] = {}
    for file in (TEST, TRAIN):
        for place in _remote.find_all(file, folders):
            found.setdefault(place.path, place)
    return sorted(found.values(), key=lambda p: p.form == "parquet")


def _read(place: Place) -> Table:
    source = _remote.unpack(place.path) if place.form == "gzip" else place.path
    frame = _tables.read(
        source,
        form=place.form,
        where=place.path,
        numeric=[c.name for c in SCHEMA.numeric],
    )
    _tables.require(frame, [*SCHEMA.names, "attack_cat"], place.path)
    attack = (
        pl.col("attack_cat")
        .str.strip_chars()
        .str.to_lowercase()
        .replace({"normal": BENIGN, "backdoors": "backdoor"})
    )
    return _tables.labelled(
        SCHEMA,
        frame,
        frame.select(attack.alias("attack")).to_series(),
        where=place.path,
        extra=_tables.extras(frame, ["id"]),
    )


DATASET = Dataset(
    name="unsw_nb15",
    title="UNSW-NB15, official partitions (2015)",
    load=load,
    splits=tuple(FILES),
    reads_own_file=False,
    files=tuple(FILES.values()),
    schema=SCHEMA,
    has_official_test=True,
    url=PAGE,
    terms="UNSW Canberra: free use for academic research in perpetuity; commercial use "
    "should be agreed by the authors; the authors' papers must be cited.",
    citation="N. Moustafa, J. Slay, 'UNSW-NB15: a comprehensive data set for network "
    "intrusion detection systems', MilCIS 2015. doi:10.1109/MilCIS.2015.7348942; and "
    "'The evaluation of network anomaly detection systems', Information Security "
    "Journal, 2016. doi:10.1080/19393555.2015.1125974",
    caveats=(
        "Name swap: the files circulate with their names exchanged. Here train is "
        "the partition of 175,341 rows and test that of 82,332, as its page says.",
        "26,387 of the 82,332 rows repeat another once id is left out.",
        "sttl, dttl and ct_state_ttl come from how the testbed was wired; they "
        "identify attacks here and hardly anywhere else.",
        "is_ftp_login takes values over 1.",
    ),
)
