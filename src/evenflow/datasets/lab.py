"""Labelled traffic of our own, recorded by ``evenflow lab``, in live columns."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import polars as pl

from evenflow.datasets import Dataset, _tables
from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.schema import BENIGN, Schema, Table
from evenflow.traffic.contracts.flow import COLUMNS

FILE = Path(__file__).with_name("lab.parquet")
SHA256 = "cc58e3f061f5c27109d22a929e91dade8283a658c7bd9257e7f4d0d5588b251d"
DIGITS = 3
"""Significant digits of a fraction in the file."""
FAMILIES = {
    "scan": ("syn_scan", "connect_scan", "udp_scan", "version_scan", "sweep",
             "fin_scan", "xmas_scan", "null_scan", "os_detection", "port_probe",
             "web_scan"),
    "dos": ("syn_flood", "udp_flood", "icmp_flood", "ack_flood", "http_flood",
            "slow_http", "slow_reading", "mqtt_flood", "dhcp_flood", "dns_flood"),
    "guessing": ("ssh_guessing", "ftp_guessing", "http_guessing", "mqtt_guessing",
                 "pop3_guessing", "imap_guessing", "smtp_guessing", "telnet_guessing"),
    "exfiltration": ("dns_tunnel", "http_exfiltration", "ftp_exfiltration",
                     "ssh_exfiltration", "mqtt_listening"),
}  # fmt: skip
SCHEMA = Schema(
    name="lab",
    columns=COLUMNS,
    classes=(BENIGN, *FAMILIES),
    families={label: family for family, names in FAMILIES.items() for label in names},
    taxonomy="what an attacker is after: to look, to stop, to log in, to carry out",
)
EXTRA = (
    "run", "application", "tool", "rate", "succeeded", "twin_of", "action",
    "connection", "known_s", "source", "source_port", "destination",
    "destination_port",
)  # fmt: skip


def load(
    split: str, *, folders: Sequence[Path] = (), on_event: OnEvent = ignore
) -> Table:
    """Load a part, which comes with evenflow.

    Parameters
    ----------
    split : {'train', 'test', 'natural'}

    Raises
    ------
    DataError
        The file that came with evenflow is missing or damaged.
    """
    del folders, on_event
    frame = rows().filter(pl.col("part") == split)
    is_benign = pl.col("family") == BENIGN
    attack = frame.select(
        pl.when(is_benign).then(pl.lit(BENIGN)).otherwise("label").alias("attack")
    ).to_series()
    frame = frame.with_columns(
        pl.when(is_benign).then("label").alias("application"),
        # a fraction was rounded and kept as float32, which has 0.302 only about
        *(
            pl.col(c.name).cast(pl.Float64).round_sig_figs(DIGITS)
            if frame.schema[c.name].is_float()
            else pl.col(c.name).cast(pl.Float64)
            for c in SCHEMA.numeric
        ),
    )
    return _tables.labelled(
        SCHEMA, frame, attack, where=FILE, extra=_tables.extras(frame, EXTRA)
    )


def rows() -> pl.DataFrame:
    """Return the rows of all parts as `evenflow lab build` made them."""
    try:
        content = FILE.read_bytes()
    except OSError as error:
        raise DataError(
            f"{FILE} cannot be read: {error.strerror}; it comes with evenflow. Install "
            "evenflow again"
        ) from error
    if (found := sha256(content).hexdigest()) != SHA256:
        raise DataError(
            f"{FILE} has the SHA-256 {found}, expected {SHA256}. Install evenflow again"
        )
    return pl.read_parquet(content)


DATASET = Dataset(
    name="lab",
    title="Traffic of our own laboratory (2026), in columns for live use",
    load=load,
    splits=("train", "test", "natural"),
    reads_own_file=False,
    schema=SCHEMA,
    has_official_test=True,
    terms="Made by evenflow; Apache-2.0 like evenflow itself.",
    citation="evenflow's documentation; no publication describes it.",
    caveats=(
        "Hosts in network namespaces of one machine: real servers, clients and tools, "
        "but no real users. Figures on it are optimistic for a real network.",
        "Test runs have tools and kinds of attack that no training run has.",
        "When the rows were made, every silent connection of UDP ended after 60 s and "
        "of TCP after 300 s; now those of DNS, SSH and FTP end when Zeek's do.",
    ),
)
