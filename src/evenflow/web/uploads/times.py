"""The event times of an uploaded file, collected as it is scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from evenflow.decision import Scores
from evenflow.files import storage_error
from evenflow.runtime.records import Batch
from evenflow.text.times import has_no_zone
from evenflow.web.verdicts import event_time
from evenflow.web.verdicts.event_time import MICROSECONDS

FILE = "times.parquet"
COLUMN = "event_time"


@dataclass(kw_only=True)
class EventTimes:
    """The event time of each scored row, in the order of the results."""

    arrived: datetime
    wanted: str = ""
    """Name of the column; empty to look for one."""
    name: str | None = None
    """The column that was found."""
    has_no_zone: bool = False
    parts: list[pl.Series] = field(default_factory=list)

    def take(self, batch: Batch, _scores: Scores) -> None:
        """Add the times of a batch."""
        name = event_time.column(batch.given.columns, self.wanted)
        if name is not None:
            self.name = self.name or name
            values = batch.given[name]
        else:
            values = pl.Series([None] * len(batch.table), dtype=pl.String)
        if values.dtype == pl.String:
            self.has_no_zone |= has_no_zone(values)
        elif isinstance(values.dtype, pl.Datetime):
            self.has_no_zone |= values.dtype.time_zone is None
        self.parts.append(event_time.parsed(values, self.arrived))

    def series(self) -> pl.Series:
        """Return the times, null where a row has none."""
        none = pl.Series(dtype=MICROSECONDS)
        return pl.concat([none, *self.parts]).alias(COLUMN)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the times, if there is one; return what the result says of them.

        Raises
        ------
        StorageError
            The disk is full.
        """
        found = self.series()
        known = len(found) - found.null_count()
        if known:
            part = folder / f"{FILE}.part"
            try:
                found.to_frame().write_parquet(part)
                part.replace(folder / FILE)
            except OSError as error:
                raise storage_error(folder / FILE, error) from error
        first, last = (found.min(), found.max()) if known else (None, None)
        return {
            "column": self.name,
            "known": known,
            "unknown": len(found) - known,
            "first": first.isoformat() if isinstance(first, datetime) else None,
            "last": last.isoformat() if isinstance(last, datetime) else None,
        }

    def notes(self) -> list[str]:
        """Return what is to be said of rows without a time, and of zones."""
        if self.wanted and self.name is None:
            return [
                f"The file has no column {self.wanted!r}, so its rows have no event "
                "time: they count at their arrival."
            ]
        if self.name is None:
            return []
        notes = []
        found = self.series()
        if n := found.null_count():
            notes.append(
                f"{n:,} of {len(found):,} rows have no event time: the column "
                f"{self.name!r} holds no time between 1990 and tomorrow there. They "
                "count at their arrival."
            )
        if self.has_no_zone:
            notes.append(
                f"Times without a zone in the column {self.name!r} were read as UTC."
            )
        return notes
