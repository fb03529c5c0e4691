"""Ordinary use of servers: pages, files, names, measurements, shells."""

from __future__ import annotations

from contextlib import suppress

from evenflow.lab._steps import (
    fetch,
    http_connection,
    in_url,
    mqtt_connect,
    ssh,
    url,
)
from evenflow.lab.doing import Doing
from evenflow.lab.words import DOMAIN, NAMES, TOPICS, USERS

WEB = ("nginx", "lighttpd", "tls")


def browse(d: Doing) -> bool:
    """Read pages with their pictures, as a browser does."""
    ip, port = d.service(*WEB)
    keep = d.rng.random() < 0.6
    d.note(keep_alive=keep)
    found = 0
    for _ in range(d.rng.randint(1, 8)):
        if d.rng.random() < 0.7:
            d.look_up()
            if d.rng.random() < 0.5:
                d.look_up(kind=28)
        web = http_connection(d, ip, port)
        for _ in range(d.rng.randint(1, 9)):
            found += fetch(d, web, d.rng.choice(d.pages[:80]), keep=keep) == 200
        web.close()
        d.think(2)
        if d.is_over():
            break
    return found > 0


def crawl(d: Doing) -> bool:
    """Fetch a page and all that it links."""
    depth = d.rng.randint(1, 2)
    return d.run(
        "wget", "-q", "-r", "-l", depth, "-p", "-nH", "--no-check-certificate",
        "-e", "robots=off", "-Q", "6m", "--timeout=8", "--tries=1", url(d, *WEB) + "/",
    ) in (0, 8)  # fmt: skip


def poll(d: Doing) -> bool:
    """Ask an application again and again."""
    ip, port = d.service("api", "nginx", "lighttpd")
    rate, keep = d.rate(0.3, 15), d.rng.random() < 0.3
    path = d.rng.choice(["status", "v1/items", "v1/items?page=3", "page3.html"])
    found = 0
    web = http_connection(d, ip, port)
    for _ in range(d.rng.randint(5, 120)):
        found += fetch(d, web, path, keep=keep) > 0
        d.think(1 / rate)
        if d.is_over():
            break
    web.close()
    return found > 0


def download(d: Doing) -> bool:
    """Fetch files, at times slowly."""
    slow = ["--limit-rate", f"{d.rng.randint(4, 60)}k"] if d.rng.random() < 0.4 else []
    d.note(is_slow=bool(slow))
    base = url(d, *WEB)
    many = d.rng.sample(d.pages[60:], d.rng.randint(1, 6))
    return d.run("curl", "-sk", *slow, *(f"{base}/{p}" for p in many)) == 0


def slow_post(d: Doing) -> bool:
    """Send a form from a bad line, or wait long for an answer."""
    ip, port = d.service("api", "nginx", "lighttpd")
    sockets = [s for _ in range(d.rng.randint(1, 12)) if (s := d.connect(ip, port))]
    body = d.rng.randint(300, 3000)
    step = d.rng.randint(20, 200)
    with suppress(OSError):
        for s in sockets:
            s.sendall(f"POST /form HTTP/1.1\r\nHost: w\r\nContent-Length: {body}\r\n"
                      "\r\n".encode())  # fmt: skip
        for done in range(0, body, step):
            d.think(0.5)
            for s in sockets:
                s.sendall(b"a" * min(step, body - done))
    for s in sockets:
        s.settimeout(3)
        with suppress(OSError):
            s.recv(4000)
        s.close()
    return bool(sockets)


def upload(d: Doing) -> bool:
    """Send files to an application."""
    base = url(d, "api")
    for _ in range(d.rng.randint(1, 5)):
        size = int(d.between(2e3, 3e6))
        path = d.folder / "upload.bin"
        path.write_bytes(d.rng.randbytes(size))
        if d.run("curl", "-s", "-T", path, f"{base}/files/") != 0:
            return False
        d.think(3)
    return True


def back_up(d: Doing) -> bool:
    """Copy a folder to another machine, by rsync, SSH or FTP."""
    folder = d.folder / "data"
    folder.mkdir()
    for i in range(d.rng.randint(2, 40)):
        (folder / f"{i}.dat").write_bytes(d.rng.randbytes(int(d.between(200, 4e5))))
    how = d.rng.choice(["rsync", "scp", "lftp"])
    d.note(how=how)
    if how == "rsync":
        ip, port = d.service("rsync")
        name = f"{d.machine.number}-{d.rng.randrange(9)}"
        return d.run(
            "rsync", "-r", "--timeout=10", f"{folder}/",
            f"rsync://{in_url(ip)}:{port}/backup/{name}/",
        ) == 0  # fmt: skip
    if how == "scp":
        ip, port = d.service("ssh")
        user, password = d.rng.choice(list(USERS.items()))
        return d.run(
            "sshpass", "-p", password, "scp", "-q", "-r", "-P", port,
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            folder, f"{user}@{in_url(ip)}:backup{d.rng.randrange(9)}",
        ) == 0  # fmt: skip
    ip, port = d.service("ftp")
    user, password = d.rng.choice(list(USERS.items()))
    return d.run(
        "lftp", "-u", f"{user},{password}", "-p", port, "-e",
        f"set net:max-retries 1; mirror -R --parallel={d.rng.randint(1, 4)} {folder} "
        f"backup{d.rng.randrange(9)}; bye", ip,
    ) == 0  # fmt: skip


def many_names(d: Doing) -> bool:
    """Ask for many names at once: short, long, of all kinds."""
    kinds = d.rng.choice([(1,), (1, 28), (16,), (1, 15, 16, 28), (12,)])
    longest = d.rng.choice([0, 0, 20, 40, 60])
    rate = d.rate(2, 60)
    found = 0
    for _ in range(d.rng.randint(10, 150)):
        label = d.rng.randbytes(longest // 2).hex() if longest else ""
        name = f"{label}{'.' if label else ''}{d.rng.choice(NAMES)}.{DOMAIN}"
        found += d.look_up(name, d.rng.choice(kinds))
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def dig(d: Doing) -> bool:
    """Ask for names by dig."""
    ip, port = d.service("dns", "dns2")
    names = [f"{d.rng.choice(NAMES)}.{DOMAIN}" for _ in range(d.rng.randint(1, 20))]
    kind = d.rng.choice(["A", "AAAA", "TXT", "MX"])
    return d.run("dig", f"@{ip}", "-p", port, "+tries=1", "-t", kind, *names) == 0


def clock(d: Doing) -> bool:
    """Ask for the time, and again."""
    ip, port = d.service("ntp")
    found = 0
    for _ in range(d.rng.randint(1, 12)):
        found += d.ask(ip, port, b"\x23".ljust(48, b"\0")) is not None
        d.think(d.between(0.3, 6))
    return found > 0


def datagrams(d: Doing) -> bool:
    """Report measurements by UDP, from one port or from many."""
    ip, port = d.service("telemetry")
    rate = d.rate(0.5, 40)
    found = 0
    for _ in range(d.rng.randint(10, 200)):
        data = b"\x40\x02" + d.rng.randbytes(d.rng.randint(6, 90))
        found += d.ask(ip, port, data) is not None
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def _who(d: Doing) -> tuple[str, int, list[str]]:
    """Return a broker and how to log in to it."""
    ip, port = d.service("mqtt", "broker")
    if (ip, port) == d.at["mqtt"]:
        return ip, port, []
    user, password = d.rng.choice(list(USERS.items()))
    return ip, port, ["-u", user, "-P", password]


def publish(d: Doing) -> bool:
    """Publish measurements, each with a session of its own or all in one."""
    ip, port, who = _who(d)
    topic = d.rng.choice(TOPICS)
    if d.rng.random() < 0.5:
        lines = "".join(f"{d.rng.gauss(20, 5):.2f}\n" for _ in range(40))
        return d.run(
            "mosquitto_pub", "-h", ip, "-p", port, *who, "-t", topic, "-l", text=lines
        ) == 0  # fmt: skip
    found = 0
    for _ in range(d.rng.randint(2, 25)):
        found += d.run(
            "mosquitto_pub", "-h", ip, "-p", port, *who, "-t", topic, "-m",
            f"{d.rng.gauss(20, 5):.2f}",
        ) == 0  # fmt: skip
        d.think(1.5)
        if d.is_over():
            break
    return found > 0


def reconnect(d: Doing) -> bool:
    """Open many sessions in a row, as devices do after a power cut."""
    ip, port = d.service("mqtt")
    rate = d.rate(2, 60)
    found = 0
    for i in range(d.rng.randint(10, 120)):
        if s := d.connect(ip, port):
            with s, suppress(OSError):
                s.sendall(mqtt_connect(f"device{i}"))
                found += bool(s.recv(100))
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def subscribe(d: Doing) -> bool:
    """Listen to some topics for a while."""
    ip, port, who = _who(d)
    topic = d.rng.choice([*TOPICS, "home/#", "plant/+/speed"])
    seconds = d.rng.randint(5, 60)
    d.run("mosquitto_sub", "-h", ip, "-p", port, *who, "-t", topic, "-W", seconds)
    return True


def shell(d: Doing) -> bool:
    """Work on another machine by SSH."""
    ip, port = d.service("ssh", "dropbear")
    user, password = d.rng.choice(list(USERS.items()))
    waits = "; ".join(
        d.rng.choice(["ls -l /etc", "uptime", "cat /etc/services", "df", "ps aux"])
        + f"; sleep {d.rng.randint(0, 5)}"
        for _ in range(d.rng.randint(1, 8))
    )
    return ssh(d, user, password, waits, ip, port) == 0


def run_jobs(d: Doing) -> bool:
    """Log in by SSH many times in a row, as an automation does."""
    ip, port = d.service("ssh", "dropbear")
    user, password = d.rng.choice(list(USERS.items()))
    found = 0
    for _ in range(d.rng.randint(3, 12)):
        found += ssh(d, user, password, "true", ip, port) == 0
        d.think(d.between(0.1, 3))
        if d.is_over():
            break
    return found > 0
