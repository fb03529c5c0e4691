"""Sums of words are those of RFC 1071, by NumPy, by loops and by compiled loops."""

import numpy as np
import pytest

from evenflow.traffic import _checksums
from evenflow.traffic._compiled import compiled


def summed(data: bytes) -> int:
    """Return the sum in ones' complement of words in the order of the network."""
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def stretches(n_bytes, n=400):
    """Return bytes, which are all ones at the end, and stretches of them."""
    draw = np.random.default_rng(n_bytes)
    data = draw.integers(0, 256, n_bytes).astype(np.uint8)
    data[n_bytes // 2 :] = 255
    start = draw.integers(0, n_bytes, n)
    stop = np.array([draw.integers(one + 1, n_bytes + 1) for one in start])
    return data, start, stop


@pytest.mark.parametrize("sums", [_checksums.sums, _checksums.sums_in_turn])
@pytest.mark.parametrize("n_bytes", [1, 2, 7, 300])
def test_sums_are_those_of_the_words(sums, n_bytes):
    data, start, stop = stretches(n_bytes)
    expected = [summed(data[a:z].tobytes()) for a, z in zip(start, stop, strict=True)]
    assert sums(data, start, stop).tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize("n_bytes", [1, 3_000_001])
def test_compiled_sums_are_those_of_numpy(n_bytes):
    data, start, stop = stretches(n_bytes)
    data.flags.writeable = False
    found = compiled().sums(data, start, stop)
    assert found.tolist() == _checksums.sums(data, start, stop).tolist()
