"""Services: the application protocol of a connection, by its payload or its port."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# the signatures are added as their modules are imported
from evenflow.traffic import (  # noqa: F401
    _signatures_shared,
    _signatures_tcp,
    _signatures_udp,
)
from evenflow.traffic._heads import Heads
from evenflow.traffic._ports import port_service
from evenflow.traffic._signatures import ANY, SIGNATURES, TCP, UDP, Signature
from evenflow.traffic._signatures_text import prefixes
from evenflow.traffic.packets import End, Packets

__all__ = ["NAMES", "payload_service", "port_service", "service"]

NAMES = (
    "", "ssl", "http", "dns", "ssh", "ftp", "smtp", "pop3", "imap", "quic", "mqtt",
    "ntp", "snmp", "dhcp", "sip", "rtsp", "telnet", "smb", "rdp", "mysql",
    "postgresql", "redis", "modbus", "coap", "bittorrent", "tftp", "ldap_tcp",
    "ldap_udp", "krb", "krb_tcp", "syslog", "stun", "wireguard", "openvpn", "amqp",
    "irc", "rfb", "radius", "ike", "ssdp", "dtls", "xmpp", "socks", "dce_rpc",
    "mongodb", "memcached", "mssql", "tns", "rdpeudp", "dhcpv6", "gtpv1", "teredo",
    "l2tp", "rip", "bacnet", "netbios-dgm", "ipmi", "portmapper", "nfs", "mount",
    "rpc", "dnp3_tcp", "dnp3_udp", "enip", "s7comm", "iec104", "tacacs", "diameter",
    "pptp", "git", "rsync", "zabbix", "nats", "stomp", "nntp", "opcua", "adb", "x11",
    "bgp", "bitcoin", "jdwp", "rmi", "stratum",
)  # fmt: skip
"""Name of each service that a payload can show, by its id; 0 is unknown.

Names are those of Zeek's column ``service`` where Zeek has the protocol. Ids are kept:
a new name comes last.
"""
IDS = {name: number for number, name in enumerate(NAMES)}
MIXED = 255
"""Marks a payload that fits two services."""


@dataclass(frozen=True)
class _Tables:
    """The signatures of a transport, by what is cheap to look up."""

    signatures: tuple[Signature, ...]
    words: NDArray[np.uint32]
    """The first four bytes of fixed beginnings, sorted."""
    prefixes: tuple[tuple[tuple[bytes, int], ...], ...]
    """The beginnings and ids of each word."""
    is_first: NDArray[np.bool_]
    """Whether a fixed beginning has this first byte."""


def _tables(transport: int) -> _Tables:
    own = tuple(s for s in SIGNATURES if s.transport == transport)
    words: defaultdict[int, list[tuple[bytes, int]]] = defaultdict(list)
    is_first = np.zeros(256, bool)
    for name, kind, text in prefixes():
        if kind == transport:
            words[int.from_bytes(text[:4])].append((text, IDS[name]))
            is_first[text[0]] = True
    return _Tables(
        signatures=own,
        words=np.array(sorted(words), np.uint32),
        prefixes=tuple(tuple(words[word]) for word in sorted(words)),
        is_first=is_first,
    )


TABLES = {transport: _tables(transport) for transport in (TCP, UDP)}


def payload_service(
    packets: Packets, where: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return the service that the first bytes of each packet's payload show.

    Each packet is judged alone: of a connection the first answer that is not 0 counts.
    A payload that fits two services shows none; a later packet may.

    Parameters
    ----------
    packets : Packets
    where : ndarray of shape (n,), bool, optional
        The packets to look at; by default all. Those that are whole and have payload
        are looked into.

    Returns
    -------
    ids : ndarray of shape (n,), uint8
        Places in :data:`NAMES`; 0 is unknown.
    """
    found = np.zeros(len(packets), np.uint8)
    has = (packets.payload_captured > 0) & (packets.end == End.TRANSPORT)
    has &= packets.is_whole & ~packets.is_bad
    if where is not None:
        has &= where
    for transport, tables in TABLES.items():
        rows = np.flatnonzero(has & (packets.protocol == transport))
        if len(rows):
            found[rows] = _found(Heads(packets, rows), tables)
    return found


def _found(heads: Heads, tables: _Tables) -> NDArray[np.uint8]:
    """Return the ids of payloads of one transport."""
    found = np.zeros(len(heads.size), np.uint8)
    first = heads.head[:, 0]
    order = np.argsort(first, kind="stable")
    stop = np.cumsum(np.bincount(first, minlength=256))
    begin = stop - np.bincount(first, minlength=256)
    for one in tables.signatures:
        if len(one.first) == len(ANY):
            rows = np.flatnonzero(heads.head[:, one.zero[0]] == 0)
        else:
            rows = np.concatenate([order[begin[b] : stop[b]] for b in one.first])
        for place in one.zero:
            rows = rows[heads.head[rows, place] == 0]
        if len(rows):
            _mark(found, rows[one.check(heads.take(rows))], IDS[one.name])
    _find_prefixes(heads, tables, found)
    found[found == MIXED] = 0
    return found


def _find_prefixes(heads: Heads, tables: _Tables, found: NDArray[np.uint8]) -> None:
    """Mark the payloads that begin with fixed bytes."""
    rows = np.flatnonzero(tables.is_first[heads.head[:, 0]])
    if not len(rows):
        return
    word = np.ascontiguousarray(heads.head[rows, :4]).view(">u4").ravel()
    place = np.searchsorted(tables.words, word.astype(np.uint32))
    place = np.minimum(place, len(tables.words) - 1)
    is_one = tables.words[place] == word
    rows, place = rows[is_one], place[is_one]
    for number in np.unique(place):
        same = rows[place == number]
        for text, kind in tables.prefixes[number]:
            is_one = heads.take(same).starts(text)
            _mark(found, same[is_one], kind)
            same = same[~is_one]
            if not len(same):
                break


def _mark(found: NDArray[np.uint8], rows: NDArray[np.int64], kind: int) -> None:
    """Note a service, or that there are two."""
    is_new = (found[rows] == 0) | (found[rows] == kind)
    found[rows] = np.where(is_new, kind, MIXED)


def service(found: int, protocol: int, port: int) -> str | None:
    """Return the name of a connection's service.

    What a payload shows comes first: it was there, whatever the port, and random bytes
    show it less than once in 10,000 payloads. The port's registered service is a guess:
    it is right for most traffic, says what a connection without payload was meant for,
    as in a scan, and is wrong where somebody hides. Zeek's column ``service`` has the
    first kind only.

    Parameters
    ----------
    found : int
        The first id other than 0 of :func:`payload_service` in the connection, or 0.
    protocol : int
        The IP protocol number.
    port : int
        The responder's.
    """
    return NAMES[found] if found else port_service(protocol, port)
