"""Capture filters in tcpdump's language, compiled by the system's libpcap."""

from __future__ import annotations

import ctypes
import re

from evenflow.errors import DataError, MissingExtraError

LIBRARIES = ("libpcap.so.1", "libpcap.so.0.8", "libpcap.so")
DLT = {101: 12}
"""Numbers of libpcap itself, where they differ from those in files."""
SNAP_LENGTH = 262_144
UNKNOWN_MASK = 0xFFFFFFFF
INSTRUCTION_BYTES = 8
MOST_CHARACTERS = 65_536


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def compiled(expression: str, link: int) -> bytes:
    """Return the instructions of a filter, as the kernel takes them.

    Parameters
    ----------
    expression : str
        Such as ``tcp port 80 and not host 192.0.2.1``.
    link : int
        Link type of the frames, by the registry of tcpdump.org.

    Raises
    ------
    DataError
        The expression is invalid.
    MissingExtraError
        There is no libpcap on this system.
    """
    if re.search(r"\bvlan\b", expression):
        raise DataError(
            f"found the filter {expression!r}, expected one without vlan: the kernel "
            "removes the tag before the filter sees a frame. Capture on the VLAN's own "
            "interface"
        )
    if "\0" in expression or len(expression) > MOST_CHARACTERS:
        raise DataError("found a filter that is too long or has a NUL; correct it")
    library = _library()
    handle = library.pcap_open_dead(DLT.get(link, link), SNAP_LENGTH)
    if not handle:
        raise DataError(
            f"cannot compile a filter for link type {link}. Leave the filter out"
        )
    program = _Program()
    try:
        text = expression.encode()
        if library.pcap_compile(handle, ctypes.byref(program), text, 1, UNKNOWN_MASK):
            why = library.pcap_geterr(handle).decode(errors="replace")
            raise DataError(
                f"found the filter {expression!r}: {why}. Expected an expression as "
                "tcpdump takes it; see man pcap-filter"
            )
        try:
            return ctypes.string_at(
                program.instructions or 0, program.length * INSTRUCTION_BYTES
            )
        finally:
            library.pcap_freecode(ctypes.byref(program))
    finally:
        library.pcap_close(handle)


def _library() -> ctypes.CDLL:
    for name in LIBRARIES:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        found.pcap_open_dead.restype = ctypes.c_void_p
        found.pcap_open_dead.argtypes = [ctypes.c_int, ctypes.c_int]
        found.pcap_compile.argtypes = [
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int,
            ctypes.c_uint32,
        ]  # fmt: skip
        found.pcap_geterr.restype = ctypes.c_char_p
        found.pcap_geterr.argtypes = [ctypes.c_void_p]
        found.pcap_freecode.argtypes = [ctypes.c_void_p]
        found.pcap_close.argtypes = [ctypes.c_void_p]
        return found
    raise MissingExtraError(
        "a capture filter needs libpcap, which is not on this system. Install it (on "
        "Debian: apt install libpcap0.8), or leave the filter out"
    )
