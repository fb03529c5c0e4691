"""A capture that is replayed on a wire is judged as the file is.

What the clock decides differs: times, durations and gaps, and so rates and windows of
time. All else of a connection is the same, and so is every verdict that rests on it.
"""

import io
import socket
import threading

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from evenflow.conform import check
from evenflow.runtime import bundle as bundles
from evenflow.runtime import feeds
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.judging import judge
from evenflow.runtime.watch import Watch
from evenflow.traffic.captures import read_frames
from evenflow.traffic.flows import read_connections

from ..namespace import alone  # noqa: TID252 (tests are not a package)
from .toy_contract import ToyRows, save_toy

ENDS = ["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"]
BY_THE_CLOCK = {
    "ts", "uid", "duration", "last_packet", "known", "orig_gap_max", "resp_gap_max",
    "orig_gap_std", "resp_gap_std",
}  # fmt: skip


def replayed(content):
    """Return the connections of a capture that is sent over a pair of interfaces."""
    stop, found, n = threading.Event(), [], 0
    sent = [*read_frames(io.BytesIO(content), source="sent")]

    def see(frames):
        nonlocal n
        n += len(frames)
        if n >= sum(map(len, sent)):
            stop.set()

    with (
        feeds.interface("near", stop=stop, see=see) as feed,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as far,
    ):
        far.bind(("far", 0))
        for frames in sent:
            data = frames.data.tobytes()
            for start, length in zip(frames.start, frames.length, strict=True):
                far.send(data[start : start + length])
        found.extend(feed.batches)
        assert feed.dropped() == 0
    assert n == sum(map(len, sent))
    return pl.concat(found).filter("is_over")


def judged(toy, connections):
    """Return the verdicts on connections, and how many incidents they are."""
    table = check(toy.schema, ToyRows().add(connections)).table
    scores, _, _ = judge(toy, table)
    reports = []
    watch = Watch(toy, ToyRows(), Incidents(), on_report=reports.append)
    watch.take(connections)
    watch.finish()
    closed = [r.incident for r in reports if r.what == "closed"]
    return scores, [(i.label, i.attacker, i.victim, i.connections) for i in closed]


@pytest.mark.slow
@alone
def test_a_replayed_capture_is_judged_as_its_file(tmp_path, save_detector, capture):
    content = capture.read_bytes()
    offline = pl.concat(read_connections(io.BytesIO(content), source="file"))
    live = replayed(content)
    offline, live = (f.sort(ENDS, maintain_order=True) for f in (offline, live))
    assert live.height == 620
    assert_frame_equal(live.drop(BY_THE_CLOCK), offline.drop(BY_THE_CLOCK))
    toy = bundles.load(save_toy(save_detector, tmp_path / "toy"), threads=1)
    (here, incidents), (there, others) = judged(toy, live), judged(toy, offline)
    assert abs(here.proba - there.proba).max() < 1e-6
    assert (here.code == there.code).all()
    assert incidents == others == [("probe", "192.0.2.66", "198.51.100.20", 300)]
