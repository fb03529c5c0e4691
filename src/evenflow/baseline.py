"""The calibration rows in short: what a model looks back to when traffic drifts.

Columns and scores are those of rows that the model decides to be benign, attacks that
it misses among them: live rows come with the same mixture and without labels. Scores
are those of calibration rows, columns those of all training rows, because calibration
rows may be a single capture. The rows of one scan or one download depend on each other,
so where the data set knows hosts and times, a second sample holds one row of a pair of
hosts in a minute, as a sensor does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.decision import Scores
from evenflow.metrics import confusion_matrix
from evenflow.schema import Column, Schema, Table

N_SCORES = 1024
"""Maximum number of scores that stand for a sample."""
GRID = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Quantiles of a numeric column between which its bins lie."""
LEAST_SHARE, MOST_LEVELS = 0.02, 30
"""Share of a category's value from which on it has a bin of its own; how many have."""
MINUTE = 60 * 10**9
EACH = 5
"""Rows of a host in a minute, on each side."""
MOST_PAIRS = 100_000
"""Pairs of hosts remembered within a minute; later ones give no row."""
HOSTS, TIME, RUN = ("source", "destination"), "known_s", "run"
"""Columns beside the features by which training rows have hosts and times."""
PREFIX = "baseline"

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bins:
    """The bins of a column, the last one for missing values."""

    name: str
    edges: tuple[float, ...] | None = None
    """Upper bounds of the bins of a numeric column but the greatest."""
    levels: tuple[str, ...] = ()
    """Values of a category with a bin of their own; others share one."""

    def __len__(self) -> int:
        return len(self.levels if self.edges is None else self.edges) + 2

    @classmethod
    def of(cls, column: Column, values: pl.Series) -> Self:
        """Return bins that hold about as many of the values each."""
        if column.kind == "category":
            counted = values.drop_nulls().alias("word").value_counts(name="n").rows()
            often = sorted(
                (-n, word) for word, n in counted if n >= LEAST_SHARE * len(values)
            )
            return cls(
                name=column.name,
                levels=tuple(word for _, word in often[:MOST_LEVELS]),
            )
        x = values.to_numpy()
        x = x[np.isfinite(x)]
        if not len(x):
            return cls(name=column.name, edges=())
        found = np.quantile(x, GRID, method="lower")
        below = np.nextafter(x.min(), -np.inf)
        edges = np.unique([below, *found]) if np.isfinite(below) else np.unique(found)
        return cls(name=column.name, edges=tuple(edges.tolist()))

    def count(self, values: pl.Series) -> Counts:
        """Return how many values lie in each bin."""
        last = len(self) - 1
        if self.edges is None:
            codes = {word: code for code, word in enumerate(self.levels)}
            found = np.zeros(last + 1, np.int64)
            for word, n in values.alias("word").value_counts(name="n").rows():
                found[last if word is None else codes.get(word, last - 1)] += n
            return found
        x = values.to_numpy()
        code = np.where(np.isfinite(x), np.searchsorted(self.edges, x), last)
        return np.bincount(code, minlength=last + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Rows of the calibration, in numbers."""

    counts: Counts
    """Training rows that are decided to be benign, in the bins of all columns."""
    scores: NDArray[np.float64]
    """Log odds of attack of calibration rows that are decided to be benign, ascending;
    quantiles where they are many."""
    n: int
    """How many those calibration rows are."""
    benign: int
    """Calibration rows that are benign, whatever was decided."""
    alarms: int
    """Those of them over the threshold."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Columns, scores and verdicts of the calibration rows."""

    bins: tuple[Bins, ...]
    """Of the numeric columns, then of the categories."""
    confusion: Counts
    """Rows by true and decided class, ``(n_classes, n_classes)``."""
    rows: Sample
    pairs: Sample | None
    """One row of a pair of hosts in a minute; None without hosts and times."""

    @classmethod
    def of(
        cls,
        table: Table,
        scores: Scores,
        pairs: NDArray[np.bool_] | None = None,
        *,
        columns: tuple[Table, Scores, NDArray[np.bool_] | None] | None = None,
    ) -> Self:
        """Return the baseline of calibration rows.

        Parameters
        ----------
        table : Table
            With labels.
        scores : Scores
            Of its rows, as the exported model gives them.
        pairs : ndarray of shape (n_rows,), bool, optional
            Which rows are the first of their hosts; see :func:`first_of_pairs`.
        columns : tuple, optional
            The same of training rows, whose columns stand for ordinary traffic; the
            calibration rows without.
        """
        training, found, first = columns or (table, scores, pairs)
        schema = table.schema
        passed = ~scores.is_attack
        usual = ~found.is_attack
        seen = training.frame.filter(pl.Series(usual))
        bins = tuple(
            Bins.of(column, seen[column.name])
            for column in (*schema.numeric, *schema.categories)
        )

        def sample(rows: NDArray[np.bool_], among: NDArray[np.bool_]) -> Sample:
            mine, benign = rows & passed, rows & (table.labels == 0)
            return Sample(
                counts=count(bins, training.frame.filter(pl.Series(among & usual))),
                scores=_short(scores.attack[mine]),
                n=int(mine.sum()),
                benign=int(benign.sum()),
                alarms=int((benign & ~passed).sum()),
            )

        return cls(
            bins=bins,
            confusion=confusion_matrix(table.labels, scores.code, len(schema.classes)),
            rows=sample(np.ones_like(passed), np.ones_like(usual)),
            pairs=None if pairs is None or first is None else sample(pairs, first),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the baseline as plain arrays."""
        edges = [one.edges for one in self.bins if one.edges is not None]
        levels = [one.levels for one in self.bins if one.edges is None]
        found = {
            "edges": np.array([x for part in edges for x in part], dtype=np.float64),
            "n_edges": np.array([*map(len, edges)], dtype=np.int64),
            # a terminator: NumPy's fixed-width text drops trailing NULs
            "levels": np.array([f"{w}." for part in levels for w in part], dtype="U"),
            "n_levels": np.array([*map(len, levels)], dtype=np.int64),
            "confusion": self.confusion,
        }
        for name, one in (("rows", self.rows), ("pairs", self.pairs)):
            if one is not None:
                found |= {
                    f"{name}_counts": one.counts,
                    f"{name}_scores": one.scores,
                    f"{name}_n": np.array([one.n, one.benign, one.alarms]),
                }
        return {f"{PREFIX}_{name}": array for name, array in found.items()}

    @classmethod
    def from_arrays(
        cls, schema: Schema, arrays: Mapping[str, NDArray[Any]]
    ) -> Self | None:
        """Return the baseline that arrays hold; None where they hold none.

        Raises
        ------
        ValueError
            They do not fit the schema, or each other.
        """
        if f"{PREFIX}_confusion" not in arrays:
            return None

        def read(name: str, kind: str = "i") -> NDArray[Any]:
            array = arrays[f"{PREFIX}_{name}"]
            n_axes = 2 if name == "confusion" else 1
            if array.dtype.kind != kind or array.ndim != n_axes:
                raise ValueError(f"{PREFIX}_{name} of another kind")
            if kind == "i" and (array < 0).any():
                raise ValueError(f"{PREFIX}_{name} with a negative number")
            if kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{PREFIX}_{name} with a number that is not finite")
            return array

        edges = _parts(read("edges", "f"), read("n_edges"), len(schema.numeric))
        words = [word[:-1] for word in read("levels", "U").tolist()]
        levels = _parts(words, read("n_levels"), len(schema.categories))
        bins = (
            *(Bins(name=c.name, edges=tuple(e))
              for c, e in zip(schema.numeric, edges, strict=True)),
            *(Bins(name=c.name, levels=tuple(w))
              for c, w in zip(schema.categories, levels, strict=True)),
        )  # fmt: skip
        if any(one.edges and sorted(one.edges) != [*one.edges] for one in bins):
            raise ValueError("baseline with edges out of order")
        confusion = read("confusion")
        if confusion.shape != (len(schema.classes),) * 2:
            raise ValueError("baseline of other classes")

        def sample(name: str) -> Sample:
            counts, scores = read(f"{name}_counts"), read(f"{name}_scores", "f")
            n, benign, alarms = read(f"{name}_n").tolist()
            per_column = [int(part.sum()) for part in split(bins, counts)]
            if (
                len({*per_column}) > 1
                or alarms > benign
                or len(scores) != min(n, N_SCORES)
            ):
                raise ValueError("baseline with counts that do not fit")
            if (np.diff(scores) < 0).any():
                raise ValueError("baseline with scores out of order")
            return Sample(
                counts=counts, scores=scores, n=n, benign=benign, alarms=alarms
            )

        has_pairs = f"{PREFIX}_pairs_n" in arrays
        return cls(
            bins=bins,
            confusion=confusion,
            rows=sample("rows"),
            pairs=sample("pairs") if has_pairs else None,
        )


def count(bins: Iterable[Bins], frame: pl.DataFrame) -> Counts:
    """Return how many rows lie in each bin of all columns, one after the other."""
    parts = [one.count(frame[one.name]) for one in bins]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def split(bins: tuple[Bins, ...], counts: Counts) -> list[Counts]:
    """Return the counts of each column."""
    ends = np.cumsum([len(one) for one in bins])
    if len(counts) != (ends[-1] if len(ends) else 0):
        raise ValueError("baseline of other bins")
    return np.split(counts, ends[:-1]) if len(ends) else []


class Thinning:
    """One row of a pair of hosts in a minute, and at most 5 of a host on each side.

    Which row it is depends on hosts and times alone, so that it has the verdicts and
    values of such rows. It takes rows in the order of their times.
    """

    def __init__(self) -> None:
        self._minute = -1
        self._pairs: set[tuple[str, str]] = set()
        self._sources: Counter[str] = Counter()
        self._destinations: Counter[str] = Counter()

    def take(
        self, sources: Iterable[str], destinations: Iterable[str], ns: Iterable[int]
    ) -> NDArray[np.int64]:
        """Return which rows remain, ascending."""
        taken = []
        given = zip(sources, destinations, ns, strict=True)
        for row, (source, destination, at) in enumerate(given):
            if at // MINUTE != self._minute:
                self._minute = at // MINUTE
                self._pairs.clear()
                self._sources.clear()
                self._destinations.clear()
            pair = (source, destination)
            if pair in self._pairs or len(self._pairs) >= MOST_PAIRS:
                continue
            self._pairs.add(pair)
            if self._sources[source] < EACH and self._destinations[destination] < EACH:
                self._sources[source] += 1
                self._destinations[destination] += 1
                taken.append(row)
        return np.array(taken, dtype=np.int64)


def first_of_pairs(table: Table) -> NDArray[np.bool_] | None:
    """Return which rows a sensor would take; None without hosts and times.

    Each capture (column ``run``) is thinned by itself.
    """
    extra = table.extra
    if extra is None or not {*HOSTS, TIME} <= {*extra.columns}:
        return None
    run = pl.col(RUN) if RUN in extra.columns else pl.lit("")
    rows = (
        extra.select(run.alias(RUN), *HOSTS, TIME)
        .with_row_index("row")
        .drop_nulls()
        .sort(TIME, maintain_order=True)
    )
    found = np.zeros(len(table), dtype=np.bool_)
    for part in rows.partition_by(RUN, maintain_order=True):
        ns = (part[TIME] * 1e9).cast(pl.Int64).to_list()
        taken = Thinning().take(part[HOSTS[0]], part[HOSTS[1]], ns)
        found[part["row"].to_numpy()[taken]] = True
    return found


def sampled(
    table: Table, most: int, seed: int
) -> tuple[Table, NDArray[np.bool_] | None]:
    """Return at most that many rows, and which are the first of their hosts."""
    rows = np.random.default_rng(seed).permutation(len(table))[:most]
    rows.sort()
    pairs = first_of_pairs(table)
    return table.take(rows), None if pairs is None else pairs[rows]


def _short(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(scores)
    if len(ordered) <= N_SCORES:
        return ordered
    at = (np.arange(N_SCORES) + 0.5) / N_SCORES * len(ordered)
    return ordered[at.astype(np.int64)]


def _parts(values: Any, sizes: Counts, n: int) -> list[list[Any]]:
    """Return values cut into ``n`` lists of those sizes."""
    if len(sizes) != n or int(sizes.sum()) != len(values):
        raise ValueError("baseline of other columns")
    ends = np.cumsum(sizes)
    return [
        [*values[end - size : end]]
        for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]
