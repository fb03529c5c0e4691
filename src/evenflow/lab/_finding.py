"""Machines that look for names and services of their network, and tell of their own."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress

from evenflow.lab import finding
from evenflow.lab.doing import Doing
from evenflow.lab.finding import GROUPS, question
from evenflow.lab.network import DEVICE
from evenflow.lab.words import NAMES, SERVICES, host_name

MOST_HEARD = 20
NOTIFY = b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\nNT: "


def to_all(
    d: Doing,
    kind: str,
    messages: Sequence[bytes],
    wait: float,
    *,
    grows: float = 1,
    own_port: int = 0,
) -> int:
    """Send messages to all machines; return how many answered.

    Parameters
    ----------
    wait : float
        Seconds after the first message; after each other one ``grows`` times as many.
    """
    group, is_six = GROUPS[kind], ":" in d.machine.ip
    there = group.ip or d.machine.ip.rpartition(".")[0] + ".255"
    found = 0
    with d.udp() as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if is_six:
            device = socket.if_nametoindex(DEVICE)
            here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, device)
            there = group.ip6
        here.bind(("" if is_six else d.machine.ip, own_port))
        for i, message in enumerate(messages):
            with suppress(OSError):
                here.sendto(message, (there, group.port))
            here.settimeout(min(wait * grows**i, d.left()))
            for _ in range(MOST_HEARD):
                try:
                    here.recv(4096)
                except OSError:
                    break
                found += 1
            if d.is_over():
                break
    return found


def _name(d: Doing) -> str:
    """Return the name of a machine: of the house, of the world, or without sense."""
    how = d.rng.random()
    if how < 0.4:
        return f"{d.rng.choice(['host', 'tv', 'phone', 'nas'])}-{d.rng.randrange(40)}"
    if how < 0.6:
        return d.rng.choice(["wpad", "isatap", "printer", "router", "home"])
    if how < 0.8:
        return "".join(d.rng.choices("abcdefghijklmnop", k=d.rng.randint(7, 15)))
    return d.rng.choice([d.rng.choice(NAMES), host_name(d.rng)])


def _mdns_port(d: Doing) -> int:
    return d.rng.choice([GROUPS["mdns"].port] * 4 + [0])


def ask_for_name(d: Doing, name: str) -> int:
    """Look for a machine by name as desktops do: by one protocol, or by several."""
    found = 0
    short = d.between(0.05, 0.5)
    kinds = [1, 28] if d.rng.random() < 0.6 else [d.rng.choice([1, 28])]
    number = d.rng.randbytes(2)
    for kind in d.rng.sample(["mdns", "llmnr", "netbios"], d.rng.choice([1, 1, 2, 3])):
        times = d.rng.choice([1, 2, 2, 3])
        if kind == "netbios":
            if ":" not in d.machine.ip:
                ask = question(kind, name, number=number)
                found += to_all(d, kind, [ask] * times, 0.75,
                                own_port=GROUPS[kind].port)  # fmt: skip
            continue
        for what in kinds:
            ask = question(
                kind, name, what, number=number * (kind == "llmnr") or b"\0\0"
            )
            found += to_all(
                d, kind, [ask] * times, short, grows=1.5,
                own_port=_mdns_port(d) if kind == "mdns" else 0,
            )  # fmt: skip
    return found


def find_names(d: Doing) -> bool:
    """Look for machines by name; most do not exist."""
    found = 0
    for _ in range(d.rng.choice([1, 2, 4, 10])):
        found += ask_for_name(d, _name(d))
        d.think(d.between(0.02, 5))
        if d.is_over():
            break
    return found > 0


def _services(d: Doing, n: int) -> bytes:
    """Return one message that asks for several services, with what is known already."""
    asked = b"".join(
        finding.encoded(f"{s}.local") + b"\0\x0c" + d.rng.choice([b"\0\1", b"\x80\1"])
        for s in d.rng.choices(SERVICES, k=n)
    )
    known = finding.record(b"\xc0\x0c", 12, d.rng.randbytes(d.rng.randint(6, 60)))
    n_known = d.rng.choice([0, 0, 1, 6])
    return finding.header(b"\0\0", 0, n, n_known, 0, 0) + asked + known * n_known


def _search(d: Doing) -> bytes:
    what = d.rng.choice(["ssdp:all", "upnp:rootdevice", "urn:screens:service:dial:1",
                         "urn:schemas-upnp-org:device:Basic:1"])  # fmt: skip
    agent = d.rng.choice(["", "USER-AGENT: Browser/140.0 Linux\r\n"])
    return (
        f'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"'
        f"\r\nMX: {d.rng.randint(1, 3)}\r\nST: {what}\r\n{agent}\r\n"
    ).encode()


def _probe(d: Doing) -> bytes:
    return b"<?xml version='1.0'?><Envelope><Body><Probe>" + b"x " * d.rng.randint(
        200, 400
    )


def discover(d: Doing) -> bool:
    """Look for printers, screens and speakers, again and again."""
    found = 0
    for kind in d.rng.sample(["mdns", "ssdp", "wsd"], d.rng.choice([1, 1, 2, 3])):
        n = d.rng.randint(1, 6)
        first, grows = d.between(0.1, 3), d.rng.choice([1, 1, 2, 3])
        message = {"ssdp": _search, "wsd": _probe}.get(kind)
        messages = [
            message(d) if message else _services(d, d.rng.choice([1, 1, 2, 5]))
            for _ in range(n)
        ]
        found += to_all(
            d, kind, messages, first, grows=grows,
            own_port=_mdns_port(d) if kind == "mdns" else 0,
        )  # fmt: skip
        if d.is_over():
            break
    return found > 0


def announce(d: Doing) -> bool:
    """Tell all machines of oneself, as a device does that was switched on."""
    number, name = d.rng.randrange(40), f"device-{d.rng.randrange(10**6)}"
    mine = finding.announcement(name, number)
    probe = finding.header(b"\0\0", 0, 1, 0, 1, 0) + finding.encoded(f"{name}.local")
    probe += b"\0\xff\0\1" + finding.record(b"\xc0\x0c", 1, bytes(4))
    to_all(d, "mdns", [probe] * 3 + [mine] * d.rng.randint(1, 4),
           0.25, grows=1.4, own_port=_mdns_port(d))  # fmt: skip
    if d.rng.random() < 0.4:
        lines = [NOTIFY + b"urn:schemas" * d.rng.randint(2, 20) + b"\r\n\r\n"
                 for _ in range(d.rng.randint(2, 14))]  # fmt: skip
        to_all(d, "ssdp", lines, 0.05, own_port=d.rng.choice([0, 1900]))
    if ":" in d.machine.ip:
        asks = b"\1" + d.rng.randbytes(3) + b"\0\1\0\x0e" + bytes(14)
        asks += b"\0\6\0\4\0\x17\0\x18" * d.rng.randint(1, 4)
        to_all(d, "dhcp6", [asks] * d.rng.randint(1, 5), 1, grows=2,
               own_port=546)  # fmt: skip
    elif d.rng.random() < 0.4:
        taken = finding.header(d.rng.randbytes(2), 0x2910, 1, 0, 0, 1)
        taken += finding.netbios_name(name) + b"\0\x20\0\1"
        taken += finding.record(b"\xc0\x0c", finding.NETBIOS, bytes(6))
        to_all(d, "netbios", [taken] * d.rng.randint(3, 12), 0.7,
               own_port=137)  # fmt: skip
    return True


def keep_finding(d: Doing) -> bool:
    """Look for services and tell of the own ones without end, less and less often."""
    wait, last = d.between(1, 20), d.between(20, 60)
    while not d.is_over():
        d.rng.choice([discover, discover, announce, find_names])(d)
        d.pause(wait)
        wait = min(2 * wait, last)
    return True
