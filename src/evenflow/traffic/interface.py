"""Live capture: the frames of a network interface, as the kernel sees them (Linux)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from types import TracebackType
from typing import Self

from evenflow.errors import DataError, StorageError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic._filter import INSTRUCTION_BYTES, compiled
from evenflow.traffic._ring import (
    RAW,
    RETIRE_MS,
    SOL_PACKET,
    Ring,
    frames,
    n_frames,
    together,
)
from evenflow.traffic.captures import Frames

ANY = "any"
RING_MIB = 64
WAIT_MS = 100
"""Longest time between two batches."""
MOST_BLOCKS = 8
"""Blocks of a batch."""
SILENCE_S = 10.0
DRAIN_S = 10.0
"""Longest time in which what was captured before the end is read."""
NOTHING = struct.pack("=HBBI", 6, 0, 0, 0)
"""A filter that lets no frame through."""
ETH_P_ALL = 3
PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 1, 1
SO_ATTACH_FILTER = 26
SIOCGIFFLAGS, SIOCGIFHWADDR = 0x8913, 0x8927
IFF_UP, IFF_LOOPBACK = 1, 8
LINKS = {1: 1, 772: 1, 65534: RAW, 512: RAW, 768: RAW, 776: RAW, 778: RAW, 801: 105,
         803: 127}  # fmt: skip
"""Link type by the kernel's hardware type; tunnels have no header below IP."""


class Interface:
    """A network interface that is captured from; use it in a ``with`` block.

    Parameters
    ----------
    name : str
        Name of the interface, or ``any`` for all of them: then IP alone.
    expression : str
        Capture filter in tcpdump's language.
    promiscuous : bool
        Whether frames for other machines are captured as well.
    ring_mib : int
        Memory in which the kernel puts frames that were not yet read.
    on_event : callable, optional
        Gets a note where something is worth knowing.

    Attributes
    ----------
    n_frames, n_dropped : int
        Frames that came, and those that the kernel dropped because the ring was full.
    settled_ns : int or None
        Time of the machine's clock before which no further frame comes.

    Raises
    ------
    DataError
        There is no such interface, it is down, or the filter is invalid.
    StorageError
        The rights to capture are missing.
    """

    def __init__(
        self,
        name: str,
        expression: str = "",
        *,
        promiscuous: bool = True,
        ring_mib: int = RING_MIB,
        on_event: OnEvent = ignore,
    ) -> None:
        self.name, self._on_event = name, on_event
        self.n_frames = self.n_dropped = 0
        self.settled_ns: int | None = None
        self._is_any = name == ANY
        self._number = 0 if self._is_any else _number(name)
        self._is_down = self._is_silent = False
        self._loopback = _loopback()
        self._link = RAW if self._is_any else self._checked_link()
        # of what has no Ethernet below, the kernel is asked for IP alone
        kind = socket.SOCK_DGRAM if self._link == RAW else socket.SOCK_RAW
        self._socket = _socket(kind)
        try:
            if expression:
                self._attach(compiled(expression, self._link))
            self._ring = self._made_ring(ring_mib)
            self._bind()
            if promiscuous and not self._is_any:
                member = struct.pack("=iHH8s", self._number, PACKET_MR_PROMISC, 0, b"")
                self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the capture."""
        self.count()
        self._ring.close()
        self._socket.close()

    def batches(self) -> Iterator[Frames]:
        """Yield frames as they come; at least every 100 ms, if only none.

        Raises
        ------
        DataError
            The interface has vanished.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLERR)
        last = counted = time.monotonic()
        while True:
            now_ns = time.time_ns()
            parts = self._read()
            is_drained = len(parts) < MOST_BLOCKS
            self.settled_ns = now_ns - 2 * RETIRE_MS * 10**6 if is_drained else None
            now = time.monotonic()
            if any(len(part) for part in parts):
                last, self._is_silent = now, False
            elif now - last >= SILENCE_S:
                self._say_silent()
            if now - counted >= 1:
                counted = now
                self.count()
                self._check_there()
            yield together(parts)
            if not parts and any(
                what & select.POLLERR for _, what in poll.poll(WAIT_MS)
            ):
                self._on_error()

    def drain(self, seconds: float = DRAIN_S) -> Iterator[Frames]:
        """Yield what was captured until now and was not read; nothing more comes.

        Frames that are left after some seconds are counted as dropped.
        """
        self.settled_ns = None
        self._attach(NOTHING)
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds:
            if parts := self._read():
                yield together(parts)
            elif now > 2 * RETIRE_MS / 1000:
                return
            else:
                time.sleep(RETIRE_MS / 1000)
        if n := sum(map(n_frames, self._ring.blocks())):
            self.n_dropped += n
            text = (
                f"packets of {self.name} that were captured and could not be read "
                f"within {seconds:.0f} s of the end: {n:,}"
            )
            self._on_event(Note(text=text, is_warning=True))

    def _read(self) -> list[Frames]:
        """Return the frames of some blocks that are ready."""
        blocks = islice(self._ring.blocks(), MOST_BLOCKS)
        return [frames(block, self._link, loopback=self._loopback) for block in blocks]

    def count(self) -> None:
        """Add what came and what was dropped since the last time."""
        came, dropped = self._ring.statistics()
        if dropped and not self.n_dropped:
            text = (
                f"the kernel dropped packets of {self.name}: this machine is too slow "
                "for them. Give a larger ring, or a filter"
            )
            self._on_event(Note(text=text, is_warning=True))
        self.n_frames += came
        self.n_dropped += dropped

    def _made_ring(self, mib: int) -> Ring:
        try:
            ring = Ring(self._socket, mib * 2**20)
        except OSError as error:
            raise StorageError(
                f"cannot set up a ring of {mib} MiB to capture in: {error.strerror}. "
                "Free memory, or choose a smaller ring"
            ) from error
        if ring.size < mib * 2**20:
            text = f"the ring has {ring.size // 2**20} MiB: the kernel has no more free"
            self._on_event(Note(text=text, is_warning=True))
        return ring

    def _checked_link(self) -> int:
        """Return the link type of an interface that is up."""
        if not self._has(IFF_UP):
            raise DataError(
                f"the interface {self.name} is down, expected it to be up. Run: "
                f"ip link set {self.name} up"
            )
        hardware = _asked(self.name, SIOCGIFHWADDR)
        if hardware not in LINKS:
            raise DataError(
                f"the interface {self.name} is of the hardware type {hardware}, which "
                "is not known here. Expected Ethernet, a tunnel or Wi-Fi; capture on "
                "any"
            )
        return LINKS[hardware]

    def _has(self, flag: int) -> bool:
        try:
            return bool(_asked(self.name, SIOCGIFFLAGS) & flag)
        except OSError:  # it has vanished
            return False

    def _attach(self, program: bytes) -> None:
        instructions = ctypes.create_string_buffer(program, len(program))
        n = len(program) // INSTRUCTION_BYTES
        value = struct.pack("@HP", n, ctypes.addressof(instructions))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, value)

    def _bind(self) -> None:
        """Begin to capture: only now, so that the filter has seen every frame."""
        # socket.bind() knows interfaces by name alone, and any has none
        address = struct.pack(
            "=HHiHBB8s", socket.AF_PACKET, socket.htons(ETH_P_ALL), self._number, 0, 0,
            0, b"",
        )  # fmt: skip
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.bind(self._socket.fileno(), address, len(address)):
            code = ctypes.get_errno()
            raise DataError(f"cannot capture on {self.name}: {os.strerror(code)}")

    def _say_silent(self) -> None:
        if self._is_silent or self._is_down:
            return
        self._is_silent = True
        text = (
            f"no packet on {self.name} for {SILENCE_S:.0f} s, though it is up. Check "
            "the cable, the mirror port or the filter"
        )
        self._on_event(Note(text=text, is_warning=True))

    def _on_error(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code not in (0, errno.ENETDOWN):
            raise DataError(f"cannot capture on {self.name}: {os.strerror(code)}")
        self._check_there()
        time.sleep(WAIT_MS / 1000)

    def _check_there(self) -> None:
        """Check that the interface is there, and whether it is up."""
        if self._is_any:
            return
        try:
            is_same = socket.if_nametoindex(self.name) == self._number
        except OSError:
            is_same = False
        if not is_same:
            raise DataError(
                f"the interface {self.name} has vanished; expected it to stay. Start "
                "again when it is back"
            )
        if self._is_down == self._has(IFF_UP):
            self._is_down = not self._is_down
            state = "is down: waiting for it" if self._is_down else "is up again"
            text = f"the interface {self.name} {state}"
            self._on_event(Note(text=text, is_warning=self._is_down))


def _socket(kind: int) -> socket.socket:
    """Return a socket that captures nothing yet."""
    if not hasattr(socket, "AF_PACKET"):
        raise DataError(
            "live capture needs Linux. Capture with tcpdump, and give a file"
        )
    try:
        return socket.socket(socket.AF_PACKET, kind, 0)
    except PermissionError as error:
        raise StorageError(
            "this user may not capture packets; expected root or the capability "
            "CAP_NET_RAW. Run as root, or: setcap cap_net_raw+ep on the Python that "
            "runs evenflow"
        ) from error


def _number(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except (OSError, UnicodeError, ValueError) as error:
        names = [found for _, found in socket.if_nameindex()]
        raise DataError(
            f"there is no interface {name!r}; expected one of "
            f"{', '.join([*names, ANY])}. Correct its name"
        ) from error


def _asked(name: str, what: int) -> int:
    """Return a number that the kernel holds of an interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe, what, struct.pack("=16s24x", name.encode()))
    return int(struct.unpack_from("=H", answer, 16)[0])


def _loopback() -> frozenset[int]:
    """Return the numbers of the interfaces of this machine to itself."""
    found = set()
    for number, name in socket.if_nameindex():
        with suppress(OSError):  # it has vanished
            if _asked(name, SIOCGIFFLAGS) & IFF_LOOPBACK:
                found.add(number)
    return frozenset(found)
