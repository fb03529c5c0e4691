"""From the verdicts on a file to what the team sees: counts, the worst as alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from evenflow.web.store.tables import Job
from evenflow.web.uploads.results import Results
from evenflow.web.verdicts.keep import (
    LONGEST,
    SERVICES,
    SOURCES,
    bounded,
    facet,
    tallies,
)

SOURCE = "upload"
MAX_VALUES = 200
"""Services or sources of a class that are counted each; the most frequent ones."""
FAIR = 4
"""A class gets at least 1/FAIR of an even share of the alerts, if it has so many."""


def counted(
    path: Path,
    results: Results,
    counts: Mapping[str, int],
    *,
    at: datetime,
    owner_id: int | None,
    bundle: str,
) -> list[dict[str, Any]]:
    """Return rows for :func:`~evenflow.web.store.database.add_tallies`.

    Parameters
    ----------
    path : Path
        The verdicts.
    results : Results
        The same, opened.
    counts : mapping of str to int
        Rows decided for each class.
    """
    found = {(label, "all", ""): n for label, n in counts.items() if n}
    scan = pl.scan_parquet(path, glob=False)
    for name, known in (("service", SERVICES), ("src", SOURCES)):
        column = _column(results, known)
        if column is None:
            continue
        values = (
            scan.select(pl.col("verdict"), value=_as_text(pl.col(column), scan))
            .drop_nulls()
            .filter(pl.col("value") != "")
            .group_by("verdict", "value")
            .len()
            .sort(["verdict", "len", "value"], descending=[False, True, False])
            .group_by("verdict", maintain_order=True)
            .head(MAX_VALUES)
            .collect()
        )
        for label, value, n in values.select("verdict", "value", "len").iter_rows():
            found[label, name, value] = n
    return tallies(found, at=at, owner_id=owner_id, source=SOURCE, bundle=bundle)


def likeliest(path: Path, most: int) -> list[int]:
    """Return the lines of the attacks to open as alerts, in order.

    The likeliest first, yet a class gets a quarter of an even share before a more
    frequent one gets the rest: a flood hides no break-in.
    """
    if most < 1:
        return []
    found = (
        pl.scan_parquet(path, glob=False)
        .filter(pl.col("is_attack"))
        .select("line", "verdict", "attack_probability")
        .collect()
        .sort(["attack_probability", "line"], descending=[True, False])
    )
    if found.height > most:
        n_classes = found["verdict"].n_unique()
        share = max(1, most // (FAIR * n_classes))
        rank = pl.int_range(pl.len()).over("verdict")
        found = (
            found.with_columns(is_first=rank < share)
            .sort("is_first", descending=True, maintain_order=True)
            .head(most)
        )
    return sorted(found["line"].to_list())


def alerts(
    path: Path,
    results: Results,
    lines: Sequence[int],
    *,
    job: Job,
    names: Sequence[str],
    at: datetime,
    bundle: str,
) -> list[dict[str, Any]]:
    """Return the alerts for some lines, as rows of the table.

    Parameters
    ----------
    names : sequence of str
        The bundle's columns; they come first among an alert's values.
    """
    if not lines:
        return []
    scan = pl.scan_parquet(path, glob=False)
    found = scan.filter(pl.col("line").is_in(list(lines))).collect()
    return [
        alert(results, row, job=job, names=names, at=at, bundle=bundle)
        for row in found.iter_rows(named=True)
    ]


def alert(
    results: Results,
    row: dict[str, Any],
    *,
    job: Job,
    names: Sequence[str],
    at: datetime,
    bundle: str,
) -> dict[str, Any]:
    """Return the alert for one row of the results."""
    values = bounded(results.values(row), names)
    return {
        "owner_id": job.owner_id,
        "at": at,
        "job_id": job.id,
        "line": row["line"],
        "source": SOURCE,
        "bundle": bundle,
        "label": row["verdict"],
        "probability": row["attack_probability"],
        "threshold": row["threshold"],
        "service": facet(values, SERVICES),
        "src": facet(values, SOURCES)[:64],
        "values": values,
    }


def _column(results: Results, known: Sequence[str]) -> str | None:
    folded = {name.strip().casefold(): name for name in results.given}
    return next((folded[name] for name in known if name in folded), None)


def _as_text(column: pl.Expr, scan: pl.LazyFrame) -> pl.Expr:
    """Return a column as :func:`.verdicts.keep.facet` writes its values."""
    dtype = scan.select(column).collect_schema().dtypes()[0]
    text = column.cast(pl.String, strict=False)
    if dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        is_whole = whole.cast(pl.Float64) == column
        text = pl.when(is_whole).then(whole.cast(pl.String)).otherwise(text)
    return text.str.replace_all("\0", "", literal=True).str.slice(0, LONGEST)
