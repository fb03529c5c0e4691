"""A scorer's share of a stream, as a feed of connections.

An entry is acknowledged once the sinks have what came of it. What a scorer that ended
has left is taken over by another, so an entry may be scored twice: its alerts have the
same names then.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import polars as pl

from evenflow.errors import DataError, StorageError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.runtime.bus.batch import Batch, Head, columns, unpack
from evenflow.runtime.bus.client import FIELD, Backlog, Entry, Stream
from evenflow.runtime.feeds import Feed

MOST_READ = 8
"""Entries that are scored at once."""
WAIT_MS = 500
TRIM_S = 1.0
MOST_DELIVERIES = 10
"""Scorers that an entry may end before it is put aside."""
MOST_SENSORS = 1024
FORGET_MS = 3600 * 1000
"""Time after which a reader without entries is forgotten."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 2.0
T = TypeVar("T")


@contextmanager
def bus(
    stream: Stream,
    *,
    contract: str,
    stop: threading.Event,
    idle_s: float = 60.0,
    on_event: OnEvent = ignore,
) -> Iterator[Feed]:
    """Yield this scorer's share of a stream, until it is stopped.

    Parameters
    ----------
    contract : str
        Name of the contract that the model reads.
    idle_s : float
        Time after which an entry that another scorer has read is taken over.

    Raises
    ------
    StorageError
        The server does not answer.
    """
    share = Share(
        stream, contract=contract, stop=stop, idle_s=idle_s, on_event=on_event
    )
    try:
        yield Feed(
            name=f"{stream.address.stream} on {stream.address.name}",
            batches=share.batches(),
            is_endless=True,
            settled=lambda: share.settled_ns,
            dropped=lambda: sum(
                head.packets_dropped for head in share.sensors.values()
            ),
            acknowledge=share.acknowledge,
            figures=share.figures,
        )
    finally:
        share.leave()


class Share:
    """The entries of one scorer of a group."""

    def __init__(
        self,
        stream: Stream,
        *,
        contract: str,
        stop: threading.Event,
        idle_s: float,
        on_event: OnEvent = ignore,
    ) -> None:
        self.stream, self.contract, self.idle_s = stream, contract, idle_s
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.settled_ns: int | None = None
        self.sensors: OrderedDict[tuple[str, int], Head] = OrderedDict()
        self.backlog = Backlog(lag=None, pending=0)
        self.entries = self.taken_over = self.rejected = self.removed = 0
        self.delay_s = 0.0
        self._stop, self._on_event = stop, on_event
        self._nothing = pl.DataFrame(schema=columns(contract))
        self._held: list[bytes] = []
        self._trims = self._claims = 0.0
        self._is_failing = False
        stream.join()

    def figures(self) -> dict[str, float]:
        """Return what was counted."""
        backlog = self.backlog
        return {
            **({"bus_lag": backlog.lag} if backlog.lag is not None else {}),
            "bus_pending": backlog.pending,
            "bus_entries": self.entries,
            "bus_taken_over": self.taken_over,
            "bus_rejected": self.rejected,
            "bus_removed": self.removed,
            "bus_delay_s": round(self.delay_s, 3),
            "sensors": len(self.sensors),
            "sensors_dropped": sum(head.dropped for head in self.sensors.values()),
        }

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield connections with their rows; none where none came for some time."""
        while not self._stop.is_set():
            found = self._try(self._next)
            yield self._nothing if found is None else found

    def acknowledge(self) -> None:
        """Take note that the sinks have what came of the last batch."""
        held, self._held = self._held, []
        while held and self._try(lambda: self._acknowledge(held)) is None:
            if self._stop.is_set():
                return  # another scorer takes these over

    def leave(self) -> None:
        """End; what is not acknowledged is left to others."""
        try:
            self.stream.leave(self.name, idle_ms=FORGET_MS)
            self.stream.trim()
        except StorageError:
            pass  # a name that stays is removed by the next that leaves
        self.stream.close()

    def _acknowledge(self, ids: Sequence[bytes]) -> bool:
        self.stream.acknowledge(ids)
        return True

    def _try(self, work: Callable[[], T]) -> T | None:
        """Return what is made; None, after some time, where the server is away."""
        delay_s = FIRST_DELAY_S
        while True:
            try:
                if self._is_failing:
                    self.stream.join()  # the server may have lost its data
                made = work()
            except StorageError as error:
                if not self._is_failing:
                    self._is_failing = True
                    self._say(f"{error}. Trying again")
                if self._stop.wait(delay_s) or delay_s >= LONGEST_DELAY_S:
                    return None
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            else:
                if self._is_failing:
                    self._is_failing = False
                    text = f"{self.stream.address.name} works again"
                    self._on_event(Note(text=text))
                return made

    def _next(self) -> pl.DataFrame:
        """Return the connections of the next entries."""
        self._held = []
        batches = []
        for entry in self._entries():
            self.entries += 1
            self.delay_s = max(time.time() - entry.seconds, 0.0)
            try:
                batch = self._read(entry)
            except DataError as error:
                self._reject(entry, str(error))
                continue
            self._see(batch.head)
            if batch.frame.height:
                batches.append(batch)
                self._held.append(entry.id)
            else:
                self.stream.acknowledge([entry.id])
        if not batches:
            return self._nothing
        return pl.concat([batch.frame for batch in batches])

    def _entries(self) -> list[Entry]:
        now = time.monotonic()
        if now >= self._trims:
            self._trims = now + TRIM_S
            self.stream.trim()
            self.backlog = self.stream.backlog()
        if now >= self._claims:
            found, n_removed = self.stream.take_over(
                self.name, idle_ms=round(1000 * self.idle_s), most=MOST_READ
            )
            if n_removed:
                self.removed += n_removed
                self._say(f"{n_removed:,} entries were removed before they were scored")
            if found:
                self.taken_over += len(found)
                return found
            self._claims = now + self.idle_s / 4
        return self.stream.read(self.name, most=MOST_READ, wait_ms=WAIT_MS)

    def _read(self, entry: Entry) -> Batch:
        if entry.deliveries > MOST_DELIVERIES:
            raise DataError(
                f"found an entry that {entry.deliveries - 1} scorers did not finish"
            )
        if entry.fields.keys() != {FIELD}:
            raise DataError("found other fields than 'batch'")
        batch = unpack(entry.fields[FIELD])
        if batch.head.contract != self.contract:
            raise DataError(
                f"sensor {batch.head.sensor!r} publishes rows of the contract "
                f"{batch.head.contract}, the model reads those of {self.contract}"
            )
        return batch

    def _reject(self, entry: Entry, reason: str) -> None:
        self.stream.reject(entry, reason)
        self.rejected += 1
        if self.rejected == 1:
            self._say(
                f"entry {entry.id.decode()} is rejected: {reason}. It is kept in the "
                f"stream {self.stream.address.stream}:rejected"
            )

    def _see(self, head: Head) -> None:
        """Take note of what a sensor says of itself."""
        key = (head.sensor, head.run)
        before = self.sensors.pop(key, head)
        self.sensors[key] = max(before, head, key=lambda one: one.sequence)
        if len(self.sensors) > MOST_SENSORS:
            self.sensors.popitem(last=False)
        if head.settled_ns is not None:
            self.settled_ns = max(self.settled_ns or 0, head.settled_ns)

    def _say(self, text: str) -> None:
        self._on_event(Note(text=text, is_warning=True))
