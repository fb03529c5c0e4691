"""Capture files, pcap and pcapng, to frames: captured bytes with their times.

Both byte orders, micro- and nanoseconds, several sections and interfaces, each with its
own clock and link type. What a damaged file still holds is read; a note says where it
ends and why.

References
----------
.. [1] draft-ietf-opsawg-pcap, "PCAP Capture File Format".
.. [2] draft-ietf-opsawg-pcapng, "PCAP Now Generic (pcapng) Capture File Format".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic._records import HEADER, LARGEST_FRAME, records

BATCH_FRAMES = 2**16
"""Maximum number of frames of a batch."""
LARGEST_BLOCK = 2**24
MOST_INTERFACES = 2**12
MOST_S = 2**33
"""Maximum number of seconds since 1970, in the year 2242; later times become this."""
READ_BYTES = 2**24
NANO = 10**9

PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}  # fmt: skip
"""Byte order and nanoseconds of a tick, by the first four bytes."""
PCAPNG = b"\x0a\x0d\x0d\x0a"
ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET = 1, 2, 3, 6
IF_TSRESOL, IF_TSOFFSET = 9, 14
FindRecords = Callable[[bytes, int, bool, NDArray[np.int64]], tuple[int, int, int]]


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Captured frames, side by side in one buffer.

    Attributes
    ----------
    data : ndarray of shape (n_bytes,), uint8
    start : ndarray of shape (n_frames,), int64
        Where in ``data`` a frame begins.
    length : ndarray of shape (n_frames,), int64
        Bytes that were captured.
    wire : ndarray of shape (n_frames,), int64
        Bytes on the wire.
    time_ns : ndarray of shape (n_frames,), int64
        Nanoseconds since 1970, as captured: they may run backwards.
    link : ndarray of shape (n_frames,), int64
        Link type, by the registry of tcpdump.org.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    wire: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    link: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64]) -> Frames:
        """Return some of the frames, on the same data."""
        return Frames(
            data=self.data,
            start=self.start[rows],
            length=self.length[rows],
            wire=self.wire[rows],
            time_ns=self.time_ns[rows],
            link=self.link[rows],
        )


def unreadable(source: str, error: OSError) -> DataError:
    """Return the error to raise for a capture that cannot be read."""
    return DataError(
        f"cannot read {source}: {error.strerror}; expected a capture, pcap or pcapng"
    )


Row = tuple[int, int, int, int, int]
"""Where a frame begins, bytes captured and on the wire, time in ns, link type."""


class DamageError(Exception):
    """The file cannot be read beyond this place."""


class _Input:
    """A stream, and the part of it that is in memory."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self.source = source
        # of a pipe what is there, without waiting for more
        self.read = getattr(stream, "read1", stream.read)
        self.data, self.at = b"", 0
        self.n_before = 0

    def more(self) -> bool:
        """Read on, and let go of what was taken; return whether there was more."""
        try:
            chunk = self.read(READ_BYTES)
        except OSError as error:
            raise unreadable(self.source, error) from error
        self.n_before += self.at
        self.data = self.data[self.at :] + chunk
        self.at = 0
        return bool(chunk)

    def has(self, n: int) -> bool:
        """Return whether the next ``n`` bytes are there; read on if need be."""
        while len(self.data) - self.at < n:
            if not self.more():
                return False
        return True

    def ends(self, what: str, n: int) -> DamageError:
        """Return the error to raise where the stream ends within ``n`` bytes."""
        found = len(self.data) - self.at
        self.at = len(self.data)
        return DamageError(f"{what} ends after {found:,} of {n:,} bytes")


def read_frames(
    stream: BinaryIO,
    *,
    source: str,
    on_event: OnEvent = ignore,
    find_records: FindRecords = records,
) -> Iterator[Frames]:
    """Yield the frames of a capture, batch after batch.

    Parameters
    ----------
    stream : binary file
        Read once, from where it stands; it may be a pipe.
    source : str
        Name for messages.
    on_event : callable, optional
        Gets a warning where the capture is damaged or cut.
    find_records : callable, optional
        As :func:`evenflow.traffic._records.records`; it may be compiled.

    Raises
    ------
    DataError
        It is not a capture.
    """
    file = _Input(stream, source)
    file.has(4)
    head = file.data[:4]
    if head in PCAP:
        found = _pcap(file, *PCAP[head], find_records)
    elif head == PCAPNG:
        found = _pcapng(file)
    else:
        raise DataError(f"{source} {_is(head)}; expected a capture, pcap or pcapng")
    n = 0
    try:
        for frames in found:
            n += len(frames)
            yield frames
    except DamageError as damage:
        text = (
            f"{source} is damaged after packet {n:,}, byte {file.n_before + file.at:,}"
            f": {damage}. The rest was not read"
        )
        on_event(Note(text=text, is_warning=True))


def _is(head: bytes) -> str:
    if not head:
        return "has no bytes"
    if head.lstrip()[:1] == b"<":
        return "is a web page or XML"
    if head[:2] == b"\x1f\x8b":
        return "is packed by gzip"
    return f"begins with the bytes {head.hex(' ')}"


def _pcap(
    file: _Input, order: str, tick_ns: int, find_records: FindRecords
) -> Iterator[Frames]:
    if not file.has(24):
        raise file.ends("the file header", 24)
    link = struct.unpack_from(order + "I", file.data, 20)[0] & 0xFFFF
    file.at = 24
    starts = np.empty(BATCH_FRAMES, np.int64)
    while True:
        data = file.data
        n, file.at, length = find_records(data, file.at, order == ">", starts)
        if n:
            yield _pcap_frames(data, starts[:n], order, tick_ns, link)
        n_left = len(data) - file.at
        if n_left >= HEADER and length > LARGEST_FRAME:
            file.at += HEADER
            raise DamageError(
                f"the next packet claims {length:,} bytes, expected at most "
                f"{LARGEST_FRAME:,}"
            )
        if n < BATCH_FRAMES and not file.more():
            if n_left >= HEADER:
                file.at = HEADER
                raise file.ends("the next packet", length)
            if n_left:
                raise file.ends("a packet header", HEADER)
            return


def _pcap_frames(
    data: bytes, start: NDArray[np.int64], order: str, tick_ns: int, link: int
) -> Frames:
    """Return the frames of records that begin at ``start``."""
    buffer = np.frombuffer(data, np.uint8)
    headers = buffer[start[:, None] + np.arange(HEADER)].view(order + "u4")
    seconds, ticks, length, wire = headers.astype(np.int64).T
    return Frames(
        data=buffer,
        start=start + HEADER,
        length=length.copy(),
        wire=np.maximum(wire, length),
        time_ns=seconds * NANO + ticks * tick_ns,
        link=np.full(len(start), link, np.int64),
    )


@dataclass(frozen=True)
class _Interface:
    link: int
    snap_length: int
    ticks_per_s: int = 10**6
    offset_s: int = 0

    def time_ns(self, ticks: int) -> int:
        seconds, rest = divmod(ticks, self.ticks_per_s)
        seconds += self.offset_s
        seconds = min(max(seconds, 0), MOST_S)
        return seconds * NANO + rest * NANO // self.ticks_per_s


def _pcapng(file: _Input) -> Iterator[Frames]:
    section = _Section()
    damage = None
    while not damage:
        rows: list[Row] = []
        try:
            is_more = _blocks(file, section, rows)
        except DamageError as error:
            damage, is_more = error, True
        if rows:
            yield _frames(file.data, rows)
        if not is_more:
            return
    raise damage


def _blocks(file: _Input, section: _Section, rows: list[Row]) -> bool:
    """Add the frames of blocks to ``rows``; return whether there may be more.

    It stops before the data have to be read on that the rows are places in.
    """
    while len(rows) < BATCH_FRAMES:
        n_left = len(file.data) - file.at
        head = file.data[file.at : file.at + 12]
        length = section.length(head) if len(head) == 12 else 12
        if n_left < length:
            if rows or file.more():
                return True
            if n_left:
                what, n = ("a block header", 8) if n_left < 8 else ("a block", length)
                raise file.ends(what, n)
            return False
        start, stop = file.at + 8, file.at + length - 4
        file.at += length
        if file.data[stop : stop + 4] != head[4:8]:
            raise DamageError("the two lengths of a block differ")
        row = section.take(file.data, start, stop)
        if row:
            rows.append(row)
    return True


def _frames(data: bytes, rows: list[Row]) -> Frames:
    start, length, wire, time_ns, link = (
        column.copy() for column in np.array(rows, np.int64).T
    )
    buffer = np.frombuffer(data, np.uint8)
    return Frames(
        data=buffer, start=start, length=length, wire=wire, time_ns=time_ns, link=link
    )


@dataclass
class _Section:
    """Byte order, interfaces and time, as the blocks so far say."""

    order: str = ""
    interfaces: list[_Interface] = field(default_factory=list)
    last_ns: int = 0

    def length(self, head: bytes) -> int:
        """Return the length of a block, by its first twelve bytes."""
        if head[:4] == PCAPNG:
            if head[8:] not in ORDERS:
                raise DamageError(f"a section's byte order is {head[8:].hex(' ')}")
            self.order, self.interfaces = ORDERS[head[8:]], []
        length: int = struct.unpack(self.order + "I", head[4:8])[0]
        if length % 4 or not 12 <= length <= LARGEST_BLOCK:
            raise DamageError(f"a block claims {length:,} bytes")
        return length

    def take(self, data: bytes, start: int, stop: int) -> Row | None:
        """Take a block whose body is at ``start``; return the frame it holds."""
        (kind,) = struct.unpack_from(self.order + "I", data, start - 8)
        if kind in (PACKET, OLD_PACKET, SIMPLE_PACKET):
            return self._packet(kind, data, start, stop)
        if kind == INTERFACE and len(self.interfaces) < MOST_INTERFACES:
            self.interfaces.append(_interface(data[start:stop], self.order))
        return None

    def _packet(self, kind: int, data: bytes, start: int, stop: int) -> Row:
        size = {PACKET: 20, OLD_PACKET: 20, SIMPLE_PACKET: 4}[kind]
        room = stop - start - size
        if room < 0:
            raise DamageError(
                f"a packet block has {stop - start} bytes, expected {size} and more"
            )
        number = 0
        if kind == SIMPLE_PACKET:
            (wire,) = struct.unpack_from(self.order + "I", data, start)
            length = min(wire, room)
            if self.interfaces and self.interfaces[0].snap_length:
                length = min(length, self.interfaces[0].snap_length)
        else:
            form = self.order + ("IIIII" if kind == PACKET else "HHIIII")
            number, *_, high, low, length, wire = struct.unpack_from(form, data, start)
        if length > min(LARGEST_FRAME, room):
            raise DamageError(
                f"the packet length is {length:,}, but {room:,} bytes follow"
            )
        if number >= len(self.interfaces):
            raise DamageError(
                f"a packet names interface {number} of {len(self.interfaces)}"
            )
        interface = self.interfaces[number]
        if kind != SIMPLE_PACKET:  # it has no clock
            self.last_ns = interface.time_ns(high << 32 | low)
        return start + size, length, max(wire, length), self.last_ns, interface.link


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise DamageError(
            f"an interface block has {len(body)} bytes, expected 8 and more"
        )
    link, _, snap_length = struct.unpack_from(order + "HHI", body)
    ticks_per_s, offset_s = 10**6, 0
    for code, value in _options(body[8:], order):
        if code == IF_TSRESOL and value:
            exponent = value[0] & 0x7F
            ticks_per_s = (2 if value[0] & 0x80 else 10) ** min(exponent, 64)
        elif code == IF_TSOFFSET and len(value) == 8:
            (offset_s,) = struct.unpack(order + "q", value)
    return _Interface(link, snap_length, ticks_per_s, offset_s)


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
