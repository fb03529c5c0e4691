"""Upkeep of a house and mishaps in it: the twins of attacks."""

from __future__ import annotations

import threading
from contextlib import suppress

from evenflow.lab._steps import (
    fetch,
    ftp_login,
    http_connection,
    six,
    ssh,
    url,
)
from evenflow.lab.doing import Doing
from evenflow.lab.network import enter
from evenflow.lab.words import GUESSES, USERS

WEB = ("nginx", "lighttpd", "tls")


def mistype(d: Doing) -> bool:
    """Give a wrong password or two, then the right one (or give up)."""
    user, password = d.rng.choice(list(USERS.items()))
    wrong = [d.rng.choice(GUESSES) for _ in range(d.rng.randint(1, 5))]
    tries = [*wrong, *([password] if d.rng.random() < 0.8 else [])]
    kind = d.rng.choice(["ssh", "ftp", "http"])
    ip, port = d.service(
        *{"ssh": ("ssh", "dropbear"), "ftp": ("ftp",), "http": ("nginx", "lighttpd")}[
            kind
        ]
    )
    found = False
    for word in tries:
        if kind == "ssh":
            found = ssh(d, user, word, "uptime; sleep 1", ip, port) == 0
        elif kind == "ftp":
            found = bool(ftp_login(d, ip, port, user, word))
        else:
            web = http_connection(d, ip, port)
            found = fetch(d, web, "private/", keep=False, user=f"{user}:{word}") == 200
        d.think(d.between(0.3, 5))
        if d.is_over():
            break
    return found


def expired(d: Doing) -> bool:
    """Try an old password again and again, as a program does that nobody corrected."""
    ip, port = d.service("ftp", "nginx", "lighttpd", "api")
    user = d.rng.choice(list(USERS))
    rate = d.rate(0.2, 6)
    for _ in range(d.rng.randint(5, 40)):
        if (ip, port) == d.at["ftp"]:
            ftp_login(d, ip, port, user, "expired")
        else:
            web = http_connection(d, ip, port)
            fetch(d, web, "private/", keep=False, user=f"{user}:expired")
        d.think(1 / rate)
        if d.is_over():
            break
    return False


def monitor(d: Doing) -> bool:
    """See whether the known services of all machines are up."""
    for machine in d.others():
        if d.rng.random() < 0.5:
            d.run("ping", "-c", d.rng.randint(1, 3), "-i", "0.3", "-W", 1, machine.ip)
        ports = list(machine.services.values())
        ports += d.rng.sample([22, 80, 443, 3306, 5432, 9100, 161, 8080], 3)
        for port in ports:
            if s := d.connect(machine.ip, port, 1):
                s.close()
        d.think(0.3)
        if d.is_over():
            break
    return True


def inventory(d: Doing) -> bool:
    """Look for what the house knows to be installed, on a few ports."""
    few = d.rng.choice(["22,80,443", "22", "21,22,25,53,80,110,143,443,1883"])
    hosts = [m.ip for m in d.others()[: d.rng.randint(1, 4)]]
    d.note(ports=few, hosts=len(hosts))
    how = d.rng.choice([["-sT"], ["-sT", "-sV", "--version-light"], ["-sn"]])
    ports = [] if how == ["-sn"] else ["-p", few]
    return d.run(
        "nmap", "-n", *six(d.machine.ip), *how, *ports, "--max-rate",
        d.rng.randint(20, 300), "--send-ip", "--max-retries", 1, *hosts,
    ) == 0  # fmt: skip


def busy_hour(d: Doing) -> bool:
    """Many requests at once, as when everybody comes at nine."""
    n = d.rng.randint(20, 150)
    keep = ["-k"] if d.rng.random() < 0.4 else []
    at_once = d.rng.randint(2, 10)
    d.note(requests=n, at_once=at_once)
    page = d.rng.choice(d.pages[:40])
    base = url(d, "nginx", "lighttpd", "api")
    return d.run(
        "ab", "-q", *keep, "-s", 8, "-n", n, "-c", min(at_once, n), f"{base}/{page}"
    ) == 0  # fmt: skip


def crowd(d: Doing) -> bool:
    """Several clients at once, each with connections of its own."""
    ip, port = d.service("nginx", "lighttpd", "api")
    slot = d.machine.slots[d.slot]
    found: list[int] = []

    def one(n: int, pause: float) -> None:
        enter(slot)
        for _ in range(n):
            web = http_connection(d, ip, port)
            found.append(fetch(d, web, d.pages[n % 40], keep=False))
            d.pause(pause)

    threads = [
        threading.Thread(target=one, args=(d.rng.randint(3, 25), d.between(0.005, 0.3)))
        for _ in range(d.rng.randint(2, 8))
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return any(found)


def retry(d: Doing) -> bool:
    """Try a service that is not there any more, as a program left behind does."""
    machine = d.others()[0]
    port = d.rng.choice([5432, 3306, 9092, 6379, 27017, 8086, 389, 514])
    d.note(destination=machine.ip, port=port)
    rate = d.rate(0.5, 30)
    by_udp = d.rng.random() < 0.3
    for _ in range(d.rng.randint(5, 120)):
        if by_udp:
            d.ask(machine.ip, port, b"<13>log line " * 4, 0.1)
        elif s := d.connect(machine.ip, port, 0.5):
            s.close()
        d.think(1 / rate)
        if d.is_over():
            break
    return False


def ping(d: Doing) -> bool:
    """Measure the way to another machine."""
    wait = d.between(0.02, 1)
    size = d.rng.choice([8, 56, 56, 500, 1400])
    return d.run(
        "ping", "-q", "-c", d.rng.randint(3, 60), "-i", f"{wait:.3f}", "-s", size,
        d.others()[0].ip, seconds=30,
    ) == 0  # fmt: skip


def update(d: Doing) -> bool:
    """Fetch many packages over TLS, several at once."""
    base = url(d, "tls", "nginx")
    many = d.rng.sample(d.pages, d.rng.randint(5, 30))
    return d.run(
        "curl", "-skZ", "--parallel-max", d.rng.randint(1, 8),
        *(f"{base}/{p}" for p in many),
    ) == 0  # fmt: skip


def ftp(d: Doing) -> bool:
    """Get files by FTP, without a password or with one."""
    ip, port = d.service("ftp")
    files = "; ".join(f"cat {p}" for p in d.rng.sample(d.pages, d.rng.randint(1, 8)))
    return d.run(
        "lftp", "-p", port, "-e", f"set net:max-retries 1; ls; {files}; bye", ip
    ) == 0  # fmt: skip


def peers(d: Doing) -> bool:
    """Talk to programs on high ports of many machines; some do not exist any more."""
    found = 0
    for _ in range(d.rng.randint(5, 60)):
        ip, port = d.service("rpc", "rpc2")
        if d.rng.random() < 0.3:
            ip, port = d.others()[0].ip, d.rng.randrange(33_000, 60_000)
        if s := d.connect(ip, port, 1):
            with s, suppress(OSError):
                for _ in range(d.rng.randint(1, 10)):
                    s.sendall(d.rng.randbytes(d.rng.randint(10, 1200)))
                    found += bool(s.recv(2000))
        d.think(d.between(0.02, 1))
        if d.is_over():
            break
    return found > 0
