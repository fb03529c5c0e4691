"""Where the records of a pcap file begin.

The function is plain Python on bytes, which Numba compiles unchanged.
"""

from __future__ import annotations

from typing import Any

HEADER = 16
"""Bytes of a record before its frame."""
LARGEST_FRAME = 2**18
"""Maximum number of bytes of one frame: libpcap's own limit."""


def records(data: bytes, at: int, is_big: bool, starts: Any) -> tuple[int, int, int]:
    """Write where the whole records begin, from ``at`` on.

    Parameters
    ----------
    data : bytes
    at : int
        Where a record begins.
    is_big : bool
        Whether numbers have their highest byte first.
    starts : ndarray of shape (n_most,), int64
        Gets the places.

    Returns
    -------
    tuple of (int, int, int)
        How many records there are, where the next one begins, and the length that
        the last header has that was read.
    """
    n, length = 0, 0
    while n < len(starts) and at + HEADER <= len(data):
        length = 0
        for k in range(4):
            byte = int(data[at + 8 + k])
            length += byte << (24 - 8 * k if is_big else 8 * k)
        stop = at + HEADER + length
        if length > LARGEST_FRAME or stop > len(data):
            break
        starts[n] = at
        n += 1
        at = stop
    return n, at, length
