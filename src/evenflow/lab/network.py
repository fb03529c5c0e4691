"""The machines of a lab: network namespaces with one address, and their taps."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from evenflow.errors import DataError
from evenflow.places import environment

N_SLOTS = 6
"""Namespaces of a machine: one for its servers, the others for clients."""
PORTS_OF_SLOT = 5000
FIRST_PORT = 33_000
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
DEVICE = "eth0"
NOWHERE = "02:00:00:00:00:02"
"""The hardware address of the way to other networks, which no machine has."""
LONGEST = 60
PUBLIC = (23, 31, 45, 62, 78, 85, 91, 104, 151, 178, 185, 203)
"""First numbers of addresses of the Internet; none of them is reached."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Machine:
    """A machine: its address, its cable, what it serves and its namespaces."""

    number: int
    ip: str
    ip6: str
    mac: str
    cable: dict[str, float]
    services: dict[str, int] = field(default_factory=dict)
    """Service -> port."""
    slots: list[int] = field(default_factory=list)
    """Descriptors of the namespaces; the first is that of the servers."""
    taps: list[int] = field(default_factory=list)
    is_free: list[bool] = field(default_factory=list)


@dataclass
class Network:
    """All machines of a lab, and the wire between them."""

    machines: list[Machine]
    subnet: str
    outside: list[str]
    """Addresses of other networks, from which nothing ever answers."""
    visitors: list[str]
    """Networks of IPv4 from whose addresses clients of any machine may come."""
    visitors6: list[str]
    mirror_slot: int
    mirror: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lease(self, rng: random.Random) -> tuple[Machine, int] | None:
        """Return a machine and a namespace of it in which no client acts, if any."""
        with self._lock:
            free = [
                (m, slot)
                for m in self.machines
                for slot in range(1, N_SLOTS)
                if m.is_free[slot]
            ]
            if not free:
                return None
            machine, slot = rng.choice(free)
            machine.is_free[slot] = False
            return machine, slot

    def give_back(self, machine: Machine, slot: int) -> None:
        """Let another client act there."""
        with self._lock:
            machine.is_free[slot] = True

    def by_ipv6(self) -> Network:
        """Return the same network, with the addresses of IPv6."""
        return replace(
            self,
            machines=[replace(m, ip=m.ip6) for m in self.machines],
            outside=[
                f"{net}::{i:x}" for net in ("fd00:9", "fd00:77") for i in range(9)
            ],
            visitors=self.visitors6,
        )

    def start_wire(self, log: Path, seed: int) -> subprocess.Popen[bytes]:
        """Start the process that carries frames."""
        config = {
            "seed": seed,
            "log": str(log),
            "mirror": self.mirror,
            "nowhere": NOWHERE,
            "machines": [
                {"number": m.number, "mac": m.mac, "taps": m.taps, **m.cable}
                for m in self.machines
            ],
        }
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "evenflow.lab.wire", json.dumps(config)],
            pass_fds=[self.mirror, *(tap for m in self.machines for tap in m.taps)],
            env=environment(),
        )


def first_port(slot: int) -> int:
    """Return the first port from which clients of a namespace connect."""
    return FIRST_PORT + slot * PORTS_OF_SLOT


def enter(slot: int) -> None:
    """Put the calling thread, and what it starts, into a namespace."""
    if _libc.setns(slot, CLONE_NEWNET):
        raise _refused("enter a network namespace")


def inside(slot: int, do: Callable[[], Any]) -> Any:
    """Return what a function returns that is called inside a namespace."""
    found: list[Any] = []

    def run() -> None:
        enter(slot)
        found.append(do())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LONGEST)
    if not found:
        raise DataError("a step in a network namespace failed; see the error above it")
    return found[0]


def make(rng: random.Random, n: int) -> Network:
    """Make the namespaces of a lab of ``n`` machines."""
    prefix = f"10.{rng.randrange(1, 255)}.{rng.randrange(1, 255)}"
    lasts = rng.sample(range(2, 250), n)
    prefix6 = ":".join(["fd00", *(f"{rng.randrange(1, 65_536):x}" for _ in "abc")])
    visitors = [f"{rng.choice(PUBLIC)}.{rng.randrange(256)}" for _ in range(3)]
    visitors6 = [f"2a0{i}:{rng.randrange(1, 65_536):x}:7" for i in range(3)]
    gone = [f"{net}.0.0/16" for net in visitors] + [f"{net}::/48" for net in visitors6]
    machines = []
    for number, last in enumerate(lasts):
        ip = f"{prefix}.{last}"
        machine = Machine(
            number=number,
            ip=ip,
            ip6=str(IPv6Address(f"{prefix6}::") + int(IPv4Address(ip))),
            mac="02:" + ":".join(f"{rng.randrange(256):02x}" for _ in range(5)),
            cable={
                "delay_s": 10 ** rng.uniform(-4.5, -1.3),
                "jitter_s": 10 ** rng.uniform(-5, -2.7),
                "loss": rng.choice([0, 0, 10 ** rng.uniform(-4, -2)]),
                "reordering": rng.choice([0, 0, 10 ** rng.uniform(-4, -2.3)]),
                "bits_per_s": 10 ** rng.uniform(6.5, 8.5),
            },
        )
        for slot in range(N_SLOTS):
            namespace, tap = _namespace(
                machine.mac,
                [f"{ip}/24", f"{machine.ip6}/64"],
                first_port(slot),
                gone if slot else [],
            )
            machine.slots.append(namespace)
            machine.taps.append(tap)
            machine.is_free.append(slot > 0)
        machines.append(machine)
    mirror_slot, mirror = _namespace("02:00:00:00:00:01", [], FIRST_PORT, [])
    nets = [f"172.{rng.randrange(16, 32)}.{rng.randrange(256)}" for _ in range(4)]
    outside = [f"{net}.{rng.randrange(1, 255)}" for net in nets for _ in range(5)]
    return Network(machines, prefix, outside, visitors, visitors6, mirror_slot, mirror)


def _namespace(
    mac: str, addresses: list[str], first_port: int, own: list[str]
) -> tuple[int, int]:
    """Make a namespace with a tap; return the descriptors of both.

    Clients in it may send from any address of the networks in ``own``.
    """
    made: list[tuple[int, int]] = []
    failed: list[BaseException] = []

    def make() -> None:
        try:
            if _libc.unshare(CLONE_NEWNET):
                raise _refused("make a network namespace")
            tap = os.open("/dev/net/tun", os.O_RDWR)
            flags = struct.pack("16sH22x", DEVICE.encode(), IFF_TAP | IFF_NO_PI)
            fcntl.ioctl(tap, TUNSETIFF, flags)
            # net.* in /proc/sys is that of the thread which opens it
            settings = {
                "ipv6/conf/all/disable_ipv6": "0" if addresses else "1",
                f"ipv6/conf/{DEVICE}/accept_dad": "0",
                f"ipv6/conf/{DEVICE}/router_solicitations": "0",
                "ipv4/ip_local_port_range": f"{first_port} "
                f"{first_port + PORTS_OF_SLOT - 1}",
                "ipv4/tcp_tw_reuse": "1",
                "ipv4/conf/all/arp_announce": "2",
                "ipv6/ip_nonlocal_bind": "1",
                "ipv4/ping_group_range": "0 2147483647",
                "ipv4/ip_unprivileged_port_start": "0",
            }
            for name, value in settings.items():
                Path("/proc/sys/net", name).write_text(value)
            lines = [
                "link set lo up",
                f"link set {DEVICE} address {mac}",
                f"link set {DEVICE} up",
            ]
            for address in addresses:
                is_new = ":" in address
                head, _, _ = address.rpartition(":" if is_new else ".")
                gateway = f"{head}:fffe" if is_new else f"{head}.254"
                lines += [
                    f"addr add {address} dev {DEVICE} "
                    + ("nodad" if is_new else "brd +"),
                    f"neigh add {gateway} lladdr {NOWHERE} nud permanent dev {DEVICE}",
                    f"route add default via {gateway}",
                ]
            lines += [f"route add local {net} dev lo" for net in own]
            subprocess.run(
                ["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True
            )
            found = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            made.append((found, tap))
        except (OSError, subprocess.CalledProcessError, DataError) as error:
            failed.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join(LONGEST)
    if not made:
        why = failed[0] if failed else "it took too long"
        raise DataError(f"a network namespace could not be made: {why}")
    return made[0]


def _refused(what: str) -> DataError:
    why = os.strerror(ctypes.get_errno())
    return DataError(f"found no right to {what} ({why}); expected root. Run it as root")
