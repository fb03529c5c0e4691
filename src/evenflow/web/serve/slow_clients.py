"""How long a client may take: slowly is fine, standing still is not.

A thread is given to a request that has arrived, never to one that may arrive. What
comes slower than :data:`RATE`, after a grace, is let go.
"""

from __future__ import annotations

import errno
import re
import socket
import time

HEAD_S = 10.0
"""Seconds within which the head of a request has to be here."""
GRACE_S = 10.0
"""Grace period before the minimum rate applies."""
STALL_S = 10.0
"""Seconds a client may stand still in the middle."""
RATE = 4096
"""Bytes a second that a client has to send or take after the grace."""
LINGER_S = 2.0
"""Seconds in which a client reads the last answer before its connection is closed."""
HEAD_BYTES = 64 * 1024
"""Maximum bytes of a request's head."""
GATHERED_BYTES = 64 * 1024
"""Maximum bytes of a body buffered for a client that is still sending it."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_STREAMED = re.compile(rb"\r\n(transfer-encoding|expect):", re.IGNORECASE)
_SAID = {
    408: ("Request Timeout", "The request did not arrive in time."),
    431: ("Request Header Fields Too Large", "The head of the request is too large."),
    503: ("Service Unavailable", "Too many large uploads at once. Try again shortly."),
}


class SlowClientError(TimeoutError):
    """A client that sends or takes less than it has to."""

    def __init__(self, text: str) -> None:
        # the number by which servers know that it was the client who failed
        super().__init__(errno.ECONNRESET, text)


class Bounded(socket.socket):
    """A client's socket; waiting for the client ends with :class:`SlowClientError`."""

    _read = _written = 0
    _waited = 0.0

    def begin(self) -> None:
        """Start the clock of the next request."""
        self._read = self._written = 0
        self._waited = 0.0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return what has come, waiting no longer than the client is allowed to take.

        Raises
        ------
        SlowClientError
        """
        prior, start = self.gettimeout(), time.monotonic()
        if prior == 0:
            return super().recv(size, flags)
        limit = self._patience(self._read)
        try:
            self.settimeout(limit if prior is None else min(prior, limit))
            data = super().recv(size, flags)
        except TimeoutError as error:
            raise SlowClientError(f"{self._read} bytes had come") from error
        finally:
            self._waited += time.monotonic() - start
            self._restore(prior)
        self._read += len(data)
        return data

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        """Send all of it, waiting no longer than the client is allowed to take.

        Raises
        ------
        SlowClientError
        """
        prior, rest = self.gettimeout(), memoryview(data).cast("B")
        try:
            while rest:
                start = time.monotonic()
                self.settimeout(self._patience(self._written))
                sent = self.send(rest[:GATHERED_BYTES], flags)
                self._waited += time.monotonic() - start
                self._written += sent
                rest = rest[sent:]
        except TimeoutError as error:
            raise SlowClientError(f"{self._written} bytes were taken") from error
        finally:
            self._restore(prior)

    def _patience(self, n_bytes: int) -> float:
        left = GRACE_S + n_bytes / RATE - self._waited
        if left <= 0:
            raise SlowClientError(f"{n_bytes} bytes in {self._waited:.0f} s of waiting")
        return min(STALL_S, left)

    def _restore(self, timeout: float | None) -> None:
        if self.fileno() >= 0:
            self.settimeout(timeout)


class Arrival:
    """A request while it arrives: its bytes, and how long the rest may take."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.is_streamed = False
        """Whether a thread reads the body from the client: it is large, or of a length
        nobody knows, or the client waits to be told to send it."""
        self._since = time.monotonic()
        self._searched = 0
        self._head = 0
        self._wanted = 0

    @property
    def is_complete(self) -> bool:
        """Whether a thread can work on it."""
        if not self._head:
            self._read_head()
        return bool(self._head) and len(self.data) >= self._wanted

    @property
    def is_too_large(self) -> bool:
        """Whether its head does not end where it should."""
        return not self._head and len(self.data) > HEAD_BYTES

    def deadline(self) -> float:
        """Return the time (monotonic, s) at which the rest is not waited for."""
        if not self._head:
            return self._since + HEAD_S
        return self._since + GRACE_S + (len(self.data) - self._head) / RATE

    def _read_head(self) -> None:
        found = self.data.find(b"\r\n\r\n", self._searched)
        self._searched = max(0, len(self.data) - 3)
        if found < 0:
            return
        self._head = found + 4
        self._since = time.monotonic()
        head = bytes(self.data[: found + 2])
        length = _LENGTH.search(head)
        n_bytes = int(length.group(1)) if length else 0
        if _STREAMED.search(head):
            self.is_streamed, self._wanted = True, self._head
        else:
            self.is_streamed = n_bytes > GATHERED_BYTES
            self._wanted = self._head + min(n_bytes, GATHERED_BYTES)


def refusal(status: int) -> bytes:
    """Return the answer to a client that is not waited for."""
    reason, text = _SAID[status]
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nRetry-After: 5\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n"
    )
    return (head + "\r\n" + text).encode("ascii")
