"""How many threads a training may start."""

from __future__ import annotations

import os


def threads(wanted: int) -> int:
    """Return ``wanted``, or fewer where this process may not run so many.

    Bounded by the cores of the process and by OpenMP's own limit, which
    ``OMP_NUM_THREADS`` sets: threads without a core of their own wait for each other
    by spinning, and a training of seconds takes minutes. Call it after the library
    that is to train was imported, for its OpenMP to be found.
    """
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    limits: list[int] = [
        pool["num_threads"]
        for pool in threadpool_info()
        if pool["user_api"] == "openmp"
    ]
    return max(1, min(wanted, len(os.sched_getaffinity(0)), *limits))
