"""Live capture under load: packets that the ring dropped, and the age of verdicts.

Usage, as root::

    unshare -n python benchmarks/traffic/load.py BUNDLE [--rate N] [--seconds S]

A sender writes whole connections of eight packets to one end of a pair of virtual
interfaces, in bursts of a hundredth of a second, and ``evenflow watch -i`` sees the
other end. Both share the processor with all else that runs: the load of the machine and
the processor time of the watch stand beside the figures.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))

import _measure
import hours

BURST_S = 0.01
PER_CONNECTION = len(hours.SESSION)


def main() -> None:
    parser = _measure.parser(__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rate", type=int, default=50_000, help="packets a second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument(
        "--warm", type=int, default=60, help="seconds before, at 5,000/s: it compiles"
    )
    given = parser.parse_args()
    if {name for _, name in socket.if_nameindex()} != {"lo"}:
        parser.error(
            "expected a network namespace with no interface but lo: unshare -n"
        )
    for words in (
        "link add near type veth peer name far", "link set near up", "link set far up"
    ):  # fmt: skip
        subprocess.run(["ip", *words.split()], check=True)
    figures = measure(given.bundle, given.rate, given.seconds, given.warm)
    _measure.report({"machine": _measure.machine(), **figures}, given.json)


def measure(bundle: Path, rate: int, seconds: int, warm_s: int) -> dict[str, Any]:
    """Return what the watch says at its end, and the processor time that it took."""
    bursts = made(round(rate * BURST_S / PER_CONNECTION), 200)
    few = made(round(5_000 * BURST_S / PER_CONNECTION), 200)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            Path(sys.executable).with_name("evenflow"), "watch", "--bundle", bundle,
            "-i", "near", "--sink", f"eve:{folder}/eve.json",
        ]  # fmt: skip
        watch = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        time.sleep(5)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as far:
            far.bind(("far", 0))
            n, _ = send(far, few, warm_s)
            n_fast, took_s = send(far, bursts, seconds)
        time.sleep(3)
        watch.send_signal(signal.SIGINT)
        _, said = watch.communicate(timeout=120)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    dropped = re.findall(r"packets dropped by the kernel: ([\d,]+)", said)
    age = re.findall(r"age of a verdict: .*", said)
    return {
        "packets_sent": n + n_fast,
        "packets_per_s": round(n_fast / took_s),
        "packets_dropped": int(dropped[-1].replace(",", "")) if dropped else 0,
        "watch_cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "age": age[-1] if age else said[-2000:],
    }


def send(
    far: socket.socket, bursts: list[list[bytes]], seconds: int
) -> tuple[int, float]:
    """Send bursts in turn; return how many packets were sent, and in how long."""
    begun, n = time.monotonic(), 0
    for i in range(round(seconds / BURST_S)):
        wait = begun + i * BURST_S - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        for packet in bursts[i % len(bursts)]:
            far.send(packet)
        n += len(bursts[i % len(bursts)])
    return n, time.monotonic() - begun


def made(n_connections: int, n_bursts: int) -> list[list[bytes]]:
    """Return bursts of whole connections, of 50 hosts with ever other servers."""
    found = []
    for i in range(n_bursts):
        rng = np.random.default_rng(i)
        columns = hours.connections(
            rng, 0, hours.SESSION, n_connections,
            source=hours.host(10, 0, 0, 10) + rng.integers(0, 50, n_connections),
            destination=hours.host(20, 0, 0, 0) + rng.integers(0, 2**24, n_connections),
            port=np.full(n_connections, 443),
        )  # fmt: skip
        frames = hours.frames_of(columns)
        data = frames.data.tobytes()
        ends = frames.start + frames.length
        found.append([data[a:b] for a, b in zip(frames.start, ends, strict=True)])
    return found


if __name__ == "__main__":
    if os.geteuid():
        sys.exit("capturing needs root")
    main()
