"""A run's capture as several: every frame is in one, at the time and place of it."""

import numpy as np
import pytest

from evenflow.lab.views import HOST, PAIR, SWITCH, Views
from evenflow.traffic.captures import Frames

S = 10**9
HOSTS = ("10.1.1.2", "10.1.1.3", "10.1.1.4")
OUTSIDE = "172.16.0.1"


def meta(pieces=8):
    return {
        "plan": {"seed": 5, "part": "train", "pieces": pieces},
        "begun_ns": 0, "ended_ns": 100 * S, "machines": [{"ip": ip} for ip in HOSTS],
    }  # fmt: skip


def frames(*lines):
    """Return frames of a second, a source and a destination each."""
    data = b""
    for _, *ends in lines:
        data += b"\2" * 12 + b"\x08\x00\x45" + bytes(11)
        data += b"".join(bytes(map(int, ip.split("."))) for ip in ends)
    n = np.arange(len(lines), dtype=np.int64)
    whole = np.full(len(lines), 34, np.int64)
    return Frames(
        data=np.frombuffer(data, np.uint8), start=34 * n, length=whole, wire=whole,
        time_ns=np.array([int(at * S) for at, *_ in lines], np.int64), link=0 * n + 1,
    )  # fmt: skip


def frame_of_six(source, destination):
    """Return a frame of IPv6 between machines of these addresses of IPv4."""
    ends = (bytes(12) + bytes(map(int, ip.split("."))) for ip in (source, destination))
    data = b"\2" * 12 + b"\x86\xdd\x60" + bytes(7) + b"".join(ends)
    whole = np.full(1, len(data), np.int64)
    return Frames(
        data=np.frombuffer(data, np.uint8), start=np.zeros(1, np.int64), length=whole,
        wire=whole, time_ns=np.full(1, S, np.int64), link=np.ones(1, np.int64),
    )  # fmt: skip


def placed(place):
    """Return views that are all at one place."""
    views = Views(meta())
    views.places = [place] * len(views.places)
    return views


def sizes(views, *lines):
    return sorted(len(some) for _, some in views.of(frames(*lines)))


def test_a_run_that_is_not_cut_is_one_capture():
    views = Views({"plan": {}})
    lines = [(0, HOSTS[0], HOSTS[1]), (99, HOSTS[2], OUTSIDE)]
    assert [key for key, _ in views.of(frames(*lines))] == [(0, 0)]


@pytest.mark.parametrize("place", [SWITCH, HOST, PAIR])
def test_every_frame_is_in_one_capture_of_its_time(place):
    ends = [*HOSTS, OUTSIDE]
    lines = [(i, ends[i % 4], ends[(i * 7 + 1) % 4]) for i in range(100)]
    views = placed(place)
    found = list(views.of(frames(*lines)))
    times = np.concatenate([some.time_ns for _, some in found])
    assert sorted(times) == [i * S for i in range(100)]
    assert [key[0] for key, _ in found] == sorted(key[0] for key, _ in found)
    edges = [*views.starts, 10**18]
    for (piece, _), some in found:
        assert edges[piece] <= some.time_ns.min()
        assert some.time_ns.max() < edges[piece + 1]


def test_a_host_sees_what_it_sends_and_gets():
    a, b, c = HOSTS
    assert sizes(placed(SWITCH), (1, a, b), (1, b, c), (1, c, a)) == [3]
    assert sizes(placed(HOST), (1, a, b), (1, b, a)) == [2]
    assert sizes(placed(HOST), (1, a, b), (1, b, c), (1, c, a)) == [1, 2]


def test_a_pair_sees_what_goes_between_the_two():
    a, b, c = HOSTS
    assert sizes(placed(PAIR), (1, a, b), (1, b, a), (1, b, c), (1, c, a)) == [1, 1, 2]
    assert sizes(placed(PAIR), (1, a, OUTSIDE), (1, OUTSIDE, a)) == [2]


def test_a_seed_decides_the_pieces():
    assert (Views(meta()).starts == Views(meta()).starts).all()
    assert len(Views(meta()).starts) == 8
    assert Views(meta()).starts[0] == 0


@pytest.mark.parametrize("place", [SWITCH, HOST, PAIR])
def test_a_frame_of_ipv6_is_in_the_capture_of_its_machines(place):
    a, _, c = HOSTS
    [(key, _)] = placed(place).of(frame_of_six(a, c))
    [(other, _)] = placed(place).of(frames((1, a, c)))
    assert key == other
