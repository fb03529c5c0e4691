"""Scorers that share a stream store one incident of one scan, also if one is killed."""

import os
import signal
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from evenflow.runtime.bus.address import address
from evenflow.runtime.bus.batch import columns
from evenflow.runtime.bus.client import Stream
from evenflow.runtime.bus.publish import Publisher
from evenflow.traffic.contracts import contract
from evenflow.traffic.flows import read_connections
from evenflow.web.store.tables import Incident, WatchRun

CONTRACT = "nsl_kdd_live"
LEAD = f"evenflow:{CONTRACT}:evenflow:lead"
SCANNED = 300
"""Connections of the scan in the capture."""
HOUR = 3600 * 10**9


@pytest.fixture
def scorer(server, settings, detector, set_database):
    """Return a function that starts a scorer of the server's database."""
    set_database()
    started = []

    def scorer():
        command = [
            sys.executable, "-m", "evenflow", "watch", "--bus", server.url, "--bundle",
            detector, "--sink", f"database:{settings.home}", "--take-over", "1",
        ]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        started.append(
            subprocess.Popen(
                [*map(str, command)], stderr=subprocess.DEVNULL, env=environment
            )
        )
        return started[-1]

    yield scorer
    for one in started:
        one.kill()
        one.wait()


@pytest.fixture
def stream(server):
    made = Stream(address(server.url, contract=CONTRACT))
    yield made
    made.close()


def until(condition, seconds=60.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_a_scan_of_three_scorers_of_which_one_is_killed_is_one_incident(
    scorer, server, stream, stored, capture, analyst
):
    with capture.open("rb") as file:
        found = pl.concat([*read_connections(file, source="mixed")]).sort("known")
    stop = threading.Event()
    sensor = Publisher(
        Stream(address(server.url, contract=CONTRACT)), contract(CONTRACT).start(),
        sensor="one", stop=stop,
    )  # fmt: skip
    scorers = {one.pid: one for one in (scorer() for _ in range(3))}
    until(lambda: len(stored.all(WatchRun)) == 3)
    half = 160  # in mid-scan
    assert 50 < (found["id.orig_h"][:half] == "192.0.2.66").sum() < SCANNED - 50
    for part in found[:half].iter_slices(5):
        sensor.take(part)
    assert sensor.flush(20)
    until(lambda: stored.count(Incident) == 1)
    assert stored.one(Incident).connections < SCANNED
    name = stream._server.get(LEAD).decode()
    scorers[int(name.rsplit("-", 2)[1])].send_signal(signal.SIGKILL)
    for part in found[half:].iter_slices(5):
        sensor.take(part)
    nothing = pl.DataFrame(schema=columns(CONTRACT))
    sensor._write(nothing, found["known"].max() + HOUR, 0)
    assert sensor.flush(20)
    until(lambda: not stored.one(Incident).is_ongoing)
    stop.set()
    sensor.close(1)
    one = stored.one(Incident)
    assert (one.connections, one.attackers) == (SCANNED, ["192.0.2.66"])
    assert one.event["incident"]["ports"] == SCANNED
    assert one.event["incident"]["classes"] == {"probe": SCANNED}
    page = analyst.get(f"/incidents/{one.id}")
    assert "300 ports, 300 connections" in page.text
    assert analyst.get("/live").status_code == 200
