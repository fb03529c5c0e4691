"""Damage real captures at random and read them: nothing may crash, hang or grow.

Usage::

    python benchmarks/fuzz_captures.py FOLDER... [--packets N] [--seed K]

Each batch takes packets of the captures in the folders, gives some of them another link
type, and flips, cuts, repeats or replaces bytes, mostly within the headers. They are
decoded and followed as ``evenflow flows`` does. An exception stops the run
and names the seed of its batch.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import struct
import time
from pathlib import Path

from evenflow.errors import DataError
from evenflow.progress import ignore
from evenflow.traffic.captures import read_frames
from evenflow.traffic.flows import Follower

BATCH = 50_000
LINKS = (0, 1, 9, 12, 50, 51, 101, 105, 108, 113, 119, 127, 163, 228, 229, 276)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    whole = [packet for folder in given.folders for packet in packets(folder)]
    follower = Follower(max_open=2**14, is_compiled=True)
    n, rows, slowest, start = 0, 0, 0.0, time.monotonic()
    peak_half = 0
    while n < given.packets:
        draw = random.Random(f"{given.seed} {n}")
        data = capture(draw, whole)
        began = time.monotonic()
        try:
            for frames in read_frames(io.BytesIO(data), source="fuzz"):
                rows += follower.add(frames).height
        except DataError:
            pass
        except BaseException:
            print(f"failed: --seed {given.seed}, batch at {n:,}")
            raise
        slowest = max(slowest, time.monotonic() - began)
        n += BATCH
        if n <= given.packets // 2:
            peak_half = peak_mb()
    rows += follower.finish().height
    follower.report("fuzz", ignore)
    print(
        f"{n:,} packets, {rows:,} rows, {time.monotonic() - start:.0f} s, slowest "
        f"batch {slowest:.1f} s, peak {peak_mb()} MB (at half of them {peak_half} MB)"
    )


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def packets(folder: Path) -> list[tuple[bytes, int]]:
    """Return bytes and link type of each packet of a folder's captures."""
    found = []
    for path in sorted(folder.glob("*.*cap*")):
        try:
            with path.open("rb") as stream:
                for frames in read_frames(stream, source=path.name):
                    data = frames.data.tobytes()
                    found += [
                        (data[at : at + n], int(link))
                        for at, n, link in zip(
                            frames.start, frames.length, frames.link, strict=True
                        )
                    ]
        except DataError:
            continue
    return found


def capture(draw: random.Random, whole: list[tuple[bytes, int]]) -> bytes:
    """Return a capture of damaged packets."""
    by_link: dict[int, list[bytes]] = {}
    for data, link in draw.choices(whole, k=BATCH):
        if draw.random() < 0.05:
            link = draw.choice(LINKS)
        by_link.setdefault(link, []).append(damaged(draw, data))
    ns, parts = draw.randrange(2**31) * 10**9, [section(sorted(by_link))]
    for i, link in enumerate(sorted(by_link)):
        for data in by_link[link]:
            ns += draw.choice([0, 1000, 10**6, 10**9, -(10**9)])
            if draw.random() < 0.001:
                ns = draw.randrange(2**62)
            parts.append(block(i, max(ns, 0), data))
    return b"".join(parts)


def damaged(draw: random.Random, data: bytes) -> bytes:
    """Return a packet with some of its bytes changed."""
    new = bytearray(data)
    for _ in range(draw.choice([0, 1, 1, 2, 8])):
        at = draw.randrange(min(len(new), 90)) if new else 0
        how = draw.randrange(6)
        if how == 0 and new:
            new[at] ^= 1 << draw.randrange(8)
        elif how == 1 and new:
            new[at] = draw.choice([0, 1, 0x45, 0x60, 0x80, 0xFF])
        elif how == 2:
            del new[at:]
        elif how == 3:
            del new[at : at + draw.randrange(1, 9)]
        elif how == 4:
            new[at:at] = new[at : at + draw.randrange(1, 60)]
        else:
            new[at:at] = draw.randbytes(draw.randrange(1, 9))
    return bytes(new)


def section(links: list[int]) -> bytes:
    """Return the head of a pcapng file with an interface for each link type."""
    head = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    option = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # nanoseconds
    return head + b"".join(
        struct.pack("<IIHHI", 1, 32, link, 0, 0) + option + struct.pack("<I", 32)
        for link in links
    )


def block(interface: int, ns: int, data: bytes) -> bytes:
    """Return a packet block."""
    padded = data + bytes(-len(data) % 4)
    size = 32 + len(padded)
    head = struct.pack(
        "<IIIIIII", 6, size, interface, ns >> 32, ns & 0xFFFFFFFF, len(data), len(data)
    )
    return head + padded + struct.pack("<I", size)


if __name__ == "__main__":
    main()
