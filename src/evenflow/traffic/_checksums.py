"""Sums of 16-bit words in ones' complement, of many stretches of bytes at once."""

from __future__ import annotations

from typing import Any

import numpy as np


def sums(data: Any, start: Any, stop: Any) -> Any:
    """Return the sums of words from ``start`` to ``stop``, not empty, by NumPy."""
    total = np.zeros(len(start), np.int64)
    for odd in (0, 1):
        rows = np.flatnonzero(start & 1 == odd)
        # the last word is there for an end at the end of the data
        padded = np.concatenate([data[odd:], np.zeros(3, np.uint8)])
        words = padded[: len(padded) & ~1].view("<u2")
        first = (start[rows] - odd) >> 1
        last = first + ((stop[rows] - start[rows]) >> 1)
        pairs = np.column_stack([first, last]).ravel()
        if len(pairs):
            found = np.add.reduceat(words, pairs, dtype=np.int64)[::2]
            total[rows] = np.where(first < last, found, 0)
    is_odd = (stop - start) & 1 == 1
    total[is_odd] += data[stop[is_odd] - 1]
    total = folded(total)
    return (total & 0xFF) << 8 | total >> 8  # the bytes stood in order


def sums_in_turn(data: Any, start: Any, stop: Any) -> Any:
    """Return what :func:`sums` does, by loops that Numba compiles."""
    total = np.zeros(len(start), np.int64)
    even = data[: len(data) & ~1].view(np.uint16)
    odd = data[1 : 1 + (len(data) - 1 & ~1)].view(np.uint16)
    for i in range(len(start)):
        first, n = start[i] >> 1, stop[i] - start[i]
        words = (odd if start[i] & 1 else even)[first : first + (n >> 1)]
        one = 0
        for word in words:
            one += int(word)
        if n & 1:
            one += int(data[stop[i] - 1])
        one = folded(one)
        total[i] = (one & 0xFF) << 8 | one >> 8
    return total


def folded(total: Any) -> Any:
    """Return sums of words as sums in ones' complement of 16 bits."""
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return total
