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
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent, ignore

BATCH_BYTES = 2**22
"""Captured bytes after which a batch is given on."""
BATCH_FRAMES = 2**16
LARGEST_FRAME = 2**18
"""Maximum number of bytes of one frame: libpcap's own limit."""
LARGEST_BLOCK = 2**24
MOST_INTERFACES = 2**12
MOST_S = 2**33
"""Maximum number of seconds since 1970, in the year 2242; later times become this."""
READ_BYTES = 2**20
NANO = 10**9

PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}  # fmt: skip
"""Byte order and nanoseconds of a tick, by the first four bytes."""
PCAPNG = b"\x0a\x0d\x0d\x0a"
SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET = 0x0A0D0D0A, 1, 2, 3, 6
IF_TSRESOL, IF_TSOFFSET = 9, 14


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


class DamageError(Exception):
    """The file cannot be read beyond this place."""


@dataclass
class _Batch:
    """Frames as they are gathered."""

    chunks: list[bytes] = field(default_factory=list)
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    n_bytes: int = 0

    def add(self, data: bytes, wire: int, time_ns: int, link: int) -> None:
        self.rows.append((self.n_bytes, len(data), wire, time_ns, link))
        self.chunks.append(data)
        self.n_bytes += len(data)

    @property
    def is_full(self) -> bool:
        return self.n_bytes >= BATCH_BYTES or len(self.rows) >= BATCH_FRAMES

    def frames(self) -> Frames:
        data = np.frombuffer(b"".join(self.chunks), np.uint8)
        columns = np.array(self.rows, np.int64).reshape(-1, 5).T
        start, length, wire, time_ns, link = (c.copy() for c in columns)
        return Frames(
            data=data, start=start, length=length, wire=wire, time_ns=time_ns, link=link
        )


class _Bytes:
    """A stream by exact counts of bytes."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self.stream, self.source = stream, source
        self.buffer, self.at = b"", 0
        self.n_read = 0

    def give_back(self, data: bytes) -> None:
        """Take bytes back, to be read again."""
        self.buffer, self.at = data + self.buffer[self.at :], 0
        self.n_read -= len(data)

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes; fewer where the file ends."""
        while len(self.buffer) - self.at < n:
            try:
                more = self.stream.read(max(READ_BYTES, n))
            except OSError as error:
                raise unreadable(self.source, error) from error
            if not more:
                break
            self.buffer = self.buffer[self.at :] + more
            self.at = 0
        found = self.buffer[self.at : self.at + n]
        self.at += len(found)
        self.n_read += len(found)
        return found

    def whole(self, n: int, what: str) -> bytes:
        """Return the next ``n`` bytes, all of them."""
        found = self.take(n)
        if len(found) < n:
            raise DamageError(f"{what} ends after {len(found):,} of {n:,} bytes")
        return found


def read_frames(
    stream: BinaryIO, *, source: str, on_event: OnEvent = ignore
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

    Raises
    ------
    DataError
        It is not a capture.
    """
    bytes_of = _Bytes(stream, source)
    head = bytes_of.take(4)
    bytes_of.give_back(head)
    if head in PCAP:
        found = _pcap(bytes_of, *PCAP[head])
    elif head == PCAPNG:
        found = _pcapng(bytes_of)
    else:
        raise DataError(f"{source} {_is(head)}; expected a capture, pcap or pcapng")
    batch, n = _Batch(), 0
    try:
        for frame in found:
            batch.add(*frame)
            n += 1
            if batch.is_full:
                yield batch.frames()
                batch = _Batch()
    except DamageError as damage:
        text = (
            f"{source} is damaged after packet {n:,}, byte {bytes_of.n_read:,}: "
            f"{damage}. The rest was not read"
        )
        on_event(Note(text=text, is_warning=True))
    if batch.rows:
        yield batch.frames()


def _is(head: bytes) -> str:
    if not head:
        return "has no bytes"
    if head.lstrip()[:1] == b"<":
        return "is a web page or XML"
    if head[:2] == b"\x1f\x8b":
        return "is packed by gzip"
    return f"begins with the bytes {head.hex(' ')}"


Frame = tuple[bytes, int, int, int]
"""Captured bytes, bytes on the wire, time in ns, link type."""


def _pcap(file: _Bytes, order: str, tick_ns: int) -> Iterator[Frame]:
    header = file.whole(24, "the file header")
    link = struct.unpack(order + "I", header[20:24])[0] & 0xFFFF
    unpack = struct.Struct(order + "IIII").unpack
    while record := file.take(16):
        if len(record) < 16:
            raise DamageError(f"a packet header ends after {len(record)} of 16 bytes")
        seconds, ticks, length, wire = unpack(record)
        if length > LARGEST_FRAME:
            raise DamageError(
                f"the next packet claims {length:,} bytes, expected at most "
                f"{LARGEST_FRAME:,}"
            )
        data = file.whole(length, "the next packet")
        yield data, max(wire, length), seconds * NANO + ticks * tick_ns, link


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


def _pcapng(file: _Bytes) -> Iterator[Frame]:
    order = ""
    interfaces: list[_Interface] = []
    last_ns = 0
    while head := file.take(8):
        if len(head) < 8:
            raise DamageError(f"a block header ends after {len(head)} of 8 bytes")
        if head[:4] == PCAPNG:
            magic = file.whole(4, "a section header")
            orders = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
            if magic not in orders:
                raise DamageError(f"a section's byte order is {magic.hex(' ')}")
            order, interfaces = orders[magic], []
            _body(file, order, head, taken=12)
            continue
        kind = struct.unpack(order + "I", head[:4])[0]
        body = _body(file, order, head, taken=8)
        if kind == INTERFACE:
            if len(interfaces) < MOST_INTERFACES:
                interfaces.append(_interface(body, order))
        elif kind in (PACKET, OLD_PACKET, SIMPLE_PACKET):
            data, wire, ticks, number = _packet(kind, body, order, interfaces)
            if number >= len(interfaces):
                raise DamageError(
                    f"a packet names interface {number} of {len(interfaces)}"
                )
            interface = interfaces[number]
            if ticks is not None:
                last_ns = interface.time_ns(ticks)
            yield data, max(wire, len(data)), last_ns, interface.link


def _body(file: _Bytes, order: str, head: bytes, taken: int) -> bytes:
    """Return what stands between a block's header and its trailing length."""
    length = struct.unpack(order + "I", head[4:8])[0]
    if length % 4 or not taken + 4 <= length <= LARGEST_BLOCK:
        raise DamageError(f"a block claims {length:,} bytes")
    body = file.whole(length - taken, "a block")
    if body[-4:] != head[4:8]:
        raise DamageError("the two lengths of a block differ")
    return body[:-4]


def _packet(
    kind: int, body: bytes, order: str, interfaces: list[_Interface]
) -> tuple[bytes, int, int | None, int]:
    """Return bytes, length on the wire, ticks (None: no clock) and interface number."""
    size = {PACKET: 20, OLD_PACKET: 20, SIMPLE_PACKET: 4}[kind]
    if len(body) < size:
        raise DamageError(
            f"a packet block has {len(body)} bytes, expected {size} and more"
        )
    ticks: int | None = None
    number = 0
    if kind == SIMPLE_PACKET:
        (wire,) = struct.unpack_from(order + "I", body)
        length = min(wire, len(body) - size)
        if interfaces and interfaces[0].snap_length:
            length = min(length, interfaces[0].snap_length)
    else:
        form = order + ("IIIII" if kind == PACKET else "HHIIII")
        number, *_, high, low, length, wire = struct.unpack_from(form, body)
        ticks = high << 32 | low
    if length > min(LARGEST_FRAME, len(body) - size):
        raise DamageError(
            f"the packet length is {length:,}, but {len(body) - size:,} bytes follow"
        )
    return body[size : size + length], wire, ticks, number


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
