"""Web sites as browsers load them."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from contextlib import suppress
from functools import partial

from evenflow.lab._naming import ask_names, try_first
from evenflow.lab._steps import url
from evenflow.lab.doing import Doing
from evenflow.lab.words import host_name

WRONG = (OSError, http.client.HTTPException)
RESET = struct.pack("ii", 1, 0)
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def open_web(
    d: Doing, at: tuple[str, int], known: list[ssl.SSLSession], *, is_tls: bool = False
) -> socket.socket | None:
    """Return a connection, over TLS where the server speaks it or it is told so."""
    s = d.connect(*at)
    if s is None or not (is_tls or d.is_tls(at)):
        return s
    try:
        return CONTEXT.wrap_socket(s, session=known[-1] if known else None)
    except OSError:
        s.close()
        return None


def _request(d: Doing, s: socket.socket, path: str) -> bool:
    cookie = d.rng.randbytes(d.rng.choice([0, 20, 300])).hex()
    text = (
        f"GET /{path} HTTP/1.1\r\nHost: www.lab.example\r\nUser-Agent: Mozilla/5.0 "
        "(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n"
        f"Accept-Encoding: gzip\r\nCookie: {cookie}\r\nConnection: keep-alive\r\n\r\n"
    )
    try:
        s.sendall(text.encode())
    except OSError:
        return False
    return True


def _answer(s: socket.socket) -> bool:
    try:
        answer = http.client.HTTPResponse(s)
        answer.begin()
        answer.read()
    except WRONG:
        return False
    return answer.status < 400


def _end(d: Doing, s: socket.socket) -> None:
    """Close a connection as browsers and their hosts do: not always cleanly."""
    how = d.rng.random()
    with suppress(OSError):
        if how < 0.2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how < 0.35 and not isinstance(s, ssl.SSLSocket):
            s.shutdown(socket.SHUT_WR)
            d.think(0.5)
    s.close()


def surf(d: Doing) -> bool:
    """Load pages by several connections at once; some are opened for nothing."""
    known: list[ssl.SSLSession] = []
    left: list[socket.socket] = []
    found = 0
    for _ in range(d.rng.randint(1, 4)):
        for _ in range(d.rng.randint(0, 4)):
            d.look_up(kind=d.rng.choice([1, 28, 65]))
        at = d.service("nginx", "lighttpd", "tls", "tls")
        many = [s for _ in range(d.rng.randint(1, 7)) if (s := open_web(d, at, known))]
        idle = d.rng.randint(0, len(many))
        for _ in range(d.rng.randint(1, 6)):
            busy = many[idle:] or many
            asked = [s for s in busy if _request(d, s, _page(d))]
            found += sum([_answer(s) for s in asked])
            d.think(d.between(0.01, 1))
        known += [s.session for s in many if isinstance(s, ssl.SSLSocket) and s.session]
        d.think(d.between(0.3, 8))
        for s in many:
            left.append(s) if d.rng.random() < 0.3 else _end(d, s)
        if d.is_over():
            break
    if left:
        d.pause(d.between(2, 60))  # a tab that stays open
    for s in left:
        _end(d, s)
    return found > 0


def load_site(d: Doing) -> bool:
    """Load pages whose parts lie on several hosts; some are never loaded wholly."""
    found: list[bool] = []

    def names() -> None:
        for _ in range(d.rng.randint(1, 6)):
            ask_names(d, host_name(d.rng))

    def part(at: tuple[str, int], n: int, wait: float, rest: float) -> None:
        s = open_web(d, at, [])
        if s is None:
            return
        for _ in range(n):
            if not _request(d, s, _page(d)):
                break
            if d.rng.random() < 0.05:  # the next page is wanted already
                s.recv(1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                break
            found.append(_answer(s))
            d.think(wait)
        d.pause(rest)
        _end(d, s)

    for _ in range(d.rng.randint(1, 4)):
        if d.rng.random() < 0.25:
            try_first(d)
        works = [names] * d.rng.randint(1, 4)
        d.together(works)
        wait, rest = d.between(0.002, 0.5), d.rng.choice([0, 0, d.between(0.5, 40)])
        most = d.rng.choice([1, 3, 12])
        works = []
        for _ in range(d.rng.randint(1, 5)):
            at = d.service("tls", "tls", "nginx", "lighttpd", "api")
            works += [
                partial(part, at, d.rng.randint(0, most), wait, rest)
                for _ in range(d.rng.randint(1, 6))
            ]
        d.together(works)
        d.think(d.between(0.3, 10))
        if d.is_over():
            break
    return any(found)


def _page(d: Doing) -> str:
    page = d.rng.choice(d.pages[:90])
    return f"old/{page}" if d.rng.random() < 0.1 else page


def load(d: Doing) -> bool:
    """Fetch large files, one or several at once."""
    base = url(d, "nginx", "lighttpd", "tls")
    many = d.rng.choices(d.pages[-8:], k=d.rng.choice([1, 1, 2, 4]))
    return d.run("curl", "-skZ", *(f"{base}/{p}" for p in many)) == 0


def _number(name: bytes) -> bytes:
    """Return the beginning of a QUIC packet to a server."""
    return b"\xc3\0\0\0\1\x08" + name + b"\x08" + name[::-1] + b"\0\x44\x90"


def surf_quic(d: Doing) -> bool:
    """Load pages over UDP 443, in one connection or several."""
    found = 0
    for _ in range(d.rng.choice([1, 1, 2, 4])):
        at = d.service("quic")
        name = d.rng.randbytes(8)
        with d.udp() as here:
            here.settimeout(1)
            here.connect(at)
            with suppress(OSError):
                here.send(_number(name).ljust(1250, b"\0"))
                here.recv(2000)
                here.recv(2000)
            for _ in range(d.rng.randint(1, 15)):
                n = int(d.between(1, 300))
                ask = b"\x41" + name + n.to_bytes(2, "big")
                with suppress(OSError):
                    here.send(ask + bytes(d.rng.randint(10, 400)))
                    for i in range(n):
                        here.recv(2000)
                        found += 1
                        if i % d.rng.choice([2, 4, 10]) == 1:
                            here.send(b"\x41" + name + bytes(d.rng.randint(20, 30)))
                d.think(d.between(0.1, 8))
                if d.is_over():
                    break
        if d.is_over():
            break
    return found > 0
