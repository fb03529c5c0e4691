"""The tables and figures of the card of ``lab``, measured on its file.

    python benchmarks/traffic/lab_card.py [--card PAGE]

Tables are found by their first line, figures by the words around them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from sklearn import metrics
from sklearn.tree import DecisionTreeClassifier

from evenflow.datasets import lab
from evenflow.lab import build

PARTS = ("train", "test", "natural")
FAMILIES = ("benign", *lab.FAMILIES)
IDENTITY = ("source", "source_port", "destination", "destination_port")
NUMERIC = [c.name for c in lab.SCHEMA.numeric]
RATES = {
    "under 1 per second": (0.0, 1.0),
    "1 to 10 per second": (1.0, 10.0),
    "10 to 100 per second": (10.0, 100.0),
    "over 100 per second": (100.0, np.inf),
}


def runs() -> list[dict[str, Any]]:
    """Return what is written of each run."""
    found: list[dict[str, Any]] = json.loads(
        pl.read_parquet_metadata(lab.FILE)[build.RUNS]
    )
    return found


def last_number(column: str) -> pl.Expr:
    """Return the last number of an address of either IP."""
    last = pl.col(column).str.extract(r"([0-9a-f]*)$")
    return (
        pl.when(pl.col(column).str.contains(":"))
        .then(last.str.to_integer(base=16, strict=False))
        .otherwise(last.str.to_integer(strict=False))
        .fill_null(0)
        .alias(column)
    )


def is_foreign(rows: pl.DataFrame, runs: Sequence[dict[str, Any]]) -> pl.Series:
    """Return which rows were sent from an address that no machine of the run has."""
    machines = {
        (run["run"], ip)
        for run in runs
        for m in run["machines"]
        for ip in (m["ip"], m.get("ip6", m["ip"]))
    }
    senders = rows.select("run", "source").iter_rows()
    return pl.Series([sender not in machines for sender in senders])


def balanced_accuracy_of_a_tree(rows: pl.DataFrame, columns: Sequence[str]) -> float:
    """Return that of a tree which tells attacks in test runs by these columns."""
    X = rows.select(columns).to_numpy().astype(float)
    y = (rows["family"] != "benign").to_numpy()
    train, test = ((rows["part"] == p).to_numpy() for p in ("train", "test"))
    tree = DecisionTreeClassifier(
        max_depth=8, min_samples_leaf=20, class_weight="balanced", random_state=0
    ).fit(X[train], y[train])
    return float(metrics.balanced_accuracy_score(y[test], tree.predict(X[test])))


def areas(rows: pl.DataFrame) -> Iterator[tuple[float, str, str]]:
    """Return (area, family, column) of each column alone, attack against benign."""
    for family in lab.FAMILIES:
        both = rows.filter(pl.col("family").is_in([family, "benign"]))
        y = (both["family"] == family).to_numpy()
        n = int(y.sum()), int((~y).sum())
        for column in NUMERIC:
            ranks = both[column].rank().to_numpy()
            area = (ranks[y].sum() - n[0] * (n[0] + 1) / 2) / (n[0] * n[1])
            yield max(area, 1 - area), family, column


def fitted(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[float, float]]]:
    """Fit a tree of depth 3 and boosted trees on training rows.

    Returns
    -------
    rows : DataFrame
        With the column ``said``: the family that the boosted trees see.
    scores : list of tuple
        Macro F1 and balanced accuracy on test rows, of the tree and of the others.
    """
    codes = pl.col([c.name for c in lab.SCHEMA.categories]).rank("dense")
    X = rows.select(pl.col(NUMERIC).cast(pl.Float64), codes).to_numpy()
    y = rows["family"].to_numpy()
    train, test = ((rows["part"] == p).to_numpy() for p in ("train", "test"))
    scores = []
    for model in (
        DecisionTreeClassifier(max_depth=3, random_state=0),
        lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1, random_state=0),
    ):
        said = model.fit(X[train], y[train]).predict(X)
        scores.append(
            (
                metrics.f1_score(y[test], said[test], average="macro"),
                metrics.balanced_accuracy_score(y[test], said[test]),
            )
        )
    return rows.with_columns(pl.Series("said", said)), scores


def table(text: str, head: str, lines: Sequence[str]) -> str:
    """Return the text with other lines in the table that begins like this."""
    start = text.index(head)
    start = text.index("\n", text.index("\n", start) + 1) + 1  # the lines of its head
    return text[:start] + "\n".join(lines) + text[text.index("\n\n", start) :]


def row(*values: str | int | None) -> str:
    """Return a line of a table."""
    return (
        " ".join(
            f"| {v:,}" if isinstance(v, int) else f"| {v}" if v else "|" for v in values
        )
        + " |"
    )


def tables(text: str, rows: pl.DataFrame) -> str:
    """Return the card with the counts of rows."""
    of_part = {p: rows.filter(pl.col("part") == p) for p in PARTS}
    lines = [
        row(p, x["run"].n_unique(), x.height, x.select("run", "connection").n_unique(),
            *(int((x["family"] == f).sum()) for f in FAMILIES))
        for p, x in of_part.items()
    ]  # fmt: skip
    text = table(text, "| part | runs |", lines)
    lines = []
    for family, names in lab.FAMILIES.items():
        for name in names:
            of_name = rows.filter(pl.col("label") == name)
            for tool in sorted(of_name["tool"].unique()):
                x = of_name.filter(pl.col("tool") == tool)
                n = [int((x["part"] == p).sum()) for p in PARTS]
                attacks = x.select("run", "action").n_unique()
                lines.append(row(family, name, tool, attacks, *n))
    text = table(text, "| family | attack type |", lines)
    ordinary = rows.filter(pl.col("family") == "benign")
    keys = ["label", "tool", "twin_of"]
    counts = ordinary.group_by(keys).len().sort(keys).iter_rows()
    return table(text, "| application | tool |", [row(*count) for count in counts])


def percent(x: pl.DataFrame) -> str:
    """Return which share of rows is found, and of how many."""
    found = x.select((pl.col("said") != "benign").mean()).item()
    return f"{100 * found:.0f}% of {x.height:,} rows"


def figures(text: str, rows: pl.DataFrame, runs: Sequence[dict[str, Any]]) -> str:
    """Return the card with what was measured on the rows."""
    n_machines = sum(len(run["machines"]) for run in runs)
    n_connections = rows.select("run", "connection").n_unique()
    cut = [n for run in runs if (n := run["plan"].get("pieces", 1)) > 1]
    hosts = rows.with_columns(last_number(c) for c in ("source", "destination"))
    marked = rows.with_columns(
        is_foreign(rows, runs).alias("foreign"),
        pl.col("source").str.contains(":").alias("six"),
    )
    no_scans = hosts.filter(pl.col("family") != "scan")
    tell = balanced_accuracy_of_a_tree
    distinct = []
    for family in FAMILIES:
        of_family = rows.filter(pl.col("family") == family)
        n = [
            f"{x.select(lab.SCHEMA.names).unique().height:,} of {x.height:,}"
            for x in (of_family.filter(pl.col("part") == p) for p in ("train", "test"))
        ]
        distinct.append(f"{family} {n[0]} and {n[1]}")
    area, of, column = max(areas(rows))
    said, ((f1_3, bal_3), (f1, bal)) = fitted(rows)
    attacks = said.filter((pl.col("part") == "test") & (pl.col("family") != "benign"))
    by_rate = [
        f"{name} {percent(attacks.filter(pl.col('rate').is_between(*ends, 'left')))}"
        for name, ends in RATES.items()
    ]
    seen = rows.filter(pl.col("part") == "train").select("label", "tool").unique()
    known, others = (
        percent(attacks.join(seen, on=["label", "tool"], how=how)).partition(" ")[0]
        for how in ("semi", "anti")
    )
    natural = said.filter(pl.col("part") == "natural").with_columns(
        attack=pl.col("family") != "benign", alarm=pl.col("said") != "benign"
    )
    n_found, n_false = (
        natural.filter(pl.col("alarm") & (pl.col("attack") == is_attack)).height
        for is_attack in (True, False)
    )
    minutes = sum(r["plan"]["seconds"] for r in runs if r["plan"]["part"] == "natural")
    faults = {
        "1 address or port tells": (
            "a tree of depth 8 on the last numbers of both addresses and the source "
            f"port: balanced accuracy {tell(hosts, IDENTITY[:3]):.2f} in test runs "
            "(chance: .50); with the destination port, whose odd values make a scan, "
            f"{tell(hosts, IDENTITY):.2f}; the same without scans "
            f"{tell(no_scans, IDENTITY):.2f}; on whether the sender is of another "
            f"network, and on IPv6, {tell(marked, ['foreign', 'six']):.2f}"
        ),
        "2 time tells": (
            f"the same on the second in the run: {tell(rows, ['known_s']):.2f}"
        ),
        "5 rows collapse": "distinct rows, train and test: " + "; ".join(distinct),
        "6 one column does it all": (
            f"greatest area of a single column: {area:.3f} ({column}, {of})"
        ),
        "12 fixed rates": (
            "found by rate, by the boosted trees below: " + "; ".join(by_rate)
        ),
        "13 base rate": (
            f"`natural`: {int(natural['attack'].sum())} of {natural.height:,} rows are "
            f"attacks; {n_found} of them found, {n_false} false alarms in "
            f"{minutes / 60:.0f} minutes"
        ),
    }
    text = table(text, "| fault | found |", [row(*fault) for fault in faults.items()])
    sentences = {
        r"on [\d,]+ machines in \d+ runs": (
            f"on {n_machines} machines in {len(runs)} runs"
        ),
        r"[\d,]+ connections; a connection": (
            f"{n_connections:,} connections; a connection"
        ),
        r"\d+ of the runs, which last up": f"{len(cut)} of the runs, which last up",
        r"pieces of time, \d+ in all": f"pieces of time, {sum(cut)} in all",
        r"(?s)A decision tree of depth 3 .*?of the others \d+%\.": (
            f"A decision tree of depth 3 has a macro F1 of {f1_3:.2f} on the test "
            f"runs, 100 boosted trees\n(LightGBM, no tuning) {f1:.2f}; balanced "
            f"accuracy {bal_3:.2f} and {bal:.2f}. Of the attacks whose kind\nand tool "
            f"were in training, the boosted trees find {known} of the rows, of the "
            f"others {others}."
        ),
    }
    for pattern, sentence in sentences.items():
        text, n = re.subn(pattern, lambda _, s=sentence: s, text)
        if n != 1:
            raise SystemExit(f"found {n} times {pattern!r} on the card, expected once")
    return text


def main() -> None:
    """Write the card again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--card", type=Path, default=root / "docs/datasets/lab.md")
    card = parser.parse_args().card
    rows = lab.rows()
    text = tables(card.read_text(encoding="utf-8"), rows)
    card.write_text(figures(text, rows, runs()), encoding="utf-8")


if __name__ == "__main__":
    main()
