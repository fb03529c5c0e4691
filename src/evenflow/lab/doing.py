"""One client at work: where it runs, with what settings, and how it ends."""

from __future__ import annotations

import ftplib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from evenflow.lab.network import Machine, Network, enter
from evenflow.lab.words import DOMAIN, NAMES

LONGEST_S = 90
"""No client works longer."""
BENIGN = "benign"
ALIKE = {"tls": ("tls", "tls2", "tls3")}
"""Service -> those that are the same at other machines."""


class NotElsewhereError(Exception):
    """The machine itself has the service, so nothing of it would be seen."""


NO_ERROR = OSError, EOFError, ftplib.Error, HTTPException, NotElsewhereError
"""What may happen to one of several clients that act together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """Something a client does: what it is called, and how it is done."""

    name: str
    """The application, or the type of the attack."""
    tool: str
    do: Callable[[Doing], bool | None]
    """Returns whether it reached what it wanted; None: it cannot be said."""
    family: str = BENIGN
    twin_of: str = ""
    """The family of attacks that this ordinary action resembles."""
    weight: float = 1.0
    only_in_test: bool = False
    is_long: bool = False
    """It goes on until the run ends."""
    only_ipv4: bool = False


@dataclass
class Doing:
    """An action at work in a namespace."""

    network: Network
    machine: Machine
    at: dict[str, tuple[str, int]]
    """Service -> address and port."""
    pages: list[str]
    folder: Path
    """For the files of this action alone."""
    rng: random.Random
    ends_at: float
    slot: int
    scale: float = 1.0
    """By what the number of an attack's tries is multiplied."""
    margin: float = 1.0
    """By what factor rates stay away from the ends of their range."""
    settings: dict[str, Any] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def note(self, **settings: Any) -> None:
        """Put settings into the log."""
        self.settings.update(settings)

    def left(self) -> float:
        """Return the seconds left."""
        return max(0.1, self.ends_at - time.monotonic())

    def is_over(self) -> bool:
        """Return whether the time is up."""
        return time.monotonic() >= self.ends_at

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        time.sleep(min(seconds, self.left()))

    def think(self, mean: float) -> None:
        """Wait as a person or a busy program does."""
        self.pause(self.rng.expovariate(1 / mean))

    def between(self, low: float, high: float) -> float:
        """Return a number between two, uniform in its logarithm."""
        return float(low * (high / low) ** self.rng.random())

    def times(self, low: float, high: float) -> int:
        """Return a number of tries, scaled in a run where attacks are few."""
        return max(1, round(self.between(low, high) * self.scale))

    def rate(self, low: float, high: float) -> float:
        """Return tries per second, and note them."""
        found = self.between(low * self.margin, high / self.margin)
        self.note(rate=round(found, 3))
        return found

    def service(self, *names: str) -> tuple[str, int]:
        """Return address and port of one of these services elsewhere."""
        some = [self.rng.choice(ALIKE.get(n, (n,))) for n in names]
        there = [n for n in some if self.at[n][0] != self.machine.ip]
        if not there:
            raise NotElsewhereError(", ".join(names))
        name = self.rng.choice(there)
        ip, port = self.at[name]
        self.note(destination=ip, port=port, service=name)
        return ip, port

    def is_tls(self, at: tuple[str, int]) -> bool:
        """Return whether a web server there speaks TLS."""
        return at in [self.at[name] for name in ALIKE["tls"]]

    def dead(self) -> str:
        """Return the address of a host that never answers."""
        found = self.rng.choice(self.network.outside)
        self.note(destination=found)
        return found

    def others(self) -> list[Machine]:
        """Return the other machines, in any order."""
        found = [m for m in self.network.machines if m.ip != self.machine.ip]
        self.rng.shuffle(found)
        return found

    def visitor(self) -> str:
        """Return an address of another network that a client may come from."""
        net = self.rng.choice(self.network.visitors)
        if ":" in net:
            return f"{net}::{self.rng.randrange(1, 65_536):x}"
        return f"{net}.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"

    def visitors(self, *numbers: int) -> list[str]:
        """Return as many such addresses as one of the numbers says, and note it."""
        found = [self.visitor() for _ in range(self.rng.choice(numbers))]
        self.note(sources=len(found))
        return found

    def together(self, works: Iterable[Callable[[], Any]]) -> None:
        """Do several things at once."""

        def one(work: Callable[[], Any]) -> None:
            enter(self.machine.slots[self.slot])
            with suppress(*NO_ERROR):
                work()

        threads = [threading.Thread(target=one, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def run(self, *command: Any, seconds: float = LONGEST_S, text: str = "") -> int:
        """Run a program to its end or to the end of its time; return its status."""
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=self.folder,
        )  # fmt: skip
        try:
            out, _ = process.communicate(
                text.encode(), timeout=min(seconds, self.left())
            )
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            self.note(was_ended=True)
        self.outputs.append(out.decode(errors="replace")[-4000:])
        return process.returncode

    def connect(
        self, ip: str, port: int, seconds: float = 3, source: str = ""
    ) -> socket.socket | None:
        """Return a connection, or None where there is none."""
        start = (source, 0) if source else None
        try:
            return socket.create_connection(
                (ip, port), min(seconds, self.left()), start
            )
        except OSError:
            return None

    def udp(self) -> socket.socket:
        """Return a socket for datagrams, of the IP that this client speaks."""
        family = socket.AF_INET6 if ":" in self.machine.ip else socket.AF_INET
        return socket.socket(family, socket.SOCK_DGRAM)

    def ask(
        self, ip: str, port: int, data: bytes, seconds: float = 1, source: str = ""
    ) -> bytes | None:
        """Send a datagram; return the answer."""
        with self.udp() as here:
            here.settimeout(min(seconds, self.left()))
            try:
                if source:
                    here.bind((source, 0))
                here.connect((ip, port))
                here.send(data)
                return here.recv(4096)
            except OSError:
                return None

    def look_up(self, name: str = "", kind: int = 1) -> bool:
        """Ask for a name; return whether there was an answer."""
        names = ("dns", "dns2", "names")
        servers = [at for n in names if (at := self.at[n])[0] != self.machine.ip]
        query = self.question(name, kind)
        return self.ask(*self.rng.choice(servers), query) is not None

    def question(self, name: str = "", kind: int = 1) -> bytes:
        """Return the packet that asks for a name."""
        name = name or f"{self.rng.choice(NAMES)}.{DOMAIN}"
        query = self.rng.randbytes(2) + bytes.fromhex("01000001000000000000")
        for label in name.split("."):
            query += bytes([len(label)]) + label.encode()
        return query + b"\0" + kind.to_bytes(2, "big") + b"\0\1"
