"""Find rows that would let a detector be judged on what it learnt from.

A row is known again by a hash of its raw features that is the same in every process,
on every machine and with every version of the libraries, so a bundle can carry a
sketch of its training rows and refuse to be judged on them years later.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import LeakError
from evenflow.prepare.features import numeric_matrix
from evenflow.prepare.split import Split
from evenflow.prepare.suspects import check_features
from evenflow.schema import Table

SKETCH_SIZE = 65_536
SHARING = ("official", "other data")
"""Protocols whose rows others chose: shared rows are counted, not refused."""

Hashes = NDArray[np.uint64]


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


def seen_share(sketch: Hashes, table: Table) -> float:
    """Return the share of rows that are in the table the sketch was made of, [0, 1].

    Exact while that table had no more than SKETCH_SIZE distinct rows; otherwise an
    estimate from the rows whose hashes the sketch covers.
    """
    hashes = row_hashes(table)
    if len(sketch) == SKETCH_SIZE:
        hashes = hashes[hashes <= sketch[-1]]
    return float(np.isin(hashes, sketch).mean()) if len(hashes) else 0.0


def check_split(split: Split) -> int:
    """Return how many test rows have a copy among the training rows.

    Raises
    ------
    LeakError
        There are such rows under a protocol that promises none, or a feature is the
        label under another name.
    """
    check_features(split.train)
    shared = np.isin(row_hashes(split.test), row_hashes(split.train))
    n = int(shared.sum())
    if n and not split.protocol.name.startswith(SHARING):
        raise LeakError(
            f"{n} of {len(split.test)} test rows have a copy among the training rows "
            f"under the protocol '{split.protocol.name}', which promises none. Report "
            "this: the split that made them is wrong"
        )
    return n


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
