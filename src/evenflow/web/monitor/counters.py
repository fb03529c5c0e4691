"""Counters of one process, in files that all processes of a server read.

Counting never fails a request. The files are mapped into memory, so a page that the
disk has no room for would end the process with SIGBUS: their whole size is allocated
before anything is counted, and what would go beyond it is counted as "other". A
process that gets no room counts nothing.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, multiprocess

logger = logging.getLogger(__name__)

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds of the durations, seconds."""
BYTES = 2**20
"""Size of one file; 121 endpoints take 0.3 MB of the larger one."""
MAX_SERIES = 2000
"""Maximum number of series by endpoint, method and status."""
MAX_VERDICTS = 200
"""Maximum number of verdicts with a series of their own."""
KINDS = ("counter", "histogram")


class Counters:
    """The counters of one application."""

    def __init__(self) -> None:
        self.is_counting = _reserve()
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "evenflow_requests",
            "Requests handled.",
            ("endpoint", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "evenflow_request_seconds",
            "Duration of requests.",
            ("endpoint",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.verdicts = Counter(
            "evenflow_verdicts",
            "Records scored through the API, stored or not.",
            ("verdict",),
            registry=self.registry,
        )
        # to find a child by its labels takes as long as to count
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._labels: dict[str, Any] = {}

    def count(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered; never raises."""
        if not self.is_counting:
            return
        try:
            key = (endpoint, method, status)
            found = self._known.get(key)
            if found is None:
                if len(self._known) >= MAX_SERIES:
                    key = (endpoint, "other", 0)
                n = self.requests.labels(key[0], key[1], str(key[2]))
                found = self._known[key] = (n, self.seconds.labels(endpoint))
            found[0].inc()
            found[1].observe(seconds)
        except Exception:  # noqa: BLE001 (logged; an answer is worth more)
            self._stop()

    def count_verdict(self, label: str, n: int) -> None:
        """Count scored records; never raises."""
        if not self.is_counting:
            return
        try:
            found = self._labels.get(label)
            if found is None:
                label = label if len(self._labels) < MAX_VERDICTS else "other"
                found = self._labels[label] = self.verdicts.labels(label)
            found.inc(n)
        except Exception:  # noqa: BLE001 (logged; an answer is worth more)
            self._stop()

    def _stop(self) -> None:
        self.is_counting = False
        logger.exception("this process counts no more requests for /metrics")


def folder() -> Path | None:
    """Return the folder the processes count in; None where one counts alone."""
    try:
        shared = multiprocess.MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return None
    return Path(shared._path)


def _reserve() -> bool:
    """Allocate this process's files; return whether it can count.

    The files of a process that ended are taken over, with what it counted: however
    often a process is started again, they take no more room.
    """
    place = folder()
    if place is None:
        return True
    try:
        for kind in KINDS:
            path = place / f"{kind}_{os.getpid()}.db"
            _take_over(place, kind, path)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, BYTES)
            finally:
                os.close(handle)
    except OSError as error:
        logger.warning(
            "no room for figures in %s (%s): this process counts no requests for "
            "/metrics",
            place,
            error.strerror,
        )
        for kind in KINDS:
            with suppress(OSError):
                (place / f"{kind}_{os.getpid()}.db").unlink()
        return False
    return True


def _take_over(place: Path, kind: str, path: Path) -> None:
    for found in sorted(place.glob(f"{kind}_*.db")):
        pid = found.stem.rpartition("_")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with suppress(FileNotFoundError):  # another process was first
                found.rename(path)
                return
