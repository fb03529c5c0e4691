"""Fragments put together: in any order and batch, contradictory, missing, endless."""

import io
import random
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.traffic import conn_log
from evenflow.traffic.captures import Frames
from evenflow.traffic.decoding import decode
from evenflow.traffic.flows import Follower, read_connections
from evenflow.traffic.fragments import TIMEOUT_NS, Fragments
from evenflow.traffic.packets import End

S = 10**9


def sum16(data):
    """Return the checksum of the Internet."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def udp(n, version=4, byte=b"u", port=53, wrong=0):
    """Return a UDP datagram of ``n`` bytes of payload from port 4000."""
    data = struct.pack(">HHHH", 4000, port, min(8 + n, 65535), 0) + byte * n
    pseudo = addresses(version) + struct.pack(">HH", 17, len(data) & 0xFFFF)
    total = sum16(pseudo + data) ^ wrong
    return data[:6] + struct.pack(">H", total) + data[8:]


def addresses(version):
    pad = b"" if version == 4 else b"\x20\x01" + bytes(10)
    return pad + bytes([192, 0, 2, 1]) + pad + bytes([192, 0, 2, 2])


def part(data, offset, more, *, version=4, number=7, protocol=17):
    """Return a fragment: an IP packet of ``data`` at ``offset``."""
    if version == 6:
        head = struct.pack(">BBHI", protocol, 0, offset | more, number)
        size = len(data) + 8
        return (
            b"\x60\0\0\0"
            + struct.pack(">HBB", size, 44, 64)
            + addresses(6)
            + (head + data)
        )
    flags = offset // 8 | more << 13
    head = struct.pack(
        ">BBHHHBBH", 0x45, 0, 20 + len(data), number, flags, 64, protocol, 0
    )
    check = struct.pack(">H", sum16(head + addresses(4)))
    return head[:10] + check + addresses(4) + data


def parts(data, size=64, **how):
    """Return a datagram in fragments of ``size`` bytes."""
    return [
        part(data[k : k + size], k, k + size < len(data), **how)
        for k in range(0, len(data), size)
    ]


def frames(packets, *, step=1000, link=101, snap=10**6):
    """Return packets as captured, a microsecond apart, or at times of their own."""
    timed = [
        p if isinstance(p, tuple) else (k * step, p) for k, p in enumerate(packets)
    ]
    data = [text[:snap] for _, text in timed]
    size = np.array([len(text) for text in data], np.int64)
    return Frames(
        data=np.frombuffer(b"".join(data), np.uint8),
        start=np.cumsum(size) - size,
        length=size,
        wire=np.array([len(text) for _, text in timed], np.int64),
        time_ns=np.array([time for time, _ in timed], np.int64),
        link=np.full(len(size), link),
    )


def together(packets, fragments=None, **how):
    """Return the rows that come of packets, and what put them together."""
    fragments = fragments or Fragments()
    found = fragments.add(decode(frames(packets, **how)))
    return found, fragments


ORDERS = {
    "in order": lambda p: p,
    "the last one first": lambda p: p[::-1],
    "mixed": lambda p: random.Random(5).sample(p, len(p)),
    "each one twice": lambda p: [x for x in p[:-1] for _ in (0, 1)] + p[-1:],
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("order", ORDERS)
def test_a_datagram_is_one_packet_of_its_connection_in_any_order(version, order):
    pieces = ORDERS[order](parts(udp(1000, version), version=version))
    found, fragments = together(pieces)
    assert len(found) == 1
    assert found.end.tolist() == [End.TRANSPORT]
    assert (found.source_port[0], found.destination_port[0]) == (4000, 53)
    assert found.payload_bytes.tolist() == found.payload_captured.tolist() == [1000]
    assert found.ip_bytes.tolist() == [1008 + (20 if version == 4 else 40)]
    assert found.is_whole.all()
    assert not found.is_bad.any()
    assert found.wrong_fragments.tolist() == [0]
    assert found.frames.time_ns.tolist() == [(len(pieces) - 1) * 1000]
    start = found.payload_start[0]
    assert bytes(found.frames.data[start : start + 1000]) == b"u" * 1000
    assert (fragments.n_whole, fragments.n_partial, fragments.n_lost) == (1, 0, 0)


def test_two_datagrams_between_one_another_stay_apart():
    a, b = parts(udp(300, byte=b"a")), parts(udp(500, byte=b"b"), number=8)
    mixed = [x for pair in zip(a, b, strict=False) for x in pair] + b[len(a) :]
    found, _ = together(mixed)
    assert found.payload_bytes.tolist() == [300, 500]
    assert not found.is_bad.any()


def test_whole_packets_keep_their_place_beside_fragments():
    whole = part(udp(5), 0, more=0)
    first, second = parts(udp(100, port=99))
    found, _ = together([whole, first, whole, second, whole])
    assert found.destination_port.tolist() == [53, 53, 99, 53]
    assert found.frames.time_ns.tolist() == [0, 2000, 3000, 4000]
    alone = decode(frames([whole]))
    assert Fragments().add(alone) is alone


def test_a_wrong_checksum_of_the_whole_is_found():
    found, _ = together(parts(udp(500, wrong=1)))
    assert found.is_bad.tolist() == [True]
    found, _ = together(parts(udp(500, wrong=1)), Fragments(checksums=False))
    assert found.is_bad.tolist() == [False]


def test_of_a_datagram_captured_in_part_the_length_counts_and_no_checksum():
    found, _ = together(parts(udp(500, wrong=1)), snap=60)
    assert found.payload_bytes.tolist() == [500]
    assert found.payload_captured.tolist() == [60 - 28]
    assert found.is_bad.tolist() == [False]


def test_an_atomic_fragment_of_ipv6_is_a_packet_and_joins_no_other():
    first, second = parts(udp(100, 6), version=6)
    found, _ = together([first, part(udp(9, 6), 0, more=0, version=6), second])
    assert found.payload_bytes.tolist() == [9, 100]
    assert found.ip_bytes.tolist() == [40 + 8 + 9, 40 + 8 + 100]
    assert not found.is_bad.any()


TEARDROP = [part(udp(28)[:36], 0, more=1), part(b"u" * 4, 24, more=0)]
OVERLAP = parts(udp(184))


@pytest.mark.parametrize(
    ("pieces", "n_wrong"),
    [
        (TEARDROP, 1),  # it ends where the first one had gone on
        ([*OVERLAP[:2], part(b"v" * 64, 64, more=1), OVERLAP[2]], 1),
        ([*OVERLAP[:2], part(b"u" * 64, 64, more=1), OVERLAP[2]], 0),
        ([*OVERLAP[:2], part(b"u" * 24, 80, more=1), OVERLAP[2]], 0),
        ([OVERLAP[2], part(b"u" * 8, 400, more=1), *OVERLAP[:2]], 1),
    ],
)
def test_fragments_that_contradict_one_another_are_counted(pieces, n_wrong):
    fragments = Fragments()
    packets = fragments.add(decode(frames(pieces)))
    last = fragments.finish()
    assert [*packets.wrong_fragments, *last.wrong_fragments] == [n_wrong]
    assert not packets.is_bad.any()  # a system may have kept the other bytes


def test_any_overlap_in_ipv6_is_wrong_but_a_copy_is_not():
    a, b, c = parts(udp(184, 6), version=6)
    over = part(b"u" * 24, 80, more=1, version=6)
    assert together([a, b, b, c])[0].wrong_fragments.tolist() == [0]
    assert together([a, b, over, c])[0].wrong_fragments.tolist() == [1]


def test_of_bytes_that_came_twice_the_first_ones_count():
    a, b, c = parts(udp(184))
    found, _ = together([a, b, part(b"v" * 64, 64, more=1), c])
    assert not found.is_bad.any()
    assert b"v" not in bytes(found.frames.data[found.payload_start[0] :])


def test_a_ping_of_death_has_its_length_and_is_wrong():
    ping = b"\x08\0\0\0" + bytes(65596)
    found, _ = together(parts(ping, 1480, protocol=1))
    assert found.ip_bytes.tolist() == [65620]
    assert found.wrong_fragments.tolist() == [1]
    assert found.source_port.tolist() == [8]


def test_a_tiny_first_fragment_hides_no_port():
    data = struct.pack(">HHIIBBHHH", 4000, 22, 1, 0, 0x50, 2, 9, 0, 0)
    pieces = parts(data, 8, protocol=6)
    found, _ = together(pieces)
    assert (found.destination_port[0], found.flags[0]) == (22, 2)


def gre(packet):
    return b"\0\0\x08\0" + packet


def test_a_tunnel_in_fragments_is_opened_and_so_are_fragments_within():
    inner = parts(udp(100))
    long, short = gre(inner[0]), gre(inner[1])
    outer = parts(long, 48, protocol=47, number=1)
    packets = [*outer, part(short, 0, more=0, protocol=47, number=2)]
    found, fragments = together(packets)
    assert found.end.tolist() == [End.TRANSPORT]
    assert found.payload_bytes.tolist() == [100]
    assert found.n_tunnels.tolist() == [1]
    plain = decode(frames([part(gre(part(udp(1), 0, more=0)), 0, more=0, protocol=47)]))
    assert found.tunnel.tolist() == plain.tunnel.tolist()
    assert fragments.n_whole == 2


def test_fragments_with_a_tag_of_a_vlan_are_put_together():
    head = b"\0" * 12 + b"\x81\0\0\x07\x08\0"
    found, _ = together([head + p for p in parts(udp(100))], link=1)
    assert found.payload_bytes.tolist() == [100]


def test_a_fragment_with_a_wrong_ip_checksum_is_not_a_part():
    first, second = parts(udp(100))
    wrong = second[:10] + b"\x12\x34" + second[12:]
    found, fragments = together([first, wrong])
    assert found.end.tolist() == [End.WRONG_CHECKSUM]
    assert fragments.finish().payload_bytes.tolist() == [56]


def test_what_never_becomes_whole_is_given_up_in_time_and_keeps_its_header():
    first, second, _ = parts(udp(180))
    later = part(udp(1), 0, more=0)
    late = TIMEOUT_NS + 2
    packets = [
        (0, first), (1, second), (2, later), (late - 2, later), (late, later),
        (late, later),
    ]  # fmt: skip
    found, fragments = together(packets)
    assert found.destination_port.tolist() == [53] * 5
    assert found.ip_bytes.tolist() == [29, 29, 29, 148, 29]
    assert found.frames.time_ns.tolist() == [2, late - 2, late, 1, late]
    assert found.is_bad.tolist() == [False] * 5
    assert (fragments.n_whole, fragments.n_partial, fragments.n_lost) == (0, 1, 0)
    found, fragments = together([(0, second), (late, later), (late, later)])
    assert len(found) == 2
    assert (fragments.n_partial, fragments.n_lost) == (0, 1)


def test_one_packet_with_a_wrong_clock_gives_nothing_up():
    first, second = parts(udp(100))
    packets = [(0, first), (10**6 * S, part(udp(1), 0, more=0)), (1, second)]
    found, _ = together(packets)
    assert found.payload_bytes.tolist() == [1, 100]


def test_the_end_of_a_capture_gives_what_came():
    fragments = Fragments()
    assert len(fragments.add(decode(frames(parts(udp(180))[:2])))) == 0
    assert fragments.finish().payload_bytes.tolist() == [120]
    assert len(fragments.finish()) == 0


def test_on_a_silent_wire_time_passes_without_packets():
    fragments = Fragments()
    fragments.add(decode(frames(parts(udp(180))[:2])))
    assert len(fragments.advance(TIMEOUT_NS)) == 0
    assert fragments.advance(TIMEOUT_NS + 1).payload_bytes.tolist() == [120]
    follower = Follower()
    assert follower.add(frames(parts(udp(180))[:2])).height == 0
    assert follower.advance(2 * TIMEOUT_NS)["orig_bytes"].to_list() == [120]


@pytest.mark.slow
def test_memory_is_bounded_by_number_and_bytes_and_the_oldest_goes():
    first = [part(udp(8, port=100 + k)[:16], 0, more=1, number=k) for k in range(9)]
    found, fragments = together(first, Fragments(most_datagrams=4))
    assert found.destination_port.tolist() == [100, 101, 102, 103, 104]
    assert fragments.n_partial == 5
    fragments = Fragments(most_bytes=20_000)
    for k in range(2000):
        fragments.add(decode(frames([part(bytes(1200), 1200, more=1, number=k)])))
        assert fragments._n_bytes <= 20_000
    fragments.finish()
    assert fragments.n_lost == 2000
    assert fragments._n_bytes == 0


def test_a_datagram_of_endless_fragments_ends():
    pieces = [part(bytes(8), 8, more=1) for _ in range(5000)]
    _, fragments = together(pieces)
    assert fragments.n_lost == 2048 * 2


def rows(packets):
    """Return all that the columns say but where bytes lie."""
    said = {
        name: getattr(packets, name).tolist()
        for name in packets.__dataclass_fields__
        if name not in ("frames", "payload_start")
    }
    said["time"] = packets.frames.time_ns.tolist()
    return [
        dict(zip(said, row, strict=True)) for row in zip(*said.values(), strict=True)
    ]


def mixed(seed):
    """Return fragments of many datagrams, some without end, over five minutes."""
    rng = random.Random(seed)
    packets = []
    for number in range(60):
        version = rng.choice([4, 6])
        data = udp(rng.randrange(1, 400), version)
        if rng.random() < 0.3 and version == 4:
            pieces = parts(gre(part(data, 0, 0)), 56, number=number, protocol=47)
        else:
            pieces = parts(data, 64, number=number, version=version)
        at = rng.randrange(300 * S)
        packets += [
            (at + rng.randrange(-40 * S, 40 * S), piece)
            for piece in pieces
            if rng.random() < 0.9
        ]
    packets.sort(key=lambda p: p[0])
    return [(max(time + rng.randrange(-S, S), 0), p) for time, p in packets]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_batches_of_any_size_give_the_same_packets(seed, size):
    packets = mixed(seed)
    whole = Fragments(most_datagrams=12)
    expected = rows(whole.add(decode(frames(packets)))) + rows(whole.finish())
    pieces = Fragments(most_datagrams=12)
    found = []
    for k in range(0, len(packets), size):
        found += rows(pieces.add(decode(frames(packets[k : k + size]))))
    assert found + rows(pieces.finish()) == expected
    assert len(expected) > 30
    assert whole.n_partial > 5


def test_connections_count_a_datagram_once_and_notes_say_what_is_missing():
    text = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for packet in [*parts(udp(100)), *parts(udp(400), number=8)[1:]]:
        text += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    notes = []
    read = read_connections(io.BytesIO(text), source="made", on_event=notes.append)
    table = conn_log.table(pl.concat(list(read)))
    assert table["orig_pkts"].to_list() == [1]
    assert table["orig_bytes"].to_list() == [100]
    assert table["orig_ip_bytes"].to_list() == [128]
    assert [note.text for note in notes] == [
        "packets of made that were put together from fragments: 1",
        "packets of made that are fragments of which the first one never came: 6",
    ]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    packets=st.lists(
        st.tuples(
            st.integers(0, 200 * S), st.sampled_from([4, 6]), st.integers(0, 3),
            st.one_of(st.integers(0, 9), st.integers(0, 8191)), st.booleans(),
            st.sampled_from([1, 6, 17, 47, 4, 41]), st.binary(max_size=80),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_random_fragments_never_crash_and_each_is_accounted_for(packets):
    timed = [
        (time, part(data, offset * 8, more, version=version, number=n, protocol=kind))
        for time, version, n, offset, more, kind, data in packets
    ]
    fragments = Fragments(most_datagrams=3)
    decoded = decode(frames(timed))
    n = int((decoded.end == End.FRAGMENT).sum())
    found, rest = fragments.add(decoded), fragments.finish()
    for packets_ in (found, rest):
        assert not (packets_.end == End.FRAGMENT).any()
        assert (packets_.payload_captured >= 0).all()
        stop = packets_.payload_start + packets_.payload_captured
        assert (stop <= len(packets_.frames.data)).all()
    made = len(found) - (len(decoded) - n) + len(rest)
    assert made <= n
    assert fragments._n_bytes == 0
