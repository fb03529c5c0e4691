"""Whole rows: how many of what, doubled, contradictory, shared between splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.prepare.dealing import equal_rows
from evenflow.schema import BENIGN, Table

Rows = NDArray[np.int64]


def check(table: Table, others: Mapping[str, Table]) -> None:
    """Refuse what cannot be explored."""
    if not len(table):
        raise DataError(
            "there are no rows to explore; expected a table with at least one row. "
            "Check the file or the split"
        )
    for name, other in others.items():
        if other.schema.names != table.schema.names:
            odd = set(other.schema.names) ^ set(table.schema.names)
            raise DataError(
                f"the split {name} has other columns ({', '.join(sorted(odd)[:5])}); "
                "expected the same columns in every split. Give splits of one data set"
            )


def vectors(*frames: pl.DataFrame) -> Rows:
    """Return a number for each row of the stacked frames, equal for equal rows."""
    names = frames[0].columns
    stacked = pl.concat(frames, rechunk=False)
    if not names:
        return np.zeros(stacked.height, dtype=np.int64)
    return equal_rows(stacked)


def numbered(table: Table) -> Rows:
    """Return a number for each row of a table, equal for rows with equal features."""
    return vectors(table.frame)


def overview(table: Table, split: str, entropy: float | None) -> dict[str, Any]:
    """Return how much of what there is."""
    schema = table.schema
    ratio = None
    if table.y is not None:
        present = [n for n in table.counts().values() if n]
        ratio = max(present) / min(present)
    return {
        "name": schema.name,
        "split": split,
        "taxonomy": schema.taxonomy,
        "is_synthetic": schema.is_synthetic,
        "n_rows": len(table),
        "n_columns": len(schema.columns),
        "n_numeric": len(schema.numeric),
        "n_category": len(schema.categories),
        "n_classes": len(schema.classes),
        "n_attack_types": len(attacks(table)),
        "label_entropy_bits": entropy,
        "imbalance_ratio": ratio,
    }


def classes(table: Table) -> list[dict[str, Any]]:
    """Return the rows of each class, absent classes included; empty without labels."""
    if table.y is None:
        return []
    n_rows = len(table)
    return [
        {"name": name, "n": n, "share": n / n_rows}
        for name, n in table.counts().items()
    ]


def attacks(table: Table) -> list[dict[str, Any]]:
    """Return the rows of each attack type, most frequent first."""
    if table.attack is None:
        return []
    counts = table.attack.rename("name").value_counts(name="n")
    counts = counts.filter(pl.col("name") != BENIGN)
    counts = counts.sort(["n", "name"], descending=[True, False])
    return [
        {
            "name": name,
            "family": table.schema.class_of(name),
            "n": n,
            "share": n / len(table),
        }
        for name, n in counts.iter_rows()
    ]


def duplicates(table: Table, group: Rows) -> dict[str, Any]:
    """Return how many rows repeat the features of another."""
    _, sizes = np.unique(group, return_counts=True)
    by_class = {}
    if table.y is not None:
        pairs = np.unique(np.stack([group, table.y]), axis=1)
        met = np.bincount(pairs[1], minlength=len(table.schema.classes))
        by_class = dict(zip(table.schema.classes, met.tolist(), strict=True))
    return {
        "distinct_rows": len(sizes),
        "duplicate_rows": len(group) - len(sizes),
        "duplicate_share": 1 - len(sizes) / len(group),
        "largest_group": int(sizes.max()),
        "distinct_by_class": by_class,
    }


def conflicts(table: Table, group: Rows) -> dict[str, Any]:
    """Return the feature vectors that carry more than one label."""
    nothing: dict[str, Any] = {
        "vectors": 0,
        "rows": 0,
        "attack_vectors": 0,
        "examples": [],
    }
    if table.y is None:
        return nothing
    frame = pl.DataFrame({"group": group, "y": table.y})
    by = frame.group_by("group").agg(
        pl.col("y").n_unique().alias("labels"), pl.len().alias("n"), pl.col("y")
    )
    odd = by.filter(pl.col("labels") > 1).sort(["n", "group"], descending=[True, False])
    attack_vectors = odd.height
    if table.attack is not None:
        named = pl.DataFrame({"group": group, "attack": table.attack})
        attack_vectors = (
            named.group_by("group")
            .agg(pl.col("attack").n_unique().alias("labels"))
            .filter(pl.col("labels") > 1)
            .height
        )
    names = table.schema.classes
    examples = []
    for labels in odd["y"].head(5).to_list():
        codes, counts = np.unique(labels, return_counts=True)
        examples.append(
            {"classes": {names[c]: int(n) for c, n in zip(codes, counts, strict=True)}}
        )
    return nothing | {
        "vectors": odd.height,
        "rows": int(odd["n"].sum()),
        "attack_vectors": attack_vectors,
        "examples": examples,
    }


def compare(table: Table, name: str, other: Table) -> dict[str, Any]:
    """Return what another split shares with this one, and what is new in it."""
    group = vectors(table.frame, other.frame)
    here, there = group[: len(table)], group[len(table) :]
    is_shared = np.isin(there, here)
    same = None
    if table.y is not None and other.y is not None:
        pairs = pl.DataFrame({"group": here, "y": table.y}).unique()
        met = pl.DataFrame({"group": there, "y": other.y}).join(
            pairs, on=["group", "y"], how="semi"
        )
        same = met.height
    n_shared = int(is_shared.sum())
    mine = {a["name"] for a in attacks(table)}
    theirs = attacks(other)
    unseen_values = {
        c.name: sorted(
            set(other.frame[c.name].drop_nulls().unique())
            - set(table.frame[c.name].drop_nulls().unique())
        )
        for c in table.schema.categories
    }
    return {
        "name": name,
        "n_rows": len(other),
        "classes": classes(other),
        "shared_rows": n_shared,
        "shared_share": n_shared / len(other) if len(other) else 0.0,
        "shared_same_class": same,
        "shared_other_class": None if same is None else n_shared - same,
        "unseen_attacks": [a for a in theirs if a["name"] not in mine],
        "absent_attacks": sorted(mine - {a["name"] for a in theirs}),
        "unseen_values": {k: v for k, v in unseen_values.items() if v},
    }
