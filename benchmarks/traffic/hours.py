"""Memory of ``evenflow watch`` over hours of traffic, replayed as fast as possible.

Usage::

    python benchmarks/traffic/hours.py BUNDLE [--hours N] [--json FILE]

Each simulated minute has browsing with ever other servers, a scan by a host not seen
before, a flood from made-up addresses, log-ins from a new host, and a packet of each of
``LONG`` connections that never end. They pass through the parts that ``watch`` is made
of, with a file of events, evidence and a state. After each hour the resident memory is
given, with what is open then; it grows while buffers fill, and is flat when they are.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.runtime import bundle as bundles
from evenflow.runtime import watch_state
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.evidence import Evidence
from evenflow.runtime.feeds import connect
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.sinks import Setup, open_sink
from evenflow.runtime.watch import Rows, Watch
from evenflow.traffic.captures import Frames
from evenflow.traffic.contracts import CONTRACTS

S = 10**9
MINUTE, HOUR = 60 * S, 3600 * S
BEGIN = 1_767_225_600 * S
BROWSING, SCANNED, FLOOD, GUESSES, LONG = 20, 100, 100, 10, 10
"""Connections of a minute, by kind."""
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SESSION = (  # who sends, flags, payload bytes
    (0, SYN, 0), (1, SYN | ACK, 0), (0, ACK, 0), (0, PSH | ACK, 300),
    (1, PSH | ACK, 1200), (0, FIN | ACK, 0), (1, FIN | ACK, 0), (0, ACK, 0),
)  # fmt: skip
REFUSED = ((0, SYN, 0), (1, RST | ACK, 0))
HALF_OPEN = ((0, SYN, 0),)
KEPT_ALIVE = ((0, PSH | ACK, 20),)
Columns = dict[str, NDArray[np.int64]]


def main() -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
    import _measure

    parser = _measure.parser(__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--hours", type=int, default=8)
    given = parser.parse_args()
    bundle = bundles.load(given.bundle, threads=1)
    rows = CONTRACTS["flow"].start()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(bundle, rows, Path(folder), n_hours=given.hours)
    _measure.report({"machine": _measure.machine(), **figures}, given.json)


def measure(
    bundle: Bundle, rows: Rows, folder: Path, *, n_hours: int, every: int = 60
) -> dict[str, Any]:
    """Return the memory after every so many minutes of the hours, and what was seen."""
    evidence = Evidence(folder / "evidence")
    sink = open_sink(f"eve:{folder / 'eve.json'}", Setup())
    found = Watch(bundle, rows, Incidents(), [sink], on_report=evidence.report)
    minutes = (minute(i) for i in range(60 * n_hours))
    n_packets, begun, marks = 0, time.process_time(), []

    def counted() -> Iterator[Frames]:
        nonlocal n_packets
        for frames in minutes:
            n_packets += len(frames)
            yield frames

    batches = connect(counted(), source="made", see=evidence.see)
    for i, batch in enumerate(batches, 1):
        found.take(batch)
        if i % every == 0:
            watch_state.save(
                folder / "state.json",
                rows=found.rows.state(),
                incidents=found.incidents.to_dict(),
            )
            marks.append(
                {
                    "minute": i,
                    "rss_mb": round(resident_bytes() / 2**20, 1),
                    "verdicts": found.totals.verdicts,
                    "incidents": found.incidents.counts["opened"],
                    "open_incidents": found.incidents.n_open,
                    "hosts_with_risk": len(found.incidents.risk.hosts),
                    "state_mb": round(
                        (folder / "state.json").stat().st_size / 2**20, 2
                    ),
                }
            )
    found.finish()
    found.flush()
    sink.close()
    return {
        "hours": n_hours,
        "packets": n_packets,
        "cpu_s": round(time.process_time() - begun, 1),
        "alerts": found.incidents.counts["alerts"],
        "marks": marks,
    }


def resident_bytes() -> int:
    """Return the memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def minute(i: int) -> Frames:
    """Return the packets of a minute of the day, which are always the same."""
    rng = np.random.default_rng(i)
    new = host(11, 0, 0, 0) + 3 * i  # of each minute, its own three strangers
    parts = [
        connections(
            rng, i, SESSION, BROWSING,
            source=host(10, 0, 0, 10) + rng.integers(0, 50, BROWSING),
            destination=host(20, 0, 0, 0) + rng.integers(0, 2**24, BROWSING),
            port=np.full(BROWSING, 443),
        ),
        connections(
            rng, i, REFUSED, SCANNED, source=np.full(SCANNED, new),
            destination=np.full(SCANNED, host(10, 0, 0, 10 + i % 50)),
            port=rng.permutation(1_000)[:SCANNED] + 1,
        ),
        connections(
            rng, i, HALF_OPEN, FLOOD,
            source=rng.integers(host(1, 0, 0, 0), host(223, 0, 0, 0), FLOOD),
            destination=np.full(FLOOD, host(10, 0, 1, 1 + i % 5)),
            port=np.full(FLOOD, 80),
        ),
        connections(
            rng, i, SESSION, GUESSES, source=np.full(GUESSES, new + 1),
            destination=np.full(GUESSES, host(10, 0, 2, 1)), port=np.full(GUESSES, 22),
        ),
        connections(
            rng, i, KEPT_ALIVE, LONG, source=host(10, 0, 3, 0) + np.arange(LONG),
            destination=np.full(LONG, host(30, 0, 0, 1)), port=np.full(LONG, 8883),
            source_port=np.full(LONG, 50_000),
        ),
    ]  # fmt: skip
    columns = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    order = np.argsort(columns["time_ns"], kind="stable")
    return frames_of({name: column[order] for name, column in columns.items()})


def host(*octets: int) -> int:
    """Return an address of IPv4 as a number."""
    return int.from_bytes(bytes(octets))


def connections(
    rng: np.random.Generator,
    i: int,
    packets: tuple[tuple[int, int, int], ...],
    n: int,
    *,
    source: NDArray[np.int64],
    destination: NDArray[np.int64],
    port: NDArray[np.int64],
    source_port: NDArray[np.int64] | None = None,
) -> Columns:
    """Return the packets of ``n`` connections that begin within a minute."""
    begin = BEGIN + i * MINUTE + rng.integers(0, 50 * S, n)
    if source_port is None:
        source_port = rng.integers(20_000, 60_000, n)
    sent = np.tile(np.int64(1_000), (2, n))
    if packets == KEPT_ALIVE:
        sent[0] += 20 * i
    ends = np.stack([source, destination]), np.stack([source_port, port])
    parts = []
    for k, (side, flags, size) in enumerate(packets):
        parts.append(
            {
                "time_ns": begin + k * 20_000_000,
                "source": ends[0][side], "destination": ends[0][1 - side],
                "source_port": ends[1][side], "destination_port": ends[1][1 - side],
                "flags": np.full(n, flags), "size": np.full(n, size),
                "sequence": sent[side].copy(), "acknowledged": sent[1 - side].copy(),
            }
        )  # fmt: skip
        sent[side] += size + bool(flags & (SYN | FIN))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def frames_of(columns: Columns) -> Frames:
    """Return Ethernet frames of TCP over IPv4, without checksums."""
    n, size = len(columns["size"]), columns["size"]
    head = np.zeros((n, 54), np.uint8)
    head[:, 12], head[:, 14], head[:, 22], head[:, 23], head[:, 46] = 8, 0x45, 64, 6, 80
    head[:, 0] = head[:, 6] = 2
    for at, width, values in (
        (16, 2, 40 + size), (26, 4, columns["source"]), (30, 4, columns["destination"]),
        (34, 2, columns["source_port"]), (36, 2, columns["destination_port"]),
        (38, 4, columns["sequence"]), (42, 4, columns["acknowledged"]),
        (47, 1, columns["flags"]), (48, 2, np.full(n, 8_192)),
    ):  # fmt: skip
        for byte in range(width):
            head[:, at + byte] = values >> 8 * (width - 1 - byte) & 255
    length = 54 + size
    start = np.cumsum(length) - length
    data = np.zeros(int(length.sum()), np.uint8)
    data[start[:, None] + np.arange(54)] = head
    return Frames(
        data=data, start=start, length=length, wire=length,
        time_ns=columns["time_ns"], link=np.ones(n, np.int64),
    )  # fmt: skip


if __name__ == "__main__":
    main()
