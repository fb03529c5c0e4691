"""Time each contract on made-up connections, in batches of three sizes.

    python benchmarks/speed/contracts.py [--rows N] [--json FILE]

1,000 connections a second of 200 clients to 2,000 servers, some far more popular than
others. Connections per second of one core, with the windows filled.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from _measure import machine, parser, report

from evenflow.traffic.columns import conform
from evenflow.traffic.contracts import CONTRACTS

BATCHES = (1_000, 10_000, 100_000)


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=200_000)
    args = options.parse_args()
    frame = made(args.rows)
    figures = {
        name: {
            f"batches of {size:,}": round(per_second(name, frame, size))
            for size in BATCHES
        }
        for name in CONTRACTS
    }
    report({"connections_per_s": figures, "machine": machine()}, args.json)


def per_second(name: str, frame: pl.DataFrame, size: int) -> float:
    """Return the connections of a second of processor time, windows filled first."""
    started = CONTRACTS[name].start()
    half = frame.height // 2
    started.add(frame[:half])
    begin = time.process_time()
    for at in range(half, frame.height, size):
        started.add(frame[at : at + size])
    return (frame.height - half) / (time.process_time() - begin)


def made(n: int) -> pl.DataFrame:
    """Return connections, in the order in which they were known."""
    rng = np.random.default_rng(0)
    known = np.cumsum(rng.exponential(1e6, n)).astype(np.int64)
    servers = np.array([f"10.1.{i // 250}.{i % 250}" for i in range(2_000)])
    popular = 1 / np.arange(1, len(servers) + 1)
    clients = [f"10.0.0.{i}" for i in range(200)]
    counts = {
        f"{side}_{name}": rng.integers(1, 1_000, n)
        for side in ("orig", "resp")
        for name in (
            "bytes", "pkts", "ip_bytes", "data_pkts", "push_pkts", "resent_pkts",
            "size_min", "size_max", "size_std", "gap_max", "gap_std",
        )
    }  # fmt: skip
    return conform(
        pl.DataFrame(
            {
                "ts": known,
                "uid": [f"C{i}" for i in range(n)],
                "id.orig_h": rng.choice(clients, n),
                "id.orig_p": rng.integers(1_024, 65_536, n),
                "id.resp_h": rng.choice(servers, n, p=popular / popular.sum()),
                "id.resp_p": rng.choice([22, 53, 80, 161, 443, 8_081], n),
                "proto": rng.choice(["tcp", "udp", "icmp"], n),
                "duration": rng.integers(0, 10**9, n),
                "conn_state": rng.choice(["SF", "S0", "REJ", "RSTO"], n),
                "history": "ShADadFf",
                "ip_proto": 6,
                "last_packet": known,
                "known": known,
                "is_over": True,
                **counts,
            }
        )
    )


if __name__ == "__main__":
    main()
