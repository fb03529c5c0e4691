"""Published files that have no header: their columns, known by what a row holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from evenflow.datasets import _kdd

_UNSW = (
    "srcip sport dstip dsport proto state dur sbytes dbytes sttl dttl sloss dloss "
    "service Sload Dload Spkts Dpkts swin dwin stcpb dtcpb smeansz dmeansz trans_depth "
    "res_bdy_len Sjit Djit Stime Ltime Sintpkt Dintpkt tcprtt synack ackdat "
    "is_sm_ips_ports ct_state_ttl ct_flw_http_mthd is_ftp_login ct_ftp_cmd ct_srv_src "
    "ct_srv_dst ct_dst_ltm ct_src_ltm ct_src_dport_ltm ct_dst_sport_ltm ct_dst_src_ltm "
    "attack_cat Label"
)
_WORD = re.compile(r"[A-Za-z]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The columns of a published file without a header."""

    title: str
    names: tuple[str, ...]
    least: int
    """Fields that its rows have at least."""
    is_row: Callable[[Sequence[str]], bool]
    """Whether stripped values are of this file."""
    clean: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame
    """Returns the rows with what is particular to this file put right."""

    def fits(self, fields: Sequence[str]) -> bool:
        """Return whether the stripped fields of a first line are a row of the file."""
        return self.least <= len(fields) <= len(self.names) and self.is_row(fields)


def _is_kdd(fields: Sequence[str]) -> bool:
    words = (fields[2], fields[3], fields[41])
    return (
        fields[0].isdigit()
        and fields[1] in _kdd.PROTOCOLS
        and all(map(_WORD.match, words))
    )


def _is_unsw(fields: Sequence[str]) -> bool:
    addresses = (fields[0], fields[2])
    return all(map(_ADDRESS.fullmatch, addresses)) and fields[48] in ("0", "1")


def _clean_unsw(frame: pl.DataFrame) -> pl.DataFrame:
    """Name benign rows, whose ``attack_cat`` is blank, and write ports as decimals."""
    ports = pl.col("sport", "dsport").str.strip_chars()
    is_hex = ports.str.contains("^0[xX][0-9a-fA-F]{1,8}$")
    decimal = pl.when(is_hex).then(ports).str.slice(2).str.to_integer(base=16)
    attack = pl.col("attack_cat").str.strip_chars()
    is_benign = attack.fill_null("").is_in(["", "-"]) & (
        pl.col("Label").str.strip_chars() == "0"
    )
    return frame.with_columns(
        pl.when(is_hex).then(decimal.cast(pl.String)).otherwise(ports),
        pl.when(is_benign).then(pl.lit("Normal")).otherwise(attack).alias("attack_cat"),
    )


LAYOUTS = (
    Layout(
        title="KDD Cup 99 or NSL-KDD",
        names=(*(c.name for c in _kdd.COLUMNS), "label", "difficulty"),
        least=42,
        is_row=_is_kdd,
    ),
    Layout(
        title="the raw files of UNSW-NB15",
        names=tuple(_UNSW.split()),
        least=49,
        is_row=_is_unsw,
        clean=_clean_unsw,
    ),
)
