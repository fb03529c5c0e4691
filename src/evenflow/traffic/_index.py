"""Keys of connections to their rows: a hash table whose buckets are linked rows.

The functions are plain Python on integers and arrays, which Numba compiles unchanged.
``K`` holds the key of each row, ``R`` its bucket, ``L`` the next row of its bucket, or
the next free row; ``B`` the first row of each bucket; ``D`` when a row
is due, as in :mod:`evenflow.traffic._follow`.
"""

from __future__ import annotations

from typing import Any

from evenflow.traffic._endpoints import NEVER

# what is known of all rows, in T: the first free one, and how many were ever used
FREE, USED, N_T = range(3)
NONE = -1


def find(
    K: Any, R: Any, L: Any, B: Any, T: Any, D: Any, keys: Any, buckets: Any,
    start: int, found: Any,
) -> int:  # fmt: skip
    """Write the row of each key, a free one for a new key.

    Returns
    -------
    int
        How many keys have their row: fewer than all where no row is free.
    """
    for i in range(start, len(keys)):
        bucket = buckets[i]
        row = B[bucket]
        while row != NONE and not is_same(K, row, keys, i):
            row = L[row]
        if row == NONE:
            row = T[FREE]
            if row != NONE:
                T[FREE] = L[row]
            elif T[USED] < len(K):
                row = T[USED]
                T[USED] += 1
            else:
                return i
            for k in range(keys.shape[1]):
                K[row, k] = keys[i, k]
            D[row] = NEVER
            link(R, L, B, row, bucket)
        found[i] = row
    return len(keys)


def is_same(K: Any, row: int, keys: Any, i: int) -> bool:
    """Return whether a row has a key."""
    for k in range(keys.shape[1]):  # noqa: SIM110 (Numba compiles loops)
        if K[row, k] != keys[i, k]:
            return False
    return True


def link(R: Any, L: Any, B: Any, row: int, bucket: int) -> None:
    """Put a row into its bucket."""
    R[row] = bucket
    L[row] = B[bucket]
    B[bucket] = row


def forget(R: Any, L: Any, B: Any, T: Any, rows: Any) -> None:
    """Take rows out of their buckets; they are free."""
    for row in rows:
        before = B[R[row]]
        if before == row:
            B[R[row]] = L[row]
        else:
            while L[before] != row:
                before = L[before]
            L[before] = L[row]
        L[row] = T[FREE]
        T[FREE] = row


def link_all(R: Any, L: Any, B: Any, buckets: Any) -> None:
    """Put rows into their buckets, which are empty."""
    for row in range(len(buckets)):
        link(R, L, B, row, buckets[row])
