"""Guessing by many connections at once, and by several tries in each; short looks."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from evenflow.lab._steps import six, ssh, ssh_tries
from evenflow.lab.doing import Doing
from evenflow.lab.words import GUESSES, USERS

RESET = struct.pack("ii", 1, 0)
MOST_TRIES = 6
"""What a server of SSH allows in one connection."""


def _words(d: Doing, most: float) -> list[str]:
    found = d.rng.sample(GUESSES, min(len(GUESSES), d.times(8, most)))
    if d.rng.random() < 0.3:
        found[-1] = d.rng.choice(list(USERS.values()))
    d.note(guesses=len(found))
    return found


def many_by(tool: str, kind: str) -> Callable[[Doing], bool]:
    """Return guessing by hydra or medusa with many connections at once."""

    def guess(d: Doing) -> bool:
        ip, port = d.service(*(("ftp",) if kind == "ftp" else ("ssh", "dropbear")))
        words, users = d.folder / "words", d.folder / "users"
        words.write_text("\n".join(_words(d, 100)) + "\n")
        users.write_text("\n".join(d.rng.sample(list(USERS), d.rng.randint(1, 3))))
        at_once = d.rng.choice([16, 24, 40, 64])
        d.note(at_once=at_once)
        commands = {
            "hydra": ["hydra", "-I", "-L", users, "-P", words, "-t", at_once, "-s",
                      port, *d.rng.choice([[], ["-u"], ["-e", "nsr"]]), *six(ip), ip,
                      kind],
            "medusa": ["medusa", "-h", ip, "-U", users, "-P", words, "-t", at_once,
                       "-n", port, "-M", kind],
        }  # fmt: skip
        d.run(*commands[tool], seconds=d.rng.choice([10, 25, 40]))
        said = d.outputs[-1]
        return "password: " in said or "ACCOUNT FOUND" in said

    return guess


def own_many_ftp(d: Doing) -> bool:
    """Guess by FTP in many short connections at once; the server refuses some."""
    at = d.service("ftp")
    user = d.rng.choice(list(USERS))
    at_once = d.rng.choice([4, 10, 25, 40])
    per, rude = d.rng.choice([1, 1, 2, 3]), d.rng.random() < 0.5
    rate = d.rate(2, 100)
    words = _words(d, 100) * d.rng.choice([1, 2, 3])
    d.note(at_once=at_once, per_connection=per, guesses=len(words))
    found: list[bool] = []

    def some(mine: list[str]) -> None:
        for first in range(0, len(mine), per):
            found.append(_tries(d, at, user, mine[first : first + per], rude))
            d.think(at_once / rate)
            if d.is_over():
                break

    d.together(partial(some, words[i::at_once]) for i in range(at_once))
    return any(found)


def _tries(
    d: Doing, at: tuple[str, int], user: str, words: list[str], rude: bool
) -> bool:
    """Try passwords in one connection; return whether one was right."""
    s = d.connect(*at)
    if s is None:
        return False
    with s, suppress(OSError):
        s.settimeout(8)
        lines = s.makefile("rb")
        if not lines.readline(1000).startswith(b"220"):
            return False  # too many connections
        for word in words:
            for text, right in ((f"USER {user}", b"331"), (f"PASS {word}", b"230")):
                s.sendall(f"{text}\r\n".encode())
                said = lines.readline(1000)
                if not said.startswith(right):
                    break
            else:
                return True
            if not said:
                break
        if rude:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        else:
            s.sendall(b"QUIT\r\n")
            lines.readline(1000)
    return False


def tries_by_ssh(d: Doing) -> bool:
    """Guess by SSH with several tries in a connection, in few connections."""
    at = d.service("ssh", "dropbear")
    user = d.rng.choice([*USERS, "root", "admin"])
    per = d.rng.choice([2, 3, 5, MOST_TRIES])
    at_once = d.rng.choice([1, 1, 2, 4])
    rate = d.rate(0.1, 3)
    words = _words(d, 100)
    d.note(per_connection=per, at_once=at_once)
    found: list[bool] = []

    def some(mine: list[str]) -> None:
        for first in range(0, len(mine), per):
            few = mine[first : first + per]
            found.append(ssh_tries(d, user, few, *at, "true") == 0)
            d.think(at_once / rate)
            if d.is_over():
                break

    d.together(partial(some, words[i::at_once]) for i in range(at_once))
    return any(found)


def slow_tries_by_ssh(d: Doing) -> bool:
    """Guess by SSH with several tries in a connection, without end."""
    at = d.service("ssh", "dropbear")
    user = d.rng.choice([*USERS, "root"])
    rate = d.rate(0.04, 0.3)
    while not d.is_over():
        ssh_tries(d, user, d.rng.sample(GUESSES, d.rng.randint(2, MOST_TRIES)), *at, "")
        d.think(1 / rate)
    return False


def many_by_ssh(d: Doing) -> bool:
    """Guess by SSH in many connections at once; the server refuses some."""
    at = d.service("ssh", "dropbear")
    user = d.rng.choice([*USERS, "root"])
    at_once = d.rng.choice([4, 8, 16])
    rate = d.rate(1, 10)
    words = _words(d, 80)
    d.note(at_once=at_once)

    def some(mine: list[str]) -> None:
        for word in mine:
            ssh(d, user, word, "true", *at)
            d.think(at_once / rate)
            if d.is_over():
                break

    d.together(partial(some, words[i::at_once]) for i in range(at_once))
    return False


def few_ports(*options: str) -> Callable[[Doing], bool]:
    """Return a look by nmap at a few ports of a machine or two."""

    def look(d: Doing) -> bool:
        machines = d.others()[: d.rng.choice([1, 1, 2])]
        some = {22, 80, *machines[0].services.values()}
        ports = d.rng.sample(sorted(some), min(len(some), d.rng.randint(1, 4)))
        if "-O" in options:
            ports.append(d.rng.randrange(1, 10_000))  # one that is closed is needed
        rate = d.rate(1, 60)
        return d.run(
            "nmap", "-n", "-Pn", *six(d.machine.ip), *options,
            "-p", ",".join(map(str, ports)), "--max-rate", f"{rate:.1f}",
            "--max-retries", d.rng.choice([0, 1]), *(m.ip for m in machines),
        ) == 0  # fmt: skip

    return look


def look_round(d: Doing) -> bool:
    """Try a few ports that are often open, of one machine or of several."""
    machines = d.others()[: d.rng.choice([1, 2, 6])]
    known = [21, 22, 23, 25, 80, 110, 139, 443, 445, 1433, 3306, 3389, 5900, 6379, 8080]
    ports = d.rng.sample(known, d.rng.randint(3, 12))
    rate = d.rate(0.5, 60)
    found = 0
    for machine in machines:
        for port in ports:
            if s := d.connect(machine.ip, port, d.rng.choice([0.3, 1])):
                with s, suppress(OSError):
                    s.settimeout(0.5)
                    found += bool(s.recv(100))
            d.think(1 / rate)
            if d.is_over():
                return found > 0
    return found > 0
