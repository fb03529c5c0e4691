"""Connections to a stream: the contract's rows beside them, in batches, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import polars as pl

from evenflow.progress import Note, OnEvent, ignore
from evenflow.runtime.bus.batch import (
    MOST_ROWS,
    Head,
    columns,
    invalid,
    pack,
    with_rows,
)
from evenflow.runtime.bus.client import Stream
from evenflow.runtime.sinks import Outbox
from evenflow.traffic.columns import conform
from evenflow.traffic.contracts import Started

LINGER_S = 0.2
"""Time after which few connections are a batch, where they are live."""
HEARTBEAT_S = 5.0
"""Time after which a live sensor says that nothing came."""
PATIENCE_S = 0.5
"""Longest time that live traffic waits for room."""
MOST_WAITING = 10_000
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 1.0


class Packed(bytes):
    """A batch that waits, and how many connections it has."""

    rows = 0


class _Transport:
    """Adds batches to a stream, for an outbox."""

    most_messages = 1

    def __init__(self, stream: Stream, most_bytes: int) -> None:
        self.stream, self.most_bytes, self.published = stream, most_bytes, 0

    def send(self, messages: Sequence[bytes]) -> None:
        """Add batches."""
        for one in messages:
            self.stream.add(bytes(one), most_bytes=self.most_bytes)
            self.published += one.rows if isinstance(one, Packed) else 0

    def sync(self) -> None:
        """Do nothing: each batch was answered."""

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()


class Publisher:
    """A sensor at work.

    While the server is away or the stream is full, batches wait in memory. Where there
    is no more room, a file or a log is read no further, and live connections are
    dropped and counted.

    Parameters
    ----------
    stream : Stream
    rows : Started
        The contract at work.
    sensor : str
        Name of the sensor.
    stop : Event
        Ends waiting for room.
    is_live : bool
        Whether connections come whether or not there is room for them.
    is_finite : bool
        Whether to wait for a full batch, as more connections are sure to come.
    most_stream, most_queue : int
        Bytes of the stream and of the batches in memory.
    """

    def __init__(
        self,
        stream: Stream,
        rows: Started,
        *,
        sensor: str,
        stop: threading.Event,
        is_live: bool = False,
        is_finite: bool = False,
        most_stream: int = 2**28,
        most_queue: int = 2**26,
        on_event: OnEvent = ignore,
    ) -> None:
        self.rows, self.sensor, self.stream = rows, sensor, stream
        self.rows_taken = self.sequence = self.dropped = self.rejected = 0
        self._has_named, self._on_event = False, on_event
        self.run = time.time_ns()
        self._stop, self._is_live, self._is_finite = stop, is_live, is_finite
        self._transport = _Transport(stream, most_stream)
        self.outbox = Outbox(
            "the bus", self._transport, lambda batch: batch,
            patience_s=PATIENCE_S, most_waiting=MOST_WAITING, most_bytes=most_queue,
            first_delay_s=FIRST_DELAY_S, longest_delay_s=LONGEST_DELAY_S,
            noun="batches", on_event=on_event,
        )  # fmt: skip
        self._parts: list[pl.DataFrame] = []
        self._n = 0
        self._since = time.monotonic()

    @property
    def published(self) -> int:
        """Rows that are in the stream; a connection that goes on has several."""
        return self._transport.published

    def take(
        self,
        connections: pl.DataFrame,
        *,
        settled_ns: int | None = None,
        packets_dropped: int = 0,
    ) -> None:
        """Publish connections, in the order of ``known``, some of them a little later.

        Raises
        ------
        DataError
            The source lacks what the contract needs.
        """
        if connections.height:
            self._parts.append(conform(connections))
            self._n += connections.height
        waited = time.monotonic() - self._since
        if self._n >= MOST_ROWS or (
            self._n and not self._is_finite and (waited > LINGER_S or not self._is_live)
        ):
            self.publish(settled_ns, packets_dropped)
        elif self._is_live and waited > HEARTBEAT_S:
            nothing = pl.DataFrame(schema=columns(self.rows.contract.name))
            self._write(nothing, settled_ns, packets_dropped)

    def publish(self, settled_ns: int | None = None, packets_dropped: int = 0) -> None:
        """Publish all connections that were given."""
        if not self._n:
            return
        whole = pl.concat(self._parts)
        self._parts, self._n = [], 0
        self.rows_taken += whole.height
        fitting, _ = self.rows.fitting(whole, self._on_event)
        self.rejected += whole.height - fitting.height
        made = self._valid(
            with_rows(fitting, self.rows.add(fitting), self.rows.contract.name)
        )
        last = (made.height - 1) // MOST_ROWS
        for number, part in enumerate(made.iter_slices(MOST_ROWS)):
            # what is settled is so only once all of it is there
            self._write(part, settled_ns if number == last else None, packets_dropped)

    def _valid(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that a scorer accepts; count the others, of a strange log."""
        is_wrong = pl.repeat(value=False, n=frame.height, eager=True)
        for name, expected, rows in invalid(frame):
            is_wrong |= rows
            if not self._has_named:
                self._has_named = True
                found = str(frame.filter(rows)[name][0])[:60]
                text = (
                    f"connection {frame.filter(rows)['uid'][0]}: {name} is {found!r}, "
                    f"expected {expected}. It is not published, nor are others like it"
                )
                self._on_event(Note(text=text, is_warning=True))
        n = int(is_wrong.sum())
        self.rejected += n
        return frame.filter(~is_wrong) if n else frame

    def _write(
        self, frame: pl.DataFrame, settled_ns: int | None, packets_dropped: int
    ) -> None:
        self._since = time.monotonic()
        head = Head(
            sensor=self.sensor,
            run=self.run,
            sequence=self.sequence,
            contract=self.rows.contract.name,
            settled_ns=settled_ns,
            dropped=self.dropped,
            packets_dropped=packets_dropped,
        )
        batch = Packed(pack(frame, head))
        batch.rows = frame.height
        self.sequence += 1
        while (
            not self._is_live
            and self.outbox.is_full(len(batch))
            and not self._stop.is_set()
        ):
            self.outbox.flush(0.1)
        n_before = self.outbox.counts.dropped
        self.outbox.write([batch])
        if self.outbox.counts.dropped > n_before:
            self.dropped += frame.height

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is in the stream; return whether it is."""
        return self.outbox.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Publish what waits, as far as that works in time, and end.

        Without a signal to stop, connections that do not come again wait on.
        """
        self.publish()
        while (
            not self._is_live and not self._stop.is_set() and not self.outbox.flush(0.5)
        ):
            pass
        self.outbox.close(timeout_s)
        self.dropped = self.rows_taken - self.rejected - self.published
