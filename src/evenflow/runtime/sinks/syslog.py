"""Syslog: RFC 5424 messages over UDP (RFC 5426), TCP (RFC 6587) or a unix socket."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from evenflow.errors import DataError
from evenflow.runtime.forms.ecs import iso
from evenflow.runtime.sinks import Outbox, Setup
from evenflow.runtime.sinks._outbox import RejectedError

LOCAL0 = 16
SEVERITIES = {1: 2, 2: 4, 3: 5}
"""Of EVE to syslog: critical, warning, notice."""
PORTS = {"udp": 514, "tcp": 601}
TIMEOUT_S = 5.0


def message(event: dict[str, Any], text: bytes, host: str) -> bytes:
    """Return an event as an RFC 5424 message whose text is JSON."""
    # drift has no severity
    severity = SEVERITIES[event["alert"]["severity"] if "alert" in event else 3]
    priority = 8 * LOCAL0 + severity
    head = (
        f"<{priority}>1 {iso(event['timestamp'])} {host} evenflow {os.getpid()} "
        f"{event['event_type']} - "
    )
    return head.encode() + text


class Stream:
    """Messages on a connection, each after its length (octet counting)."""

    most_messages = 256

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._socket: socket.socket | None = None

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages; connect first where there is no connection."""
        if self._socket is not None and _has_ended(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._connect()
        data = b"".join(b"%d %b" % (len(one), one) for one in messages)
        try:
            self._socket.sendall(data)
        except OSError:
            self.close()
            raise

    def sync(self) -> None:
        """Do nothing: syslog has no answer to wait for."""

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Datagrams(Stream):
    """A datagram a message."""

    most_messages = 1

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages."""
        if self._socket is None:
            self._socket = self._connect()
        for one in messages:
            try:
                self._socket.send(one)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise RejectedError(
                        f"a message of {len(one):,} bytes is too long for a datagram"
                    ) from error
                self.close()
                raise


def _has_ended(connection: socket.socket) -> bool:
    """Return whether the other side has closed: a send would be lost without a word."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    with suppress(BlockingIOError):
        return not connection.recv(4096, socket.MSG_DONTWAIT)
    return False


def open_sink(target: str, setup: Setup) -> Outbox:
    """Return a syslog server as a sink."""
    host = socket.gethostname()
    host = host if host.isascii() and host.isprintable() and " " not in host else "-"
    connection = _unix(target) if target.startswith("unix:") else _network(target)
    return setup.outbox(
        f"syslog:{target}",
        connection,
        lambda event: message(event, setup.text(event), host[:255] or "-"),
    )


def _unix(target: str) -> Stream:
    path = target.removeprefix("unix:")
    if not path:
        raise _invalid(target)

    def connect() -> socket.socket:
        found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        found.settimeout(TIMEOUT_S)
        try:
            found.connect(path)
        except OSError:
            found.close()
            raise
        return found

    return Datagrams(connect)


def _network(target: str) -> Stream:
    try:
        url = urlsplit(target)
        host, port = url.hostname, url.port or PORTS[url.scheme]
    except (KeyError, ValueError) as error:
        raise _invalid(target) from error
    if not host or url.path or url.query or url.username:
        raise _invalid(target)
    if url.scheme == "tcp":
        return Stream(lambda: socket.create_connection((host, port), TIMEOUT_S))

    def connect() -> socket.socket:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM
        )[0]
        found = socket.socket(family, kind, number)
        found.settimeout(TIMEOUT_S)
        found.connect(address)
        return found

    return Datagrams(connect)


def _invalid(target: str) -> DataError:
    return DataError(
        f"found the sink 'syslog:{target}', expected syslog:udp://HOST:PORT, "
        "syslog:tcp://HOST:PORT or syslog:unix:/dev/log. Correct it"
    )
