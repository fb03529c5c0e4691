"""The packets of incidents, kept as captures: a bounded pcapng file for each.

A capture begins with what is still remembered when its incident is opened, and goes on
until it is full or the incident is closed. Where the incident has more hosts than
before, what is still remembered of those is added. What does not fit is counted.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenflow.files import storage_error
from evenflow.progress import Note, OnEvent, ignore
from evenflow.runtime.incidents.incident import Incident, Report
from evenflow.traffic.captures import Frames
from evenflow.traffic.decoding import decode
from evenflow.traffic.packets import End

MAX_RECENT_BYTES = 2**24
"""Captured bytes that are remembered, for incidents that are not yet known."""
MAX_PACKETS, MAX_BYTES = 10_000, 2**24
"""Of a file."""
MAX_GROWING, MAX_FILES = 64, 1_000
"""Files that grow at once, and files of a run."""
LOW = 2**64 - 1
MIX = 0x9E3779B97F4A7C15
"""Odd, so that the halves of an address make a key of it; a key may be that of two."""
PACKET_BLOCK = 6
SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
INTERFACE = struct.Struct("<IIHHIHHB3xHHI")
PACKET = struct.Struct("<IIIIIII")
N_PACKET = PACKET.size + 4
NO_FILE = "incidents whose packets were not kept, as there were too many"
FAILED = "packets of incidents that could not be written"
FULL = "packets of incidents that were not kept, as their files are full"
FORGOTTEN = (
    "incidents whose first packets may be missing, as they were no longer remembered"
)
NOT_NAMED = "incidents of more hosts than are named, whose packets are not all kept"


class _Wanted(NamedTuple):
    """The packets of an incident: those between two sets of hosts; None is any."""

    attackers: frozenset[str] | None = frozenset()
    victims: frozenset[str] | None = frozenset()

    @classmethod
    def of(cls, incident: Incident) -> _Wanted:
        """Return what the packets of an incident have in common."""
        return cls(
            None if incident.shape == "flood" else frozenset(incident.attackers.names),
            None if incident.shape == "sweep" else frozenset(incident.victims.names),
        )

    def among(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which frames are wanted, by the keys of their two addresses."""
        one, other = _is_of(keys, self.attackers), _is_of(keys, self.victims)
        return np.asarray((one & other[:, ::-1]).any(axis=1))


@dataclass
class _Batch:
    frames: Frames

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """A key of the two addresses of each frame, ``(n_frames, 2)``; 0 without IP."""
        packets = decode(self.frames, checksums=False)
        ends = np.stack([packets.source, packets.destination], axis=1)
        keys = ends[:, :, 0] * np.uint64(MIX) + ends[:, :, 1]
        keys[packets.end > End.FRAGMENT] = 0
        return keys


@dataclass
class _File:
    path: Path
    is_begun: bool = False
    """Whether there are packets of the incident in it."""
    wanted: _Wanted = field(default_factory=_Wanted)
    links: dict[int, int] = field(default_factory=dict)
    """Number of the interface of each link type."""
    n_packets: int = 0
    n_bytes: int = 0
    is_full: bool = False
    counted: set[str] = field(default_factory=set)
    """Reasons for which it was counted."""


class Evidence:
    """The folder of the packets of incidents.

    Parameters
    ----------
    folder : Path
        Made if it is missing; a file has the name of its incident.
    opened : callable, optional
        Returns the incidents that are open as they are now, which may have more hosts
        than when they were reported.
    on_event : callable, optional
        Gets a note where packets cannot be kept.

    Attributes
    ----------
    left_out : Counter
        How many packets or incidents were left out, by reason.

    Raises
    ------
    StorageError
        The folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        opened: Callable[[], Iterable[Incident]] = tuple,
        on_event: OnEvent = ignore,
    ) -> None:
        self.folder, self._opened, self._on_event = folder, opened, on_event
        self._recent: deque[_Batch] = deque()
        self._n_recent = self._n_files = 0
        self._forgotten_ns = -1
        self._known: set[str] = set()
        self._growing: dict[str, _File] = {}
        self.left_out = Counter[str]()
        self._noted: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(folder, error) from error

    def see(self, frames: Frames) -> None:
        """Take frames before their connections are scored."""
        if not len(frames):
            return
        for incident in self._opened():
            self._follow(incident, is_new=False)
        batch = _Batch(frames)
        self._recent.append(batch)
        self._n_recent += len(frames.data)
        while self._n_recent > MAX_RECENT_BYTES and len(self._recent) > 1:
            oldest = self._recent.popleft().frames
            self._n_recent -= len(oldest.data)
            self._forgotten_ns = max(self._forgotten_ns, int(oldest.time_ns.max()))
        for name, file in list(self._growing.items()):
            self._write(name, file, frames, file.wanted.among(batch.keys))

    def report(self, report: Report) -> None:
        """Begin the file of an incident that is opened; end that of a closed one."""
        incident = report.incident
        self._follow(incident, is_new=report.what == "opened")
        if report.what == "closed":
            self._known.discard(incident.id)
            self._growing.pop(incident.id, None)

    def finish(self) -> None:
        """Send a note for each reason that something was left out."""
        for text, n in self.left_out.items():
            self._on_event(Note(text=f"{text}: {n:,}", is_warning=True))

    def _follow(self, incident: Incident, *, is_new: bool) -> None:
        """Begin a file, or continue that of an earlier run; take new hosts."""
        if incident.id not in self._known:
            self._known.add(incident.id)
            self._begin(self.folder / f"{incident.id}.pcapng", incident.id, is_new)
        self._widen(incident)

    def _begin(self, path: Path, name: str, is_new: bool) -> None:
        n_growing = sum(not file.is_full for file in self._growing.values())
        if self._n_files >= MAX_FILES or n_growing >= MAX_GROWING:
            self.left_out[NO_FILE] += 1
            self._note("too many incidents: the packets of some are not kept")
            return
        file = _File(path)
        if not is_new and path.exists():
            try:  # a run that was killed may have left half a block
                file.n_bytes, file.n_packets = _whole(path)
                os.truncate(path, file.n_bytes)
            except OSError as error:
                self._note(f"{storage_error(path, error)}. Its packets are not kept")
                return
            file.is_begun = True
        self._n_files += 1
        self._growing[name] = file

    def _widen(self, incident: Incident) -> None:
        """Add what is remembered of the hosts that an incident has by now."""
        file, wanted = self._growing.get(incident.id), _Wanted.of(incident)
        if file is None or wanted == file.wanted:
            return
        before, file.wanted = file.wanted, wanted
        if incident.first_ns <= self._forgotten_ns:
            self._count(file, FORGOTTEN)
        sides = (incident.attackers, wanted[0]), (incident.victims, wanted[1])
        if not all(hosts.is_exact for hosts, names in sides if names is not None):
            self._count(file, NOT_NAMED)
        for batch in self._recent:
            mine = wanted.among(batch.keys) & ~before.among(batch.keys)
            self._write(incident.id, file, batch.frames, mine)

    def _count(self, file: _File, reason: str) -> None:
        self.left_out[reason] += reason not in file.counted
        file.counted.add(reason)

    def _write(
        self, name: str, file: _File, frames: Frames, mine: NDArray[np.bool_]
    ) -> None:
        """Append the frames of an incident to its file, as far as they fit."""
        rows = np.flatnonzero(mine)
        if not len(rows) or name not in self._growing:
            return
        n = 0 if file.is_full else self._fit(file, frames, rows)
        if n < len(rows):
            file.is_full = True
            self.left_out[FULL] += len(rows) - n
            self._note(
                f"the file of an incident is full ({MAX_PACKETS:,} packets or "
                f"{MAX_BYTES // 2**20} MiB): its other packets are counted, not kept"
            )
        if not n:
            return
        blocks = [] if file.links else [SECTION]
        for row in rows[:n].tolist():
            link = int(frames.link[row])
            if link not in file.links:
                file.links[link] = len(file.links)
                blocks.append(_interface(link))
            blocks.append(_packet(frames, row, file.links[link]))
        try:
            with file.path.open("ab" if file.is_begun else "wb") as stream:
                stream.write(b"".join(blocks))
        except OSError as error:
            self._growing.pop(name)
            self.left_out[FAILED] += n
            with suppress(OSError):
                os.truncate(file.path, file.n_bytes)
            self._note(f"{storage_error(file.path, error)}. Its packets are not kept")
            return
        file.is_begun = True
        file.n_packets += n
        file.n_bytes += sum(map(len, blocks))

    def _fit(self, file: _File, frames: Frames, rows: NDArray[np.int64]) -> int:
        """Return how many of the frames fit into a file."""
        sizes = np.cumsum(N_PACKET + (frames.length[rows] + 3) // 4 * 4)
        head = len(SECTION) + INTERFACE.size * len(np.unique(frames.link[rows]))
        n = int(np.searchsorted(sizes, MAX_BYTES - file.n_bytes - head, "right"))
        return min(n, MAX_PACKETS - file.n_packets)

    def _note(self, text: str) -> None:
        if text not in self._noted and len(self._noted) < MAX_GROWING:
            self._noted.add(text)
            self._on_event(Note(text=text, is_warning=True))


def _is_of(keys: NDArray[np.uint64], names: frozenset[str] | None) -> NDArray[np.bool_]:
    """Return which addresses are those of hosts, ``(n_frames, 2)``."""
    if names is None:
        return np.ones(keys.shape, dtype=bool)
    numbers = (int(ipaddress.ip_address(name)) for name in names)
    hosts = [((n >> 64) * MIX + (n & LOW)) & LOW for n in numbers]
    return np.isin(keys, np.array(hosts, np.uint64))


def _whole(path: Path) -> tuple[int, int]:
    """Return the bytes of the whole blocks of a capture, and its packets."""
    data = path.read_bytes()
    at = n_packets = 0
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if size < 12 or size % 4 or at + size > len(data):
            break
        at, n_packets = at + size, n_packets + (kind == PACKET_BLOCK)
    return at, n_packets


def _interface(link: int) -> bytes:
    """Return the block of an interface whose clock counts nanoseconds."""
    return INTERFACE.pack(1, 32, link, 0, 0, 9, 1, 9, 0, 0, 32)


def _packet(frames: Frames, row: int, interface: int) -> bytes:
    start, length = int(frames.start[row]), int(frames.length[row])
    time_ns = max(int(frames.time_ns[row]), 0)
    size = N_PACKET + (length + 3) // 4 * 4
    head = PACKET.pack(
        PACKET_BLOCK, size, interface, time_ns >> 32, time_ns & 0xFFFFFFFF, length,
        int(frames.wire[row]),
    )  # fmt: skip
    data = frames.data[start : start + length].tobytes()
    return head + data + bytes(-length % 4) + struct.pack("<I", size)
