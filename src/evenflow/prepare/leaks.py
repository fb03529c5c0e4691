"""Find training rows among the test rows.

A row is known again by a hash of its raw features that is the same in every process,
on every machine and with every version of the libraries, so a bundle can carry a
sketch of its training rows and refuse to be tested on them years later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import LeakError
from evenflow.metrics import wilson
from evenflow.prepare.features import numeric_matrix
from evenflow.prepare.split import Protocol, Split
from evenflow.prepare.suspects import check_features, scaled_together, warnings
from evenflow.schema import Table

SKETCH_SIZE = 65_536
MOSTLY_SEEN = 0.2
"""Share of training rows among test rows above which a figure is refused, unless
the rows are a published test file."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """How many test rows have exactly the features of a training row."""

    rows: int
    """Number of test rows."""
    compared: int
    """Test rows that could be compared with the training rows."""
    found: int
    """Rows of those compared that have the features of a training row."""

    @property
    def is_exact(self) -> bool:
        """Whether every test row was compared."""
        return self.compared == self.rows

    @property
    def share(self) -> float:
        """Share of training rows among the test rows, [0, 1]."""
        return self.found / self.compared if self.compared else 0.0

    @property
    def least_share(self) -> float:
        """The share, or what it is at least (95 %) where it is an estimate."""
        interval = wilson(self.found, self.compared)
        return self.share if self.is_exact or interval is None else interval[0]

    def __str__(self) -> str:
        n = round(self.share * self.rows)
        about = "" if self.is_exact else "about "
        return f"{about}{n:,} of {self.rows:,} test rows ({self.share:.1%})"


def row_hashes(table: Table) -> Hashes:
    """Return a 64-bit hash of each row's features, shape ``(n_samples,)``.

    Equal rows have equal hashes; minus zero equals zero and every missing value is
    alike. Labels and extra columns do not count.
    """
    out = np.full(len(table), 0x9E3779B97F4A7C15, dtype=np.uint64)
    numeric = [c.name for c in table.schema.numeric]
    values = numeric_matrix(table, tuple(numeric)) + 0.0
    values[np.isnan(values)] = np.nan  # one bit pattern for every missing value
    for j, name in enumerate(numeric):
        out = _mix(out ^ _salt(name) ^ values[:, j].copy().view(np.uint64))
    for column in table.schema.categories:
        codes = {
            value: _text_hash(f"{column.name}={value}")
            for value in table.frame[column.name].unique().to_list()
        }
        words = [codes[value] for value in table.frame[column.name].to_list()]
        out = _mix(out ^ np.array(words, dtype=np.uint64))
    return out


def fingerprint(table: Table) -> Hashes:
    """Return the sketch of a table: its SKETCH_SIZE smallest distinct hashes, sorted.

    References
    ----------
    .. [1] Z. Bar-Yossef et al., "Counting distinct elements in a data stream",
       RANDOM 2002. doi:10.1007/3-540-45726-7_1 (the k minimum values).
    """
    return np.unique(row_hashes(table))[:SKETCH_SIZE]


def digest(table: Table) -> str:
    """Return the SHA-256 of a table's rows and their classes, in any order."""
    names = [_text_hash(f"class={name}") for name in table.schema.classes]
    rows = _mix(row_hashes(table) ^ np.array(names, dtype=np.uint64)[table.labels])
    return hashlib.sha256(np.sort(rows).astype("<u8").tobytes()).hexdigest()


def seen(sketch: Hashes, table: Table) -> Shared:
    """Return how many rows are in the table that the sketch was made of.

    Exact while that table had fewer than SKETCH_SIZE distinct rows; otherwise an
    estimate from the rows whose hashes the sketch covers.
    """
    hashes = row_hashes(table)
    if len(sketch) == SKETCH_SIZE:
        hashes = hashes[hashes <= sketch[-1]]
    found = int(np.isin(hashes, sketch).sum())
    return Shared(rows=len(table), compared=len(hashes), found=found)


def examine(split: Split) -> dict[str, Any]:
    """Return what the record of a training says of its split.

    Returns
    -------
    dict
        ``rows_shared_with_test``; ``held_out_sha256``, the :func:`digest` of the test
        rows; ``suspects``, what is suspicious of the features.

    Raises
    ------
    LeakError
        As :func:`check_split`.
    """
    scaled = scaled_together(split.train, split.test)
    return {
        "rows_shared_with_test": check_split(split),
        "held_out_sha256": digest(split.test),
        "suspects": warnings(split.train) | ({"scaling": scaled} if scaled else {}),
    }


def check_split(split: Split) -> int:
    """Return how many test rows have a copy among the training rows.

    Raises
    ------
    LeakError
        There are more such rows than the protocol allows, or a feature is the label
        under another name.
    """
    check_features(split.train)
    is_shared = np.isin(row_hashes(split.test), row_hashes(split.train))
    n, rows = int(is_shared.sum()), len(split.test)
    check_shared(Shared(rows=rows, compared=rows, found=n), split.protocol)
    return n


def check_shared(shared: Shared, protocol: Protocol) -> None:
    """Refuse more training rows among the test rows than the protocol allows.

    Raises
    ------
    LeakError
        Rows are shared under a protocol that promises none, or more than
        ``MOSTLY_SEEN`` of the rows are shared and no publisher chose them.
    """
    same = "have exactly the features of a training row"
    if shared.found and not protocol.may_share_rows:
        raise LeakError(
            f"{shared.found} of {shared.compared} test rows {same}; expected none "
            f"under the protocol '{protocol.name}'. Keep equal rows on one side of the "
            "split"
        )
    is_known = protocol.is_published or protocol.compares_part
    if shared.least_share > MOSTLY_SEEN and not is_known:
        raise LeakError(
            f"{shared} {same}; expected at most {MOSTLY_SEEN:.0%}, because a figure on "
            "such rows is meaningless. Remove them from the file, or evaluate on "
            "other rows"
        )


def count_shared(
    table: Table, record: Mapping[str, Any], sketch: Hashes, is_held_out: bool
) -> Shared:
    """Return how many rows trained a bundle.

    Parameters
    ----------
    table : Table
        Rows with the bundle's columns and classes.
    record : mapping
        Of the bundle's training.
    sketch : ndarray of uint64
        Of its training rows, see :func:`fingerprint`.
    is_held_out : bool
        Whether they should be the rows that the training held out.

    Raises
    ------
    LeakError
        They should be, and are not: the data changed since the training.
    """
    shared = seen(sketch, table)
    was_held_out = digest(table) == record.get("held_out_sha256")
    counted = record.get("rows_shared_with_test")
    if was_held_out and isinstance(counted, int):  # with all training rows at hand
        return Shared(rows=len(table), compared=len(table), found=counted)
    if is_held_out and not was_held_out:
        raise LeakError(
            f"the {len(table):,} rows that this bundle's recipe draws now are not the "
            f"rows that its training held out: {shared} trained it. Expected the data "
            "as it was at the training; since then rows were added, removed, edited "
            "or put into another order. Bring the file back as it was, train the "
            "bundle again, or evaluate it on rows that did not train it"
        )
    return shared


def _salt(name: str) -> np.uint64:
    return np.uint64(_text_hash(name))


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _mix(x: Hashes) -> Hashes:
    """Return the finaliser of SplitMix64: every bit of the input moves every bit."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
