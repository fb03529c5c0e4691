"""Packets made by hand: they are what evenflow itself reads from a capture."""

import socket

from evenflow.lab import _raw

HERE, THERE = "91.4.4.5", "10.1.1.9"


def halves(packet):
    """Return protocol, both addresses and what the packet carries."""
    ends = [socket.inet_ntoa(packet[i : i + 4]) for i in (12, 16)]
    return packet[9], *ends, packet[20:]


def with_ends(proto, packet):
    """Return what the checksum of TCP and UDP is made of."""
    return packet[12:20] + bytes([0, proto]) + len(packet[20:]).to_bytes(2, "big")


def test_headers_and_what_they_carry_have_right_checksums():
    packets = {
        _raw.TCP: _raw.syn(HERE, 2001, THERE, 80, number=7),
        _raw.UDP: _raw.datagram(HERE, 2001, THERE, 53, b"odd", number=7),
        _raw.ICMP: _raw.echo(HERE, THERE, b"some", number=7),
    }
    for proto, packet in packets.items():
        found, source, destination, body = halves(packet)
        assert (found, source, destination) == (proto, HERE, THERE)
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        assert _raw.checksum(packet[:20]) == 0
        ends = b"" if proto == _raw.ICMP else with_ends(proto, packet)
        assert _raw.checksum(ends + body) == 0


def test_a_machine_without_an_address_asks_all():
    mac = b"\2\1\2\3\4\5"
    frame = _raw.dhcp(mac, 1, b"abcd")
    assert frame[:14] == b"\xff" * 6 + mac + b"\x08\x00"
    proto, source, destination, body = halves(frame[14:])
    assert (proto, source, destination) == (17, "0.0.0.0", "255.255.255.255")
    assert body[:4] == (68).to_bytes(2, "big") + (67).to_bytes(2, "big")
    message = body[8:]
    assert (message[4:8], message[28:34]) == (b"abcd", mac)
    assert message[236:243] == _raw.COOKIE + bytes([53, 1, 1])


def test_a_machine_that_does_not_exist_may_hide_its_sender():
    frame = _raw.dhcp(b"\2\1\2\3\4\5", 1, b"abcd", sender=b"\2" * 6)
    assert frame[6:12] == b"\2" * 6
