"""Runs of a lab to rows of the ``flow`` contract, each with what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from evenflow.errors import DataError
from evenflow.files import replacing
from evenflow.lab.record import FILES, META, digest
from evenflow.lab.views import Key, Views
from evenflow.progress import Note, OnEvent, ignore
from evenflow.schema import BENIGN
from evenflow.traffic.captures import Frames, read_frames
from evenflow.traffic.contracts import contract
from evenflow.traffic.flows import Follower

UNKNOWN = "unknown"
RUNS = "evenflow.lab.runs"
"""Key of the file's metadata under which the ``meta.json`` of each run stands."""
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
ICMP_ERRORS = (3, 11)
LATE_NS = 10**6
"""The clock of the capture may be behind that of the wire by less."""
DIGITS = 3
"""Of a fraction: more would only fill the file."""
NEAR_NS = 120 * 10**9
JUST_NS = 10 * 10**9
MOST_CONNECTIONS = 10**6
"""Of a capture."""
LABELS = {
    "run": pl.String,
    "part": pl.String,
    "family": pl.String,
    "label": pl.String,
    "tool": pl.String,
    "rate": pl.Float64,
    "succeeded": pl.Boolean,
    "twin_of": pl.String,
    "action": pl.Int64,
    "connection": pl.Int64,
    "known_s": pl.Float64,
    "source": pl.String,
    "source_port": pl.Int64,
    "destination": pl.String,
    "destination_port": pl.Int64,
}
"""Columns beside those of the contract.

``action`` is the number of the action in the run's log, ``connection`` the same in all
rows of a connection, ``known_s`` the seconds from the run's first packet to the moment
at which the row could be made.
"""


def build(
    folders: Sequence[Path], output: Path, *, on_event: OnEvent = ignore
) -> pl.DataFrame:
    """Write the rows of runs into a Parquet file, and return them.

    What the log of a run does not explain is ``unknown``: it has no row and is counted.

    Raises
    ------
    DataError
        A folder is not a whole run, or its files are not those recorded.
    """
    frames, runs = [], []
    for folder in folders:
        runs.append(_meta(folder))
        rows, n_unknown = rows_of(folder, runs[-1])
        frames.append(rows)
        on_event(
            Note(text=f"rows of {folder.name}: {rows.height:,}; unknown: {n_unknown:,}")
        )
    if not frames:
        raise DataError("found no run, expected the folder of at least one")
    found = pl.concat(frames)
    with replacing(output) as part:
        found.write_parquet(
            part,
            compression="zstd",
            compression_level=19,
            metadata={RUNS: json.dumps(runs)},
        )
    return found


def rows_of(folder: Path, meta: Mapping[str, Any]) -> tuple[pl.DataFrame, int]:
    """Return the labelled rows of a run, and how many have no label."""
    rows = pl.concat(_captures(folder, meta))
    first = rows["ts"].min() or 0
    rows = label(rows, actions(folder), packets(folder))
    known = rows.filter(pl.col("family") != UNKNOWN)
    columns = contract("flow").columns
    return known.select(
        pl.lit(meta["run"]).alias("run"),
        pl.lit(meta["plan"]["part"]).alias("part"),
        *(n for n in list(LABELS)[2:9]),
        "connection",
        ((pl.col("known") - first) / 1e9).round(3).alias("known_s"),
        pl.col("id.orig_h").alias("source"),
        pl.col("id.orig_p").alias("source_port"),
        pl.col("id.resp_h").alias("destination"),
        pl.col("id.resp_p").alias("destination_port"),
        *(
            pl.col(n).round_sig_figs(DIGITS).cast(pl.Float32)
            if rows[n].dtype == pl.Float64
            else pl.col(n)
            for n in columns
        ),
    ), rows.height - known.height


def _captures(folder: Path, meta: Mapping[str, Any]) -> Iterator[pl.DataFrame]:
    """Yield the rows of each of the captures that a run is made of."""
    views = Views(meta)
    opened: dict[Key, _Capture] = {}
    n = 0
    with (folder / "capture.pcap").open("rb") as stream:
        for frames in read_frames(stream, source=folder.name):
            for key, some in views.of(frames):
                for old in [k for k in opened if k[0] < key[0]]:
                    yield _once(opened.pop(old).finish(), n := n + 1)
                if key not in opened:
                    opened[key] = _Capture(folder.name)
                opened[key].add(some)
    for capture in opened.values():
        yield _once(capture.finish(), n := n + 1)


class _Capture:
    """Frames of one capture to its rows."""

    def __init__(self, source: str) -> None:
        self.follower = Follower(early=True)
        self.made = contract("flow").start(source=source).add
        self.found: list[pl.DataFrame] = []

    def add(self, frames: Frames) -> None:
        """Take frames in their order."""
        self._take(self.follower.add(frames))

    def finish(self) -> pl.DataFrame:
        """Return the rows of all frames."""
        self._take(self.follower.finish())
        return pl.concat(self.found)

    def _take(self, connections: pl.DataFrame) -> None:
        names = ("ts", "uid", "known", "proto", *(f"id.{s}_{e}"
                 for s in ("orig", "resp") for e in "hp"))  # fmt: skip
        both = [connections.select(names), self.made(connections)]
        self.found.append(pl.concat(both, how="horizontal"))


def _once(rows: pl.DataFrame, capture: int) -> pl.DataFrame:
    """Return rows with the number of their connection, and one of two alike.

    A connection has a row when both sides closed it, and one when no packet of it can
    come any more, with the same packets. Live, both are judged: every second connection
    keeps the later one.
    """
    rows = rows.with_row_index("connection").with_columns(
        pl.col("connection").min().over("uid").rank("dense").cast(pl.Int64)
        + capture * MOST_CONNECTIONS
    )
    same = ["uid", "fwd_packets", "bwd_packets", "state"]
    is_first = pl.int_range(pl.len()).over(same) == 0
    is_last = pl.int_range(pl.len()).over(same) == pl.len().over(same) - 1
    takes_first = pl.col("connection") % 2 == 0
    return rows.filter(pl.when(takes_first).then(is_first).otherwise(is_last))


def label(
    rows: pl.DataFrame, actions: pl.DataFrame, packets: pl.DataFrame
) -> pl.DataFrame:
    """Say for each row whose it is.

    Parameters
    ----------
    rows : DataFrame
        With the columns that say between whom a connection is, and since when.
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
        .select(
            pl.col("ts").alias("begun"), "action",
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
    return _errors(found, owners, actions).with_columns(
        pl.col("family").fill_null(UNKNOWN)
    )


def _errors(
    found: pl.DataFrame, owners: pl.DataFrame, actions: pl.DataFrame
) -> pl.DataFrame:
    """Say for each error message whether it is ordinary; it is unknown otherwise.

    It is the answer of a host to a packet that it does not want. It is ordinary where
    an ordinary client just sent something between the two hosts, and no attacker did
    within two minutes.
    """
    is_error = (pl.col("proto") == "icmp") & pl.col("id.orig_p").is_in(ICMP_ERRORS)
    labels = [c for c in actions.columns if c not in ("machine", "slot", "start_ns")]
    sent = owners.join(actions.select("action", "family"), on="action").select(
        "begun",
        "action",
        # an allowed scan has no label, and is no attack
        pl.col("family").is_in([BENIGN, UNKNOWN]).alias("is_ordinary"),
        *(pl.col(c).str.split(":").list.first() for c in ("one", "other")),
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
    """Return whether a run of an early version scanned ranges of ports with leave.

    Nothing but the leave tells it from an attack, so it has no label.
    """
    return action["action"] == "inventory" and "-" in action["settings"].get(
        "ports", ""
    )


def packets(folder: Path) -> pl.DataFrame:
    """Return the log of the wire."""
    return pl.read_csv(
        folder / "packets.csv",
        schema_overrides={"ts": pl.Int64, "machine": pl.Int64, "slot": pl.Int64},
    )


def _meta(folder: Path) -> dict[str, Any]:
    """Return what is written of a run, whose files must be those recorded."""
    try:
        found: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} has no readable {META}: {error}; expected a folder that "
            "`evenflow lab record` made. Name another, or record the run again"
        ) from error
    for name in FILES:
        if (now := digest(folder / name)) != found["sha256"][name]:
            raise DataError(
                f"{folder / name} has the SHA-256 {now}, expected that of the record, "
                f"{found['sha256'][name]}. Record the run again"
            )
    found["plan"].pop("folder", None)  # a place on the machine that recorded it
    return found
