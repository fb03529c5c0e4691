"""The web server: gunicorn, with threads that no slow client can hold.

gunicorn gives a thread to every connection and closes each in its main loop; a
hundred clients that say nothing would then stop it for all. Here the main loop
gathers a request until it has arrived (its head, and the body or the start of a large
one) and only then gives it to a thread; large bodies share half of the threads and
must keep a rate; closing waits for nobody. A proxy's word is taken only where the
settings name one.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from gunicorn import http
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from evenflow.web.app import create_app
from evenflow.web.frame import errors
from evenflow.web.serve.slow_clients import LINGER_S, Arrival, Bounded, refusal
from evenflow.web.settings import Settings

CONNECTIONS = 1024
"""Maximum number of connections of one web process; at most half of them idle."""
KEEP_S = 65
"""Seconds an idle connection is kept: longer than proxies keep theirs, mostly a minute,
so that none sends a request into one that closes."""
CROWDED = 64
"""Connections that are let go at once where no more can be taken."""
TAKERS = 48
"""Threads beyond those of the application: they wait for clients that take their
answer slowly, while the application's own number is free for others."""
STOP_S = 20
"""Seconds for which a stopping server finishes what it has begun."""
WAIT_S = 60.0
"""Seconds a large body waits for its turn."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (gunicorn makes its own file there)
App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Connection(TConn):  # type: ignore[misc]
    """A client's connection, and the request that is arriving on it."""

    def __init__(self, cfg: Any, sock: Bounded, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.parser = http.get_parser(cfg, sock, client)
        self.initialized = self.data_ready = True  # nothing is left for a thread to do
        self.arrival = Arrival()
        self.is_polled = False
        self.lingers_until = 0.0
        self.linger: Callable[[Connection], None] | None = None

    def close(self, graceful: bool = False) -> None:
        """Close it; gracefully, without waiting here."""
        if graceful and self.linger is not None:
            self.linger(self)
        else:
            super().close()


class Worker(ThreadWorker):  # type: ignore[misc]
    """A web process."""

    wsgi: App

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_keepalived = self.worker_connections // 2
        self.arriving: dict[Connection, None] = {}  # the oldest first
        self.waiting: deque[tuple[float, Connection]] = deque()
        self.n_streams = 0
        self.most_streams = max(1, self.cfg.threads // 2)
        self._looked_at = 0.0

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads, those that only wait for clients too."""
        return ThreadPoolExecutor(self.cfg.threads + TAKERS, "web")

    def load_wsgi(self) -> None:
        """Load the application, in at most ``threads`` threads at once."""
        super().load_wsgi()
        self.wsgi = limited(self.wsgi, self.cfg.threads)

    def accept(self, listener: Any) -> None:
        """Take a connection and wait for its request without a thread."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self.log.error("no file descriptor is left for a new connection")
                time.sleep(0.1)
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                raise
            return
        self.nr_conns += 1
        sock = Bounded(fileno=accepted.detach())
        conn = Connection(self.cfg, sock, client, listener.getsockname())
        conn.linger = self._linger
        self._receive(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Wait for the next request of a connection, part of which may be here."""
        conn.arrival = Arrival(conn.parser.unreader.take_buffered())
        conn.sock.setblocking(False)
        self._receive(conn)

    def murder_pending(self) -> None:
        """Let those go whose time is over; once a second is often enough."""
        now = time.monotonic()
        if now - self._looked_at < 1:
            return
        self._looked_at = now
        if self.nr_conns >= self.worker_connections:
            for conn in list(self.arriving)[:CROWDED]:
                self._drop(conn)
        for conn in list(self.arriving):
            if conn.lingers_until:
                if now > conn.lingers_until:
                    self._drop(conn)
            elif now > conn.arrival.deadline():
                self._drop(conn, 408 if conn.arrival.data else None)
            elif not self.alive and not conn.arrival.data:
                self._drop(conn)
        while self.waiting and now - self.waiting[0][0] > WAIT_S:
            self._drop(self.waiting.popleft()[1], 503)

    def finish_request(self, conn: Connection, done: Future[Any]) -> None:
        """Keep the connection or close it, and let the next large body in."""
        if conn.arrival.is_streamed:
            self.n_streams -= 1
            if self.waiting:
                self._begin(self.waiting.popleft()[1])
        super().finish_request(conn, done)

    def _advance(self, conn: Connection) -> None:
        arrival = conn.arrival
        if conn.lingers_until:
            return
        if arrival.is_complete:
            self._leave(conn)
            self._begin(conn)
        elif arrival.is_too_large:
            self._drop(conn, 431)
        elif not conn.is_polled:
            self._poll(conn)

    def _begin(self, conn: Connection) -> None:
        arrival = conn.arrival
        if arrival.is_streamed:
            if self.n_streams >= self.most_streams:
                self.waiting.append((time.monotonic(), conn))
                return
            self.n_streams += 1
        conn.parser.unreader.unread(bytes(arrival.data))
        arrival.data.clear()
        conn.sock.begin()
        super().enqueue_req(conn)

    def _receive(self, conn: Connection, _sock: Any = None) -> None:
        """Take what has come of a request, or of what nobody reads any more."""
        try:
            data = conn.sock.recv(65_536)
        except BlockingIOError:
            self._advance(conn)
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
        elif not conn.lingers_until:
            conn.arrival.data += data
            self._advance(conn)

    def _poll(self, conn: Connection) -> None:
        wake = partial(self._receive, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, wake)
        conn.is_polled = True
        self.arriving[conn] = None

    def _leave(self, conn: Connection) -> None:
        if conn.is_polled:
            self.poller.unregister(conn.sock)
            conn.is_polled = False
        self.arriving.pop(conn, None)

    def _drop(self, conn: Connection, status: int | None = None) -> None:
        self._leave(conn)
        if not conn.lingers_until:
            self.nr_conns -= 1
        if status is not None:
            client = conn.client[0] if isinstance(conn.client, tuple) else "-"
            self.log.info("refused %s with %d", client, status)
            with suppress(OSError):
                conn.sock.setblocking(False)
                conn.sock.send(refusal(status))
        conn.close(graceful=status is not None)

    def _linger(self, conn: Connection) -> None:
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            conn.lingers_until = time.monotonic() + LINGER_S
            self._poll(conn)
        except OSError:
            conn.close()


def limited(app: App, n_threads: int) -> App:
    """Return an application that at most so many threads are in."""
    free = threading.Semaphore(n_threads)

    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with free:
            return app(environ, start_response)

    return call


class Log(Logger):  # type: ignore[misc]
    """gunicorn's log as a part of ours: one line a request, without secrets."""

    def setup(self, cfg: Any) -> None:
        """Use the program's handlers instead of own ones."""
        self.cfg = cfg
        self._access_log_enabled = True
        self.error_log = logging.getLogger("evenflow.server")
        self.access_log = logging.getLogger("evenflow.access")

    def access(self, resp: Any, _req: Any, environ: dict[str, Any], took: Any) -> None:
        """Write one line: no query string, no token that stands in a path."""
        self.access_log.info(
            "%s %s %s %s %s bytes %.0f ms",
            environ.get("REMOTE_ADDR", "-"),
            environ.get("REQUEST_METHOD", "-"),
            public_path(environ.get("PATH_INFO", "-")),
            str(resp.status).split(None, 1)[0],
            getattr(resp, "sent", "-"),
            1000 * took.total_seconds(),
        )


def public_path(path: str) -> str:
    """Return a path for the log: printable, and links' secrets left out."""
    parts = [part if len(part) <= 32 else part[:4] + "..." for part in path.split("/")]
    return "/".join(parts).encode("unicode_escape").decode("ascii")


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings and no others, on a descriptor that listens."""

    def __init__(self, settings: Settings, listener: int) -> None:
        self.settings, self.listener = settings, listener
        super().__init__()

    def load_config(self) -> None:
        """Set every setting that decides something; the environment decides none."""
        for name, value in configuration(self.settings, self.listener).items():
            self.cfg.set(name, value)

    def load(self) -> App:
        """Build the application: in each web process, after the fork."""
        app = create_app(self.settings)
        app.register_error_handler(ParseException, errors.on_damaged_body)
        return app


def configuration(settings: Settings, listener: int) -> dict[str, Any]:
    """Return gunicorn's settings."""
    can_share = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    return {
        "bind": f"fd://{listener}",
        "workers": settings.workers,
        "threads": settings.threads,
        "worker_class": Worker,
        "worker_connections": CONNECTIONS,
        "preload_app": False,
        "max_requests": 0,
        "timeout": 60,
        "graceful_timeout": STOP_S,
        "keepalive": KEEP_S,
        "limit_request_line": 8190,
        "limit_request_fields": 64,
        "limit_request_field_size": 8190,
        "worker_tmp_dir": str(SHARED_MEMORY) if can_share else None,
        "forwarded_allow_ips": "",
        "proxy_allow_ips": "",
        "secure_scheme_headers": {},
        "sendfile": False,
        "control_socket_disable": True,
        "logger_class": Log,
    }


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    OSError
        The port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host.strip("[]"), port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock
