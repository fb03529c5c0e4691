"""The cable and the switch between the machines of a lab, as a process of its own.

It carries frames between the taps of the machines, with the delay, loss, reordering and
bandwidth of each cable, and copies each frame at the switch to a tap on which a capture
is made. The namespaces of a machine have one address. Which of them a frame is for is
known from what was sent before; what nobody asked for is for the servers.

What goes to an address that no machine has is copied for the capture, and no one gets
it but a client who sent from that address. A line of the log is a client's packet, the
first of a connection, the first after a silence, or one of a long connection: when,
between whom, and in which namespace of which machine.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

IPV4, ARP, IPV6 = b"\x08\x00", b"\x08\x06", b"\x86\xdd"
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
ERRORS = {ICMP: (3, 11), ICMP6: (1, 2, 3, 4)}
SOLICIT, ADVERTISE = 135, 136
"""Types of ICMPv6 by which hosts look for each other, as by ARP."""
BROADCAST = b"\xff" * 6
MULTICAST6 = b"\x33\x33"
MULTICAST4 = b"\x01\x00\x5e"
FINDING = (137, 1900, 3702, 5353, 5355)
"""Ports from which servers answer what all machines were asked."""
SILENT_NS = 2 * 10**9
"""After this long without a packet, the next one is noted again."""
NOTED_NS = 30 * 10**9
"""After this long, the next packet of a connection is noted again."""
MOST_QUEUED_S = 0.25
MOST_EVENTS = 50_000
FRAMES_AT_ONCE = 16
LONGEST_FRAME = 2048
HEADER = "ts,machine,slot,proto,source,source_port,destination,destination_port\n"

Key = tuple[int, int, bytes, int]
"""Protocol, own port, other address, other port."""


def parts(frame: bytes) -> tuple[int, int, bytes, bytes] | None:
    """Return the protocol in an IP packet, where it begins, and both addresses."""
    if frame[12:14] == IPV4 and len(frame) >= 38:
        return frame[23], 14 + 4 * (frame[14] & 15), frame[26:30], frame[30:34]
    if frame[12:14] == IPV6 and len(frame) >= 58:
        return frame[20], 54, frame[22:38], frame[38:54]
    return None


def sent(frame: bytes) -> Key | None:
    """Return the connection that a frame belongs to, seen from who sent it."""
    found = parts(frame)
    if found is None:
        return None
    proto, start, _, other = found
    if proto in ERRORS:
        return proto, int.from_bytes(frame[start + 4 : start + 6], "big"), other, 0
    if proto not in (TCP, UDP):
        return proto, 0, other, 0
    return (
        proto,
        int.from_bytes(frame[start : start + 2], "big"),
        other,
        int.from_bytes(frame[start + 2 : start + 4], "big"),
    )


def received(frame: bytes) -> Key | None:
    """Return the connection that a frame belongs to, seen from who receives it."""
    key, found = sent(frame), parts(frame)
    if key is None or found is None:
        return None
    proto, start, source, _ = found
    if proto in ERRORS:
        if frame[start] in ERRORS[proto]:  # it holds the packet that it is about
            return sent(frame[:14] + frame[start + 8 :].ljust(44, b"\0"))
        return proto, key[1], source, 0
    return proto, key[3], source, key[1]


def looks_for_hosts(frame: bytes) -> int:
    """Return 1 where a frame asks for the hardware address of a host, 2: it answers."""
    if frame[12:14] == ARP:
        return frame[21]
    if frame[12:14] == IPV6 and len(frame) > 54 and frame[20] == ICMP6:
        return {SOLICIT: 1, ADVERTISE: 2}.get(frame[54], 0)
    return 0


class Cable:
    """A machine's cable: its taps, and what happens to frames on the way."""

    def __init__(self, at: dict[str, Any], rng: random.Random) -> None:
        self.taps: list[int] = at["taps"]
        self.mac = bytes.fromhex(at["mac"].replace(":", ""))
        self.number: int = at["number"]
        self.delay: float = at["delay_s"]
        self.jitter: float = at["jitter_s"]
        self.loss: float = at["loss"]
        self.reordering: float = at["reordering"]
        self.byte_s = 8 / at["bits_per_s"]
        self.rng = rng
        self.free_at = [0.0, 0.0]
        self.last = [0.0, 0.0]
        self.slots: dict[Key, int] = {}
        self.seen: dict[tuple[Key, bytes], int] = {}
        self.noted: dict[tuple[Key, bytes], int] = {}
        self.asked: dict[int, int] = {}
        """Port of UDP from which a client asked all -> its namespace."""

    def passes_at(self, now: float, n_bytes: int, way: int) -> float | None:
        """Return when a frame comes out at the other end; None: it is lost."""
        start = max(now, self.free_at[way])
        if start - now > MOST_QUEUED_S or self.rng.random() < self.loss:
            return None
        self.free_at[way] = start + n_bytes * self.byte_s
        at = self.free_at[way] + self.delay + self.rng.expovariate(1) * self.jitter
        if self.rng.random() < self.reordering:
            return at + 2 * self.delay + 0.001
        # frames overtake one another by reordering alone
        self.last[way] = at = max(at, self.last[way])
        return at


class Wire:
    """All cables, and the switch they meet at."""

    def __init__(self, config: dict[str, Any], log: TextIO) -> None:
        rng = random.Random(config["seed"])
        self.cables = [Cable(at, rng) for at in config["machines"]]
        self.by_mac = {cable.mac: cable for cable in self.cables}
        self.nowhere = bytes.fromhex(config["nowhere"].replace(":", ""))
        self.behind: dict[bytes, Cable] = {}
        """Address of another network -> the machine whose client sends from it."""
        self.mirror: int = config["mirror"]
        self.log = log
        self.events: list[tuple[float, int, Callable[..., None], Cable, bytes]] = []
        self.n = 0
        self.n_lost = 0

    def run(self) -> None:
        """Carry frames until the process ends."""
        poll = select.epoll()
        owners = {}
        for cable in self.cables:
            for slot, tap in enumerate(cable.taps):
                os.set_blocking(tap, False)
                poll.register(tap, select.EPOLLIN)
                owners[tap] = (cable, slot)
        while True:
            wait = 0.1
            if self.events:
                wait = min(max(self.events[0][0] - time.monotonic(), 0), wait)
            for tap, _ in poll.poll(wait):
                with suppress(BlockingIOError):
                    for _ in range(FRAMES_AT_ONCE):
                        self.leave(*owners[tap], os.read(tap, LONGEST_FRAME))
            now = time.monotonic()
            while self.events and self.events[0][0] <= now:
                _, _, happens, cable, frame = heapq.heappop(self.events)
                happens(cable, frame)

    def later(
        self, way: int, happens: Callable[..., None], cable: Cable, frame: bytes
    ) -> None:
        """Let something happen to a frame when it is through a cable."""
        at = cable.passes_at(time.monotonic(), len(frame), way)
        if at is None or len(self.events) >= MOST_EVENTS:
            self.n_lost += 1
            return
        self.n += 1
        heapq.heappush(self.events, (at, self.n, happens, cable, frame))

    def leave(self, cable: Cable, slot: int, frame: bytes) -> None:
        """Take a frame from a namespace."""
        key, found = sent(frame), parts(frame)
        if key is None and frame[12:14] != ARP:
            return  # nothing here speaks anything else
        if (
            key is not None
            and found is not None
            and (slot or self._answers_all(key, frame))
        ):
            now, source = time.time_ns(), found[2]
            seen = key, source
            if (
                now - cable.seen.get(seen, 0) > SILENT_NS
                or now - cable.noted[seen] > NOTED_NS
                or cable.slots[key] != slot
            ):
                cable.noted[seen] = now
                proto, own, other, port = key
                self.log.write(
                    f"{now},{cable.number},{slot},{proto},{_text(source)},{own},"
                    f"{_text(other)},{port}\n"
                )
            cable.slots[key], cable.seen[seen] = slot, now
            if slot:
                self.behind[source] = cable
                if frame[0] & 1 and key[0] == UDP and key[1] not in FINDING:
                    cable.asked[key[1]] = slot
        self.later(0, self.switch, cable, frame)

    def _answers_all(self, key: Key, frame: bytes) -> bool:
        """Return whether a server says something that no client asked it alone."""
        if key[0] != UDP or key[1] not in FINDING:
            return False
        there = self.by_mac.get(frame[:6])
        asked = received(frame)
        return there is None or asked is None or not there.slots.get(asked)

    def switch(self, _cable: Cable, frame: bytes) -> None:
        """Pass a frame on to the cables it is for."""
        with suppress(OSError):
            os.write(self.mirror, frame)
        target = frame[:6]
        if target == BROADCAST or target.startswith((MULTICAST4, MULTICAST6)):
            source = frame[6:12]
            for mac, cable in self.by_mac.items():
                if mac != source:
                    self.later(1, self.arrive, cable, frame)
        elif target in self.by_mac:
            self.later(1, self.arrive, self.by_mac[target], frame)
        elif target == self.nowhere:
            found = parts(frame)
            there = self.behind.get(found[3]) if found else None
            if there is not None:
                self.later(1, self.arrive, there, there.mac + frame[6:])

    def arrive(self, cable: Cable, frame: bytes) -> None:
        """Give a frame to the namespace that it is for."""
        if kind := looks_for_hosts(frame):
            for tap in cable.taps if kind == 2 else cable.taps[:1]:
                with suppress(OSError):
                    os.write(tap, frame)
            return
        key = received(frame)
        slot = 0
        if key is not None:
            is_answer = key[0] == UDP and not frame[0] & 1
            slot = cable.slots.get(key, cable.asked.get(key[1], 0) if is_answer else 0)
        with suppress(OSError):
            os.write(cable.taps[slot], frame)


def _text(address: bytes) -> str:
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address)


def main() -> None:
    """Read the configuration, which is the one argument, and carry frames."""
    config = json.loads(sys.argv[1])
    with Path(config["log"]).open("w", buffering=1, encoding="ascii") as log:
        log.write(HEADER)
        Wire(config, log).run()


if __name__ == "__main__":
    main()
