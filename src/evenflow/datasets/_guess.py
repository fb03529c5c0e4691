"""Guesses of the columns of an unknown table, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from evenflow.datasets import _tables
from evenflow.errors import DataError
from evenflow.prepare import names
from evenflow.schema import Column
from evenflow.text.numbers import SPACE, numbers

FEW = 0.1
"""Share of a column's values that may be something else than numbers."""
BENIGN_WORDS = {
    "benign", "normal", "legitimate", "legit", "clean", "background", "harmless",
}  # fmt: skip
"""Words for benign traffic, in lower case."""
BENIGN_FILLERS = {
    "traffic", "flow", "flows", "data", "packet", "packets", "connection",
    "connections", "session", "sessions", "activity", "behavior", "behaviour",
    "operation", "operations", "network", "user", "users", "usage", "use", "request",
    "requests", "record", "records", "event", "events", "sample", "samples", "class",
    "label", "type", "category", "final", "only", "all", "the", "is", "train", "test",
    "training", "testing", "day", "state", "status",
}  # fmt: skip
"""Words that beside a word for benign do not change what it says."""
NOT_ATTACK = re.compile(
    r"(no|non|not|not an?) ?(attacks?|malicious|malware|anomal(y|ous)|intrusion|threat)"
)
"""Ways to say benign by denying an attack; words separated by one space."""
NEGATIVES = {"0": "1", "false": "true", "no": "yes", "n": "y", "f": "t"}
"""Words for benign where the only other value is the word beside them."""
MOST_CLASSES = 200
TIME = re.compile(
    r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T]|$)"
)
ADDRESS = re.compile(
    r"^(\d{1,3}(\.\d{1,3}){3}(:\d+)?|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}"
    r"|([0-9a-f]{2}[:-]){5}[0-9a-f]{2})$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """The guessed kind of a column, and the reason."""

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


def label_column(frame: pl.DataFrame) -> str:
    """Return the most detailed of the columns that look like labels.

    Words come before 0 and 1. The others would give the label away, so they must not
    stay features.

    Raises
    ------
    DataError
        No column has such a name.
    """
    found = [name for name in label_columns(frame) if names.is_label(name)]
    given = without_missing(frame.select(found))
    fit = [n for n in found if 2 <= given[n].drop_nulls().n_unique() <= MOST_CLASSES]
    fit = fit or found
    if not fit:
        raise DataError(
            f"no column looks like a label (found {', '.join(frame.columns[:12])}"
            f"{', ...' if frame.width > 12 else ''}; expected a name such as label, "
            'class or attack). Name it: label = "..."'
        )
    return max(
        fit,
        key=lambda n: (
            not _all_numbers(given[n]),
            given[n].n_unique(),
            -fit.index(n),
        ),
    )


def is_benign(name: str) -> bool:
    """Return whether a label says that a row is benign, whatever stands around it.

    ``normal.``, ``BenignTraffic`` and ``Not an attack`` do; ``abnormal``,
    ``non-benign`` and ``normal scan`` do not: an unknown word
    beside the word for benign may change its sense.
    """
    if re.search(r"[!~¬≠]", name):
        return False
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+", apart.lower())
    if NOT_ATTACK.fullmatch(" ".join(w for w in words if w not in BENIGN_FILLERS)):
        return True
    parts = [w for word in words for w in _parted(word)]
    return any(w in BENIGN_WORDS for w in parts) and all(
        w in BENIGN_WORDS or w in BENIGN_FILLERS for w in parts
    )


def _parted(word: str) -> tuple[str, ...]:
    """Return ``normaltraffic`` as its two words."""
    for k in range(1, len(word)):
        parts = word[:k], word[k:]
        if parts[0] in BENIGN_WORDS and parts[1] in BENIGN_FILLERS:
            return parts
    return (word,)


def benign_values(present: Sequence[str]) -> tuple[list[str], str]:
    """Return which values of a label surely mean benign, and why; none if unsure.

    How often a value occurs says nothing: in many captures an attack is the most
    frequent class. Words for benign count together; 0, false and no count only where
    the other value is 1, true or yes.
    """
    names = {label_name(v): v for v in present}
    if words := [v for v in present if is_benign(v)]:
        if not set(NEGATIVES).isdisjoint(names):
            return [], ""
        return words, f"{words[0]!r} is a usual word for it"
    for negative, positive in NEGATIVES.items():
        if negative in names and set(names) <= {negative, positive}:
            return [names[negative]], f"the label is {negative} or {positive}"
    return [], ""


def is_negative(name: str) -> bool:
    """Return whether a label is a code such as 0, false or no."""
    return label_name(name) in NEGATIVES


def label_name(value: str) -> str:
    """Return the class name of a label value, without what spelling may change.

    Lower case, each dash as ``-`` (also the mark that a reader puts for a byte it
    cannot decode: published files have a dash there), one space between words, no
    full stop at the end as in KDD Cup 99, 1 for 1.0.
    """
    name = re.sub(r"[\u2010-\u2015\u2212\ufffd\x96\x97]+", "-", value.lower())
    name = " ".join(name.split())
    if number := re.fullmatch(r"([+-]?\d+)\.0*", name):
        return number[1]
    return name.rstrip(".") or name


def kind_of(series: pl.Series, marks: Column | None = None) -> Guess:
    """Return what a column is taken for.

    Parameters
    ----------
    marks : Column, optional
        How the numbers of a text are written.
    """
    if series.dtype.is_temporal():
        return Guess(kind="extra", why="times")
    if names.is_identifier(series.name):
        return Guess(kind="extra", why="its name is that of an identifier")
    given = series.drop_nulls()
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return Guess(kind="numeric", why="numbers")
    if is_truth(given):
        return Guess(kind="numeric", why="true and false")
    values, wrong = numbers(given, marks or Column(name=series.name))
    n_numbers, n_wrong = int(values.is_not_null().sum()), int(wrong.sum())
    if are_few(n_wrong, n_numbers):
        share = n_numbers / (n_numbers + n_wrong)
        return Guess(kind="numeric", why=f"{share:.2%} of its values are numbers")
    sample = given.head(1_000).to_list()
    for pattern, why in ((ADDRESS, "addresses"), (TIME, "times")):
        if sum(bool(pattern.match(v.strip())) for v in sample) > 0.9 * len(sample):
            return Guess(kind="extra", why=why)
    distinct = given.n_unique()
    if distinct > max(100, 0.1 * len(given)):
        return Guess(kind="extra", why=f"{distinct:,} different words")
    return Guess(kind="category", why=f"{distinct:,} different words")


def are_few(n_wrong: int, n_numbers: int) -> bool:
    """Return whether a column is numeric, although some values are not numbers."""
    most = max(1, FEW * (n_wrong + n_numbers))
    return n_wrong <= most and n_numbers > 2 * n_wrong


def is_truth(given: pl.Series) -> bool:
    """Return whether the words of a column are true and false, or T and F."""
    if given.dtype != pl.String or not len(given):
        return False
    found = set(given.str.to_lowercase().unique())
    return found <= {"true", "false"} or found == {"t", "f"}


def is_binary(series: pl.Series) -> bool:
    """Return whether a column tells 0 and 1, or false and true, in each row."""
    words = series.cast(pl.String).fill_null("").unique().to_list()
    return {label_name(w) for w in words} in ({"0", "1"}, {"false", "true"})


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
    words = pl.col(pl.String).str.strip_chars(SPACE)
    missing = words.str.to_lowercase().is_in(_tables.NOTHING)
    return frame.with_columns(pl.when(~missing).then(words))


def _all_numbers(series: pl.Series) -> bool:
    given = series.drop_nulls()
    return series.dtype != pl.String or number_share(given) == 1.0


def listed(names: Sequence[str]) -> str:
    """Return names for a sentence, a long list cut."""
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
