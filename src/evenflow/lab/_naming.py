"""Names of the world as clients ask for them: several types, servers and protocols."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from evenflow.lab.doing import Doing
from evenflow.lab.words import DOMAIN, NAMES, host_name

A, AAAA, HTTPS = 1, 28, 65
TYPES = ((A,), (A, AAAA), (A, AAAA), (A, AAAA, HTTPS), (HTTPS, A), (AAAA, A))
SERVERS = ("names", "names", "dns", "dns2")


def ask_names(d: Doing, name: str, at: tuple[str, int] | None = None) -> int:
    """Ask for a name as an operating system does; return the number of answers."""
    there = at or d.service(*SERVERS)
    wait, one_port = d.rng.choice([0.3, 1, 2, 5]), d.rng.random() < 0.3
    kinds = d.rng.choice(TYPES)
    found = 0
    if one_port:
        with d.udp() as here, suppress(OSError):
            here.settimeout(min(wait, d.left()))
            here.connect(there)
            for kind in kinds:
                here.send(d.question(name, kind))
            for _ in kinds:
                found += bool(here.recv(2000))
        return found
    for kind in kinds:
        data = d.question(name, kind)
        for _ in range(d.rng.choice([1, 2])):
            if answer := d.ask(*there, data, wait):
                found += 1
                if answer[2] & 2:  # it is too long for a datagram
                    found += ask_by_tcp(d, [data], there)
                break
            with suppress(LookupError):
                there = d.service(*SERVERS)
    return found


def ask_by_tcp(d: Doing, queries: list[bytes], at: tuple[str, int]) -> int:
    """Ask by TCP, all in one connection; return the number of answers."""
    found = 0
    if s := d.connect(*at):
        with s, suppress(OSError):
            s.settimeout(min(5, d.left()))
            for data in queries:
                s.sendall(len(data).to_bytes(2, "big") + data)
                found += bool(s.recv(65_535))
                d.think(0.05)
    return found


def _some_name(d: Doing, known: list[str]) -> str:
    """Return a name: one that was asked for before, a new one, or a mistyped one."""
    how = d.rng.random()
    if how < 0.3 and known:
        return d.rng.choice(known)
    if how < 0.35:
        return (
            f"{d.rng.choice(NAMES)}.{DOMAIN}.{d.rng.choice(['lan', 'home', 'local'])}"
        )
    known.append(host_name(d.rng))
    return known[-1]


def look_up_world(d: Doing) -> bool:
    """Ask for many names of the world, by several resolvers at once."""
    rate = d.rate(0.3, 80)
    at_once = d.rng.choice([1, 1, 2, 5])
    each = max(1, round(d.between(3, 150)) // at_once)
    known: list[str] = []
    found: list[int] = []

    def some(at: tuple[str, int] | None) -> None:
        for _ in range(each):
            found.append(ask_names(d, _some_name(d, known), at))
            d.think(at_once / rate)
            if d.is_over():
                break

    fixed = d.service("names") if d.rng.random() < 0.5 else None
    d.together(partial(some, fixed) for _ in range(at_once))
    return any(found)


def look_up_by_tcp(d: Doing) -> bool:
    """Ask for names by TCP alone, a few in each connection."""
    at = d.service(*SERVERS)
    per, found = d.rng.choice([1, 1, 3, 10]), 0
    for _ in range(d.rng.randint(1, 25)):
        queries = [d.question(host_name(d.rng), d.rng.choice([1, 1, 28, 16, 15, 65]))
                   for _ in range(per)]  # fmt: skip
        found += ask_by_tcp(d, queries, at)
        d.think(d.between(0.1, 5))
        if d.is_over():
            break
    return found > 0


def keep_looking_up(d: Doing) -> bool:
    """Ask for names as one household does, without end."""
    rate, known = d.rate(0.05, 2), [host_name(d.rng) for _ in range(20)]
    while not d.is_over():
        for _ in range(d.rng.choice([1, 1, 2, 6])):
            ask_names(d, _some_name(d, known))
        d.think(1 / rate)
    return True


def try_first(d: Doing) -> None:
    """Try what does not work, as clients do before they go another way.

    An address that nobody has, a port that is closed, or UDP where only TCP is served.
    """
    how = d.rng.choice(
        ["dead", "dead", "closed", "closed", "udp", "udp dead", "port 80"]
    )
    host = d.dead() if "dead" in how else d.others()[0].ip
    if "udp" in how:
        with d.udp() as here, suppress(OSError):
            here.connect((host, 443))
            here.settimeout(0.1)
            data = b"\xc3\0\0\0\1\x08" + d.rng.randbytes(1194)
            for i in range(d.rng.randint(1, 4)):
                here.send(data)
                d.pause(0.2 * 2**i)
        return
    port = 80 if how == "port 80" else d.rng.choice([443, 443, 80, 8443, 853, 5228])
    for _ in range(d.rng.choice([1, 1, 1, 2, 3])):
        if s := d.connect(host, port, d.rng.choice([0.25, 0.3, 1, 2])):
            s.close()
        d.think(0.3)
