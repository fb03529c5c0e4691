"""Connections do not depend on how packets were batched or followed."""

import io
import random
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.traffic import _follow as f
from evenflow.traffic._endpoints import LOOK_NS
from evenflow.traffic.captures import read_frames
from evenflow.traffic.connections import Connections
from evenflow.traffic.decoding import decode

S = 10**9
SYN, ACK, FIN, RST = 2, 16, 1, 4
DNS = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\1\0\1"
SSH, FTP = b"SSH-2.0-OpenSSH_9.2\r\n", b"220 ftp.example.org FTP server ready\r\n"


def packet(source, destination, sport, dport, kind, flags=0, sequence=0, n=0, text=b""):
    """Return an IPv4 packet of UDP or TCP, without checksums."""
    text += bytes(n)
    if kind == 17:
        data = struct.pack(">HHHH", sport, dport, 8 + len(text), 0)
    else:
        data = struct.pack(
            ">HHIIBBHHH", sport, dport, sequence, sequence, 0x50, flags, 99, 0, 0
        )
    data += text
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, kind, 0)
    return head + struct.pack(">II", source, destination) + data


def capture(timed):
    """Return packets at their times, in seconds, as a capture."""
    text = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    for time_s, data in timed:
        ns = 1_700_000_000 * S + int(time_s * S)
        text += struct.pack("<IIII", ns // S, ns % S, len(data), len(data)) + data
    return text


def traffic(seed, n=100):
    """Return packets among few hosts: often of a connection that is there already."""
    draw = random.Random(seed)
    time_s, timed = 0.0, []
    for _ in range(n):
        time_s += draw.choice([0, 0.001, 0.2, 3, 9, 70, 400])
        ends = [draw.randrange(3), draw.randrange(3)]
        ports = [4000 + draw.randrange(2), draw.choice([80, 53, 22])]
        if draw.random() < 0.5:
            ends, ports = ends[::-1], ports[::-1]
        data = packet(
            *ends, *ports, draw.choice([6, 17]),
            draw.choice([SYN, SYN | ACK, ACK, ACK | FIN, RST, RST | ACK]),
            draw.choice([0, 1, 100, 2**32 - 1]), draw.choice([0, 0, 1, 99]),
            draw.choice([b"", DNS, SSH]),
        )  # fmt: skip
        wrong = draw.random() < 0.02
        timed.append((draw.choice([0, time_s + 9999]) if wrong else time_s, data))
    return capture(timed)


def followed(data, cuts=(), **how):
    """Return the rows of a capture whose packets come in pieces."""
    [frames] = read_frames(io.BytesIO(data), source="made")
    rows = Connections(**how)
    pieces = np.split(np.arange(len(frames)), sorted({c % len(frames) for c in cuts}))
    found = [rows.add(decode(frames.take(piece), checksums=False)) for piece in pieces]
    return pl.concat([*found, rows.finish()])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 99), max_size=20),
    early=st.booleans(),
    max_open=st.sampled_from([2, 5, 1000]),
)
def test_pieces_give_the_rows_of_the_whole_in_the_same_order(
    seed, cuts, early, max_open
):
    data = traffic(seed)
    whole = followed(data, early=early, max_open=max_open)
    assert followed(data, cuts, early=early, max_open=max_open).equals(whole)
    assert whole["known"].is_sorted()
    over = whole.filter("is_over")
    assert over["uid"].n_unique() == over.height == whole["uid"].n_unique()
    assert whole["orig_pkts"].min() >= 0
    assert over.select(pl.sum("orig_pkts") + pl.sum("resp_pkts")).item() == 100


@pytest.mark.slow
def test_compiled_code_gives_the_same_rows():
    for seed in range(60):
        data = traffic(seed)
        for how in ({"early": True}, {"early": True, "max_open": 4}):
            plain = followed(data, is_compiled=False, **how)
            assert followed(data, [7, 8, 50], is_compiled=True, **how).equals(plain)


def test_a_connection_that_goes_on_has_a_row_at_each_age():
    timed = [(t, packet(1, 2, 4000, 80, 17, n=1)) for t in np.arange(0, 700, 0.5)]
    rows = followed(capture(timed), early=True)
    began = rows["ts"][0]
    assert (rows["known"][:-1] - began).to_list() == list(LOOK_NS)
    assert rows["is_over"].to_list() == [False] * len(LOOK_NS) + [True]
    # packets of the quarter of a second around that age are in
    assert rows["orig_pkts"].to_list() == [3, 21, 121, 1201, 1400]
    assert followed(capture(timed)).height == 1


def test_a_connection_has_a_row_as_soon_as_it_is_closed():
    pieces = [
        (0, packet(1, 2, 4000, 80, 6, SYN)),
        (0.1, packet(2, 1, 80, 4000, 6, RST | ACK)),
        (0.6, packet(3, 4, 4000, 80, 17)),
        (0.9, packet(3, 4, 4000, 80, 17)),
    ]
    [frames] = read_frames(io.BytesIO(capture(pieces)), source="made")
    rows = Connections(early=True)
    found = rows.add(decode(frames, checksums=False))
    assert found.select("conn_state", "is_over").rows() == [("REJ", False)]
    assert (found["known"] - found["ts"]).to_list() == [0.1 * S]
    later = rows.finish().filter("is_over")
    assert later["conn_state"].to_list() == ["REJ", "S0"]


def test_an_idle_clock_ends_connections_as_a_packet_of_that_time_would():
    timed = [(0, packet(1, 2, 4000, 80, 17)), (0.3, packet(1, 2, 4000, 80, 17))]
    data = capture(timed)
    [frames] = read_frames(io.BytesIO(data), source="made")
    packets = decode(frames, checksums=False)
    rows = Connections()
    assert rows.add(packets).height == 0
    last = int(frames.time_ns[-1])
    assert rows.advance(last + 59 * S).height == 0
    ended = rows.advance(last + 61 * S)
    assert ended["known"].to_list() == [last + 60 * S + 1]
    assert rows.advance(last).height == 0
    assert ended.equals(followed(data).with_columns(known=ended["known"]))


def test_one_packet_with_a_wrong_clock_ends_nothing_else():
    ok = packet(1, 2, 4000, 80, 17)
    odd = packet(3, 4, 4000, 80, 17)
    rows = followed(capture([(0, ok), (7200, odd), (1, ok), (0.5, odd), (2, ok)]))
    assert rows.filter(pl.col("id.orig_h") == "0.0.0.1")["orig_pkts"].to_list() == [3]


@pytest.mark.parametrize(
    ("port", "text", "silent_s", "n"),
    [
        (80, b"hello", 299, 1), (80, b"hello", 301, 2), (22, b"hello", 3599, 1),
        (22, b"hello", 3601, 2), (21, b"hello", 900, 1), (23, b"hello", 900, 1),
        (513, b"hello", 900, 1), (2222, SSH, 900, 1), (2121, FTP, 900, 1),
        (2222, SSH, 3601, 2),
    ],
)  # fmt: skip
def test_a_tcp_connection_may_be_silent_as_long_as_its_port_and_service_let_it(
    port, text, silent_s, n
):
    rows = followed(capture(session(port, text, silent_s)))
    assert rows.height == n
    assert rows["conn_state"][0] == ("SF" if n == 1 else "S1")


def session(port, text, silent_s):
    """Return a TCP connection whose client is silent before it ends."""
    there, back = (1, 2, 4000, port, 6), (2, 1, port, 4000, 6)
    return [
        (0, packet(*there, SYN)), (0.1, packet(*back, SYN | ACK)),
        (0.2, packet(*there, ACK, 1)), (0.3, packet(*back, ACK, 1, text=text)),
        (0.3 + silent_s, packet(*there, ACK | FIN, 1)),
        (0.4 + silent_s, packet(*back, ACK | FIN, 1 + len(text))),
    ]  # fmt: skip


def test_a_port_where_people_log_in_counts_once_the_connection_is_established():
    whole = session(22, b"hello", 900)
    assert followed(capture(whole[2:])).height == 2  # without its beginning
    closing = [*whole[:4], (0.5, packet(1, 2, 4000, 22, 6, ACK | FIN, 1)), *whole[5:]]
    assert followed(capture(closing)).height == 1  # closed by one side


@pytest.mark.parametrize(
    ("port", "text", "times", "n"),
    [
        (53, DNS, [0, 0.1, 30], 2), (5353, DNS, [0, 0.1, 30], 2),
        (53, DNS, [0, 8, 16, 24, 32], 1), (53, DNS, [0, 9.9], 1),
        (53, DNS, [0, 2, 18], 2), (53, b"", [0, 30], 2),
        (5300, DNS, [0, 30], 1), (80, b"", [0, 30], 1),
        (53, b"not DNS at all", [0, 30], 1), (53, b"not DNS at all", [0, 61], 2),
    ],
)  # fmt: skip
def test_a_dns_session_ends_where_it_is_silent_when_it_is_looked_at(
    port, text, times, n
):
    timed = [(t, packet(1, 2, 4000, port, 17, text=text)) for t in times]
    assert followed(capture(timed)).height == n


def test_other_packets_are_a_reason_to_look_at_a_dns_session():
    timed = [(t, packet(1, 2, 4000, 53, 17, text=DNS)) for t in (0, 5, 14.5)]
    assert followed(capture(timed)).height == 2  # first looked at after 9.5 s
    other = [(t, packet(3, 4, 4000, 80, 17)) for t in np.arange(0, 15, 0.2)]
    rows = followed(capture(sorted(timed + other)))
    # looked at after 10 s, when it was silent for five
    assert rows.filter(pl.col("id.resp_p") == 53)["orig_pkts"].to_list() == [3]


def test_sizes_and_times_between_packets_are_those_of_each_side():
    sizes, times = [28, 38, 128], [0, 0.1, 0.4]
    timed = [
        (t, packet(1, 2, 4000, 80, 17, n=s - 28))
        for t, s in zip(times, sizes, strict=True)
    ]
    [row] = followed(capture(timed)).to_dicts()
    assert (row["orig_size_min"], row["orig_size_max"]) == (28, 128)
    assert row["orig_size_std"] == pytest.approx(np.std(sizes))
    assert row["orig_gap_max"] == pytest.approx(0.3 * S)
    assert row["orig_gap_std"] == pytest.approx(np.std([0.1, 0.3]) * S)
    assert row["orig_data_pkts"] == 2
    assert row["resp_size_max"] == row["resp_gap_max"] == 0


def test_a_clock_that_was_wrong_for_a_while_is_set_back():
    ok = [(t / 10, packet(1, 2, 4000, 80, 17)) for t in range(20)]
    odd = [(9000 + t, packet(3, 4, 4000, 80, 17)) for t in range(3)]
    # each of another connection, which is over a minute later
    n = f.MAX_BEHIND + 1200
    later = [(3 + t / 10, packet(5, 6, 20_000 + t, 80, 17)) for t in range(n)]
    data = capture(ok + odd + later)
    [frames] = read_frames(io.BytesIO(data), source="made")
    rows = Connections()
    found = rows.add(decode(frames, checksums=False))
    assert rows.n_set_back == 1
    # what was of the wrong time ended when it was known to be wrong
    assert found.filter(pl.col("id.orig_h") == "0.0.0.3").height == 1
    is_later = pl.col("id.orig_h") == "0.0.0.5"
    assert found.filter(is_later).height > f.MAX_BEHIND
    rest = rows.finish()
    assert found.filter(is_later).height + rest.filter(is_later).height == len(later)
    assert followed(data, [10, 22, 900, 1500]).equals(pl.concat([found, rest]))
