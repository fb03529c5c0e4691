"""Files, databases and tunnels."""

from __future__ import annotations

from contextlib import suppress

from evenflow.lab.doing import Doing


def share(d: Doing) -> bool:
    """Read and write small files of a share."""
    ip, port = d.service("smb")
    path = d.folder / "mine"
    path.write_bytes(d.rng.randbytes(int(d.between(100, 3e5))))
    pages = d.rng.choices(d.pages[:40], k=d.rng.randint(1, 60))
    steps = [
        d.rng.choice(
            ["ls", f"get {page} {d.folder}/got", f"get {page} {d.folder}/got",
             f"put {path} {page}.{d.machine.number}", f"allinfo {page}"]
        )
        for page in pages
    ]  # fmt: skip
    return d.run(
        "smbclient", f"//{ip}/share", "-N", "-p", port, "-t", 10, "-c", "; ".join(steps)
    ) == 0  # fmt: skip


def cache(d: Doing) -> bool:
    """Set and get values of a Redis server."""
    ip, port = d.service("redis")
    at = ["-h", ip, "-p", port]
    if d.rng.random() < 0.3:
        clients = d.rng.randint(1, 20)
        d.note(clients=clients)
        return d.run("redis-benchmark", *at, "-q", "-c", clients, "-n",
                     d.rng.randint(20, 600), "-t", "set,get", "-d",
                     d.rng.choice([3, 100, 2000])) == 0  # fmt: skip
    lines = "".join(
        d.rng.choice(
            [f"SET k{i} {d.rng.randbytes(40).hex()}\n", f"GET k{i}\n", "PING\n"]
        )
        for i in range(d.rng.randint(1, 60))
    )
    return d.run("redis-cli", *at, text=lines) == 0


def _ask_rows(d: Doing, n: int, wait: float, port_of: tuple[str, int]) -> int:
    """Send queries in one connection; return how many were answered."""
    found = 0
    if s := d.connect(*port_of):
        with s, suppress(OSError):
            body = b"\0\3\0\0user\0app\0\0"
            s.sendall((len(body) + 4).to_bytes(4, "big") + body)
            s.recv(100)
            for _ in range(n):
                rows = d.rng.choice([0, 1, 1, 10, 100, 3000])
                text = b"select %s %d" % (d.rng.randbytes(d.rng.randint(5, 150)).hex()
                                          .encode(), rows)  # fmt: skip
                s.sendall(b"Q" + (len(text) + 5).to_bytes(4, "big") + text + b"\0")
                left = 47 * rows + 20
                while left > 0 and (part := s.recv(min(left, 65_536))):
                    left -= len(part)
                found += 1
                d.think(wait)
                if d.is_over():
                    break
    return found


def query(d: Doing) -> bool:
    """Ask a database: a connection for each query, or for several."""
    at = d.service("database")
    wait = d.between(0.01, 3)
    per = d.rng.choice([1, 1, 5, 40])
    found = 0
    for _ in range(d.rng.randint(1, 30 if per == 1 else 4)):
        found += _ask_rows(d, per, wait, at)
        d.think(wait)
        if d.is_over():
            break
    return found > 0


def keep_querying(d: Doing) -> bool:
    """Ask a database from time to time in one connection without end."""
    return _ask_rows(d, 10**6, d.between(0.3, 20), d.service("database")) > 0


def _messages(d: Doing, wait: float) -> int:
    """Send messages both ways in one connection, until the time is up."""
    found = 0
    how = d.rng.choice([(20, 200), (500, 40), (2000, 20_000), (1, 300_000)])
    if s := d.connect(*d.service("socket")):
        with s, suppress(OSError):
            start = d.rng.choice(["GET /socket", "CONNECT host:443"])
            s.sendall(f"{start} HTTP/1.1\r\nHost: w\r\n\r\n".encode())
            s.recv(500)
            while not d.is_over():
                there, back = (int(d.rng.expovariate(1 / n)) + 1 for n in how)
                s.sendall(there.to_bytes(4, "big") + back.to_bytes(4, "big"))
                s.sendall(bytes(there))
                while back > 0 and (part := s.recv(min(back, 65_536))):
                    back -= len(part)
                found += 1
                d.think(wait)
                if d.rng.random() < 0.02:
                    d.think(20 * wait)
    return found


def tunnel(d: Doing) -> bool:
    """Send and receive through a WebSocket or a proxy, for a while."""
    d.ends_at -= max(0, d.left() - d.between(3, 80))
    return _messages(d, d.between(0.02, 3)) > 0


def keep_tunnel(d: Doing) -> bool:
    """Send and receive through a WebSocket or a proxy, without end."""
    return _messages(d, d.between(0.3, 20)) > 0
