"""Runs of a lab to rows of the ``flow`` contract, each with what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from evenflow.errors import DataError
from evenflow.files import replacing
from evenflow.lab.labels import UNKNOWN, actions, label, packets
from evenflow.lab.record import FILES, META, digest
from evenflow.lab.views import Key, Views
from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic.captures import Frames, read_frames
from evenflow.traffic.contracts import contract
from evenflow.traffic.flows import Follower

NATURAL = "natural"
"""A part in which the share of each family is as it is."""
RUNS = "evenflow.lab.runs"
"""Key of the file's metadata under which the ``meta.json`` of each run stands."""
DIGITS = 3
"""Of a fraction: more would only fill the file."""
MOST_CONNECTIONS = 10**6
"""Of a capture."""
MOST_OF_ACTION = 50
"""Connections of one action that have rows; the others would only fill the file."""
SPREAD = 2_654_435_761
"""A prime that puts numbers in an order without a pattern (Knuth)."""
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
    folders: Sequence[Path],
    output: Path,
    *,
    add: Path | None = None,
    on_event: OnEvent = ignore,
) -> pl.DataFrame:
    """Write the rows of runs into a Parquet file, and return them.

    What the log of a run does not explain is ``unknown``: it has no row and is counted.

    Parameters
    ----------
    add : Path, optional
        A file that this made before; its rows come first, as they are.

    Raises
    ------
    DataError
        A folder is not a whole run, its files are not those recorded, or ``add`` is not
        such a file or has a run of this name.
    """
    frames, runs = _made(add) if add else ([], [])
    known = {run["run"] for run in runs}
    for folder in folders:
        runs.append(_meta(folder))
        if (name := runs[-1]["run"]) in known:
            raise DataError(
                f"found a run named {name} twice, expected each once. Leave {folder} "
                "out, or record it under another name"
            )
        known.add(name)
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
            compression_level=22,
            statistics=False,
            data_page_size=2**24,
            metadata={RUNS: json.dumps(runs)},
        )
    return found


def _made(path: Path) -> tuple[list[pl.DataFrame], list[dict[str, Any]]]:
    """Return the rows of a file made before, and its runs."""
    try:
        rows = pl.read_parquet(path)
        runs: list[dict[str, Any]] = json.loads(pl.read_parquet_metadata(path)[RUNS])
    except (OSError, pl.exceptions.PolarsError, KeyError) as error:
        raise DataError(
            f"{path} cannot be added to: {error!r}; expected a file that `evenflow lab "
            "build` made. Name another"
        ) from error
    expected = [*LABELS, *contract("flow").columns]
    if rows.columns != expected:
        differ = sorted(set(rows.columns) ^ set(expected))
        raise DataError(
            f"{path} has other columns than rows have now ({', '.join(differ)}). Build "
            "its runs again"
        )
    return [rows], runs


def rows_of(folder: Path, meta: Mapping[str, Any]) -> tuple[pl.DataFrame, int]:
    """Return the labelled rows of a run, and how many have no label.

    The rows are made of all connections, then those of some are left out.
    """
    rows = pl.concat(_captures(folder, meta))
    first = rows["ts"].min() or 0
    rows = label(rows, actions(folder), packets(folder))
    known = rows.filter(pl.col("family") != UNKNOWN)
    n_unknown = rows.height - known.height
    if meta["plan"]["part"] != NATURAL:
        known = known.filter(_is_one_of_few())
    known = known.sort("action", "connection", "known")  # what is alike packs well
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
    ), n_unknown


def _is_one_of_few() -> pl.Expr:
    """Return whether the connection is one of those of its action that have rows."""
    order = (pl.col("connection") * SPREAD) % 2**32
    return order.rank("dense").over("action") <= MOST_OF_ACTION


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
