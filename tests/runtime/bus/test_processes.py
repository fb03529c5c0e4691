"""Scorers as processes, ended by SIGKILL: no alert is lost, and none comes twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from .conftest import MANY, N, alerts
from .test_bus import send, share, until

KILLED, LASTS = (0, 1), 2


def scorer(server, folder, out, *words):
    """Start a scorer; it counts as begun once it has named what it reads."""
    command = [
        sys.executable, "-m", "evenflow", "watch", "--bus", server.url, "--bundle",
        folder, "--sink", f"eve:{out}", "--alerts", MANY, "--log-json", *words,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    return subprocess.Popen(
        [*map(str, command)], stderr=subprocess.PIPE, text=True, env=environment
    )


def end(process):
    """Stop a scorer and return the figures of its last line that has some."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    facts = [json.loads(line) for line in err.splitlines()]
    return [one for one in facts if "bus_pending" in one][-1]


def is_done(found):
    """Return whether a group has dealt with every entry."""
    backlog = found.stream.backlog()
    return (backlog.lag, backlog.pending) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [False, True])
def test_three_scorers_of_which_two_are_killed_give_the_alerts_of_one_machine(
    server, publisher, stream, traffic, folder, expected, tmp_path, restarts
):
    outs = [tmp_path / f"{i}.json" for i in range(4)]
    words = ("--take-over", 2)
    started = [scorer(server, folder, out, *words) for out in outs[:3]]
    try:
        sensor = publisher()
        group = share(stream())
        first = threading.Thread(target=send, args=(sensor, traffic[: N // 2], 20))
        first.start()
        for i in KILLED:
            # it is in the midst of it: some of its alerts are there, and some are not
            until(lambda i=i: outs[i].exists() and outs[i].stat().st_size)
            started[i].send_signal(signal.SIGKILL)
        first.join()
        if restarts:
            server.stop()
            time.sleep(0.5)
            server.start()
        started.append(scorer(server, folder, outs[3], *words))
        send(sensor, traffic[N // 2 :], 20)
        assert sensor.flush(30)
        assert (sensor.published, sensor.dropped) == (N, 0)
        until(lambda: is_done(group), 90)
        figures = [end(started[i]) for i in (LASTS, 3)]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert alerts(*outs) == expected
    assert sum(one["bus_rejected"] + one["bus_removed"] for one in figures) == 0
    assert {one["events_dropped"] for one in figures} == {0}


@pytest.mark.slow
def test_what_a_scorer_had_in_hand_when_it_was_killed_is_scored(
    server, publisher, stream, traffic, folder, expected, tmp_path
):
    send(publisher(), traffic)
    outs = [tmp_path / "killed.json", tmp_path / "lasts.json"]
    group = share(stream())
    killed = scorer(server, folder, outs[0])
    lasts = None

    def has_some_in_hand():
        killed.send_signal(signal.SIGCONT)
        time.sleep(0.01)
        killed.send_signal(signal.SIGSTOP)
        return group.stream.backlog().pending

    try:
        until(has_some_in_hand)
        killed.send_signal(signal.SIGKILL)
        lasts = scorer(server, folder, outs[1], "--take-over", 0.5)
        until(lambda: is_done(group))
        figures = end(lasts)
    finally:
        for process in filter(None, (killed, lasts)):
            process.kill()
            process.communicate()
    assert figures["bus_taken_over"] > 0
    assert alerts(*outs) == expected


@pytest.mark.slow
def test_a_batch_whose_events_reach_no_sink_is_left_to_others(
    server, publisher, stream, traffic, folder, tmp_path
):
    send(publisher(), traffic)
    hook = ("--sink", "webhook:http://127.0.0.1:9/")
    failing = scorer(server, folder, tmp_path / "a", *hook)
    group = share(stream())
    try:
        until(lambda: group.stream.backlog().pending)
        time.sleep(1)
        failing.send_signal(signal.SIGTERM)
        _, err = failing.communicate(timeout=60)
    finally:
        failing.kill()
    assert failing.returncode == 2, err
    assert "did not reach their sinks" in err
    assert group.stream.backlog().pending == 8
    lasts = scorer(server, folder, tmp_path / "b", "--take-over", 0.1)
    try:
        until(lambda: is_done(group))
        assert end(lasts)["verdicts"] == N
    finally:
        lasts.kill()


@pytest.mark.slow
def test_a_slow_scorer_takes_its_share_and_a_quick_one_the_rest(
    server, publisher, stream, traffic, detector_of_windows, folder, expected, tmp_path
):
    send(publisher(), traffic)
    slow, others = share(stream()), tmp_path / "quick.json"
    held = next(frame for frame in slow.batches() if frame.height)
    quick = scorer(server, folder, others)
    try:
        until(lambda: slow.stream.backlog().lag == 0)
        time.sleep(1)
        assert slow.stream.backlog().pending == 8  # not taken over: it is not that slow
        figures = end(quick)
    finally:
        quick.kill()
    assert figures["verdicts"] == N - held.height
    assert figures["bus_taken_over"] == 0
    assert len(alerts(others)) < len(expected)
