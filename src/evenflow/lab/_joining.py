"""Phones and computers that join a network, and what they do without their users."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from evenflow.lab import _finding, _raw
from evenflow.lab._naming import ask_names, try_first
from evenflow.lab._steps import fetch, http_connection
from evenflow.lab._surfing import RESET, open_web
from evenflow.lab.doing import Doing
from evenflow.lab.words import host_name


def check_way(d: Doing) -> bool:
    """See whether there is a way to the world: a small page, from several hosts."""
    found = 0
    for _ in range(d.rng.choice([1, 1, 2, 4])):
        ask_names(d, host_name(d.rng))
        at = d.service("api", "api", "nginx", "lighttpd", "tls")
        web = http_connection(d, *at)
        found += fetch(d, web, "generate_204", keep=d.rng.random() < 0.5) > 0
        d.think(d.between(0.1, 5))
        web.close()
        if d.is_over():
            break
    return found > 0


def ask_time(d: Doing) -> bool:
    """Ask several servers for the time; one of them may be gone."""
    at = d.service("ntp")
    servers = [at] * d.rng.randint(1, 4)
    servers += [(d.dead(), 123)] * d.rng.choice([0, 0, 1, 2])
    d.rng.shuffle(servers)
    own = d.rng.choice([0, 0, 123])
    found = 0
    for _ in range(d.rng.choice([1, 1, 3, 8])):
        for there in servers:
            with d.udp() as here, suppress(OSError):
                here.settimeout(min(0.7, d.left()))
                here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                here.bind((d.machine.ip, own))
                here.connect(there)
                here.send(b"\x23".ljust(48, b"\0"))
                found += bool(here.recv(500))
        d.think(d.between(0.5, 16))
        if d.is_over():
            break
    return found > 0


def _wait_for_news(d: Doing, seconds: float, wait: float) -> bool:
    """Keep a connection over TLS that says little: now and then a sign of life."""
    s = open_web(d, d.service("push"), [], is_tls=True)
    if s is None:
        return False
    found = 0
    with s, suppress(OSError):
        left = min(seconds, d.left())
        s.settimeout(3)
        while left > 0:
            s.sendall(bytes([d.rng.randrange(256)]) * d.rng.randint(20, 300))
            found += bool(s.recv(2000))
            pause = min(d.rng.uniform(0.5, 1.5) * wait, left)
            d.pause(pause)
            left -= pause
        if d.rng.random() < 0.3:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return found > 0


def wait_for_news(d: Doing) -> bool:
    """Wait for messages on a connection that is idle nearly always."""
    return _wait_for_news(d, d.between(3, 90), d.between(2, 60))


def keep_waiting_for_news(d: Doing) -> bool:
    """Wait for messages without end."""
    while not d.is_over():
        _wait_for_news(d, d.left(), d.between(10, 120))
        d.think(3)
    return True


def call_home(d: Doing) -> bool:
    """Reach many hosts at once, a little each, as apps do that start."""
    found: list[bool] = []

    def one() -> None:
        if d.rng.random() < 0.8:
            ask_names(d, host_name(d.rng))
        if d.rng.random() < 0.15:
            try_first(d)
        at = d.service("tls", "tls", "tls", "api", "push")
        is_tls = d.is_tls(at) or at == d.at["push"]
        s = open_web(d, at, [], is_tls=is_tls)
        if s is None:
            return
        with s, suppress(OSError):
            s.settimeout(3)
            for _ in range(d.rng.choice([0, 1, 1, 2, 6])):
                body = d.rng.randbytes(d.rng.choice([0, 100, 800, 4000]))
                s.sendall(b"POST /v1/log HTTP/1.1\r\nHost: www.lab.example\r\n"
                          b"Content-Length: %d\r\n\r\n" % len(body) + body)  # fmt: skip
                found.append(bool(s.recv(4000)))
                d.think(0.3)
            if d.rng.random() < 0.25:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif d.rng.random() < 0.3:
                d.pause(d.between(0.5, 30))

    for _ in range(d.rng.choice([1, 1, 2])):
        d.together([one] * d.rng.randint(2, 12))
        d.think(d.between(0.5, 10))
        if d.is_over():
            break
    return any(found)


def _ask_for_address(d: Doing) -> bool:
    if ":" not in d.machine.ip:
        mac = b"\x02" + d.rng.randbytes(5)
        with _raw.link() as here:
            for kind in d.rng.choice([(1, 3), (3,), (1, 1, 3), (3, 1, 3)]):
                here.send(_raw.dhcp(mac, kind, d.rng.randbytes(4)))
                d.think(0.2)
    return True


def join(d: Doing) -> bool:
    """Join the network: address, names, time, way to the world, apps, in some order."""
    steps: list[Callable[[Doing], bool]] = [
        _finding.announce, _finding.find_names, check_way, ask_time, call_home,
        _finding.discover, call_home,
    ]  # fmt: skip
    steps = d.rng.sample(steps, d.rng.randint(3, len(steps)))
    _ask_for_address(d)
    if d.rng.random() < 0.5:
        d.together(partial(step, d) for step in steps)
    else:
        for step in steps:
            step(d)
            d.think(d.between(0.1, 3))
            if d.is_over():
                break
    if d.rng.random() < 0.4:
        wait_for_news(d)
    return True
