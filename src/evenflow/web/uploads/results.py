"""Read the verdicts on an uploaded file: a page, one row, all that a filter keeps.

The file is Parquet as :func:`~evenflow.runtime.stream.score_file` writes it. A page
reads the few columns that decide what is on it, then those rows alone: a million rows
answer in a fraction of a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from polars import selectors as cs

from evenflow.errors import DataError
from evenflow.runtime.detect import Verdict
from evenflow.runtime.stream import VERDICT_COLUMNS
from evenflow.web.uploads import times
from evenflow.web.verdicts.event_time import MICROSECONDS

FILE, REJECTS = "results.parquet", "rejects.jsonl"
TRUTH = "truth.parquet"
"""True class and error of each row of a labelled file, in the order of the results."""
Sort = Literal["line", "probability", "class"]
SORTS: tuple[Sort, ...] = ("line", "probability", "class")
MAX_ROWS = 200
"""Rows of one page at most."""
PART_ROWS = 2**14
"""Rows of one part of a download."""
PLACE = "\0place"
"""Column for the place of a row in the results; no column of a file has its name."""
CUT = 300
"""Characters of a rejected line that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which rows are wanted."""

    label: str = ""
    """A class, or empty for all."""
    attacks_only: bool = False
    since: datetime | None = None
    until: datetime | None = None
    """Event times wanted, the end not included; rows without one are not."""
    true_class: str = ""
    """The class of the label, or empty for all; of a labelled file."""
    error: str = ""
    """A kind of wrong verdict, ``any`` for all kinds; of a labelled file."""

    @property
    def is_all(self) -> bool:
        """Whether every row is wanted."""
        return not (self.label or self.attacks_only or self.asks_truth or self.is_timed)

    @property
    def asks_truth(self) -> bool:
        """Whether the rows wanted depend on their labels."""
        return bool(self.true_class or self.error)

    @property
    def is_timed(self) -> bool:
        """Whether the rows wanted depend on their event times."""
        return self.since is not None or self.until is not None

    def expression(self, time: str = times.COLUMN) -> pl.Expr:
        """Return the filter as Polars takes it; ``time`` names the event time."""
        kept = pl.lit(value=True)
        if self.label:
            kept = pl.col("verdict") == self.label
        if self.attacks_only:
            kept = kept & pl.col("is_attack")
        if self.since is not None:
            kept = kept & (pl.col(time) >= self.since)
        if self.until is not None:
            kept = kept & (pl.col(time) < self.until)
        if self.true_class:
            kept = kept & (pl.col("true_class") == self.true_class)
        if self.error:
            is_one = pl.col("error") == self.error
            kept = kept & (pl.col("error") != "" if self.error == "any" else is_one)
        return kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Some rows in order, and how many there are of their kind."""

    rows: list[dict[str, Any]]
    """Verdict columns, event time, columns of the source that were asked for."""
    total: int


class Results:
    """The results of one file; ``verdicts`` are those of the bundle that decided.

    Raises
    ------
    DataError
        It is not there, or no such file.
    """

    def __init__(self, path: Path, verdicts: Sequence[str]) -> None:
        self.scan = pl.scan_parquet(path, glob=False)
        try:
            self.names = self.scan.collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                "the results of this upload do not exist any longer, expected the file "
                "of its scoring. Upload the file again"
            ) from error
        self.time = times.COLUMN
        """Name of the event time in ``scan``; a column that is often null."""
        while self.time in self.names:
            self.time += "_"
        beside = path.with_name(times.FILE)
        self.has_times = beside.is_file()
        if self.has_times:
            found = pl.scan_parquet(beside, glob=False)
            found = found.rename({times.COLUMN: self.time})
            self.scan = pl.concat([self.scan, found], how="horizontal")
        else:
            none = pl.lit(None, dtype=MICROSECONDS)
            self.scan = self.scan.with_columns(none.alias(self.time))
        truth = path.with_name(TRUTH)
        self.truth = pl.scan_parquet(truth, glob=False) if truth.is_file() else None
        self.verdicts = tuple(verdicts)
        # an unknown kind of attack has no probability of its own
        self.classes = tuple(v for v in verdicts if f"p_{v}" in self.names)
        # a file of an older version has fewer
        first = self.names[: len(VERDICT_COLUMNS)]
        self.first = tuple(name for name in VERDICT_COLUMNS if name in first)
        self.given = tuple(self.names[len(self.first) + len(self.classes) :])

    @property
    def _whole(self) -> list[str]:
        """Columns of a row that is read whole."""
        return [*self.names, self.time] if self.has_times else self.names

    @property
    def is_labelled(self) -> bool:
        """Whether the true classes of rows are known."""
        return self.truth is not None

    @cached_property
    def own_names(self) -> dict[str, str]:
        """Column of these results -> its name in the file, for :attr:`given`."""
        taken = set(self.names) - set(self.given)
        out = {}
        for name in self.given:
            own = name
            while own.endswith("_given") and own.removesuffix("_given") in taken:
                own = own.removesuffix("_given")
            out[name] = own
        return out

    def frame(self, most: int) -> pl.DataFrame:
        """Return the first rows as they stood in the file, under their own names."""
        given = self.scan.select(cs.by_name(*self.given))
        return given.head(most).collect().rename(self.own_names)

    @cached_property
    def true_classes(self) -> list[str]:
        """Classes of the labels, sorted; empty without labels."""
        if self.truth is None:
            return []
        found = self.truth.select(pl.col("true_class").drop_nulls().unique().sort())
        return found.collect()["true_class"].to_list()

    @cached_property
    def height(self) -> int:
        """Number of rows."""
        found: int = self.scan.select(pl.len()).collect().item()
        return found

    def page(
        self,
        kept: Filter,
        *,
        sort: Sort = "line",
        descending: bool = False,
        start: int = 0,
        n_rows: int = 50,
        columns: Sequence[str] = (),
    ) -> Rows:
        """Return some rows; equal ones come in the order of the source.

        Parameters
        ----------
        start : int
            Number of the first row wanted, from 0.
        n_rows : int
            At most :data:`MAX_ROWS`.
        columns : sequence of str
            Which of :attr:`given`, or of the classes' ``p_<class>``, come with the
            verdict.
        """
        n_rows, start = min(n_rows, MAX_ROWS), max(0, start)
        known = self.names[len(self.first) :]
        wanted = [*self.first, *(c for c in columns if c in known)]
        wanted += [self.time] * self.has_times
        if sort == "line" and not descending and kept.is_all:
            frame = self.scan.select(cs.by_name(*wanted)).slice(start, n_rows).collect()
            found = self._with_truth(
                frame.to_dicts(), range(start, start + frame.height)
            )
            return Rows(rows=found, total=self.height)
        places, total = self._places(kept, sort, descending, start, n_rows)
        return Rows(rows=self._at(places, wanted), total=total)

    def truth_of(self, line: int) -> dict[str, Any] | None:
        """Return what is known of the label of a line; None where it has none."""
        place = self._place(line)
        if place is None or self.truth is None:
            return None
        found = self._truth(place, 1).row(0, named=True)
        return found if found["true_class"] is not None else None

    def row(self, line: int) -> dict[str, Any] | None:
        """Return all columns of the row that stood on that line, or None."""
        place = self._place(line)
        if place is None:
            return None
        one = self.scan.slice(place, 1).select(cs.by_name(*self._whole))
        return one.collect().row(0, named=True)

    def _place(self, line: int) -> int | None:
        lines = self.scan.select("line").collect()["line"].to_numpy()
        place = int(np.searchsorted(lines, line))
        return place if place < len(lines) and lines[place] == line else None

    def verdict(self, row: dict[str, Any]) -> Verdict:
        """Return the verdict that a row of all columns holds."""
        return Verdict(
            line=row["line"],
            label=row["verdict"],
            is_attack=row["is_attack"],
            probability=row["attack_probability"],
            threshold=row["threshold"],
            classes={label: row[f"p_{label}"] for label in self.classes},
        )

    def values(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the source's own columns of a row, under their own names."""
        return {own: row[name] for name, own in self.own_names.items()}

    def parts(self, kept: Filter) -> Iterator[pl.DataFrame]:
        """Yield all rows of a kind, all columns, in constant memory."""
        for start in range(0, self.height, PART_ROWS):
            part = self.scan.slice(start, PART_ROWS).collect()
            truth = self._truth(start, PART_ROWS)
            if not kept.is_all:
                mask = part.select("verdict", "is_attack", self.time).hstack(truth)
                keep = mask.select(kept.expression(self.time)).to_series()
                keep = keep.fill_null(value=False)
                part = part.filter(keep)
                truth = truth.filter(keep) if self.is_labelled else truth
            more = [c for c in truth.columns if c not in part.columns]
            yield part.select(cs.by_name(*self.names)).hstack(truth.select(more))

    def over_time(self, kept: Filter, step_s: int) -> Iterator[tuple[int, str, int]]:
        """Yield start, class and number of rows for each step of event time.

        The start is in seconds since 1970; rows without an event time are not counted.
        """
        start = (pl.col(self.time).dt.epoch("s") // step_s * step_s).alias("start")
        found = self._kept(kept).filter(pl.col(self.time).is_not_null())
        counted = found.group_by(start, "verdict").len().sort("start", "verdict")
        yield from counted.collect().iter_rows()

    def n_kept(self, kept: Filter) -> int:
        """Return how many rows a filter keeps."""
        return self._places(kept, "line", False, 0, 0)[1]

    def _truth(self, start: int = 0, n_rows: int | None = None) -> pl.DataFrame:
        """Return the true classes and errors of some rows; no columns without."""
        if self.truth is None:
            return pl.DataFrame()
        return self.truth.slice(start, n_rows).collect()

    def _kept(self, kept: Filter) -> pl.LazyFrame:
        """Return the rows that a filter keeps: their place, verdict, time and label."""
        # without the file's own columns, which may have the names of those of labels
        scan = self.scan.select("verdict", "is_attack", "attack_probability", self.time)
        if kept.asks_truth and self.truth is not None:
            scan = pl.concat([scan, self.truth], how="horizontal")
        return scan.with_row_index("place").filter(kept.expression(self.time))

    def _places(
        self, kept: Filter, sort: Sort, descending: bool, start: int, n_rows: int
    ) -> tuple[list[int], int]:
        """Return the places in the file of a page's rows, in the page's order."""
        order = range(len(self.verdicts))
        key = {
            "line": pl.col("place"),
            "probability": pl.col("attack_probability"),
            "class": pl.col("verdict").replace_strict(self.verdicts, order, default=-1),
        }[sort]
        found = (
            self._kept(kept).select(pl.col("place").cast(pl.Int64), key=key).collect()
        )
        # equal ones stay in the order of the file
        ranked = found.sort("key", descending=descending, maintain_order=True)
        return ranked["place"].slice(start, n_rows).to_list(), found.height

    def _at(self, places: list[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        found = (
            self.scan.select(cs.by_name(*columns))
            .with_row_index(PLACE)
            .filter(pl.col(PLACE).is_in(places))
            .collect()
            .to_dicts()
        )
        by_place = {row.pop(PLACE): row for row in found}
        return self._with_truth([by_place[place] for place in places], places)

    def _with_truth(
        self, rows: list[dict[str, Any]], places: Sequence[int]
    ) -> list[dict[str, Any]]:
        """Return rows with what is known of their labels under ``truth``."""
        if self.truth is None or not rows:
            return rows
        truth = self.truth.with_row_index("place").filter(
            pl.col("place").is_in(list(places))
        )
        known = {row.pop("place"): row for row in truth.collect().to_dicts()}
        found = zip(places, rows, strict=True)
        return [row | {"truth": known[place]} for place, row in found]


def rejected(path: Path, *, start: int, n_rows: int) -> list[dict[str, Any]]:
    """Return some of the rejected rows, in order.

    Each has ``line``, ``column``, ``found``, ``expected`` and ``text``, the last cut
    to :data:`CUT` characters.
    """
    try:
        with path.open("rb") as stream:
            texts = list(islice(stream, start, start + min(n_rows, MAX_ROWS)))
    except OSError:
        return []
    out = []
    for text in texts:
        row = json.loads(text)
        row["line"] = row.pop("row", row.get("line"))
        if len(row["text"]) > CUT:
            row["text"] = row["text"][:CUT] + "\u2026"
        out.append(row)
    return out
