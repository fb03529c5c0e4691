"""A run's capture as several short ones, each made at one place.

Users judge short captures, of one host or of two, in which connections are open from
the beginning and hardly anything else happens. So a run is cut into pieces of time. In
a piece, the capture is that of the switch, those of hosts, or those of pairs of hosts.
Every frame is in exactly one of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic.captures import Frames

SWITCH, HOST, PAIR = "switch", "host", "pair"
PLACES = (SWITCH, SWITCH, HOST, PAIR)
IPV4_BYTES, IPV6_BYTES = 34, 54
"""Of the headers of Ethernet and IP."""
ENDS = (26, 34), (30, 50)
"""Where the source and the destination of IPv4 stand, and the ends of those of IPv6."""
Key = tuple[int, int]
"""Number of the piece, and of the capture in it."""


class Views:
    """The captures that a run is made of.

    Parameters
    ----------
    meta : mapping
        The run's ``meta.json``: its seed decides the pieces and their places.
    """

    def __init__(self, meta: Mapping[str, Any]) -> None:
        plan = meta["plan"]
        n = plan.get("pieces", 1)
        self.starts = np.zeros(1, np.int64)
        self.places = [SWITCH]
        if n == 1:
            return
        rng = random.Random(f"{plan['seed']} {plan['part']} pieces")
        shares = np.cumsum([0.0] + [rng.lognormvariate(0, 1) for _ in range(n)])
        length = meta["ended_ns"] - meta["begun_ns"]
        self.starts = (meta["begun_ns"] + shares[:-1] / shares[-1] * length).astype(
            np.int64
        )
        self.places = [rng.choice(PLACES) for _ in range(n)]
        machines = [_number(m["ip"]) for m in meta["machines"]]
        self.orders = [rng.sample(machines, len(machines)) for _ in range(n)]

    def of(self, frames: Frames) -> Iterator[tuple[Key, Frames]]:
        """Yield the frames of each capture, piece after piece."""
        pieces = np.searchsorted(self.starts, frames.time_ns, side="right") - 1
        pieces = np.maximum(pieces, 0)
        for piece in np.unique(pieces):
            rows = np.flatnonzero(pieces == piece)
            number = self._captures(frames.take(rows), int(piece))
            for capture in np.unique(number):
                key = int(piece), int(capture)
                yield key, frames.take(rows[number == capture])

    def _captures(self, frames: Frames, piece: int) -> NDArray[np.int64]:
        """Return the number of the capture that each frame of a piece is in."""
        place = self.places[piece]
        if place == SWITCH:
            return np.zeros(len(frames), np.int64)
        order = self.orders[piece]
        n = len(order)
        ranks = [_rank(_addresses(frames, *at), order) for at in ENDS]
        first = np.minimum(*ranks)
        if place == HOST:
            return first
        return first * (n + 1) + np.maximum(*ranks)


def _number(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def _addresses(frames: Frames, at: int, at_6: int) -> NDArray[np.int64]:
    """Return an address in the IP header of each frame; 0: it has none.

    That of IPv6 ends with the one of IPv4 that the same machine has.
    """
    is_six = frames.length >= IPV6_BYTES
    for place, byte in ((12, 0x86), (13, 0xDD)):
        is_six &= frames.data[np.where(is_six, frames.start + place, 0)] == byte
    is_long = frames.length >= IPV4_BYTES
    starts = np.where(is_long, frames.start + np.where(is_six, at_6, at), 0)
    found = np.zeros(len(frames), np.int64)
    for i in range(4):
        found = found << 8 | frames.data[starts + i]
    return np.where(is_long, found, 0)


def _rank(addresses: NDArray[np.int64], order: list[int]) -> NDArray[np.int64]:
    """Return where each address stands among those of the machines; else, the end."""
    found = np.full(len(addresses), len(order), np.int64)
    for rank, address in enumerate(order):
        found[addresses == address] = rank
    return found
