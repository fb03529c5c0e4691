"""A bounded queue in front of a sink, so that a sink that fails stops no detection.

A thread of its own delivers. What cannot be delivered is tried again, later and later;
what no longer fits is dropped and counted.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from evenflow.progress import Note, OnEvent, ignore

MOST_WAITING, MOST_BYTES = 10_000, 2**24
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0


class RejectedError(Exception):
    """The receiver will never accept this batch."""


class Transport(Protocol):
    """A way to deliver the messages of a sink; called by one thread."""

    most_messages: int
    """Messages of a batch."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Deliver messages; OSError to be called again with them."""

    def sync(self) -> None:
        """Make what was sent last, as far as this side can."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(kw_only=True)
class Counts:
    """Numbers of the messages of a sink, by their outcome."""

    sent: int = 0
    dropped: int = 0
    """Because the queue was full, or the end came before they could be sent."""
    rejected: int = 0
    """By the receiver."""
    waiting: int = 0
    failures: int = 0
    """Deliveries that failed, and were or will be tried again."""


class Outbox:
    """A sink: events in, in order; delivered by a thread.

    Parameters
    ----------
    name : str
        Name for messages, without secrets.
    transport : Transport
    encode : callable
        From an event to a message; to None where the sink does not want it.
    noun : str
        Word for several messages, in notes.
    patience_s : float
        Longest time that a full queue makes :meth:`write` wait.
    on_event : callable, optional
        Gets a note when deliveries begin to fail, and when they work again; called
        by the caller's thread.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        encode: Callable[[Any], bytes | None],
        *,
        noun: str = "alerts",
        patience_s: float = 10.0,
        most_waiting: int = MOST_WAITING,
        most_bytes: int = MOST_BYTES,
        first_delay_s: float = FIRST_DELAY_S,
        longest_delay_s: float = LONGEST_DELAY_S,
        on_event: OnEvent = ignore,
    ) -> None:
        self.name, self.counts, self._noun = name, Counts(), noun
        self._transport, self._encode, self._on_event = transport, encode, on_event
        self._patience_s = patience_s
        self._first_delay_s, self._longest_delay_s = first_delay_s, longest_delay_s
        self._most_waiting, self._most_bytes = most_waiting, most_bytes
        self._queue: deque[bytes] = deque()
        self._show: Callable[[bytes], None] | None = getattr(transport, "show", None)
        self._state: bytes | None = None
        self._n_bytes = 0
        self._notes: deque[Note] = deque()
        self._error: BaseException | None = None
        self._is_stalled = self._is_failing = self._is_closing = False
        self._wants_sync = False
        self._delay_s = 0.0
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=self._run, name=f"sink {name}", daemon=True
        )
        self._thread.start()

    def write(self, events: Sequence[Any]) -> None:
        """Queue events; wait a bounded time where the queue is full, then drop."""
        messages = [self._encode(event) for event in events]
        with self._changed:
            for message in filter(None, messages):
                if self._has_room(message):
                    self._queue.append(message)
                    self._n_bytes += len(message)
                else:
                    self._drop(1)
            self.counts.waiting = len(self._queue)
            self._changed.notify_all()
        self.speak()

    @property
    def shows(self) -> bool:
        """Whether it shows the state of the run."""
        return self._show is not None

    def show(self, state: dict[str, Any]) -> None:
        """Have the sink show a state of the run, which replaces those before it."""
        message = json.dumps(state, separators=(",", ":")).encode()
        with self._changed:
            self._state = message
            self._changed.notify_all()
        self.speak()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is delivered and synced; return whether it is."""
        ends = time.monotonic() + timeout_s
        with self._changed:
            self._wants_sync = True
            self._changed.notify_all()
            while (self._queue or self._wants_sync) and self._error is None:
                left = ends - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            is_done = not (self._queue or self._wants_sync)
        self.speak()
        return is_done

    def close(self, timeout_s: float = 5.0) -> None:
        """Deliver what waits, as far as that works in time, and end."""
        if self._is_closing:
            return
        try:
            self.flush(timeout_s)
        finally:
            with self._changed:
                self._is_closing = True
                self._changed.notify_all()
            self._thread.join(timeout=1.0)
            with self._changed:
                self._drop(len(self._queue))
                self.counts.waiting = 0
        self.speak()

    def is_full(self, n_bytes: int) -> bool:
        """Return whether a message of so many bytes has to wait for others."""
        return bool(self._queue) and (
            len(self._queue) >= self._most_waiting
            or self._n_bytes + n_bytes > self._most_bytes
        )

    def _has_room(self, message: bytes) -> bool:
        """Return whether a message fits, after some waiting."""
        ends = time.monotonic() + self._patience_s
        while (
            len(self._queue) >= self._most_waiting
            or self._n_bytes + len(message) > self._most_bytes
        ):
            left = ends - time.monotonic()
            if self._is_stalled or left <= 0 or self._error or not self._queue:
                self._is_stalled = True
                return False
            n_before = self.counts.sent
            self.counts.waiting = len(self._queue)
            self._changed.notify_all()
            self._changed.wait(left)
            if self.counts.sent > n_before:
                ends = time.monotonic() + self._patience_s
        return True

    def _drop(self, n: int) -> None:
        if n and not self.counts.dropped:
            text = (
                f"{self.name}: the queue is full or ends, and {self._noun} are dropped"
            )
            self._notes.append(Note(text=text, is_warning=True))
        self.counts.dropped += n

    def speak(self) -> None:
        """Pass on notes and errors of the thread, in the caller's."""
        while self._notes:
            self._on_event(self._notes.popleft())
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BaseException as error:  # noqa: BLE001 (raised in the caller's thread)
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            self._transport.close()

    def _step(self) -> bool:
        """Deliver one batch, or sync, or wait; return False at the end."""
        with self._changed:
            while not (
                self._queue or self._state or self._wants_sync or self._is_closing
            ):
                self._changed.wait()
            if self._is_closing:
                return False
            batch = [*islice(self._queue, self._transport.most_messages)]
            state = None if batch else self._state
            self._state = self._state if batch else None
        try:
            if batch:
                self._deliver(batch)
            elif state and self._show:
                self._show(state)
                self._recover()
            else:
                self._transport.sync()
                self._wants_sync = False
        except OSError as error:
            with self._changed:
                self._state = self._state or state
            self._wait_after(error)
        with self._changed:
            self._changed.notify_all()
        return True

    def _deliver(self, batch: list[bytes]) -> None:
        try:
            self._transport.send(batch)
            n_sent = len(batch)
        except RejectedError as error:
            n_sent = 0
            self._note(f"{error}; {len(batch):,} {self._noun} were rejected")
        with self._changed:
            for message in batch:
                self._queue.popleft()
                self._n_bytes -= len(message)
            self.counts.sent += n_sent
            self.counts.rejected += len(batch) - n_sent
            self.counts.waiting = len(self._queue)
            self._is_stalled = False
        self._recover()

    def _recover(self) -> None:
        """Take note that a delivery worked."""
        self._delay_s = 0.0
        if self._is_failing:
            self._is_failing = False
            n = self.counts.dropped
            rest = f"; {n:,} {self._noun} were dropped" if n else ""
            self._notes.append(Note(text=f"{self.name} works again{rest}"))

    def _wait_after(self, error: OSError) -> None:
        """Wait after a delivery that failed, longer each time."""
        if isinstance(error, BrokenPipeError) and self.name == "stdout":
            raise error  # its reader has left, as with every other command
        with self._changed:
            self.counts.failures += 1
            if not self._is_failing:
                self._is_failing = True
                text = error.strerror or str(error)
                self._note(
                    f"{text}. {self._noun.capitalize()} wait, up to "
                    f"{self._most_waiting:,} of them"
                )
            delay = min(
                max(2 * self._delay_s, self._first_delay_s), self._longest_delay_s
            )
            self._delay_s = delay
            ends = time.monotonic() + delay
            while not self._is_closing and (left := ends - time.monotonic()) > 0:
                self._changed.wait(left)

    def _note(self, text: str) -> None:
        self._notes.append(Note(text=f"{self.name}: {text}", is_warning=True))
