"""How fast a capture becomes connections, beside Argus and NFStream in the same run.

Usage::

    python benchmarks/speed/packets.py FOLDER [--only WORD ...] [--bundle DIR]
        [--nfstream PYTHON] [--json FILE]

FOLDER holds Ethernet captures, whose packets are mixed and repeated, each time between
other hosts and with right checksums, into one capture of ``--packets``. All read that
file: evenflow in this process (compiled before the clock starts; the time that takes is
given) as on the command line, ``argus`` piped into ``ra`` where they are installed, and
NFStream, without its detection of applications and with it, by the Python that has it:
each in two threads or processes, which are two cores at most. With a bundle of the
columns ``flow``, the connections get verdicts too: as ``evenflow score`` writes them,
and as ``evenflow watch -r`` groups them. Packets per second of processor time stand
beside those of the clock, as another's work on the machine adds little to it.

All captures are scans and floods for the most part, a connection in three packets;
those of ordinary traffic, by ``--only normal``, have one in 23.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import _measure

from evenflow.runtime import bundle as bundles
from evenflow.runtime import feeds
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.stream import score_file
from evenflow.runtime.watch import Watch
from evenflow.traffic.captures import read_frames
from evenflow.traffic.contracts import CONTRACTS
from evenflow.traffic.decoding import decode
from evenflow.traffic.flows import read_connections

S = 10**9
PERIOD_NS = 61 * S
"""Time between two repetitions of the captures, each of which is cut at a minute."""
NFSTREAM = """
import sys, time
from nfstream import NFStreamer
start = time.perf_counter()
n = 0
for _ in NFStreamer(sys.argv[1], n_dissections=int(sys.argv[2]), n_meters=1):
    n += 1
print(n, time.perf_counter() - start)
"""


def main() -> None:
    parser = _measure.parser(__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=("",), metavar="WORD",
                        help="captures whose names begin so")  # fmt: skip
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--bundle", type=Path, help="a model of the columns flow")
    parser.add_argument("--nfstream", help="a Python that has NFStream")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixed.pcap"
        write(path, packets(given.folder, given.only), given.packets)
        bundle = bundles.load(given.bundle) if given.bundle else None
        figures = measure(path, given.packets, bundle, given.nfstream, given.repeats)
        _measure.report(figures, given.json)


def measure(
    path: Path, n: int, bundle: Bundle | None, python: str | None, repeats: int
) -> dict[str, Any]:
    """Return packets a second of each, the best of its runs, and the ratios."""
    start = time.perf_counter()
    for size in (2, 3):  # compiles on the first packets
        evenflow(path, most=size)
    if bundle is not None:
        bundle.compiled.log_proba(bundle.preprocessor.transform(bundle.golden))
    compile_s = time.perf_counter() - start
    steps = {
        "read": lambda: sum(map(len, frames(path))),
        "read_and_decode": lambda: sum(len(decode(f)) for f in frames(path)),
        "connections": lambda: evenflow(path),
    }
    if bundle is not None:
        steps["verdicts"] = lambda: score_file(bundle, path, Path("/dev/null")).scored
        steps["watch"] = lambda: watch(path, bundle)
    speeds: dict[str, float] = {}
    cpu_speeds: dict[str, float] = {}
    for _ in range(repeats):  # in turn, so that a busy minute meets all of them
        for name, work in steps.items():
            start = time.process_time()
            note(speeds, name, n / _measure.best_s(work, repeats=1, warm=0))
            note(cpu_speeds, name, n / (time.process_time() - start))
        if shutil.which("argus") and shutil.which("ra"):
            note(speeds, "argus", n / argus(path))
        for dissections in (0, 20) if python else ():
            words = [python, "-c", NFSTREAM, str(path), str(dissections)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            note(speeds, f"nfstream_{dissections}", n / float(done.stdout.split()[1]))
    return {
        "machine": _measure.machine(),
        "packets": n,
        "bytes": path.stat().st_size,
        "connections": evenflow(path),
        "compile_s": round(compile_s, 1),
        "packets_per_s": {name: round(speed) for name, speed in speeds.items()},
        "packets_per_cpu_s": {name: round(n) for name, n in cpu_speeds.items()},
        "ratio": {
            name: round(speeds["connections"] / speeds[name], 2)
            for name in speeds
            if name not in steps
        },
    }


def note(speeds: dict[str, float], name: str, speed: float) -> None:
    speeds[name] = max(speeds.get(name, 0), speed)


def frames(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        yield from read_frames(stream, source=path.name)


def evenflow(path: Path, most: int | None = None) -> int:
    """Return how many connections are in a capture, or in its first batches."""
    with path.open("rb") as stream:
        found = islice(read_connections(stream, source=path.name), most)
        return sum(rows.height for rows in found)


def watch(path: Path, bundle: Bundle) -> int:
    """Return the verdicts on a capture, alerts grouped into incidents."""
    found = Watch(bundle, CONTRACTS["flow"].start(), Incidents())
    with feeds.captures([path], stop=threading.Event()) as feed:
        for batch in feed.batches:
            found.take(batch)
    found.finish()
    return found.totals.verdicts


def argus(path: Path) -> float:
    """Return the seconds that Argus and its reader take."""
    start = time.perf_counter()
    subprocess.run(
        f"argus -r '{path}' -w - | ra -r - -c , -n > /dev/null",
        shell=True, check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - start


def packets(folder: Path, only: Sequence[str] = ("",)) -> list[tuple[int, bytes, int]]:
    """Return time, bytes and length of the Ethernet packets of captures."""
    found = []
    for path in sorted(folder.glob("*.*cap*")):
        if not path.name.startswith(tuple(only)):
            continue
        first = None
        for batch in frames(path):
            data = batch.data.tobytes()
            for at, n, wire, ns, link in zip(
                batch.start, batch.length, batch.wire, batch.time_ns, batch.link,
                strict=True,
            ):  # fmt: skip
                first = ns if first is None else first
                if link == 1:
                    past = min(max(int(ns - first), 0), PERIOD_NS - S)
                    found.append((past, data[at : at + n], int(wire)))
    return sorted(found, key=lambda packet: packet[0])


def write(path: Path, mixed: list[tuple[int, bytes, int]], n: int) -> None:
    """Write ``n`` packets, the mixed ones again and again between other hosts."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for i in range(n):
            turn, k = divmod(i, len(mixed))
            past, data, wire = mixed[k]
            ns = 1_700_000_000 * S + turn * PERIOD_NS + past
            data = moved(data, turn % 256)
            out.write(struct.pack("<IIII", ns // S, ns % S, len(data), wire) + data)


def moved(data: bytes, step: int) -> bytes:
    """Return an IPv4 packet between other hosts, its checksums as right as before."""
    if len(data) < 54 or data[12:14] != b"\x08\x00" or not step:
        return data
    new = bytearray(data)
    for at in (27, 31):  # the second byte of source and destination
        new[at] = (new[at] + step) & 255
    changed = [(data[at : at + 2], new[at : at + 2]) for at in (26, 30)]
    transport = 14 + (data[14] & 15) * 4
    places = {6: [24, transport + 16], 17: [24, transport + 6]}.get(data[23], [24])
    for at in places:
        if data[23] == 17 and at > 24 and data[at : at + 2] == b"\0\0":
            continue
        if at + 2 <= len(new) and (at == 24 or not data[20] & 0x1F):
            # RFC 1624: HC' = ~(~HC + ~m + m')
            total = ~int.from_bytes(data[at : at + 2]) & 0xFFFF
            for before, after in changed:
                total += (~int.from_bytes(before) & 0xFFFF) + int.from_bytes(after)
            while total >> 16:
                total = (total & 0xFFFF) + (total >> 16)
            new[at : at + 2] = (~total & 0xFFFF).to_bytes(2)
    return bytes(new)


if __name__ == "__main__":
    main()
