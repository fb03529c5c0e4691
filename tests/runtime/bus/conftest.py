"""A Redis, connections whose verdicts depend on windows, and their alerts alone."""

import json
import threading
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evenflow.runtime import bundle as bundles
from evenflow.runtime.bus.address import address
from evenflow.runtime.bus.batch import Ready, columns
from evenflow.runtime.bus.client import Stream
from evenflow.runtime.bus.consume import Share
from evenflow.runtime.bus.publish import Publisher
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.sinks import Setup, open_sink
from evenflow.runtime.watch import Watch
from evenflow.schema import Schema
from evenflow.traffic.columns import conform
from evenflow.traffic.contracts import contract
from evenflow.traffic.contracts.flow import COLUMNS

WINDOWS = ("src_100_ports", "src_2s_connections", "dst_100_hosts")
SCHEMA = Schema(
    name="windows",
    columns=tuple(c for c in COLUMNS if c.name in WINDOWS),
    classes=("benign", "probe"),
)
N, SIZE = 6000, 100
MANY = 10**6
HOUR = 3600 * 10**9


@pytest.fixture(scope="session")
def traffic():
    """Connections of 40 clients, 3 of which scan now and then."""
    rng = np.random.default_rng(3)
    known = 1_767_225_600 * 10**9 + np.cumsum(rng.exponential(2e7, N)).astype(np.int64)
    client = rng.integers(0, 40, N)
    port = np.where(client < 3, rng.integers(1, 2000, N), rng.choice([53, 443], N))
    counts = {
        f"{side}_{name}": rng.integers(1, 1000, N)
        for side in ("orig", "resp")
        for name in (
            "bytes", "pkts", "ip_bytes", "data_pkts", "push_pkts", "resent_pkts",
            "size_min", "size_max", "size_std", "gap_max", "gap_std",
        )
    }  # fmt: skip
    return conform(
        pl.DataFrame(
            {
                "ts": known, "uid": [f"C{i}" for i in range(N)],
                "id.orig_h": [f"10.0.0.{c}" for c in client.tolist()],
                "id.orig_p": rng.integers(1024, 65536, N),
                "id.resp_h": [f"10.1.0.{i}" for i in rng.integers(0, 99, N).tolist()],
                "id.resp_p": port, "proto": "tcp", "conn_state": "REJ", "history": "Sr",
                "duration": rng.integers(0, 10**9, N), "ip_proto": 6,
                "last_packet": known, "known": known, "is_over": True, **counts,
            }
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def folder(traffic, tmp_path_factory, save_detector):
    """The folder of a detector that reads windows alone."""
    rows = contract("flow").start().add(traffic)
    frame = rows.select(pl.col(name).cast(pl.Float64) for name in SCHEMA.names)
    # alerts are quick without reference rows: they have no top features
    return save_detector(
        tmp_path_factory.mktemp("bundle") / "windows", SCHEMA, frame,
        (rows["src_100_ports"] > 20).to_numpy(), [],
    )  # fmt: skip


@pytest.fixture(scope="session")
def detector_of_windows(folder):
    return bundles.load(folder, threads=1)


def watched(bundle, rows, path):
    """Return a watch that writes every alert to a file."""
    sink = open_sink(f"eve:{path}", Setup())
    return Watch(bundle, rows, Incidents(most_shown=MANY), [sink])


def alerts(*paths):
    """Return class and score of each alert by its id; ids that come twice agree."""
    found = {}
    for path in paths:
        # a scorer that was killed may leave half a line
        for line in path.read_bytes().split(b"\n")[:-1]:
            event = json.loads(line)
            if event["event_type"] == "alert":
                said = event["ml"]["class"], round(event["ml"]["score"], 5)
                assert found.setdefault(event["alert_id"], said) == said
    return found


@pytest.fixture(scope="session")
def expected(detector_of_windows, traffic, tmp_path_factory):
    """The alerts of one machine without a bus."""
    path = tmp_path_factory.mktemp("alone") / "alerts.json"
    found = watched(detector_of_windows, contract("flow").start(), path)
    found.take(traffic)
    assert found.flush()
    made = alerts(path)
    assert 200 < len(made) < N - 200
    return made


def incidents(*paths):
    """Return the last event of each incident by its id.

    Events that come twice, with the same id, are the same.
    """
    said, last = {}, {}
    for path in filter(Path.exists, paths):
        for line in path.read_bytes().split(b"\n")[:-1]:
            event = json.loads(line)
            if event["event_type"] == "incident":
                assert said.setdefault(event["alert_id"], event) == event
    for event in said.values():
        number = int(event["alert_id"].rpartition("-")[2])
        name = event["incident_id"]
        last[name] = max(last.get(name, (0, {})), (number, event), key=lambda x: x[0])
    return {name: event["incident"] for name, (_, event) in last.items()}


def grouped(bundle, traffic, path):
    """Return the incidents of one machine without a bus, closed by the time."""
    found = watched(bundle, contract("flow").start(), path)
    found.take(traffic)
    found.advance(traffic["known"].max() + HOUR)
    assert found.flush()
    made = incidents(path)
    assert {one["status"] for one in made.values()} == {"closed"}
    return made


@pytest.fixture(scope="session")
def expected_incidents(detector_of_windows, traffic, tmp_path_factory):
    made = grouped(
        detector_of_windows, traffic, tmp_path_factory.mktemp("alone") / "incidents"
    )
    assert len(made) == 3  # three clients scan
    return made


def close_all(sensor, traffic):
    """Publish that an hour has passed without a connection."""
    nothing = pl.DataFrame(schema=columns("flow"))
    sensor._write(nothing, traffic["known"].max() + HOUR, 0)
    assert sensor.flush(30)


@pytest.fixture
def stream(server):
    """Return a function that makes connections to the server."""
    made = []

    def stream(query="", **options):
        url = options.pop("url", server.url) + query
        made.append(Stream(address(url, contract="flow", **options)))
        return made[-1]

    yield stream
    for one in made:
        one.close()


class Scorer(Share):
    """A scorer that writes every alert to a file of its own."""

    def __init__(self, stream, bundle, path, **options):
        given = {"contract": "flow", "stop": threading.Event(), "idle_s": 60.0}
        super().__init__(stream, **given | options)
        self.path = path
        self.watch = watched(bundle, Ready(contract("flow")), path)

    def drain(self, most=None):
        """Score and group until nothing comes; return how many connections came."""
        n = 0
        for frame in self.batches():
            self.take(self.watch, frame)
            n += frame.height
            left = self.stream.backlog()
            if most is not None and n >= most:
                break
            if not frame.height and (left.lag, left.pending) == (0, 0):
                self.take(self.watch, frame)
                break
        assert self.watch.flush()
        return n

    def held(self):
        """Return the first connections that come; they are not acknowledged."""
        return next(frame for frame in self.batches() if frame.height)


@pytest.fixture
def scorer(stream, detector_of_windows, tmp_path):
    """Return a function that makes a scorer."""
    numbers = count()

    def scorer(query="", **options):
        path = tmp_path / f"alerts-{next(numbers)}.json"
        return Scorer(stream(query), detector_of_windows, path, **options)

    return scorer


@pytest.fixture
def publisher(stream):
    """Return a function that makes a sensor."""
    stop = threading.Event()
    made = []

    def publisher(**options):
        options = {"sensor": "one", "stop": stop} | options
        made.append(
            Publisher(
                stream(options.pop("query", "")), contract("flow").start(), **options
            )
        )
        return made[-1]

    yield publisher
    stop.set()
    for one in made:
        one.close(0.1)
