"""A real Redis or Valkey for tests, on a free port of this machine."""

import contextlib
import shutil
import socket
import subprocess
import time

import pytest

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")


class Server:
    """A server that keeps what it was told when it is stopped and started again."""

    def __init__(self, folder, *words):
        self.folder, self.words = folder, words
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        command = [
            PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--dir",
            str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync",
            "always", "--loglevel", "warning", *self.words,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        ends = time.monotonic() + 20
        while time.monotonic() < ends and self.process.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return self
            time.sleep(0.02)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(folder, *words):
    """Yield a server; skip where none is installed."""
    pytest.importorskip("redis", reason="redis-py is not installed")
    if PROGRAM is None:
        pytest.skip("redis-server is not installed")
    server = Server(folder, *words)
    try:
        yield server.start()
    finally:
        server.stop()
