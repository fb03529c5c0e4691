"""Many at once who mean no harm: pages of many parts, visitors, names, machines."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial

from evenflow.lab import _raw
from evenflow.lab._steps import (
    fetch,
    ftp_login,
    http_connection,
    ssh_by_key,
    ssh_tries,
)
from evenflow.lab.doing import Doing
from evenflow.lab.words import DOMAIN, GUESSES, NAMES, USERS

KINDS = (1, 1, 1, 28, 28, 65, 64, 2, 5, 6, 12, 15, 16, 33, 43, 48, 52, 99, 255, 257)
"""Types of records: A and AAAA most of all."""


def load_parts(d: Doing) -> bool:
    """Load pages of many parts from several sites, a connection for each part."""
    found: list[bool] = []

    def part(at: tuple[str, int], paths: list[str], keep: bool, wait: float) -> None:
        web = http_connection(d, *at)
        for path in paths:
            found.append(fetch(d, web, path, keep=keep) == 200)
            d.think(wait)
            if d.is_over():
                break
        web.close()

    for _ in range(d.rng.randint(1, 5)):
        sites = [d.service("nginx", "lighttpd", "api", "tls")
                 for _ in range(d.rng.choice([1, 1, 2, 4]))]  # fmt: skip
        wait = d.between(0.002, 0.3)
        keep = d.rng.random() < 0.2
        works: list[partial[None]] = []
        for at in sites:
            for _ in range(d.rng.randint(0, 3)):
                d.look_up(kind=d.rng.choice(KINDS[:7]))
            for _ in range(d.rng.randint(1, 8)):
                paths = d.rng.choices(d.pages[:80], k=d.rng.randint(1, 8))
                works.append(partial(part, at, paths, keep, wait))
        d.together(works)
        d.think(d.between(0.3, 8))
        if d.is_over():
            break
    return any(found)


def visit(d: Doing) -> bool:
    """Come to a public site from many addresses, each with a few requests."""
    at = d.service("nginx", "lighttpd", "api", "tls")
    if d.rng.random() < 0.2:  # it is down, and they try again
        at = d.others()[0].ip, d.rng.choice([80, 443, 8443])
        d.note(destination=at[0], port=at[1], is_down=True)
    rate = d.rate(1, 60)
    sources = d.visitors(5, 20, 60, 150)
    found: list[bool] = []

    def one(source: str) -> None:
        keep = d.rng.random() < 0.5
        web = http_connection(d, *at, source)
        for _ in range(d.rng.choice([1, 1, 2, 4])):
            found.append(fetch(d, web, d.rng.choice(d.pages[:70]), keep=keep) == 200)
            d.think(0.5)
            if d.is_over():
                break
        web.close()

    while sources and not d.is_over():
        now = [sources.pop() for _ in range(min(len(sources), d.rng.randint(1, 8)))]
        d.together(partial(one, source) for source in now)
        d.think(len(now) / rate)
    return any(found)


def ask_from_afar(d: Doing) -> bool:
    """Ask a server for names or the time from many addresses, or look if it is up."""
    kind = d.rng.choice(["names", "names", "time", "ping"])
    rate = d.rate(1, 60)
    sources = d.visitors(5, 30, 120)
    at = d.service("dns", "dns2") if kind == "names" else d.service("ntp")
    found = 0
    for _ in range(d.rng.randint(len(sources), 2 * len(sources))):
        source = d.rng.choice(sources)
        if kind == "ping":
            found += d.run("ping", "-c", d.rng.choice([1, 2]), "-W", 1, "-i", "0.2",
                           "-I", source, at[0]) == 0  # fmt: skip
        else:
            data = d.question(kind=d.rng.choice(KINDS))
            if kind == "time":
                data = b"\x23".ljust(48, b"\0")
            found += d.ask(*at, data, 0.5, source) is not None
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def look_up_all(d: Doing) -> bool:
    """Ask for many names and types, as browsers, mail servers and filters do."""
    at = d.service("dns", "dns2")
    rate = d.rate(2, 200)
    kinds = d.rng.choice([KINDS[:5], KINDS[:7], KINDS])
    gone = d.rng.choice([0, 0.1, 0.5])
    at_once = d.rng.choice([1, 1, 3, 8])
    each = max(4, round(d.between(10, 200)) // at_once)
    one_port = d.rng.random() < 0.3
    d.note(at_once=at_once, gone=gone)
    found: list[bool] = []

    def some() -> None:
        with d.udp() as here:
            here.settimeout(0.5)
            here.connect(at)
            for _ in range(each):
                name = f"{d.rng.choice(NAMES)}.{DOMAIN}"
                if d.rng.random() < gone:
                    name = f"{d.rng.choice(NAMES)}.other.example"
                packet = d.question(name, d.rng.choice(kinds))
                with suppress(OSError):
                    if one_port:
                        here.send(packet)
                        found.append(bool(here.recv(2000)))
                    else:
                        found.append(d.ask(*at, packet, 0.5) is not None)
                d.think(at_once / rate)
                if d.is_over():
                    break

    d.together(some for _ in range(at_once))
    return any(found)


def boot(d: Doing) -> bool:
    """Start many machines that ask for an address, or renew it, at once."""
    rate = d.rate(0.3, 20)
    n = d.rng.choice([1, 1, 4, 15, 60, 150])
    d.note(machines=n)
    ip, port = d.service("dhcp")
    known = d.rng.random() < 0.3
    with _raw.link() as here:
        for _ in range(n):
            mac = b"\x02" + d.rng.randbytes(5)
            for kind in (1, 3) if d.rng.random() < 0.8 else (1, 1, 1, 3):
                if known:
                    here.send(_raw.dhcp(mac, 3, d.rng.randbytes(4)))
                    break
                here.send(_raw.dhcp(mac, kind, d.rng.randbytes(4)))
                d.think(0.3)
            d.think(1 / rate)
            if d.is_over():
                break
    with d.udp() as one, suppress(OSError):  # and one of them knows its server
        one.settimeout(1)
        one.bind((d.machine.ip, 68))
        one.sendto(_raw.request(d.rng.randbytes(6), 3, d.rng.randbytes(4)), (ip, port))
        one.recv(1000)
    return True


def renew_many(d: Doing) -> bool:
    """Renew the addresses of the machines of another office, behind one router."""
    ip, port = d.service("dhcp")
    rate = d.rate(0.1, 20)
    sources = d.visitors(1, 5, 20, 60, 150)
    kind, own = d.rng.choice([3, 3, 8]), d.rng.choice([68, 68, 67])
    again = d.rng.choice([0, 0.1, 0.5])
    for number, source in enumerate(sources):
        mac = b"\x02" + d.rng.randbytes(5)
        wait = d.between(0.5, 4)
        for _ in range(d.rng.choice([2, 3]) if d.rng.random() < again else 1):
            data = _raw.request(mac, kind, d.rng.randbytes(4))
            there = _raw.ALL if d.rng.random() < 0.1 else ip
            _raw.send(
                _raw.datagram(source, own, there, port, data, number=number), there
            )
            d.think(1 / rate)
            if len(sources) == 1:
                d.pause(wait)
        if d.is_over():
            break
    return True


def log_in_by_key(d: Doing) -> bool:
    """Run many short commands by SSH without a password, several at once."""
    at = d.service("ssh", "dropbear")
    rate = d.rate(0.1, 5)
    at_once = d.rng.choice([1, 1, 2, 6])
    each = max(1, d.rng.randint(3, 30) // at_once)
    user = d.rng.choice(list(USERS))
    d.note(at_once=at_once)
    found: list[bool] = []

    def some() -> None:
        for _ in range(each):
            command = d.rng.choice(["true", "uptime", "df", "cat /etc/services"])
            found.append(ssh_by_key(d, user, command, *at) == 0)
            d.think(at_once / rate)
            if d.is_over():
                break

    d.together(some for _ in range(at_once))
    return any(found)


def mistype_once(d: Doing) -> bool:
    """Be asked again for a password in the same connection, and work then."""
    at = d.service("ssh", "dropbear")
    found = False
    for _ in range(d.rng.choice([1, 1, 2])):
        user, password = d.rng.choice(list(USERS.items()))
        words = d.rng.sample(GUESSES, d.rng.randint(1, 2))
        if d.rng.random() < 0.85:
            words.append(password)
        work = d.rng.choice(["uptime", "sleep 5", "ls -l /etc; sleep 2; ps aux"])
        found |= ssh_tries(d, user, words, *at, work) == 0
        d.think(5)
    return found


def use_ftp(d: Doing) -> bool:
    """Log in by FTP many times, several at once; some are refused for a while."""
    at = d.service("ftp")
    rate = d.rate(0.3, 20)
    at_once = d.rng.choice([1, 3, 8, 16])
    each = max(1, d.rng.randint(5, 60) // at_once)
    user, password = d.rng.choice([*USERS.items(), ("anonymous", "a@lab.example")])
    d.note(at_once=at_once)
    found: list[bool] = []

    def some() -> None:
        for _ in range(each):
            found.append(bool(ftp_login(d, *at, user, password)))
            d.think(at_once / rate)
            if d.is_over():
                break

    d.together(some for _ in range(at_once))
    return any(found)


def probe_known(d: Doing) -> bool:
    """See whether a few services answer, once or from time to time."""
    machine = d.others()[0]
    ports = d.rng.sample(sorted(machine.services.values()) or [80], 1)
    wait, found = d.between(0.2, 10), 0
    for _ in range(d.rng.choice([1, 3, 8])):
        for port in ports:
            if s := d.connect(machine.ip, port, 1):
                with s, suppress(OSError):
                    s.settimeout(0.3)
                    if d.rng.random() < 0.6:
                        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    found += bool(s.recv(2000))
                    if d.rng.random() < 0.5:
                        s.shutdown(socket.SHUT_RDWR)
        d.think(wait)
        if d.is_over():
            break
    return found > 0
