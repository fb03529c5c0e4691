"""Shells, ways through a network, and what cannot be reached."""

from __future__ import annotations

from contextlib import suppress

from evenflow.lab._steps import in_url
from evenflow.lab.doing import Doing
from evenflow.lab.words import NAMES, USERS

SSH = ("-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o",
       "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=8")  # fmt: skip


def _typed(d: Doing, ends_after: float, mean: float) -> bool:
    """Log in by SSH and type, key by key."""
    ip, port = d.service("ssh", "dropbear")
    user, password = d.rng.choice(list(USERS.items()))
    keys, waited = [], 0.0
    while waited < ends_after:
        wait = min(d.rng.expovariate(1 / mean), ends_after)
        waited += wait
        key = d.rng.choice("lscdpwd.-/ ") if d.rng.random() < 0.85 else "\\n"
        keys.append(f"sleep {wait:.2f}; printf '{key}'")
    script = d.folder / "keys"
    script.write_text(
        "sleep 2\n" + "\n".join(keys) + "\nprintf '\\nexit\\n'\nsleep 1\n"
    )
    return d.run(
        "sh", "-c", f"sh {script} | sshpass -p '{password}' ssh -tt -p {port} "
        f"{' '.join(SSH)} {user}@{ip}", seconds=ends_after + 20,
    ) == 0  # fmt: skip


def type_in_shell(d: Doing) -> bool:
    """Work in a shell for some time."""
    return _typed(d, min(d.between(5, 70), d.left()), d.between(0.1, 1))


def stay_in_shell(d: Doing) -> bool:
    """Work in a shell without end, with long pauses."""
    return _typed(d, d.left() - 5, d.between(0.5, 6))


def copy(d: Doing) -> bool:
    """Fetch and store files by SFTP."""
    ip, port = d.service("ssh")
    user, password = d.rng.choice(list(USERS.items()))
    (d.folder / "f").write_bytes(d.rng.randbytes(int(d.between(1e3, 2e6))))
    lines = [
        d.rng.choice([f"put f f{i}", "get /etc/services s", "ls /etc"])
        for i in range(d.rng.randint(1, 10))
    ]
    return d.run(
        "sshpass", "-p", password, "sftp", "-q", "-P", port, *SSH, "-oBatchMode=no",
        "-b", "-", f"{user}@{in_url(ip)}", text="\n".join(lines) + "\n",
    ) == 0  # fmt: skip


def forward(d: Doing) -> bool:
    """Use a web server through SSH."""
    ip, port = d.service("ssh")
    user, password = d.rng.choice(list(USERS.items()))
    web, web_port = d.at["nginx"]
    local = 20_000 + d.rng.randrange(1000)
    pages = "; ".join(
        f"curl -s -o /dev/null http://127.0.0.1:{local}/{d.rng.choice(d.pages[:90])}; "
        f"sleep {d.between(0.1, 6):.1f}"
        for _ in range(d.rng.randint(1, 12))
    )
    d.run(
        "sh", "-c", f"sshpass -p '{password}' ssh -N -p {port} {' '.join(SSH)} -L "
        f"{local}:{in_url(web)}:{web_port} {user}@{ip} & p=$!; sleep 3; {pages}; "
        "kill $p; wait",
    )  # fmt: skip
    return True


def ping_long(d: Doing) -> bool:
    """Watch a host by one ping after the other, without end."""
    d.run("ping", "-q", "-i", f"{d.between(0.5, 10):.1f}", "-s", _size(d),
          d.others()[0].ip, seconds=d.left())  # fmt: skip
    return True


def ping_once(d: Doing) -> bool:
    """Look whether hosts answer; some do not."""
    hosts = [m.ip for m in d.others()[: d.rng.choice([1, 1, 2, 3])]]
    if d.rng.random() < 0.2:
        hosts[-1] = d.dead()
    found = 0
    for host in hosts:
        found += d.run("ping", "-c", d.rng.randint(1, 8), "-W", 1, "-s", _size(d), "-i",
                       d.rng.choice([0.2, 1, 1, 1, 2]), host) == 0  # fmt: skip
    return found > 0


def _size(d: Doing) -> int:
    return d.rng.choice([0, 16, 32, 56, 56, 56, 120, 500, 1000, 1400, 1472])


def trace(d: Doing) -> bool:
    """Look which way packets take; some arrive nowhere."""
    host = d.dead() if d.rng.random() < 0.3 else d.others()[0].ip
    if d.rng.random() < 0.4:
        how = d.rng.choice([[], ["-u"], ["-T"]])
        return d.run("mtr", "-n", "-r", "-c", d.rng.randint(3, 20), *how, host) == 0
    how = d.rng.choice([[], ["-I"], ["-T", "-p", "80"]])
    return d.run("traceroute", "-n", "-m", d.rng.randint(5, 20), "-w", 1, *how,
                 host) == 0  # fmt: skip


def _try(d: Doing, wait: float, grows: float, most: int) -> None:
    """Try a server that is down or filtered again and again."""
    is_dead = d.rng.random() < 0.6
    host = d.dead() if is_dead else d.others()[0].ip
    port = d.rng.choice([80, 443, 443, 22, 25, 502, 1883, 3306, 5432, 8443, 9092])
    d.note(destination=host, port=port)
    for _ in range(most):
        if s := d.connect(host, port, d.rng.choice([0.5, 1, 3, 10])):
            s.close()
        d.think(wait)
        wait = min(wait * grows, 60)
        if d.is_over():
            break


def try_again(d: Doing) -> bool:
    """Try a server that is down a few times, less and less often."""
    _try(d, d.between(0.1, 5), d.rng.choice([1, 1, 1.5, 2]), d.rng.randint(1, 30))
    return False


def keep_trying(d: Doing) -> bool:
    """Try a server that is down, without end."""
    _try(d, d.between(1, 15), 1, 10**6)
    return False


def resolve(d: Doing) -> bool:
    """Ask for names from one port, as a resolver does."""
    at = d.service("dns", "dns2")
    rate = d.rate(0.2, 40)
    found = 0
    longest = d.rng.choice([0, 0, 0, 20, 60])
    with d.udp() as here:
        here.settimeout(1)
        here.connect(at)
        for _ in range(d.rng.randint(2, 300)):
            label = f"{d.rng.randbytes(longest // 2).hex()}." if longest else ""
            name = f"{label}{d.rng.choice(NAMES)}.lab.example"
            with suppress(OSError):
                here.send(d.question(name, d.rng.choice([1, 1, 28, 12, 15, 16, 65])))
                found += bool(here.recv(2000))
            d.think(1 / rate)
            if d.is_over():
                break
    return found > 0


def refused(d: Doing) -> bool:
    """Send datagrams to a port where nobody listens any more."""
    host = d.others()[0].ip
    rate = d.rate(0.2, 20)
    for _ in range(d.rng.randint(1, 40)):
        d.ask(host, d.rng.choice([514, 8125, 2055, 33_434]), d.rng.randbytes(60), 0.2)
        d.think(1 / rate)
        if d.is_over():
            break
    return False
