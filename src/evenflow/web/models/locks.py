"""A lock for each key: who works on one thing waits for nobody who works on another."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Locks:
    """Locks by key, made when they are needed and forgotten when nobody uses them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._used: dict[Hashable, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: Hashable) -> Iterator[None]:
        """Hold the lock of a key until the block ends."""
        with self._guard:
            lock, n = self._used.get(key, (threading.Lock(), 0))
            self._used[key] = (lock, n + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, n = self._used.pop(key)
                if n > 1:
                    self._used[key] = (lock, n - 1)

    def __len__(self) -> int:
        """Return how many keys are in use."""
        return len(self._used)
