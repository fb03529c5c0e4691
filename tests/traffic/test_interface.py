"""Live capture gives the frames that were sent, and says what is in its way.

Each test runs in a network namespace of its own, with a pair of virtual interfaces:
nothing leaves it.
"""

import io
import socket
import struct
import time

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError, MissingExtraError, StorageError
from evenflow.traffic import _filter, interface
from evenflow.traffic.captures import read_frames
from evenflow.traffic.connections import Connections
from evenflow.traffic.decoding import decode
from evenflow.traffic.interface import Interface
from evenflow.traffic.packets import End

from ..namespace import alone, ip  # noqa: TID252 (tests are not a package)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def udp(port, payload=b"hello", tags=b""):
    """Return an Ethernet frame of UDP from 192.0.2.1 to 192.0.2.2."""
    size = 28 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, size, 7, 0, 64, 17, 0)
    head += bytes([192, 0, 2, 1, 192, 0, 2, 2])
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    datagram = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
    macs = bytes.fromhex("02000000000202000000000102")[:12]
    return macs + tags + struct.pack("!H", 0x0800) + head + datagram


def send(*frames, name="far"):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((name, 0))
        for frame in frames:
            out.send(frame)


def captured(card, n, *, seconds=5.0):
    """Return the next ``n`` frames as bytes, and their times."""
    found = []
    ends = time.monotonic() + seconds
    for batch in card.batches():
        for start, length, at in zip(
            batch.start, batch.length, batch.time_ns, strict=True
        ):
            found.append((bytes(batch.data[start : start + length]), int(at)))
        if len(found) >= n or time.monotonic() > ends:
            return found
    raise AssertionError


@alone
def test_the_frames_that_were_sent_are_captured_with_their_times():
    sent = [udp(port, b"x" * (port % 1400)) for port in range(1, 3001)]
    with Interface("near") as card:
        before = time.time_ns()
        send(*sent)
        found = captured(card, 3000)
        after = time.time_ns()
    assert [data for data, _ in found] == sent
    times = [at for _, at in found]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= after
    assert (card.n_frames, card.n_dropped) == (3000, 0)


@alone
@pytest.mark.parametrize(
    "tags",
    [struct.pack("!HH", 0x8100, 0x6005), struct.pack("!HHHH", 0x88A8, 7, 0x8100, 8)],
)
def test_the_vlan_tag_that_the_kernel_takes_out_is_put_back(tags):
    with Interface("near") as card:
        send(udp(53, tags=tags), udp(54))
        found = [data for data, _ in captured(card, 2)]
    assert found == [udp(53, tags=tags), udp(54)]


@alone
def test_a_filter_lets_through_what_it_says():
    with Interface("near", "udp port 53 or udp port 54") as card:
        send(*[udp(port) for port in (52, 53, 54, 55)])
        found = [data for data, _ in captured(card, 3, seconds=0.5)]
    assert found == [udp(53), udp(54)]


@alone
def test_a_batch_comes_at_least_every_hundred_milliseconds_or_so():
    with Interface("near") as card:
        batches = card.batches()
        next(batches)
        begun = time.monotonic()
        assert [len(next(batches)) for _ in range(10)] == [0] * 10
        assert time.monotonic() - begun < 3


@alone
def test_what_the_kernel_drops_is_counted_and_said_once():
    notes = []
    with Interface("near", ring_mib=2, on_event=notes.append) as card:
        for _ in range(2):
            send(*[udp(1, b"x" * 1400)] * 3000)
            card.count()
        assert 0 < card.n_dropped < card.n_frames == 6000
    assert [n.is_warning for n in notes] == [True]
    assert "the kernel dropped packets of near" in notes[0].text


@alone
def test_a_packet_on_loopback_is_captured_once():
    with Interface("lo", "udp port 5353") as card:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for n in range(20):
                out.sendto(b"%d" % n, ("127.0.0.1", 5353))
        found = captured(card, 21, seconds=0.5)
    assert len(found) == 20


@alone
def test_any_captures_the_ip_packets_of_all_interfaces():
    arp = udp(1)[:12] + struct.pack("!H", 0x0806) + bytes(28)
    parts = []
    with Interface("any", "udp") as card:
        send(udp(53), arp)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"x", ("127.0.0.1", 5353))
        ends = time.monotonic() + 0.5
        for batch in card.batches():
            parts.append(decode(batch))
            if time.monotonic() > ends:
                break
    ports = [int(p) for part in parts for p in part.destination_port]
    assert all((part.end == End.TRANSPORT).all() for part in parts)
    # once as it leaves far, once as it comes to near, once on lo
    assert sorted(ports) == [53, 53, 5353]


@alone
def test_an_interface_that_vanishes_ends_the_capture_with_its_name():
    with Interface("near") as card:
        batches = card.batches()
        next(batches)
        ip("link", "del", "near")
        with pytest.raises(DataError, match="near has vanished"):
            all(len(batch) == 0 for batch in batches)


@pytest.mark.slow
@alone
def test_an_interface_that_goes_down_is_waited_for():
    notes = []
    with Interface("near", on_event=notes.append) as card:
        batches = card.batches()
        ip("link", "set", "near", "down")
        for _ in range(15):
            next(batches)
        ip("link", "set", "near", "up")
        for _ in range(15):
            next(batches)
        send(udp(53))
        assert [data for data, _ in captured(card, 1)] == [udp(53)]
    assert [n.text for n in notes] == [
        "the interface near is down: waiting for it",
        "the interface near is up again",
    ]


@alone
def test_silence_on_an_interface_that_is_up_is_said_once(monkeypatch):
    monkeypatch.setattr(interface, "SILENCE_S", 0.2)
    notes = []
    with Interface("near", on_event=notes.append) as card:
        captured(card, 1, seconds=0.8)
    assert [n.text[:18] for n in notes] == ["no packet on near "]


@alone
def test_what_was_captured_before_the_end_is_read_and_nothing_later():
    with Interface("near") as card:
        send(*[udp(53, b"x" * 900)] * 20_000)
        rest = card.drain()
        n = len(next(rest))
        send(*[udp(54)] * 100)
        n += sum(map(len, rest))
    assert (n, card.n_dropped) == (20_000, 0)


@alone
def test_what_cannot_be_read_in_time_is_counted_and_said():
    notes = []
    with Interface("near", on_event=notes.append) as card:
        send(*[udp(53, b"x" * 1400)] * 20_000)
        n = len(next(card.drain(0.02)))
        time.sleep(0.3)  # until the kernel has handed over the last block
        n += sum(len(part) for part in card.drain(0.0))
        assert 0 < n < n + card.n_dropped == 20_000
    assert "could not be read within 0 s of the end" in notes[-1].text


@alone
def test_an_interface_that_is_down_is_refused_with_what_to_do():
    ip("link", "set", "near", "down")
    with pytest.raises(DataError, match="ip link set near up"):
        Interface("near")


@alone
def test_live_capture_gives_the_connections_that_a_file_of_it_gives():
    sent = [udp(port, b"x" * n) for port in (53, 99) for n in (1, 20)]
    with Interface("near") as card:
        send(*sent)
        found = captured(card, 4)
    capture = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    for data, at in found:
        head = struct.pack("<IIII", *divmod(at, 10**9), len(data), len(data))
        capture += head + data
    [from_file] = read_frames(io.BytesIO(capture), source="capture")
    with Interface("near") as card:
        send(*sent)
        live = [batch for _, batch in zip(range(6), card.batches(), strict=False)]
    columns = ["id.orig_h", "id.orig_p", "id.resp_p", "orig_bytes", "orig_pkts"]
    tables = []
    for batches in ([from_file], live):
        known = Connections()
        rows = [known.add(decode(batch)) for batch in batches] + [known.finish()]
        tables.append(pl.concat(rows).select(columns).sort("id.resp_p"))
    assert tables[0].equals(tables[1])
    assert tables[0]["orig_bytes"].to_list() == [21, 21]


def test_an_interface_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        DataError, match=r"no interface 'eth99'; expected one of lo.*any"
    ):
        Interface("eth99")


def test_missing_rights_are_named(monkeypatch):
    plain = socket.socket

    def refuse(family=socket.AF_INET, *args, **kwargs):
        if family == socket.AF_PACKET:
            raise PermissionError
        return plain(family, *args, **kwargs)

    monkeypatch.setattr(interface.socket, "socket", refuse)
    with pytest.raises(StorageError, match="CAP_NET_RAW"):
        Interface("any")


def pcap():
    try:
        _filter.compiled("udp", 1)
    except MissingExtraError:
        pytest.skip("needs libpcap")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tcp prot 80", "syntax error"),
        ("vlan 5", "expected one without vlan"),
        ("udp\0", "has a NUL"),
    ],
)
def test_an_invalid_filter_is_refused_with_the_reason(text, message):
    pcap()
    with pytest.raises(DataError, match=message):
        _filter.compiled(text, 1)


def test_a_filter_is_instructions_for_the_kernel():
    pcap()
    program = np.frombuffer(_filter.compiled("ip", 1), "<u2")
    assert program[::4][-1] == 6  # the last one returns


def test_a_filter_without_libpcap_says_what_to_install(monkeypatch):
    monkeypatch.setattr(_filter, "LIBRARIES", ("libnone.so.0",))
    with pytest.raises(MissingExtraError, match="libpcap"):
        _filter.compiled("udp", 1)
