"""Servers of our own: small ones, for what Debian's would be too large for."""

from __future__ import annotations

import socket
import socketserver
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evenflow.lab.words import USERS

LONGEST_BODY = 8_000_000
SILENT_S = 30
LONG_SILENT_S = 900
MOST_TRIES = 3
DATAGRAM = 1250
TAKES_PORT = 7001
"""Of the application at the end of a tunnel through names."""


class Web(ThreadingHTTPServer):
    """A web server of our own."""

    address_family = socket.AF_INET6  # and IPv4, as Linux has it
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that left."""


class Tcp(socketserver.ThreadingTCPServer):
    """A server of a protocol of our own."""

    address_family = socket.AF_INET6
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that left."""


class Api(BaseHTTPRequestHandler):
    """A small application: it answers, and takes what is sent to it."""

    protocol_version = "HTTP/1.1"
    timeout = SILENT_S

    def do_GET(self) -> None:
        """Answer with a size that depends on what is asked."""
        if self.path == "/generate_204":  # who asks only wants to know of the network
            self._answer(204, b"")
            return
        self._answer(200, b"x" * (40 + sum(self.path.encode()) % 3000))

    def do_POST(self) -> None:
        """Take a body."""
        left = min(int(self.headers.get("Content-Length", 0)), LONGEST_BODY)
        while left > 0 and (part := self.rfile.read(min(left, 65_536))):
            left -= len(part)
        self._answer(201, b'{"stored": true}')

    do_PUT = do_POST  # noqa: N815 (the name that is looked for)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write no log."""


class Rpc(socketserver.BaseRequestHandler):
    """Answers each message with another one, in binary."""

    def handle(self) -> None:
        """Answer until the client leaves."""
        self.request.settimeout(SILENT_S)
        with suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data[:1] * (len(data) % 700 + 8))


class Modbus(socketserver.StreamRequestHandler):
    """A controller: answers how its registers stand."""

    timeout = LONG_SILENT_S

    def handle(self) -> None:
        """Answer until the client leaves."""
        with suppress(OSError):
            while len(head := self.rfile.read(7)) == 7:
                request = self.rfile.read(int.from_bytes(head[4:6], "big") - 1)
                values = bytes(2 * (request[4] % 60 + 1))
                body = request[:1] + bytes([len(values)]) + values
                if request[0] > 4:  # what is written comes back
                    body = request[:5]
                size = (len(body) + 1).to_bytes(2, "big")
                self.wfile.write(head[:4] + size + head[6:7] + body)


class Tunnel(socketserver.StreamRequestHandler):
    """Takes up a connection as a WebSocket or a proxy does, then passes data on.

    A message says how many bytes it has and how many are to come back.
    """

    timeout = LONG_SILENT_S

    def handle(self) -> None:
        """Answer until the client leaves."""
        with suppress(OSError):
            while self.rfile.readline(1000) not in (b"\r\n", b""):
                pass
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\n\r\n"
            )
            while len(head := self.rfile.read(8)) == 8:
                self.rfile.read(int.from_bytes(head[:4], "big"))
                back = min(int.from_bytes(head[4:], "big"), LONGEST_BODY)
                self.wfile.write(b"\x82" * back)


class Push(socketserver.BaseRequestHandler):
    """Keeps a connection over TLS for long, answers short messages, tells some news."""

    context: ssl.SSLContext

    def handle(self) -> None:
        """Answer until the client leaves."""
        self.request.settimeout(SILENT_S)
        with (
            suppress(OSError),
            self.context.wrap_socket(self.request, server_side=True) as here,
        ):
            here.settimeout(LONG_SILENT_S)
            while data := here.recv(4096):
                here.sendall(data[:1] * (data[0] % 4 * 300 + 12))


class Database(socketserver.StreamRequestHandler):
    """Speaks enough of PostgreSQL's protocol: a query says how many rows it wants."""

    timeout = LONG_SILENT_S

    def handle(self) -> None:
        """Answer until the client leaves."""
        with suppress(OSError):
            self.rfile.read(int.from_bytes(self.rfile.read(4), "big") - 4)
            self.wfile.write(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")
            while (head := self.rfile.read(5))[:1] == b"Q":
                query = self.rfile.read(int.from_bytes(head[1:], "big") - 4)
                rows = int(query.rstrip(b"\0").split()[-1])
                row = b"D\0\0\0\x2e\0\1\0\0\0\x24" + bytes(36)
                self.wfile.write(row * min(rows, 50_000))
                self.wfile.write(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I")


class Mail(socketserver.StreamRequestHandler):
    """Takes mail by SMTP; who logs in must know a password."""

    timeout = SILENT_S

    def handle(self) -> None:
        """Answer until the client leaves."""
        with suppress(OSError):
            self._say("220 mail.lab.example ESMTP")
            while line := self.rfile.readline(2000):
                word = line[:4].upper()
                if word == b"EHLO":
                    self._say("250-mail.lab.example\r\n250-SIZE 20000000\r\n"
                              "250 AUTH PLAIN LOGIN")  # fmt: skip
                elif word == b"AUTH":
                    self._log_in(line.split())
                elif word == b"DATA":
                    self._say("354 go on")
                    while self.rfile.readline(70_000) not in (b".\r\n", b""):
                        pass
                    self._say("250 taken")
                elif word == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _log_in(self, words: list[bytes]) -> None:
        from base64 import b64decode

        if words[1].upper() == b"PLAIN":
            given = words[2] if len(words) > 2 else self._asked("334 ")
            user, password = b64decode(given).split(b"\0")[-2:]
        else:
            user = b64decode(self._asked("334 VXNlcm5hbWU6"))
            password = b64decode(self._asked("334 UGFzc3dvcmQ6"))
        if USERS.get(user.decode()) == password.decode():
            self._say("235 welcome")
        else:
            time.sleep(0.3)
            self._say("535 5.7.8 authentication failed")

    def _asked(self, text: str) -> bytes:
        self._say(text)
        return self.rfile.readline(2000).strip()


class Telnet(socketserver.StreamRequestHandler):
    """Asks for a name and a password, and runs what is called a shell."""

    timeout = SILENT_S

    def handle(self) -> None:
        """Answer until the client leaves."""
        with suppress(OSError):
            for _ in range(MOST_TRIES):
                user, password = self._asked("\r\nlogin: "), self._asked("Password: ")
                if USERS.get(user) == password:
                    break
                time.sleep(0.5)
                self.wfile.write(b"\r\nLogin incorrect\r\n")
            else:
                return
            self.wfile.write(b"\r\nLast login: today\r\n")
            while (line := self._asked("$ ")) not in ("exit", ""):
                self.wfile.write(b"out\r\n" * (len(line) * 7 % 90))

    def _asked(self, text: str) -> str:
        self.wfile.write(text.encode())
        return self.rfile.readline(200).decode(errors="replace").strip("\r\n\0")


class Sink(socketserver.BaseRequestHandler):
    """Takes all that is sent, and answers nothing."""

    def handle(self) -> None:
        """Take data until the client leaves."""
        self.request.settimeout(LONG_SILENT_S)
        with suppress(OSError):
            while self.request.recv(65_536):
                pass


def answer_datagrams(port: int, answer: Callable[[bytes], bytes]) -> None:
    """Answer each datagram with another one, if there is something to say."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as here:
        here.bind(("", port))
        while True:
            with suppress(OSError):
                data, other = here.recvfrom(4096)
                if found := answer(data):
                    here.sendto(found, other)


def dhcp(port: int) -> None:
    """Answer who asks for an address: to all, where the sender has none yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        here.bind(("", port))
        while True:
            with suppress(OSError):
                data, other = here.recvfrom(4096)
                has_none = not any(socket.inet_aton(other[0]))
                there = ("255.255.255.255", 68) if has_none else other
                here.sendto(b"\2" + data[1:] + bytes(40), there)


def quic(port: int) -> None:
    """Answer as a QUIC server does: as many datagrams as a request asks for."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as here:
        here.bind(("", port))
        while True:
            with suppress(OSError):
                data, other = here.recvfrom(4096)
                if data[0] & 0x80:  # a handshake
                    here.sendto(data[:6] + bytes(DATAGRAM - 50), other)
                    here.sendto(b"\xe3" + data[1:6] + bytes(DATAGRAM - 700), other)
                    continue
                for i in range(int.from_bytes(data[9:11], "big")):
                    here.sendto(b"\x41" + bytes(DATAGRAM - 1), other)
                    if i % 8 == 7:
                        time.sleep(0.002)
