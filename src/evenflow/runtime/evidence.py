"""The packets of incidents, kept as captures: a bounded file for each.

A capture begins with what is still remembered when its incident is opened, and goes on
until it is full or the incident is closed.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import deque
from dataclasses import dataclass
from pathlib import Path

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
HEADER = struct.Struct("<IHHiIII")
NANOSECONDS, SNAP_LENGTH = 0xA1B23C4D, 2**18
LOW = 2**64 - 1


@dataclass
class _File:
    path: Path
    hosts: tuple[tuple[int, int], ...]
    """All of them are ends of a packet that belongs to the incident."""
    link: int = -1
    n_packets: int = 0
    n_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.n_packets >= MAX_PACKETS or self.n_bytes >= MAX_BYTES


class Evidence:
    """The folder of the packets of incidents.

    Parameters
    ----------
    folder : Path
        Made if it is missing; a file has the name of its incident.
    on_event : callable, optional
        Gets a note where packets cannot be kept.

    Raises
    ------
    StorageError
        The folder cannot be made.
    """

    def __init__(self, folder: Path, *, on_event: OnEvent = ignore) -> None:
        self.folder, self._on_event = folder, on_event
        self._recent: deque[Frames] = deque()
        self._n_recent = self._n_files = 0
        self._growing: dict[str, _File] = {}
        self._noted: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(folder, error) from error

    def see(self, frames: Frames) -> None:
        """Take frames before their connections are scored."""
        if not len(frames):
            return
        self._recent.append(frames)
        self._n_recent += len(frames.data)
        while self._n_recent > MAX_RECENT_BYTES and len(self._recent) > 1:
            self._n_recent -= len(self._recent.popleft().data)
        if self._growing:
            ends = _ends(frames)
            for name in list(self._growing):
                self._write(name, frames, ends)

    def report(self, report: Report) -> None:
        """Begin the file of an incident that is opened; end that of a closed one."""
        incident = report.incident
        if report.what == "closed":
            self._growing.pop(incident.id, None)
        if report.what != "opened":
            return
        if self._n_files >= MAX_FILES or len(self._growing) >= MAX_GROWING:
            self._note("too many incidents: the packets of some are not kept")
            return
        self._n_files += 1
        path = self.folder / f"{incident.id}.pcap"
        self._growing[incident.id] = _File(path, _hosts(incident))
        for frames in list(self._recent):
            self._write(incident.id, frames, _ends(frames))

    def _write(self, name: str, frames: Frames, ends: NDArray[np.uint64]) -> None:
        """Append the frames of an incident to its file."""
        file = self._growing.get(name)
        if file is None:
            return
        mine = np.ones(len(frames), bool)
        for host in file.hosts:
            mine &= (ends == np.array(host, np.uint64)).all(axis=2).any(axis=1)
        rows = np.flatnonzero(mine)[: MAX_PACKETS - file.n_packets]
        if not len(rows):
            return
        is_new = file.link < 0
        if is_new:
            file.link = int(frames.link[rows[0]])
        rows = rows[frames.link[rows] == file.link]
        records = [_record(frames, int(row)) for row in rows]
        if is_new:
            records.insert(
                0, HEADER.pack(NANOSECONDS, 2, 4, 0, 0, SNAP_LENGTH, file.link)
            )
        try:
            with file.path.open("wb" if is_new else "ab") as stream:
                stream.write(b"".join(records))
        except OSError as error:
            self._growing.pop(name)
            self._note(f"{storage_error(file.path, error)}. Its packets are not kept")
            return
        file.n_packets += len(rows)
        file.n_bytes += sum(map(len, records))
        if file.is_full:
            del self._growing[name]

    def _note(self, text: str) -> None:
        if text not in self._noted and len(self._noted) < MAX_GROWING:
            self._noted.add(text)
            self._on_event(Note(text=text, is_warning=True))


def _hosts(incident: Incident) -> tuple[tuple[int, int], ...]:
    """Return the hosts that all packets of an incident have in common."""
    names = {
        "sweep": (incident.attacker,),
        "flood": (incident.victim,),
    }.get(incident.shape, (incident.attacker, incident.victim))
    numbers = (int(ipaddress.ip_address(name)) for name in names)
    return tuple((number >> 64, number & LOW) for number in numbers)


def _ends(frames: Frames) -> NDArray[np.uint64]:
    """Return the two addresses of each frame, ``(n_frames, 2, 2)``; 0 without IP."""
    packets = decode(frames, checksums=False)
    ends = np.stack([packets.source, packets.destination], axis=1)
    ends[packets.end > End.FRAGMENT] = 0
    return ends


def _record(frames: Frames, row: int) -> bytes:
    start, length = int(frames.start[row]), int(frames.length[row])
    seconds, rest = divmod(max(int(frames.time_ns[row]), 0), 10**9)
    head = struct.pack(
        "<IIII", seconds & 0xFFFFFFFF, rest, length, int(frames.wire[row])
    )
    return head + frames.data[start : start + length].tobytes()
