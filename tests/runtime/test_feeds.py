"""Feeds yield all that came before they end, however they end."""

import os
import threading
import time

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.runtime import feeds
from evenflow.traffic.captures import read_frames
from evenflow.traffic.flows import Follower


@pytest.fixture
def frames(capture):
    with capture.open("rb") as stream:
        return [*read_frames(stream, source="a")]


def test_what_is_open_is_yielded_before_an_error_is_raised(frames):
    def breaks():
        yield from frames
        raise DataError("the interface near has vanished")

    found = feeds.connect(breaks(), source="near")
    n: list[int] = []
    with pytest.raises(DataError, match="has vanished"):
        n.extend(int(frame["is_over"].sum()) for frame in found)
    assert sum(n) == 620


def test_of_what_never_began_nothing_is_yielded():
    def breaks():
        raise DataError("not a capture")
        yield

    with pytest.raises(DataError, match="not a capture"):
        next(feeds.connect(breaks(), source="near"))


def test_connections_end_by_the_time_of_the_feed_although_no_packet_comes(frames):
    first = frames[0].time_ns.max()
    settled = iter([None, first + 3600 * 10**9, None])
    none = frames[0].take(np.arange(0))
    found = feeds.connect([*frames, none], source="near", settled=lambda: next(settled))
    rows = [int(frame["is_over"].sum()) for frame in found]
    assert sum(rows) == 620
    assert rows[-1] == 0


def test_early_rows_of_long_connections_come_too(frames):
    found = pl.concat(feeds.connect(frames, source="a"))
    plain = Follower()
    rows = sum(len(plain.add(one)) for one in frames) + len(plain.finish())
    assert rows == 620 < len(found)


def test_a_clock_that_is_set_is_reported_with_how_far(monkeypatch):
    notes, now = [], [10**18]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: 0)
    found = feeds.watching_the_clock([1, 2, 3, 4], notes.append)
    next(found)
    now[0] += 10**9
    next(found)
    assert notes == []
    now[0] += 3600 * 10**9
    next(found)
    now[0] -= 7200 * 10**9
    next(found)
    assert [n.text[:50] for n in notes] == [
        "the clock of this machine was set forward by 3600 ",
        "the clock of this machine was set back by 7200 s: ",
    ]


def test_a_pipe_ends_when_it_is_stopped_though_nothing_comes():
    reader, writer = os.pipe()
    stop = threading.Event()
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb") as out:
        pipe = feeds.Pipe(stream, stop)
        out.write(b"abc")
        out.flush()
        assert pipe.read(100) == b"abc"
        threading.Timer(0.2, stop.set).start()
        begun = time.monotonic()
        assert pipe.read(100) == b""
        assert time.monotonic() - begun < 5


def test_a_feed_that_is_stopped_yields_what_it_had():
    stop = threading.Event()
    seen = []
    for item in feeds.until(range(10), stop):
        seen.append(item)
        if item == 2:
            stop.set()
    assert seen == [0, 1, 2]


@pytest.mark.slow
def test_live_traffic_is_followed_by_python_while_what_follows_it_is_compiled(
    monkeypatch, frames
):
    pytest.importorskip("numba")
    monkeypatch.setattr(feeds, "WARM_UP_AFTER", 1)
    monkeypatch.setattr("evenflow.traffic.connections.COMPILE_AFTER", 500)
    live = pl.concat(feeds.connect(frames, source="a", is_live=True))
    monkeypatch.undo()
    assert live.equals(pl.concat(feeds.connect(frames, source="a")))


@pytest.mark.parametrize(
    "compiles", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_a_large_capture_that_threads_decode_has_the_same_connections(
    capture, monkeypatch, compiles
):
    if not compiles:
        monkeypatch.setattr("evenflow.traffic.flows.can_compile", lambda: False)
    found = []
    for large in (2**62, 0):
        monkeypatch.setattr(feeds, "LARGE", large)
        with feeds.captures([capture], stop=threading.Event()) as feed:
            found.append(pl.concat([*feed.batches]))
    assert found[0].equals(found[1])
