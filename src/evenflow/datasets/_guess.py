"""What the columns of an unknown table are: guessed, and each guess said aloud."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from evenflow.datasets import _tables
from evenflow.errors import DataError
from evenflow.prepare import names

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""Words for "no value" in a user's text file, in lower case."""
BENIGN_WORDS = (
    "benign", "normal", "0", "0.0", "background", "legitimate", "clean", "false", "no",
    "none",
)  # fmt: skip
MOST_CLASSES = 200
ADDRESS = re.compile(
    r"^(\d{1,3}(\.\d{1,3}){3}(:\d+)?|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}"
    r"|([0-9a-f]{2}[:-]){5}[0-9a-f]{2})$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What a column is taken for, and why."""

    kind: str
    """``numeric``, ``category`` or ``extra``."""
    why: str


def label_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns that are labels, or follow from one, by their names."""
    found = [
        name
        for name in frame.columns
        if names.must_be_label(name)
        or (names.tells_label(name) and frame[name].n_unique() <= MOST_CLASSES)
    ]
    return sorted(found, key=names.rank)


def label_column(frame: pl.DataFrame) -> tuple[str, list[str]]:
    """Return the label column, and further columns that look like labels.

    The most detailed of the candidates is the label: words before 0 and 1. The
    others would give the label away, so they must not stay features.

    Raises
    ------
    DataError
        No column has such a name.
    """
    twins = label_columns(frame)
    found = [name for name in twins if names.is_label(name)]
    fit = [n for n in found if 2 <= frame[n].drop_nulls().n_unique() <= MOST_CLASSES]
    fit = fit or found
    if not fit:
        raise DataError(
            f"no column looks like a label (found {', '.join(frame.columns[:12])}"
            f"{', ...' if frame.width > 12 else ''}; expected a name such as label, "
            'class or attack). Name it: label = "..."'
        )
    chosen = max(
        fit,
        key=lambda n: (
            not _all_numbers(frame[n]),
            frame[n].n_unique(),
            -fit.index(n),
        ),
    )
    return chosen, [name for name in twins if name != chosen]


def benign_values(values: pl.Series) -> tuple[list[str], str]:
    """Return which values of the label mean benign, and why."""
    counts = values.drop_nulls().value_counts(sort=True, name="n")
    present = counts[values.name].to_list()
    for word in BENIGN_WORDS:
        if same := [v for v in present if v.strip().lower() == word]:
            return same, f"{same[0]!r} is a usual word for it"
    return present[:1], "no value is a usual word for it, and this one is most frequent"


def kind_of(series: pl.Series) -> Guess:
    """Return what a column is taken for."""
    if series.dtype.is_temporal():
        return Guess(kind="extra", why="times")
    if names.is_identifier(series.name):
        return Guess(kind="extra", why="its name is that of an identifier")
    given = series.drop_nulls()
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return Guess(kind="numeric", why="numbers")
    if (share := number_share(given)) >= 0.9:
        return Guess(kind="numeric", why=f"{share:.2%} of its values are numbers")
    sample = given.head(1_000).to_list()
    if sample and sum(bool(ADDRESS.match(v.strip())) for v in sample) > 0.9 * len(
        sample
    ):
        return Guess(kind="extra", why="addresses")
    distinct = given.n_unique()
    if distinct > max(100, 0.1 * len(given)):
        return Guess(kind="extra", why=f"{distinct:,} different words")
    return Guess(kind="category", why=f"{distinct:,} different words")


def number_share(given: pl.Series) -> float:
    """Return which share of given words are numbers."""
    if given.dtype == pl.String:
        given = given.filter(~given.str.to_lowercase().is_in(_tables.NOTHING))
    if not len(given):
        return 0.0
    cast = given.cast(pl.Float64, strict=False)
    return 1 - cast.null_count() / len(given)


def without_missing(frame: pl.DataFrame) -> pl.DataFrame:
    """Return text columns stripped, with null for each word that means no value."""
    words = pl.col(pl.String).str.strip_chars()
    missing = words.str.to_lowercase().is_in(MISSING)
    return frame.with_columns(pl.when(~missing).then(words))


def _all_numbers(series: pl.Series) -> bool:
    given = series.drop_nulls()
    return series.dtype != pl.String or number_share(given) == 1.0


def listed(names: Sequence[str]) -> str:
    """Return names for a sentence, a long list cut."""
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
