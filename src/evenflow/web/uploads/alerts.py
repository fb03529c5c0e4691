"""From the verdicts on a file to what the team sees: counts, the worst as alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from evenflow.web.store.tables import Job
from evenflow.web.uploads.results import Results
from evenflow.web.verdicts.facets import (
    DESTINATIONS,
    LONGEST,
    MAX_FACETS,
    SERVICES,
    SOURCES,
    facet,
)
from evenflow.web.verdicts.keep import bounded

SOURCE = "upload"
FAIR = 4
"""A class gets at least 1/FAIR of an even share of the alerts, if it has so many."""


def counted(
    results: Results, counts: Mapping[str, int]
) -> dict[tuple[str, str, str], int]:
    """Return rows by class, and by service and source, for :func:`.add_tallies`."""
    found = {(label, "all", ""): n for label, n in counts.items() if n}
    for name, known in (("service", SERVICES), ("src", SOURCES)):
        column = _column(results, known)
        if column is None:
            continue
        values = (
            results.scan.select(pl.col("verdict"), value=_as_text(column, results.scan))
            .drop_nulls()
            .filter(pl.col("value") != "")
            .group_by("verdict", "value")
            .len()
            .sort(["verdict", "len", "value"], descending=[False, True, False])
            .group_by("verdict", maintain_order=True)
            .head(MAX_FACETS)
            .collect()
        )
        for label, value, n in values.select("verdict", "value", "len").iter_rows():
            found[label, name, value] = n
    return found


def likeliest(results: Results, most: int) -> list[dict[str, Any]]:
    """Return the rows of the attacks to open as alerts, in order.

    The likeliest first, yet a class gets a quarter of an even share before a more
    frequent one gets the rest: a flood hides no break-in. Equal rows are one, with
    their number as ``n_equal``.
    """
    if most < 1:
        return []
    found = (
        results.scan.filter(pl.col("is_attack"))
        .select("line", "verdict", "attack_probability", row=_digest(results))
        .group_by("row", "verdict")
        .agg(
            pl.col("line").min(),
            pl.col("attack_probability").first(),
            n_equal=pl.len(),
        )
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
    counts = dict(found.select("line", "n_equal").iter_rows())
    rows = results.scan.filter(pl.col("line").is_in(list(counts))).collect().to_dicts()
    return [row | {"n_equal": counts[row["line"]]} for row in rows]


def _digest(results: Results) -> pl.Expr:
    """Return 64 bits of a row's own columns: of equal rows they are equal."""
    if not results.given:
        return pl.col("line").cast(pl.UInt64)
    return pl.struct(results.given).hash(seed=0)


def alert(
    results: Results,
    row: dict[str, Any],
    *,
    job: Job,
    names: Sequence[str],
    at: datetime,
    bundle: str,
) -> dict[str, Any]:
    """Return the alert for one row of the results, as a row of the table.

    Parameters
    ----------
    names : sequence of str
        The bundle's columns; they come first among its values.
    """
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
        "dst": facet(values, DESTINATIONS)[:64],
        "n": row.get("n_equal", 1),
        "values": values,
    }


def _column(results: Results, known: Sequence[str]) -> str | None:
    folded = {name.strip().casefold(): name for name in results.given}
    return next((folded[name] for name in known if name in folded), None)


def _as_text(name: str, scan: pl.LazyFrame) -> pl.Expr:
    """Return a column as :func:`.verdicts.facets.facet` writes its values."""
    column, dtype = pl.col(name), scan.collect_schema()[name]
    text = column.cast(pl.String, strict=False)
    if dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        is_whole = whole.cast(pl.Float64) == column
        text = pl.when(is_whole).then(whole.cast(pl.String)).otherwise(text)
    return text.str.replace_all("\0", "", literal=True).str.slice(0, LONGEST)
