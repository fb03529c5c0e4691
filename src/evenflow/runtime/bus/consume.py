"""A scorer's share of a stream, as a feed of connections.

An entry is acknowledged in the same step in which what came of it is published, for the
scorer that groups. What a scorer that ended has left is taken over by another.
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
from evenflow.runtime.bus.lead import MOST_SENSORS, Lead
from evenflow.runtime.bus.scored import fields_of
from evenflow.runtime.feeds import Feed
from evenflow.runtime.watch import Watch

MOST_READ = 8
"""Entries that are scored at once."""
WAIT_MS = 200
TRIM_S = 1.0
MOST_DELIVERIES = 10
"""Scorers that an entry may end before it is put aside."""
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
    idle_s: float = 10.0,
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
            dropped=lambda: sum(
                head.packets_dropped for head in share.sensors.values()
            ),
            share=share,
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
        self.sensors: OrderedDict[tuple[str, int], Head] = OrderedDict()
        self.backlog = Backlog(lag=None, pending=0)
        self.entries = self.taken_over = self.rejected = self.removed = 0
        self.delay_s = 0.0
        self._stop, self._on_event = stop, on_event
        self._nothing = pl.DataFrame(schema=columns(contract))
        self._held: list[tuple[bytes, Batch]] = []
        self.lead = Lead(stream, self.name, idle_s=idle_s, on_event=on_event)
        self.ungrouped = 0
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
            "bus_rejected": self.rejected + self.lead.rejected,
            "bus_removed": self.removed,
            "bus_leads": int(self.lead.is_leading),
            "bus_ungrouped": self.ungrouped,
            "bus_delay_s": round(self.delay_s, 3),
            "sensors": len(self.sensors),
            "sensors_dropped": sum(head.dropped for head in self.sensors.values()),
        }

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield connections with their rows; none where none came for some time."""
        while not self._stop.is_set():
            found = self._try(self._next)
            yield self._nothing if found is None else found

    def take(self, found: Watch, connections: pl.DataFrame) -> None:
        """Score what :meth:`batches` yielded last, publish and acknowledge it.

        Then the scorer that leads groups what all of them published.
        """
        begun = time.perf_counter()
        held, self._held = self._held, []
        attacks = None
        if connections.height:
            n_before = found.totals.verdicts
            attacks = found.score(connections)
            found.count_age(connections, begun, found.totals.verdicts - n_before)
        made, row = [], 0
        for entry, batch in held:
            end = row + batch.frame.height
            own = attacks.between(row, end) if attacks and end > row else None
            made.append((entry, fields_of(batch, own)))
            row = end
        while made and self._try(lambda: self._finish(made)) is None:
            if self._stop.is_set():
                return  # another scorer takes these over
        self._try(lambda: self.lead.step(found))

    def finish(self, found: Watch, flush_s: float) -> None:
        """Let another scorer lead, if this one does."""
        self._try(lambda: self.lead.finish(found, flush_s))

    def leave(self) -> None:
        """End; what is not acknowledged is left to others."""
        try:
            self.stream.leave(self.name, idle_ms=FORGET_MS)
            self.stream.trim()
        except StorageError:
            pass  # a name that stays is removed by the next that leaves
        self.stream.close()

    def _finish(self, made: Sequence[tuple[bytes, dict[str, bytes]]]) -> bool:
        self.stream.finish(made)
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
        for entry in self._entries():
            self.entries += 1
            self.delay_s = max(time.time() - entry.seconds, 0.0)
            try:
                batch = self._read(entry)
            except DataError as error:
                self._reject(entry, str(error))
                continue
            self._see(batch.head)
            self._held.append((entry.id, batch))
        if not self._held:
            return self._nothing
        return pl.concat([batch.frame for _, batch in self._held])

    def _entries(self) -> list[Entry]:
        now = time.monotonic()
        if now >= self._trims:
            self._trims = now + TRIM_S
            self.stream.trim()
            self.backlog = self.stream.backlog()
            self.ungrouped = self.stream.n_scored()
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
        if self.lead.is_behind:
            return []
        if self.stream.is_full():
            self._stop.wait(WAIT_MS / 1000)
            return []
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

    def _say(self, text: str) -> None:
        self._on_event(Note(text=text, is_warning=True))
