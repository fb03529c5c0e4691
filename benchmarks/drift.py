"""How often drift is reported where there is none, and whether it is where there is.

    python benchmarks/drift.py [--json FILE]

Models are trained on 70 % of the rows; the other 30 %, of the same distribution, are
halved at random again and again. Needs the files of NSL-KDD; about five minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evenflow import datasets
from evenflow.decision import Scores
from evenflow.experiment.run import run
from evenflow.places import folders
from evenflow.prepare.dealing import hold_out
from evenflow.recipe import Recipe
from evenflow.runtime import bundle as bundles
from evenflow.runtime._betting import Bets
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.drift import Drift
from evenflow.schema import Table

HALVES, RUNS, N_WEALTH, N_ROWS = 100, 50, 1_000, 20_000
SCALED = {"nsl_kdd": "src_bytes", "lab": "bwd_bytes"}
OTHERS = {"nsl_kdd": ("test",), "lab": ("test", "natural")}
FRACTION = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found: dict[str, Any] = {"wealth": wealth(np.random.default_rng(0))}
    print(json.dumps(found), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in SCALED:
            found[name] = of_data_set(name, Path(folder) / name)
            print(name, json.dumps(found[name], indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


def wealth(rng: np.random.Generator) -> dict[str, Any]:
    """Bet against shares that hold exactly; count the runs that reach 100."""
    reached = 0
    for _ in range(N_WEALTH):
        bets = Bets([0.1, 0.4])
        for at in range(0, N_ROWS, 50):
            bets.add(rng.binomial(50, [0.1, 0.4]).tolist(), [50, 50], at)
            if bets.log_wealth >= math.log(100):
                reached += 1
                break
    return {"runs": N_WEALTH, "rows of each": N_ROWS, "reached 100": reached,
            "bound": N_WEALTH // 100}  # fmt: skip


def of_data_set(name: str, output: Path) -> dict[str, Any]:
    """Train on a part of a data set; compare its other rows, and other data."""
    recipe = Recipe.load(f"{name}/lightgbm-none").with_(
        split={"name": "stratified", "fraction": FRACTION}
    )
    run(recipe, folders=folders(), output=output)
    model = bundles.load(output, threads=1)
    train = datasets.load(name, "train", folders=folders())
    held = train.take(hold_out(train, fraction=FRACTION, seed=recipe.seed)[1])
    scores = model.decide(held)
    rng = np.random.default_rng(1)
    halves = [
        of_file(model, held, scores, rng.permutation(len(held))[: len(held) // 2])
        for _ in range(HALVES)
    ]
    out: dict[str, Any] = {
        "halves": HALVES, "halves reported": sum(one["is_drifted"] for one in halves),
    }  # fmt: skip
    for part in OTHERS[name]:
        out[part] = whole(model, datasets.load(name, part, folders=folders()))
    column = pl.col(SCALED[name])
    scaled = held.frame.with_columns(column * 10)
    out[f"{SCALED[name]} times 10"] = whole(
        model, Table(schema=held.schema, frame=scaled)
    )
    if held.extra is not None and "source" in held.extra.columns:
        benign = train.take(np.flatnonzero(train.labels == 0))
        out["live, benign rows"] = live(model, benign, rng)
        out["live"] = live(model, train, rng)
        for part in OTHERS[name]:
            other = datasets.load(name, part, folders=folders())
            out[f"live {part}"] = live(model, other, rng)
    return out


def whole(model: Bundle, table: Table) -> dict[str, Any]:
    """Compare all rows of a table; return the columns that moved most."""
    found = of_file(model, table, model.decide(table), np.arange(len(table)))
    found["columns"] = [one["name"] for one in found["columns"][:3]]
    del found["classes"]
    return found


def of_file(model: Bundle, table: Table, scores: Scores, rows: Any) -> dict[str, Any]:
    """Compare some rows as a file of them is compared."""
    assert model.baseline is not None
    drift = Drift(model.baseline, model.schema.classes, is_live=False)
    for first in range(0, len(rows), 8192):
        drift.add(table, scores, rows[first : first + 8192], first + 1)
    return drift.finish().to_dict()


def live(model: Bundle, table: Table, rng: np.random.Generator) -> dict[str, Any]:
    """Replay the runs of a part, one after the other in random orders, as live."""
    assert model.baseline is not None
    reported, n = 0, 0
    scores = model.decide(table)
    for _ in range(RUNS):
        drift = Drift(model.baseline, model.schema.classes, is_live=True)
        said = [drift.take(*part) for part in replayed(table, scores, rng)]
        reported += any(one is not None for one in said)
        n = drift.n
    return {"replays": RUNS, "rows after thinning": n, "reported": reported}


def replayed(
    table: Table, scores: Scores, rng: np.random.Generator
) -> Iterator[tuple[pl.DataFrame, Table, Scores]]:
    assert table.extra is not None
    extra = table.extra.with_row_index("row")
    begin = 0
    for name in rng.permutation(extra["run"].unique(maintain_order=True).to_list()):
        mine = extra.filter(pl.col("run") == name).sort("known_s")
        rows = mine["row"].to_numpy()
        mine_scores = Scores(
            **{name: getattr(scores, name)[rows] for name in Scores.__slots__}
        )
        ns = (mine["known_s"].to_numpy() * 1e9).astype(np.int64) + begin
        begin = (int(ns[-1]) // 60_000_000_000 + 1) * 60_000_000_000
        connections = mine.select(
            pl.col("source").alias("id.orig_h"),
            pl.col("destination").alias("id.resp_h"),
            pl.Series("known", ns),
        )
        yield connections, table.take(rows), mine_scores


if __name__ == "__main__":
    main()
