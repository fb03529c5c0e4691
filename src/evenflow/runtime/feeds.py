"""Where connections come from: captures, an interface, or the log of another sensor.

A feed ends when its source does, or soon after ``stop`` is set; connections that are
open then are yielded too.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import polars as pl

from evenflow.ahead import ahead
from evenflow.errors import EvenflowError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic.captures import Frames, read_frames, unreadable
from evenflow.traffic.flows import LARGE, Follower, Read, record_finder
from evenflow.traffic.interface import RING_MIB, Interface
from evenflow.traffic.sources import SOURCES, Position, follow

if TYPE_CHECKING:
    from evenflow.runtime.bus.consume import Share

WARM_UP_AFTER = 50_000
"""Live packets after which compiling is worth the while."""
SYN = bytes.fromhex(
    "020000000001 020000000002 0800 4500002800004000400600000a0000010a000002"
    "00010050 00000000 00000000 5002ffff 0000 0000"
)
"""A frame to compile with: the first packet of a connection."""
LEAP_S = 2.0
"""Seconds by which a clock that was set differs from one that runs."""


@dataclass(kw_only=True)
class Feed:
    """Connections as they come.

    Attributes
    ----------
    name : str
        For messages.
    batches : iterator of DataFrame
        In the columns of ``traffic/columns.py``.
    is_endless : bool
        Whether it is meant to be stopped.
    position : str
        How far its connections were dealt with, as JSON; empty where it cannot be
        resumed. Whoever deals with a batch sets it to ``reached``.
    reached : str
        How far it was read.
    clock : callable, optional
        Returns the time of the traffic now, in nanoseconds; of live traffic alone.
    settled : callable
        Returns the time before which all connections were yielded, where it is known.
    dropped : callable
        Returns the number of packets that were lost.
    share : Share, optional
        This scorer's part of what sensors publish. It takes each batch, as attacks are
        grouped for all scorers.
    figures : callable
        Returns what else is counted, by name.
    """

    name: str
    batches: Iterator[pl.DataFrame]
    is_endless: bool = False
    position: str = ""
    reached: str = ""
    clock: Callable[[], int] | None = None
    settled: Callable[[], int | None] = field(default=lambda: None)
    dropped: Callable[[], int] = field(default=lambda: 0)
    share: Share | None = None
    figures: Callable[[], dict[str, float]] = field(default=dict)


@contextmanager
def captures(
    files: Sequence[Path | BinaryIO],
    *,
    stop: threading.Event,
    see: Callable[[Frames], None] = lambda _: None,
    on_event: OnEvent = ignore,
) -> Iterator[Feed]:
    """Yield the connections of captures, one after the other as if they were one.

    Parameters
    ----------
    see : callable
        Gets the frames before their connections are yielded.

    Raises
    ------
    DataError
        A file cannot be read, or is not a capture.
    """
    names = [_name(file) for file in files]
    with ExitStack() as stack:
        streams = [stack.enter_context(_opened(file, stop)) for file in files]
        size = sum(f.stat().st_size for f in files if isinstance(f, Path))
        is_large = size > LARGE
        found = record_finder(is_large=is_large)

        def frames() -> Iterator[Frames]:
            for stream, name in zip(streams, names, strict=True):
                yield from read_frames(
                    stream, source=name, on_event=on_event, find_records=found
                )

        name = names[0] if len(names) == 1 else f"{len(names)} captures"
        batches = connect(
            until(frames(), stop), source=name, see=see,
            reads_ahead=all(isinstance(f, Path) and f.is_file() for f in files),
            is_large=is_large, on_event=on_event,
        )  # fmt: skip
        yield Feed(name=name, batches=batches)


@contextmanager
def interface(
    name: str,
    expression: str = "",
    *,
    stop: threading.Event,
    ring_mib: int = RING_MIB,
    see: Callable[[Frames], None] = lambda _: None,
    on_event: OnEvent = ignore,
) -> Iterator[Feed]:
    """Yield the connections that an interface sees, until it is stopped.

    Raises
    ------
    DataError
        There is no such interface, or it has vanished.
    StorageError
        The rights to capture are missing.
    """
    with Interface(name, expression, ring_mib=ring_mib, on_event=on_event) as card:
        batches = connect(
            watching_the_clock(captured(card, stop), on_event), source=name,
            is_live=True, settled=lambda: card.settled_ns, see=see,
            on_event=on_event,
        )  # fmt: skip
        yield Feed(
            name=name, batches=batches, is_endless=True, clock=time.time_ns,
            settled=lambda: card.settled_ns, dropped=lambda: card.n_dropped,
        )  # fmt: skip


@contextmanager
def log(
    kind: str,
    path: Path,
    *,
    needed: Iterable[str],
    contract: str,
    stop: threading.Event,
    follows: bool = True,
    position: str | None = None,
    on_event: OnEvent = ignore,
) -> Iterator[Feed]:
    """Yield the connections of another sensor's log.

    Parameters
    ----------
    kind : str
        Of ``traffic/sources``: ``zeek``, ``eve``, ``argus`` or ``nfdump``.
    needed : iterable of str
        Columns of a connection that the contract needs.
    contract : str
        Its name, for messages.
    follows : bool
        Whether to wait for more at its end.
    position : str, optional
        Where a former run stood, empty for the first; None if no position is saved, so
        that a finished log may be packed, or a pipe.

    Raises
    ------
    DataError
        The log cannot be read, or lacks what the contract needs.
    """
    source = SOURCES[kind]
    source.check(needed, contract=contract)
    if not follows and position is None:
        with _opened(path, stop) as stream:
            batches = source.read(stream, source=path.name, on_event=on_event)
            yield Feed(name=path.name, batches=until(batches, stop))
        return
    begin = Position.from_json(position) if position else None
    feed = Feed(
        name=path.name, batches=iter(()), is_endless=follows, position=position or "",
        reached=position or "",
    )  # fmt: skip

    def grown() -> Iterator[pl.DataFrame]:
        for frame, now in follow(
            path,
            source,
            stop=stop,
            position=begin,
            until_end=not follows,
            on_event=on_event,
        ):
            feed.reached = now.to_json()
            yield frame

    feed.batches = grown()
    yield feed


def connect(
    batches: Iterable[Frames],
    *,
    source: str,
    is_live: bool = False,
    reads_ahead: bool = False,
    is_large: bool = False,
    settled: Callable[[], int | None] = lambda: None,
    see: Callable[[Frames], None] = lambda _: None,
    on_event: OnEvent = ignore,
) -> Iterator[pl.DataFrame]:
    """Yield the connections of frames as they come, long ones early, then those open.

    Checksums are not verified: a machine that captures its own packets sees them before
    its network card writes their checksums, live as in a file.

    Parameters
    ----------
    batches : iterable of Frames
        What is open is yielded before an error of it is raised.
    is_live : bool
        Whether frames go on to come while something else is done.
    reads_ahead : bool
        Whether a thread follows the next frames while these connections are dealt with.
    is_large : bool
        Whether compiling is worth the while from the beginning.
    settled : callable
        Returns the time before which no further packet comes, where it is known.
    see : callable
        Gets the frames before their connections are yielded.
    """
    follower = Follower(checksums=False, is_large=is_large, early=True)
    failure: EvenflowError | None = None
    has_begun = False
    warm_up = _WarmUp()
    found: Iterator[Read] = map(follower.read, batches)
    if reads_ahead and is_large:
        found = ahead(found)
    parts = ((read.frames, follower.take(read)) for read in found)
    try:
        for frames, rows in ahead(parts) if reads_ahead else parts:
            has_begun = True
            see(frames)
            if is_live:
                warm_up.count(len(frames))
                if warm_up.is_done and follower.connections.is_compiled is None:
                    follower.connections.compile()
            yield rows
            if (now_ns := settled()) is not None:
                yield follower.advance(now_ns)
    except EvenflowError as error:
        if not has_begun:
            raise
        failure = error
    yield follower.finish()
    follower.report(source, on_event)
    warm_up.end()  # no verdict waits for it
    if failure is not None:
        raise failure


class _WarmUp:
    """Compiles what follows packets beside the work, before it is wanted.

    Else live traffic would wait for it, for seconds.
    """

    def __init__(self) -> None:
        self._n = 0
        self._thread: threading.Thread | None = None
        self.is_done = False
        """Whether it was compiled; else it will not be, or not yet."""

    def count(self, n: int) -> None:
        """Take note of so many packets; begin where they are many."""
        self._n += n
        if self._n >= WARM_UP_AFTER and self._thread is None:
            self._thread = threading.Thread(target=self._compile, name="warm-up")
            self._thread.start()

    def _compile(self) -> None:
        if find_spec("numba") is None:
            return
        one, frame = np.array([0]), np.frombuffer(SYN, np.uint8)
        size = one + len(frame)
        first = Frames(
            data=frame, start=one, length=size, wire=size, time_ns=one, link=one + 1
        )
        follower = Follower(checksums=False, early=True, is_compiled=True)
        follower.add(first)
        follower.advance(3600 * 10**9)
        self.is_done = True

    def end(self) -> None:
        """Wait until it is done."""
        if self._thread is not None:
            self._thread.join()


def captured(card: Interface, stop: threading.Event) -> Iterator[Frames]:
    """Yield what an interface captures until it is stopped or fails, all of it."""
    failure: EvenflowError | None = None
    try:
        yield from until(card.batches(), stop)
    except EvenflowError as error:
        failure = error
    yield from card.drain()
    if failure is not None:
        raise failure


def until(items: Iterable[Any], stop: threading.Event) -> Iterator[Any]:
    """Yield items until it is stopped."""
    for item in items:
        yield item
        if stop.is_set():
            return


def watching_the_clock(
    batches: Iterable[Frames], on_event: OnEvent
) -> Iterator[Frames]:
    """Yield batches; say when the machine's clock was set."""
    before = time.time_ns() - time.monotonic_ns()
    for batch in batches:
        apart = time.time_ns() - time.monotonic_ns()
        leap = (apart - before) / 10**9
        if abs(leap) > LEAP_S:
            way = "forward" if leap > 0 else "back"
            text = (
                f"the clock of this machine was set {way} by {abs(leap):.0f} s: "
                "connections that are open may be cut in two"
            )
            on_event(Note(text=text, is_warning=True))
        before = apart
        yield batch


class Pipe(io.RawIOBase):
    """A stream that ends once it is stopped, even while nothing comes."""

    def __init__(self, stream: BinaryIO, stop: threading.Event) -> None:
        self._stream, self._stop = stream, stop

    def read(self, n: int = -1, /) -> bytes:
        """Return some bytes; none at the end."""
        number = self._stream.fileno()
        while not self._stop.is_set():
            if select.select([number], [], [], 0.1)[0]:
                return os.read(number, n if n >= 0 else 2**20)
        return b""


@contextmanager
def _opened(file: Path | BinaryIO, stop: threading.Event) -> Iterator[BinaryIO]:
    if not isinstance(file, Path):
        yield cast("BinaryIO", Pipe(file, stop))
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise unreadable(str(file), error) from error
    with stream:
        yield stream if file.is_file() else cast("BinaryIO", Pipe(stream, stop))


def _name(file: Path | BinaryIO) -> str:
    return file.name if isinstance(file, Path) else "stdin"
