"""One scorer groups for all: incidents are those of one machine, whoever ends when."""

import time

import polars as pl
import pytest

from evenflow.runtime.bus import consume, lead
from evenflow.runtime.bus.scored import read
from evenflow.traffic.contracts import contract

from .conftest import (
    HOUR,
    SIZE,
    N,
    alerts,
    close_all,
    grouped,
    incidents,
    watched,
)
from .test_bus import send, until


@pytest.fixture
def published(publisher, traffic):
    """All traffic is on the bus, and an hour without more."""
    sensor = publisher()
    send(sensor, traffic)
    close_all(sensor, traffic)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(consume, "WAIT_MS", 20)
    monkeypatch.setattr(lead, "SAVE_S", 0.0)


def test_a_scan_that_two_scorers_share_is_one_incident(
    published, scorer, expected_incidents
):
    one, other = scorer(), scorer()
    for _ in range(3):
        assert one.drain(most=8 * SIZE) >= 8 * SIZE
        assert other.drain(most=8 * SIZE) >= 8 * SIZE
    one.drain()
    assert incidents(one.path, other.path) == expected_incidents
    assert (one.lead.is_leading, other.lead.is_leading) == (True, False)
    assert other.path.read_bytes() == b""  # who does not lead says nothing of it


def test_an_entry_that_two_scorers_scored_counts_once(
    published, scorer, expected_incidents
):
    slow, quick = scorer(), scorer(idle_s=0.05)
    held = slow.held()
    time.sleep(0.1)
    quick.drain()
    assert quick.taken_over == consume.MOST_READ
    assert incidents(quick.path) == expected_incidents

    def is_saved():
        quick.drain()
        return quick.stream.n_scored() == 0

    until(is_saved)
    slow.take(slow.watch, held)
    assert slow.stream.n_scored() == consume.MOST_READ  # it was slow, and not dead
    until(is_saved)
    assert incidents(quick.path, slow.path) == expected_incidents


def test_a_batch_that_its_sensor_published_twice_counts_once(
    publisher, stream, scorer, traffic, expected_incidents
):
    """It lost its connection before the answer, and does not know that it is there."""
    sensor, server = publisher(), stream()._server
    for part in traffic.iter_slices(SIZE):
        sensor.take(part)
        assert sensor.flush(5)
        if sensor.sequence in (20, 40, 60):
            [(_, fields)] = server.xrevrange("evenflow:flow", count=1)
            server.xadd("evenflow:flow", fields)
    close_all(sensor, traffic)
    one, other = scorer(), scorer()
    n = one.drain(most=40 * SIZE)
    one.finish(one.watch, 5)
    n += other.drain()
    assert n == N + 3 * SIZE
    assert incidents(one.path, other.path) == expected_incidents


def test_what_is_scored_late_is_grouped_in_the_order_of_the_traffic(
    publisher, scorer, traffic, detector_of_windows, tmp_path
):
    """Else hours of a capture that is read in seconds would cut a scan in two."""
    first = traffic["known"][0]
    hours = traffic.with_columns(
        (pl.col(name) - first) * 60 + first for name in ("ts", "known", "last_packet")
    )
    expected = grouped(detector_of_windows, hours, tmp_path / "alone")
    sensor = publisher()
    send(sensor, hours)
    close_all(sensor, hours)
    lost, other = scorer(), scorer()
    taken = lost.held()
    assert taken["known"].max() - taken["known"].min() > HOUR / 6
    n = other.drain(most=N - taken.height)
    assert other.taken_over == 0
    assert incidents(other.path) == {}  # all of it comes after what is held
    other.idle_s = other._claims = 0
    n += other.drain()
    assert (n, other.taken_over) == (N, consume.MOST_READ)
    assert incidents(other.path) == expected


@pytest.mark.parametrize("save_s", [0.0, 60.0])
def test_the_next_that_leads_goes_on_where_the_last_one_ended(
    published, stream, scorer, traffic, expected, expected_incidents, monkeypatch,
    save_s,
):  # fmt: skip
    monkeypatch.setattr(lead, "SAVE_S", save_s)
    first, other = scorer(), scorer()
    first.drain(most=N // 2)
    assert first.lead.is_leading
    other.drain(most=SIZE)
    assert not other.lead.is_leading
    stream()._server.delete("evenflow:flow:evenflow:lead")  # its time has passed
    other.drain()
    assert other.lead.is_leading
    assert incidents(first.path, other.path) == expected_incidents
    assert alerts(first.path, other.path) == expected
    first.take(first.watch, traffic[:0])  # it was asleep, and is told that it leads not
    assert not first.lead.is_leading
    assert first.watch.incidents.n_open == 0


def test_a_scorer_that_leaves_hands_its_incidents_over_at_once(
    publisher, scorer, traffic, expected_incidents
):
    sensor = publisher()
    send(sensor, traffic)
    first, other = scorer(), scorer()
    first.drain(most=N // 2)
    first.finish(first.watch, 5)
    close_all(sensor, traffic)
    other.drain()
    assert other.lead.is_leading
    assert not alerts(first.path).keys() & alerts(other.path).keys()
    assert incidents(first.path, other.path) == expected_incidents


def test_a_state_that_is_damaged_is_said_and_not_used(
    publisher, stream, scorer, traffic
):
    notes = []
    send(publisher(), traffic[: 9 * SIZE])
    stream()._server.rpush("evenflow:flow:evenflow:incidents", b"no state")
    found = scorer(on_event=notes.append)
    assert found.drain() == 9 * SIZE
    assert any("incidents on the bus are not used" in note.text for note in notes)
    assert found.watch.incidents.n_open


@pytest.mark.parametrize(
    "fields",
    [{"entry": "x"}, {"entry": "1-0"}, {"entry": "1-0", "batch": b"", "verdicts": b""}],
)
def test_what_no_scorer_published_is_put_aside(
    publisher, stream, scorer, traffic, fields
):
    notes = []
    server = stream()._server
    server.xadd("evenflow:flow:evenflow:scored", fields)
    send(publisher(), traffic[: 9 * SIZE])
    found = scorer(on_event=notes.append)
    assert found.drain() == 9 * SIZE
    assert found.figures()["bus_rejected"] == 1
    assert any("what was scored is rejected" in note.text for note in notes)
    assert server.xlen("evenflow:flow:rejected") == 1
    assert alerts(found.path)


def test_nothing_is_read_while_too_much_waits_to_be_grouped(
    publisher, scorer, traffic, monkeypatch
):
    monkeypatch.setattr("evenflow.runtime.bus.client.MOST_SCORED", 10_000)
    send(publisher(), traffic)
    first = scorer()
    first.drain(most=1)
    other = scorer()
    # nobody groups what these have: the first one is away
    n = sum(other.drain(most=0) for _ in range(30))
    assert n < N / 2
    assert other.stream.is_full()

    def has_room():
        first.drain()
        return not other.stream.is_full()

    until(has_room)


def test_verdicts_are_the_same_on_reading(
    publisher, stream, scorer, traffic, detector_of_windows, tmp_path
):
    send(publisher(), traffic[: 9 * SIZE])
    found = scorer()
    stream()._server.set("evenflow:flow:evenflow:lead", "another")
    found.drain()
    read_again = [
        read(fields)
        for _, fields in stream()._server.xrange("evenflow:flow:evenflow:scored")
    ]
    last = [one.attacks.last_ns for one in read_again]
    assert last == traffic["known"][: 9 * SIZE].gather_every(SIZE, SIZE - 1).to_list()
    attacks = next(one.attacks for one in reversed(read_again) if len(one.attacks))
    assert attacks.model == found.watch.model
    one = watched(detector_of_windows, contract("flow").start(), tmp_path / "b")
    expected = list(one.score(traffic[: 9 * SIZE]).alerts())
    assert [a for one in read_again for a in one.attacks.alerts()] == expected
