"""Compare the columns of the contract bot_iot with those of Argus, capture by capture.

    python benchmarks/traffic/argus.py CAPTURE...

Needs argus and racluster. Records are merged to one a flow; flows of TCP and UDP are
compared whose addresses and ports occur once on both sides. Prints Markdown.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import polars as pl

from evenflow.traffic.contracts.bot_iot import BOT_IOT
from evenflow.traffic.flows import read_connections

FIELDS = (
    "saddr", "sport", "daddr", "dport", "proto", "state", "spkts", "dpkts", "bytes",
    "pkts", "dur", "rate", "srate", "drate", "sum",
)  # fmt: skip
SHOWN = ("pkts", "dur", "rate", "state", "spkts", "srate", "drate", "bytes", "sum")


def main() -> None:
    print(f"| capture | flows | {' | '.join(SHOWN)} |")
    print(f"| --- | {' | '.join(['---:'] * (len(SHOWN) + 1))} |")
    parts = []
    for name in sorted(sys.argv[1:]):
        path = Path(name)
        found = agreement(path)
        parts.append(found)
        if found.height:
            print(row(f"`{path.name}`", found))
    print(row("all", pl.concat(parts)))


def row(name: str, found: pl.DataFrame) -> str:
    """Return a row of the table: the per cent of the flows that agree."""
    cells = [f"{100 * found[column].mean():.2f}" for column in SHOWN]
    return f"| {name} | {found.height:,} | {' | '.join(cells)} |"


def agreement(path: Path) -> pl.DataFrame:
    """Return for each flow that both know whether each column agrees."""
    ours, theirs = of_evenflow(path), of_argus(path)
    both = ours.filter(ours["key"].is_unique()).join(
        theirs.filter(theirs["key"].is_unique()), on="key", suffix="_argus"
    )
    # Argus may have the sides the other way round
    turned = pl.col("saddr") != pl.col("id.orig_h")
    sides = []
    for one, other in (("s", "d"), ("d", "s")):
        for what in ("pkts", "rate"):
            name = f"{one}{what}_argus"
            sides.append(pl.when(turned).then(f"{other}{what}_argus").otherwise(name)
                         .alias(f"{one}{what}_argus"))  # fmt: skip
    both = both.with_columns(sides)

    def near(name: str, slack: float) -> pl.Expr:
        a, b = pl.col(name), pl.col(f"{name}_argus")
        return ((a - b).abs() <= slack * b.abs() + 1e-5).alias(name)

    return both.select(
        *(near(name, 0) for name in ("pkts", "spkts", "dur", "bytes")),
        *(near(name, 1e-3) for name in ("rate", "srate", "drate", "sum")),
        (pl.col("state") == pl.col("state_argus")).alias("state"),
    )


def of_evenflow(path: Path) -> pl.DataFrame:
    with path.open("rb") as stream:
        found = read_connections(stream, source=path.name, checksums=False)
        frame = pl.concat(list(found))
    frame = frame.filter(pl.col("proto").is_in(["tcp", "udp"]))
    rows = BOT_IOT.start(source=path.name).add(frame)
    frames = (
        frame["orig_ip_bytes"] + frame["resp_ip_bytes"] + 14 * rows["pkts"]
    ).alias("bytes")
    return rows.with_columns(
        frames, frame["id.orig_h"], rows["dur"].alias("sum"),
        key=key(frame, "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"),
    )  # fmt: skip


def of_argus(path: Path) -> pl.DataFrame:
    records = subprocess.run(
        ["argus", "-r", str(path), "-w", "-"], stdout=subprocess.PIPE, check=True
    )
    text = subprocess.run(
        ["racluster", "-r", "-", "-c", ",", "-n", "-u", "-p", "6", "-s", *FIELDS],
        input=records.stdout, stdout=subprocess.PIPE, check=True,
    ).stdout  # fmt: skip
    head = ",".join(FIELDS).encode()
    lines = text.partition(b"\n")[2]
    frame = pl.read_csv(io.BytesIO(head + b"\n" + lines), infer_schema=False)
    frame = frame.filter(pl.col("proto").is_in(["tcp", "udp"]))
    return frame.with_columns(
        pl.col(FIELDS[6:]).cast(pl.Float64),
        key=key(frame, "saddr", "sport", "daddr", "dport"),
    )


def key(frame: pl.DataFrame, a: str, p: str, z: str, q: str) -> pl.Series:
    """Return protocol and both ends, whichever is first."""
    ends = [
        pl.concat_str(address, pl.col(port).cast(pl.String), separator=" ")
        for address, port in ((a, p), (z, q))
    ]
    return frame.select(
        pl.concat_str(
            "proto", pl.min_horizontal(ends), pl.max_horizontal(ends), separator="|"
        )
    ).to_series()


if __name__ == "__main__":
    main()
