"""Whose each connection of a run is: what the log of the wire and of the acts say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from evenflow.schema import BENIGN

UNKNOWN = "unknown"
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
ICMP6 = 58
ICMP_ERRORS, ICMP6_ERRORS = (3, 11), (1, 2, 3, 4)
MOST_MISSING = 0.5
"""Share of missing pages from which a check of links is a search for pages."""
NEIGHBOURS = (130, 131, 132, 133, 134, 135, 136, 137, 143)
"""Types of ICMPv6 by which hosts find one another, routers and groups."""
NOBODY = -1
"""Action of what machines send of their own accord."""
LATE_NS = 10**6
"""The clock of the capture may be behind that of the wire by less."""
NEAR_NS = 120 * 10**9
JUST_NS = 10 * 10**9


def label(
    rows: pl.DataFrame, actions: pl.DataFrame, packets: pl.DataFrame
) -> pl.DataFrame:
    """Say for each row whose it is.

    Parameters
    ----------
    rows : DataFrame
        With the columns that say between whom a connection is, since when, and when
        the row could be made.
    actions : DataFrame
        Who acted where and when, and what it was.
    packets : DataFrame
        The log of the wire: in which namespace each connection of a client began.
    """
    owners = (
        packets.sort("ts")
        .join_asof(
            actions.select("machine", "slot", "start_ns", "action").sort("start_ns"),
            left_on="ts", right_on="start_ns", by=["machine", "slot"],
            check_sortedness=False,
        )
        .with_columns(pl.col("proto").replace({ICMP6: 1}))
        .select(
            pl.col("ts").alias("begun"), "action",
            pl.min_horizontal("source", "destination").alias("host"),
            pl.max_horizontal("source", "destination").alias("other_host"),
            *_ends("source", "source_port", "destination", "destination_port", "proto"),
        )
        .sort("begun")
    )  # fmt: skip
    number = pl.col("proto").replace_strict(PROTOCOLS, default=0, return_dtype=pl.Int64)
    found = (
        rows.with_row_index("at")
        .with_columns(number.alias("ip_number"), (pl.col("ts") + LATE_NS).alias("late"))
        .with_columns(
            *_ends("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "ip_number")
        )
        .sort("late")
        .join_asof(
            owners, left_on="late", right_on="begun", by=["one", "other", "number"],
            tolerance=NEAR_NS, check_sortedness=False,
        )
        .sort("at")
        .join(actions.drop("machine", "slot", "start_ns"), on="action", how="left")
    )  # fmt: skip
    found = _not_of_both(found, owners, actions)
    found = _errors(found, owners, actions)
    is_own = _is_neighbour() & pl.col("action").is_null()
    own = {"family": BENIGN, "label": "neighbours", "tool": "kernel", "action": NOBODY}
    return found.with_columns(
        pl.when(is_own).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in own.items()
    ).with_columns(
        pl.when(_is_neighbour() & (pl.col("family") != BENIGN))
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.col("family").fill_null(UNKNOWN))
        .alias("family")
    )


def _not_of_both(
    found: pl.DataFrame, owners: pl.DataFrame, actions: pl.DataFrame
) -> pl.DataFrame:
    """Take the label from rows that hold packets of clients and of attackers.

    It happens where no port tells them apart: machines without an address ask for one
    as one and the same host, and pings between two hosts are one connection.
    """
    families = owners.join(actions.select("action", "family"), on="action")
    is_attack = ~pl.col("family").is_in([BENIGN, UNKNOWN])
    both = found.sort("known")
    for name, is_one in (("clients", ~is_attack), ("attackers", is_attack)):
        last = families.filter(is_one).select("one", "other", "number", "begun")
        both = both.join_asof(
            last.rename({"begun": name}), left_on="known", right_on=name,
            by=["one", "other", "number"], check_sortedness=False,
        )  # fmt: skip
    since = pl.col("begun")
    mixed = (pl.col("clients") >= since) & (pl.col("attackers") >= since)
    return (
        both.with_columns(
            pl.when(mixed.fill_null(value=False))
            .then(pl.lit(UNKNOWN))
            .otherwise("family")
            .alias("family")
        )
        .drop("clients", "attackers")
        .sort("at")
    )


def _is_six() -> pl.Expr:
    return pl.col("id.orig_h").str.contains(":", literal=True)


def _is_neighbour() -> pl.Expr:
    """Return whether hosts only looked for one another."""
    kind = pl.col("id.orig_p").is_in(NEIGHBOURS)
    return (pl.col("proto") == "icmp") & _is_six() & kind


def _errors(
    found: pl.DataFrame, owners: pl.DataFrame, actions: pl.DataFrame
) -> pl.DataFrame:
    """Say for each error message whether it is ordinary; it is unknown otherwise.

    It is the answer of a host to a packet that it does not want. It is ordinary where
    an ordinary client just sent something between the two hosts, and no attacker did
    within two minutes.
    """
    kind = pl.col("id.orig_p")
    is_error = (pl.col("proto") == "icmp") & (
        pl.when(_is_six())
        .then(kind.is_in(ICMP6_ERRORS))
        .otherwise(kind.is_in(ICMP_ERRORS))
    )
    labels = [c for c in actions.columns if c not in ("machine", "slot", "start_ns")]
    sent = owners.join(actions.select("action", "family"), on="action").select(
        "begun",
        "action",
        # an allowed scan has no label, and is no attack
        pl.col("family").is_in([BENIGN, UNKNOWN]).alias("is_ordinary"),
        pl.col("host").alias("one"),
        pl.col("other_host").alias("other"),
    )

    def near(errors: pl.DataFrame, others: pl.DataFrame, **how: Any) -> pl.DataFrame:
        return errors.join_asof(
            others, left_on="late", right_on="begun", by=["one", "other"],
            check_sortedness=False, **how,
        ).drop("begun", strict=False)  # fmt: skip

    attacks = sent.filter(~pl.col("is_ordinary")).select("begun", "one", "other")
    errors = found.filter(is_error).drop(labels).sort("late")
    for way in ("backward", "forward"):
        marked = attacks.with_columns(pl.lit(value=True).alias(way))
        errors = near(errors, marked, strategy=way, tolerance=NEAR_NS)
    quiet = (
        near(
            errors.filter(pl.col("backward").is_null() & pl.col("forward").is_null()),
            sent.filter("is_ordinary").drop("is_ordinary"),
            tolerance=JUST_NS,
        )
        .select("at", "action")
        .join(actions.select(labels), on="action", how="left")
    )
    rest = found.filter(is_error).drop(labels).join(quiet, on="at", how="left")
    return pl.concat(
        [found.filter(~is_error), rest.select(found.columns)], how="vertical_relaxed"
    ).sort("at")


def _ends(
    one: str, port: str, other: str, other_port: str, proto: str
) -> list[pl.Expr]:
    """Return the two ends of a connection in an order of their own.

    Ports do not count in ICMP: who sent what to whom is known by the hosts alone.
    """
    has_ports = pl.col(proto).is_in([6, 17])
    ends = [
        pl.when(has_ports)
        .then(pl.format("{}:{}", host, number))
        .otherwise(pl.col(host))
        for host, number in ((one, port), (other, other_port))
    ]
    return [
        pl.min_horizontal(ends).alias("one"),
        pl.max_horizontal(ends).alias("other"),
        pl.col(proto).cast(pl.Int64).alias("number"),
    ]


def actions(folder: Path) -> pl.DataFrame:
    """Return the log of who did what when."""
    lines = [
        json.loads(line)
        for line in (folder / "actions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return pl.DataFrame(
        [
            {
                "action": a["id"],
                "machine": a["machine"],
                "slot": a["slot"],
                "start_ns": a["start_ns"],
                "family": UNKNOWN if _is_allowed_scan(a) else a["family"],
                "label": a["action"].lower().replace(" ", "_"),
                "tool": a["tool"],
                "rate": a["settings"].get("rate"),
                "succeeded": a["succeeded"],
                "twin_of": a["twin_of"],
            }
            for a in lines
        ],
        schema={
            "action": pl.Int64, "machine": pl.Int64, "slot": pl.Int64,
            "start_ns": pl.Int64, "family": pl.String, "label": pl.String,
            "tool": pl.String, "rate": pl.Float64, "succeeded": pl.Boolean,
            "twin_of": pl.String,
        },
    )  # fmt: skip


def _is_allowed_scan(action: Mapping[str, Any]) -> bool:
    """Return whether an early run scanned with leave: many ports, or missing pages.

    Nothing but the leave tells it from an attack, so it has no label.
    """
    settings = action["settings"]
    if action["action"] == "inventory":
        return "-" in str(settings.get("ports", ""))
    missing: float = settings.get("gone", 0)
    return action["action"] == "link check" and missing >= MOST_MISSING


def packets(folder: Path) -> pl.DataFrame:
    """Return the log of the wire."""
    return pl.read_csv(
        folder / "packets.csv",
        schema_overrides={"ts": pl.Int64, "machine": pl.Int64, "slot": pl.Int64},
    )
