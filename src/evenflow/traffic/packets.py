"""Packets: what the headers of captured frames say, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from evenflow.traffic.captures import Frames


class End(IntEnum):
    """Where the decoding of a packet ended."""

    TRANSPORT = 0
    """At TCP, UDP, ICMP or another protocol over IP: it belongs to a connection."""
    FRAGMENT = 1
    """At a fragment of a datagram: :mod:`fragments` puts them together."""
    NOT_IP = 2
    CUT = 3
    """The capture holds too little of a header below the transport protocol."""
    DAMAGED = 4
    """A header contradicts itself."""
    TOO_DEEP = 5
    """More headers or tunnels than are opened."""
    ENCRYPTED = 6
    WRONG_CHECKSUM = 7
    """The checksum of the IPv4 header is wrong."""
    UNKNOWN_LINK = 8
    """The link type is not one that is known here."""


@dataclass(frozen=True, kw_only=True)
class Packets:
    """Columns of what the headers of packets say, a row for each frame.

    Attributes
    ----------
    frames : Frames
        Where they come from.
    end : ndarray of shape (n,), uint8
        An :class:`End`: the columns below hold for ``TRANSPORT`` and, but for ports
        and flags, for ``FRAGMENT``.
    version : uint8
        4 or 6.
    source, destination : ndarray of shape (n, 2), uint64
        Addresses; those of IPv4 as ``(0, address)``.
    protocol : uint8
        The IP protocol number.
    source_port, destination_port : uint16
        Of TCP and UDP; type and code of ICMP.
    ip_bytes : int64
        Length by the IP header, its own included.
    payload_bytes : int64
        Length of what the transport protocol carries, by the IP header.
    payload_start, payload_captured : int64
        Where in the frames' data it begins, and how much of it is there.
    is_whole : bool
        The transport header was captured.
    is_bad : bool
        The checksum of TCP or UDP is wrong.
    flags, sequence, acknowledged, window
        Of TCP.
    fragment_id, fragment_offset, has_more
        Of a fragment; the offset in bytes.
    wrong_fragments : uint16
        Of a datagram that was put together: fragments that contradict others or the
        largest size of a datagram.
    ttl : uint8
    tunnel : ndarray of shape (n,), uint64
        0 outside of tunnels; equal for packets in the same tunnels.
    n_tunnels : uint8
    is_closed : bool
        It is in a tunnel that could not be opened; the columns are those of the outer
        packet.
    """

    frames: Frames
    end: NDArray[np.uint8]
    version: NDArray[np.uint8]
    source: NDArray[np.uint64]
    destination: NDArray[np.uint64]
    protocol: NDArray[np.uint8]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]
    ip_bytes: NDArray[np.int64]
    payload_bytes: NDArray[np.int64]
    payload_start: NDArray[np.int64]
    payload_captured: NDArray[np.int64]
    is_whole: NDArray[np.bool_]
    is_bad: NDArray[np.bool_]
    flags: NDArray[np.uint8]
    sequence: NDArray[np.uint32]
    acknowledged: NDArray[np.uint32]
    window: NDArray[np.uint16]
    fragment_id: NDArray[np.uint32]
    fragment_offset: NDArray[np.int64]
    has_more: NDArray[np.bool_]
    wrong_fragments: NDArray[np.uint16]
    ttl: NDArray[np.uint8]
    tunnel: NDArray[np.uint64]
    n_tunnels: NDArray[np.uint8]
    is_closed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.end)
