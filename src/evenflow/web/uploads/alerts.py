"""From the verdicts on a file to what the team sees: counts, the worst as alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from polars import selectors as cs

from evenflow.web.store.database import FINE_S
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
MAX_COUNTS = 20_000
"""Counts of one upload and facet."""
COARSE_S = (3600, 86_400, 30 * 86_400)
FAIR = 4
"""A class gets at least 1/FAIR of an even share of the alerts, if it has so many."""


def counted(
    results: Results, arrived: datetime
) -> dict[tuple[datetime, str, str, str], int]:
    """Return rows by event time and class, and by service and source.

    They are counts for :func:`.add_timed_tallies`: by the hour; by the day or by 30
    days where that would be more than :data:`MAX_COUNTS`. A row without an event time
    happened when it arrived.
    """
    start = pl.coalesce(pl.col(results.time), pl.lit(arrived)).dt.epoch("s")
    rows = results.scan.select("verdict", start=start, value=pl.lit(""))
    found = _starts("all", rows, COARSE_S)
    fine = _starts("fine", rows, (FINE_S,))
    if len(fine) <= MAX_COUNTS:
        found |= fine
    for name, known in (("service", SERVICES), ("src", SOURCES)):
        column = _column(results, known)
        if column is None:
            continue
        text = _as_text(column, results.scan)
        rows = results.scan.select("verdict", start=start, value=text)
        rows = rows.filter(pl.col("value") != "")
        most = (
            rows.group_by("verdict", "value")
            .len()
            .sort(["verdict", "len", "value"], descending=[False, True, False])
            .group_by("verdict", maintain_order=True)
            .head(MAX_FACETS)
        )
        frequent = rows.join(most, on=["verdict", "value"], how="semi")
        named = _starts(name, frequent, COARSE_S)
        ranked = sorted(named.items(), key=lambda pair: (-pair[1], pair[0]))
        found |= dict(ranked[:MAX_COUNTS])
    return found


def _starts(
    facet: str, rows: pl.LazyFrame, steps_s: Sequence[int]
) -> dict[tuple[datetime, str, str, str], int]:
    """Return counts by the first of some steps that does not make too many."""
    for step in steps_s:
        start = pl.col("start") // step * step
        groups = rows.group_by(start, "verdict", "value").len().collect()
        if groups.height <= MAX_COUNTS:
            break
    return {
        (datetime.fromtimestamp(at, UTC), label, facet, value): n
        for at, label, value, n in groups.iter_rows()
    }


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
    return pl.struct(cs.by_name(*results.given)).hash(seed=0)


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
        "event_at": row.get(results.time) or at,
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
