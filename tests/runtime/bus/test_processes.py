"""Scorers as processes, ended by SIGKILL: no alert is lost, and no scan is cut."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from .conftest import MANY, N, alerts, close_all, incidents
from .test_bus import send, until

LEAD = "evenflow:flow:evenflow:lead"


def start(server, folder, out, *words):
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
    """Return whether a group has scored every entry, and grouped what was found."""
    backlog, n = found.stream.backlog(), found.stream.n_scored()
    return (backlog.lag, backlog.pending, n) == (0, 0, 0)


def leads(found):
    """Return the number of the process that groups; 0 where none does."""
    name = found.stream._server.get(LEAD) or b"-0-"
    return int(name.decode().rsplit("-", 2)[1])


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [False, True])
def test_three_scorers_of_which_two_are_killed_give_what_one_machine_gives(
    server, publisher, scorer, traffic, folder, expected, expected_incidents, tmp_path,
    restarts,
):  # fmt: skip
    outs = [tmp_path / f"{i}.json" for i in range(4)]
    words = ("--take-over", 2)
    started = [start(server, folder, out, *words) for out in outs[:3]]
    try:
        sensor = publisher()
        group = scorer()
        first = threading.Thread(target=send, args=(sensor, traffic[: N // 2], 20))
        first.start()
        for _ in range(2):
            # the one that groups is in the midst of it: some of its alerts are there
            until(lambda: any(out.exists() and out.stat().st_size for out in outs))
            until(lambda: leads(group) in {one.pid for one in started})
            [leader] = [one for one in started if one.pid == leads(group)]
            leader.send_signal(signal.SIGKILL)
            leader.communicate()
            started.remove(leader)
        first.join()
        if restarts:
            server.stop()
            time.sleep(0.5)
            server.start()
        started.append(start(server, folder, outs[3], *words))
        send(sensor, traffic[N // 2 :], 20)
        assert sensor.flush(30)
        close_all(sensor, traffic)
        assert (sensor.published, sensor.dropped) == (N, 0)
        until(lambda: is_done(group), 90)
        figures = [end(one) for one in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert alerts(*outs) == expected
    assert incidents(*outs) == expected_incidents
    assert sum(one["bus_rejected"] + one["bus_removed"] for one in figures) == 0
    assert {one["events_dropped"] for one in figures} == {0}


@pytest.mark.slow
def test_what_a_scorer_had_in_hand_when_it_was_killed_is_scored(
    server, publisher, scorer, traffic, folder, expected, tmp_path
):
    send(publisher(), traffic)
    outs = [tmp_path / "killed.json", tmp_path / "lasts.json"]
    group = scorer()
    killed = start(server, folder, outs[0])
    lasts = None

    def has_some_in_hand():
        killed.send_signal(signal.SIGCONT)
        time.sleep(0.01)
        killed.send_signal(signal.SIGSTOP)
        return group.stream.backlog().pending

    try:
        until(has_some_in_hand)
        killed.send_signal(signal.SIGKILL)
        lasts = start(server, folder, outs[1], "--take-over", 0.5)
        until(lambda: is_done(group))
        figures = end(lasts)
    finally:
        for process in filter(None, (killed, lasts)):
            process.kill()
            process.communicate()
    assert figures["bus_taken_over"] > 0
    assert alerts(*outs) == expected


@pytest.mark.slow
def test_events_that_reach_no_sink_are_sent_by_the_next_that_groups(
    server, publisher, scorer, traffic, folder, expected, tmp_path
):
    send(publisher(), traffic)
    hook = ("--sink", "webhook:http://127.0.0.1:9/")
    failing = start(server, folder, tmp_path / "a", *hook)
    group = scorer()
    try:
        until(lambda: group.stream.backlog().lag == 0 and group.stream.n_scored())
        time.sleep(1)
        failing.send_signal(signal.SIGTERM)
        _, err = failing.communicate(timeout=60)
    finally:
        failing.kill()
    assert failing.returncode == 2, err
    assert "did not reach their sinks" in err
    assert group.stream.n_scored()
    lasts = start(server, folder, tmp_path / "b", "--take-over", 0.1)
    try:
        until(lambda: is_done(group))
        end(lasts)
    finally:
        lasts.kill()
    assert alerts(tmp_path / "b") == expected


@pytest.mark.slow
def test_a_scorer_whose_sink_fails_lets_another_group(
    server, publisher, scorer, traffic, folder, expected, tmp_path
):
    sensor, group = publisher(), scorer()
    hook = ("--sink", "webhook:http://127.0.0.1:9/")
    failing = start(server, folder, tmp_path / "a", *hook, "--take-over", 1)
    works = None
    try:
        until(lambda: leads(group) == failing.pid)
        works = start(server, folder, tmp_path / "b", "--take-over", 1)
        send(sensor, traffic)
        until(lambda: leads(group) == works.pid)
        until(lambda: is_done(group))
        end(works)
    finally:
        for process in filter(None, (failing, works)):
            process.kill()
            process.communicate()
    assert alerts(tmp_path / "b") == expected


@pytest.mark.slow
def test_alerts_wait_for_what_a_slow_scorer_has_in_hand(
    server, publisher, scorer, traffic, folder, expected, tmp_path
):
    send(publisher(), traffic)
    slow, others = scorer(), tmp_path / "quick.json"
    held = slow.held()
    quick = start(server, folder, others, "--take-over", 60)
    try:
        until(lambda: slow.stream.backlog().lag == 0)
        time.sleep(1)
        assert slow.stream.backlog().pending == 8  # not taken over: it is not that slow
        assert alerts(others) == {}
        slow.take(slow.watch, held)
        until(lambda: is_done(slow))
        figures = end(quick)
    finally:
        quick.kill()
    assert figures["verdicts"] == N - held.height
    assert figures["bus_taken_over"] == 0
    assert alerts(others) == expected
