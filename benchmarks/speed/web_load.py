"""How two hundred people at once are served: errors, waits, memory.

Usage::

    python benchmarks/speed/web_load.py [--bundle BUNDLE] [--json FILE]

A real server on this machine, asked by a second process: people with a session who
look at dashboard, history, alerts and their account, and programs that have one record
scored, each over a connection of its own that is kept, with a pause of about a second
between two requests. Both share the machine's cores, so requests a second are a lower
bound. Exits with 1 if a single answer was not as it should be.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from _measure import machine, parser, report
from _server import PASSWORD, Server, rows, serving

PEOPLE, PROGRAMS, ACCOUNTS = 150, 50, 10
PAGES = ("/", "/records", "/alerts", "/account")
SCORE = "/api/v1/score"
WARM_S = 5.0
"""Seconds before anything counts: what is loaded at the first use is loaded then."""


@dataclass
class Client:
    """One kept connection, and who it is."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=2**20
        )

    async def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = ""
    ) -> tuple[int, bytes]:
        """Return status and body of one request."""
        head = {"Host": f"127.0.0.1:{self.port}", **self.headers}
        if self.cookies:
            head["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if body:
            head |= {"Content-Type": kind, "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        for name, value in re.findall(r"(?im)^set-cookie: ([^=]+)=([^;\r]*)", answer):
            self.cookies[name] = value
        length = re.search(r"(?im)^content-length: (\d+)", answer)
        text = await self.reader.readexactly(int(length[1])) if length else b""
        return int(answer.split(" ", 2)[1]), text

    async def log_in(self, email: str) -> None:
        """Log in by the form, as a person does."""
        _, page = await self.ask("GET", "/login")
        token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token, "the log-in page has no token"
        form = {"csrf_token": token[1].decode(), "email": email, "password": PASSWORD}
        status, _ = await self.ask(
            "POST", "/login", urlencode(form).encode(),
            "application/x-www-form-urlencoded",
        )  # fmt: skip
        assert status == 302, f"log-in answered {status}"


@dataclass
class Told:
    """What the clients saw."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, path: str, status: int, seconds: float) -> None:
        """Note one answer."""
        self.seconds.setdefault(path, []).append(seconds)
        if status != 200:
            self.wrong[f"{path}: {status}"] += 1


async def run(
    pipe: Any, port: int, token: str, seconds: float, think_s: float
) -> dict[str, Any]:
    """Be all the clients for a time; return what they saw."""
    clients = [Client(port) for _ in range(PEOPLE)]
    clients += [
        Client(port, {"Authorization": f"Bearer {token}"}) for _ in range(PROGRAMS)
    ]
    start, turn = time.perf_counter(), asyncio.Semaphore(8)

    async def enter(client: Client, k: int) -> None:
        async with turn:
            await client.open()
            await client.log_in(f"user{k % ACCOUNTS}@example.org")
            client.writer.close()

    await asyncio.gather(*(enter(c, k) for k, c in enumerate(clients[:PEOPLE])))
    log_in_s = time.perf_counter() - start
    for client in clients:
        await client.open()
    records = [json.dumps({"record": row}).encode() for row in rows(500)]
    rng = random.Random(7)

    async def live(client: Client, is_person: bool, told: Told, end: float) -> None:
        await asyncio.sleep(rng.random() * think_s)
        while time.monotonic() < end:
            path = rng.choice(PAGES) if is_person else SCORE
            begun = time.perf_counter()
            try:
                if is_person:
                    status, _ = await client.ask("GET", path)
                else:
                    body = rng.choice(records)
                    status, _ = await client.ask("POST", path, body, "application/json")
                told.add(path, status, time.perf_counter() - begun)
            except (OSError, EOFError) as error:
                told.wrong[f"{path}: {type(error).__name__}"] += 1
                await client.open()
            await asyncio.sleep(think_s * (0.5 + rng.random()))

    async def all_live(length_s: float) -> Told:
        told, end = Told(), time.monotonic() + length_s
        each = (live(c, k < PEOPLE, told, end) for k, c in enumerate(clients))
        await asyncio.gather(*each)
        return told

    warm = await all_live(WARM_S)
    pipe.send("warm")
    told = await all_live(seconds)
    told.wrong += warm.wrong
    every = np.concatenate([np.array(times) for times in told.seconds.values()])
    return {
        "log_ins": PEOPLE,
        "log_in_s": round(log_in_s, 1),
        "requests": len(every),
        "requests_per_s": round(len(every) / seconds, 1),
        "errors": dict(told.wrong),
        "ms": {"all": quantiles(every)}
        | {path: quantiles(np.array(t)) for path, t in sorted(told.seconds.items())},
    }


def quantiles(seconds: np.ndarray) -> dict[str, float]:
    """Return median and 99th percentile in ms."""
    return {
        f"p{q}": round(float(np.percentile(seconds, q)) * 1000, 1) for q in (50, 99)
    }


def ask(pipe: Any, *words: Any) -> None:
    """Run the clients in this process and send what they saw."""
    pipe.send(asyncio.run(run(pipe, *words)))


def heard(pipe: Any, clients: Any) -> Any:
    """Return the next word of the clients' process."""
    while not pipe.poll(1):
        if not clients.is_alive():
            raise RuntimeError("the clients failed; see above")
    return pipe.recv()


def loaded(server: Server, seconds: float, think_s: float) -> dict[str, Any]:
    """Return what one load did to clients and to the server's memory."""
    for k in range(ACCOUNTS):
        server.add_user(f"user{k}@example.org")
    token = server.token("user0@example.org", "score")
    here, there = multiprocessing.Pipe()
    words = (there, server.port, token, seconds, think_s)
    memory = {"idle": server.memory_mb()}
    clients = multiprocessing.get_context("spawn").Process(target=ask, args=words)
    clients.start()
    heard(here, clients)
    memory["all are in"] = server.memory_mb()
    if not here.poll(seconds / 2):
        memory["half of the time"] = server.memory_mb()
    figures: dict[str, Any] = heard(here, clients)
    clients.join()
    memory["after"] = server.memory_mb()
    return figures | {"memory_mb": memory}


def main() -> None:
    given = parser(__doc__.splitlines()[0])
    given.add_argument("--bundle", type=Path)
    given.add_argument("--seconds", type=float, default=60.0)
    given.add_argument("--think", type=float, default=1.0, help="seconds between two")
    given = given.parse_args()
    figures: dict[str, Any] = {
        "people": PEOPLE, "programs": PROGRAMS, "seconds": given.seconds,
        "pause_s": given.think, "machine": machine(),
    }  # fmt: skip
    with serving(given.bundle) as server:
        figures |= loaded(server, given.seconds, given.think)
    report(figures, given.json)
    sys.exit(bool(figures["errors"]))


if __name__ == "__main__":
    main()
