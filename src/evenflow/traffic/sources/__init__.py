"""Logs of other sensors to connections, one file a kind of log.

Each module holds ``SOURCE``. A log is read to its end with ``SOURCE.read``, or as it
grows with ``follow``; what it does not have is null in the columns of a connection.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO, cast

from evenflow.errors import DataError
from evenflow.text.blocks import BOM, GZIP
from evenflow.traffic.sources import argus, eve, nfdump, zeek
from evenflow.traffic.sources._findings import shown
from evenflow.traffic.sources._source import Source
from evenflow.traffic.sources._tail import Position, follow

__all__ = ["SOURCES", "Position", "Source", "follow", "kind_of", "recognised"]

HEAD = 2**16
"""Bytes of a file by which its kind is recognised."""

SOURCES: dict[str, Source] = {
    module.SOURCE.name: module.SOURCE for module in (zeek, eve, argus, nfdump)
}


class _Begun:
    """A stream whose first bytes were read already, from its beginning."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def read(self, n: int = -1) -> bytes:
        """Return ``n`` bytes, fewer where the stream ends."""
        head, self._head = self._head, b""
        if 0 <= n < len(head):
            head, self._head = head[:n], head[n:]
        if n < 0:
            return head + self._stream.read()
        return head + self._stream.read(n - len(head)) if len(head) < n else head

    def read1(self, n: int = -1) -> bytes:
        """Return what there is, at most ``n`` bytes."""
        if self._head:
            return self.read(min(n, len(self._head)) if n >= 0 else len(self._head))
        return _some(self._stream, n)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._stream.fileno()


def _some(stream: BinaryIO, n: int) -> bytes:
    """Return what a stream has, at most ``n`` bytes, without waiting for more."""
    return cast("bytes", getattr(stream, "read1", stream.read)(n))


def recognised(stream: BinaryIO, *, source: str) -> tuple[Source | None, BinaryIO]:
    """Return the kind of log that a stream is, and the stream from its beginning.

    The kind is None where it is not text: it may be a capture.

    Parameters
    ----------
    stream : binary file
    source : str
        Name for messages.

    Raises
    ------
    DataError
        It is text, and not of a kind that is known.
    OSError
        It cannot be read.
    """
    head = b""
    while len(head) < HEAD and _is_short(head):
        more = _some(stream, HEAD - len(head))
        if not more:
            break
        head += more
    begun = cast("BinaryIO", _Begun(head, stream))
    text = head
    if head.startswith(GZIP):
        try:
            text = zlib.decompressobj(31).decompress(head, HEAD)
        except zlib.error:
            text = b""
    lines = _lines(text)
    kind = kind_of(text)
    if kind or not lines or lines[0].startswith("<"):
        return kind, begun
    raise DataError(
        f"{source} begins with {shown(lines[0])!r}; expected a capture (pcap, pcapng) "
        "or a log: Zeek's conn.log, Suricata's EVE, ra -c , -n -u or nfdump -o csv"
    )


def kind_of(head: bytes) -> Source | None:
    """Return the kind of log that begins so; None where it is not one that is known."""
    lines = _lines(head[:HEAD])
    found = (kind for kind in SOURCES.values() if lines and kind.is_it(lines))
    return next(found, None)


def _is_short(head: bytes) -> bool:
    """Return whether there is not enough to recognise a kind by."""
    if head.startswith(GZIP):
        return len(head) < HEAD // 16
    return len(head) < len(GZIP) or (b"\n" not in head and b"\0" not in head)


def _lines(head: bytes) -> list[str]:
    """Return the lines of a text; none of bytes with a NUL, as captures have."""
    head = head.lstrip(b"\0").removeprefix(BOM)
    if b"\0" in head:
        return []
    text = head[: head.rfind(b"\n") + 1 or len(head)].decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()]
