"""A key has one row from when it is found first until it is forgotten."""

import random

import numpy as np

from evenflow.traffic import _index as x


def test_keys_have_the_rows_that_a_dictionary_would_give():
    n, n_buckets, draw = 40, 4, random.Random(3)
    K, D = np.zeros((n, 2), np.uint64), np.zeros(n, np.int64)
    R, L = np.zeros(n, np.int64), np.zeros(n, np.int64)
    B, T = np.full(n_buckets, x.NONE), np.array([x.NONE, 0])
    known = {}
    for _ in range(300):
        names = [draw.randrange(90) for _ in range(draw.randrange(12))]
        keys = np.array([(name, 7) for name in names], np.uint64).reshape(-1, 2)
        buckets, found = np.array(names, np.int64) % n_buckets, np.empty(12, np.int64)
        done = x.find(K, R, L, B, T, D, keys, buckets, 0, found)
        for name, row in zip(names[:done], found.tolist(), strict=False):
            assert known.setdefault(name, row) == row
        assert len(set(known.values())) == len(known)
        # it stops at a new key where no row is free, and not before
        assert done == len(names) or len(known) == n
        assert done == len(names) or names[done] not in known
        gone = draw.sample(sorted(known), min(len(known), draw.randrange(12)))
        x.forget(R, L, B, T, np.array([known.pop(name) for name in gone], np.int64))
