"""Time connections over a Redis stream, against the same scored without it.

    python benchmarks/speed/bus.py BUNDLE [--rows N] [--json FILE]

Made-up connections, as in contracts.py; BUNDLE reads columns that connections give.
``direct`` runs contract and model in one process, as evenflow watch does; ``publish``
runs the contract and sends batches; ``score`` is one scorer that reads them and
publishes their attacks; ``group`` is the one that groups these. Connections per second
of wall time, one after the other, on a redis-server of this machine that writes no
file.

``attacks_per_cpu_s`` has the steps of a scan of one host, in which every connection is
an attack: what a scorer does with them, what the one that leads does, and what evenflow
watch does without a bus; by the time of the processor.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _measure import machine, parser, report
from contracts import made

from evenflow.runtime import bundle as bundles
from evenflow.runtime.attacks import Attacks
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.bus import client
from evenflow.runtime.bus.address import address
from evenflow.runtime.bus.batch import MOST_ROWS, Batch, Head, Ready, with_rows
from evenflow.runtime.bus.client import Stream
from evenflow.runtime.bus.consume import Share
from evenflow.runtime.bus.publish import Publisher
from evenflow.runtime.bus.scored import fields_of, read
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.watch import Watch
from evenflow.traffic.contracts import for_columns

PORT = 7399


def scan(bundle: Bundle, rows: int = 10 * MOST_ROWS) -> dict[str, int]:
    """Return the attacks of a scan per second, by step."""
    contract = for_columns(bundle.schema.names)
    hosts = {"id.orig_h": "192.0.2.66", "id.resp_h": "198.51.100.20"}
    frame = made(rows).with_columns(pl.lit(h).alias(name) for name, h in hosts.items())
    frame = with_rows(frame, contract.start().add(frame), contract.name)
    leads, alone = (Watch(bundle, Ready(contract), Incidents()) for _ in range(2))
    seconds: dict[str, float] = defaultdict(float)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begin = time.process_time()
        done = work()
        seconds[name] += time.process_time() - begin
        return done

    timed("score", lambda: alone.score(frame))
    head = Head(sensor="one", run=1, sequence=1, contract=contract.name)
    for part in frame.iter_slices(MOST_ROWS):
        n = part.height
        batch = Batch(head=head, frame=part)
        attacks = Attacks(
            connections=part, at=np.arange(n), labels=["scan"] * n,
            probability=np.full(n, 0.9), threshold=0.5, model=leads.model,
            last_ns=part["known"].max(),
        )  # fmt: skip
        fields = timed("publish", lambda: fields_of(batch, attacks))  # noqa: B023
        sent = {name.encode(): value for name, value in fields.items()}

        def group() -> None:
            leads.group(leads.explained(read(sent).attacks))  # noqa: B023

        timed("lead", group)
        timed("group without a bus", lambda: alone.group(attacks))  # noqa: B023
    return {name: round(rows / s) for name, s in seconds.items()}


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("bundle", type=Path)
    options.add_argument("--rows", type=int, default=200_000)
    args = options.parse_args()
    bundle = bundles.load(args.bundle)
    contract = for_columns(bundle.schema.names)
    frame = made(args.rows)
    watch = Watch(bundle, contract.start(), Incidents())
    watch.take(frame[:MOST_ROWS])

    seconds = {}
    begin = time.perf_counter()
    watch = Watch(bundle, contract.start(), Incidents())
    for part in frame.iter_slices(MOST_ROWS):
        watch.take(part)
    seconds["direct"] = time.perf_counter() - begin

    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            ["redis-server", "--port", str(PORT), "--bind", "127.0.0.1", "--save", "",
             "--dir", folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(1)
            place = address(f"redis://127.0.0.1:{PORT}", contract=contract.name)
            stop = threading.Event()
            sensor = Publisher(
                Stream(place), contract.start(), sensor="one", stop=stop,
                most_stream=2**32, most_queue=2**30,
            )  # fmt: skip
            begin = time.perf_counter()
            for part in frame.iter_slices(MOST_ROWS):
                sensor.take(part)
            sensor.close(60)
            seconds["publish"] = time.perf_counter() - begin
            assert sensor.published == args.rows
            n_bytes = Stream(place)._server.memory_usage(place.stream, samples=0)

            share = Share(Stream(place), contract=contract.name, stop=stop, idle_s=60.0)
            watch = Watch(bundle, Ready(contract), Incidents())
            server_of = share.stream._server
            lead = f"{place.stream}:{place.group}:lead"
            server_of.set(lead, "another")
            client.MOST_SCORED = 2**32  # nobody groups them yet
            begin = time.perf_counter()
            for batch in share.batches():
                share.take(watch, batch)
                if watch.totals.verdicts + watch.totals.rejected >= args.rows:
                    break
            seconds["score"] = time.perf_counter() - begin

            server_of.delete(lead)
            begin = time.perf_counter()
            while share.stream.n_scored():
                share.lead.step(watch)
            seconds["group"] = time.perf_counter() - begin
        finally:
            server.kill()
            server.wait()
    per_s = {name: round(args.rows / s) for name, s in seconds.items()}
    figures = {
        "connections_per_s": per_s,
        "publish_to_direct": round(per_s["publish"] / per_s["direct"], 2),
        "score_to_direct": round(per_s["score"] / per_s["direct"], 2),
        "attacks_per_cpu_s": scan(bundle),
        "bytes_per_connection": round(n_bytes / args.rows),
        "contract": contract.name,
        "model": args.bundle.resolve().name,
        "machine": machine(),
    }
    report(figures, args.json)


if __name__ == "__main__":
    main()
