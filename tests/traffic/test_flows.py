"""Captures to connections: Zeek's own traces, and captures that others misread."""

import csv
import io
import json
import re
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from evenflow.errors import DataError
from evenflow.traffic import conn_log
from evenflow.traffic.captures import read_frames
from evenflow.traffic.connections import SERVER_PORTS, Connections
from evenflow.traffic.decoding import decode
from evenflow.traffic.flows import read_connections
from evenflow.traffic.packets import End

CAPTURES = Path(__file__).with_name("captures")
SAME = (
    "five_clocks.pcapng", "ns_be.pcap", "null_bsd.pcap", "raw.pcap", "sll.pcap",
    "sll2.pcap", "us_le.pcap", "gre.pcap", "ipip.pcap", "qinq.pcap", "vlan.pcap",
    "vxlan.pcap",
)  # fmt: skip
"""One connection of ten packets, as different machines capture it."""


def connections(path, **how):
    """Return the connections of a capture, and what was said of it."""
    notes = []
    with path.open("rb") as stream:
        found = read_connections(stream, source=path.name, on_event=notes.append, **how)
        frame = pl.concat(list(found))
    return conn_log.table(frame), [note.text for note in notes]


@pytest.mark.parametrize("name", SAME)
def test_a_connection_is_the_same_however_it_was_captured(name):
    frame, _ = connections(CAPTURES / name)
    [row] = frame.to_dicts()
    assert row["id.orig_h"], row["id.resp_h"] == ("192.0.2.10", "198.51.100.20")
    assert row["id.resp_p"] == 80
    assert row["conn_state"] == "SF"
    assert row["orig_pkts"] + row["resp_pkts"] == 10
    assert (row["orig_bytes"], row["resp_bytes"]) == (35, 40)
    assert row["duration"] == pytest.approx(0.09, abs=1e-6)
    assert row["ts"] == 1767225600.0


NFLOG = b"\2\0\0\1" + b"\x08\0\1\0\x08\0\0\0" + b"\x05\0\x0a\0x\0\0\0" + b"\x2c\0\x09\0"
FABRIC_PATH = b"\2" * 12 + b"\x89\x03\0\0" + b"\2" * 12 + b"\x08\0"


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (239, NFLOG), (1, FABRIC_PATH), (204, b"\1\0\x21"), (9, b"\xff\3\0\x21"),
        (205, b"\0\x0f\0\x08\0"), (117, b"\x3d\2" + b"\0" * 62),
        (192, b"\0\0\x0c\0\x0c\0\0\0abcd"), (192, b"\0\0\x08\0\1\0\0\0" + FABRIC_PATH),
    ],
)  # fmt: skip
def test_a_connection_is_the_same_behind_headers_of_capture(link, before, tmp_path):
    path = rewritten(tmp_path, link=link, before=before)
    assert_frame_equal(connections(path)[0], connections(CAPTURES / "raw.pcap")[0])


def test_vxlan_is_opened_whatever_its_other_flags_say(tmp_path):
    data = bytearray((CAPTURES / "vxlan_two_tenants.pcap").read_bytes())
    found = 0
    while (found := data.find(b"\x08\0\0\0\0", found + 1)) > 0:
        if data[found - 6 : found - 4] == b"\x12\xb5":  # behind the port of VXLAN
            data[found : found + 4] = b"\x88\0\0\x07"  # a group policy
            data[found + 7] = 0x55  # reserved
    path = tmp_path / "vxlan_two_tenants.pcap"
    path.write_bytes(data)
    assert data != (CAPTURES / path.name).read_bytes()
    how = {"checksums": False}
    assert_frame_equal(
        connections(path, **how)[0], connections(CAPTURES / path.name, **how)[0]
    )


def rewritten(folder, *, link=101, before=b"", time=lambda _, ns: ns):
    """Return ``raw.pcap`` with other headers, or other times by number and time."""
    with (CAPTURES / "raw.pcap").open("rb") as stream:
        [frames] = read_frames(stream, source="raw.pcap")
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, link)]
    for i, (start, n) in enumerate(zip(frames.start, frames.length, strict=True)):
        ns = time(i, int(frames.time_ns[i]))
        text = before + frames.data[start : start + n].tobytes()
        out.append(struct.pack("<IIII", *divmod(ns, 10**9), len(text), len(text)))
        out.append(text)
    (folder / "rewritten.pcap").write_bytes(b"".join(out))
    return folder / "rewritten.pcap"


YEARS = 18 * 365 * 86_400 * 10**9


def test_a_first_packet_from_the_future_does_not_date_its_connection(tmp_path):
    path = rewritten(tmp_path, time=lambda i, ns: ns + YEARS * (i == 0))
    (row,), notes = connections(path)[0].to_dicts(), connections(path)[1]
    assert row["ts"] == pytest.approx(1767225600.01)  # of the first right packet
    assert row["duration"] == pytest.approx(0.08)
    assert (row["conn_state"], row["orig_pkts"] + row["resp_pkts"]) == ("SF", 10)
    assert "more than a day from that of the packet before: 1" in notes[0]


@pytest.mark.parametrize("wrong", [0, 4])
def test_a_packet_by_a_wrong_clock_is_told_of(wrong, tmp_path):
    sign = -1 if wrong == 0 else 1
    path = rewritten(tmp_path, time=lambda i, ns: ns + sign * YEARS * (i == wrong))
    _, notes = connections(path)
    assert f"from that of the packet before: {1 if wrong == 0 else 2}." in notes[0]


def test_a_tunnel_s_number_is_a_part_of_the_key():
    frame, notes = connections(CAPTURES / "vxlan_two_tenants.pcap")
    assert frame["conn_state"].to_list() == ["SF", "SF"]
    assert (frame["orig_pkts"] + frame["resp_pkts"]).to_list() == [10, 10]
    assert notes == [
        "packets of vxlan_two_tenants.pcap that were decapsulated from tunnels: 20"
    ]


def test_forty_tunnels_in_one_another_are_counted_and_not_opened():
    frame, notes = connections(CAPTURES / "gre_40_deep.pcap")
    assert frame["proto"].to_list() == ["unknown_transport"]  # the outermost GRE
    assert any("in tunnels that could not be opened: 1" in note for note in notes)


def test_a_capture_without_packets_has_no_connections():
    assert connections(CAPTURES / "empty.pcap")[0].height == 0


def test_a_capture_that_was_cut_is_read_to_its_last_whole_packet():
    frame, notes = connections(CAPTURES / "cut.pcap")
    assert (frame["orig_pkts"] + frame["resp_pkts"]).to_list() == [9]
    [note] = notes
    assert "cut.pcap is damaged after packet 9, byte 792" in note


def test_a_time_that_runs_backwards_ends_nothing_and_is_never_negative():
    frame, _ = connections(CAPTURES / "backwards.pcap")
    assert frame.height == 3
    whole = frame.filter(pl.col("conn_state") == "SF")
    assert (whole["orig_pkts"] + whole["resp_pkts"]).to_list() == [10]
    assert frame["duration"].min() >= 0


def test_what_is_no_capture_is_one_line_that_says_what_it_is(tmp_path, run):
    out = tmp_path / "flows.log"
    for output in ((), ("-o", out)):
        words = ("flows", "-r", CAPTURES / "not_a_capture.pcap", *output)
        done = run(*words, code=2)
        assert done.stdout == ""
        assert "is a web page or XML; expected a capture" in done.stderr
    assert not out.exists()


def test_zeek_s_form_has_its_header_and_unset_fields(run):
    done = run("flows", "-r", CAPTURES / "us_le.pcap")
    *head, line = done.stdout.splitlines()
    names = next(h for h in head if h.startswith("#fields")).split("\t")[1:]
    row = dict(zip(names, line.split("\t"), strict=True))
    assert row["ts"] == "1767225600.000000"
    assert re.fullmatch(r"C\w{16}", row["uid"])
    assert row["history"] == "ShADadFf"
    # what came after both sides had closed is not counted, as with Zeek
    assert row["duration"] == "0.080000"
    assert done.stderr == "connections in us_le.pcap: 1\n"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_of_connections_is_the_same_in_every_form(form, tmp_path, run):
    path = tmp_path / f"flows.{form}"
    run("flows", "-r", CAPTURES / "vxlan_two_tenants.pcap", "-o", path)
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}
    frame = read[form](path)
    expected = connections(CAPTURES / "vxlan_two_tenants.pcap")[0]
    assert frame.to_dicts() == expected.to_dicts()


def test_a_capture_is_read_from_a_pipe(run):
    data = (CAPTURES / "five_clocks.pcapng").read_bytes()
    done = run("flows", "-r", "-", "--format", "jsonl", input=data)
    assert json.loads(done.stdout)["conn_state"] == "SF"


def test_of_too_many_connections_those_end_that_were_silent_longest():
    few = Connections(max_open=2)
    packets = made(*(ip(17, udp(), source, 9) for source in (1, 2, 1, 3, 3, 3)))
    found = pl.concat([few.add(packets), few.finish()])
    assert few.n_evicted == 1
    assert found["id.orig_h"].to_list() == ["0.0.0.2", "0.0.0.1", "0.0.0.3"]
    assert found["orig_pkts"].to_list() == [1, 2, 3]


def test_pieces_of_a_capture_give_the_connections_of_the_whole(monkeypatch):
    whole = connections(CAPTURES / "vxlan_two_tenants.pcap")[0]
    monkeypatch.setattr("evenflow.traffic.captures.BATCH_FRAMES", 3)
    pieces = connections(CAPTURES / "vxlan_two_tenants.pcap")[0]
    assert pieces.sort("uid").equals(whole.sort("uid"))


# -- packets made by hand


def capture(*packets, link=1):
    """Return a capture of frames, a microsecond apart."""
    text = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for k, data in enumerate(packets):
        text += struct.pack("<IIII", 1, k, len(data), len(data)) + data
    return text


def ip(protocol, data, source=1, destination=2):
    """Return an IPv4 packet without a checksum."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0)
    return head + struct.pack(">II", source, destination) + data


def tcp(flags, sequence, n=0, acked=0):
    """Return a TCP segment from port 4000 to port 80, or back where it acknowledges."""
    ports = (80, 4000) if acked else (4000, 80)
    head = struct.pack(">HHIIBBHHH", *ports, sequence, acked, 0x50, flags, 999, 0, 0)
    return head + b"x" * n


def udp(n=1):
    """Return a UDP datagram."""
    return struct.pack(">HHHH", 4000, 9000, 8 + n, 0) + b"x" * n


def made(*packets):
    """Return packets as they are decoded."""
    stream = io.BytesIO(capture(*packets, link=101))
    [frames] = read_frames(stream, source="made")
    return decode(frames, checksums=False)


def flows(tmp_path, *packets, link=101):
    """Return the connections of packets, and the notes."""
    path = tmp_path / "made.pcap"
    path.write_bytes(capture(*packets, link=link))
    return connections(path, checksums=False)


def test_segments_out_of_order_are_not_missing(tmp_path):
    begin = [ip(6, tcp(2, 0)), ip(6, tcp(18, 0, acked=1), 2, 1), ip(6, tcp(16, 1))]
    late = [ip(6, tcp(16, 1001 + 1000 * k, n=1000)) for k in range(60)]
    first = ip(6, tcp(16, 1, n=1000))
    done = ip(6, tcp(16, 1, acked=61_001), 2, 1)
    frame, _ = flows(tmp_path, *begin, *late, first, done)
    assert frame["missed_bytes"].to_list() == [0]
    assert "G" not in frame["history"][0]
    frame, _ = flows(tmp_path, *begin, *late, done)  # the first never came
    assert frame["missed_bytes"].to_list() == [1000]


@pytest.mark.parametrize("port", [4789, 6081])
def test_a_tunnel_that_cannot_be_opened_is_a_connection_itself(tmp_path, port):
    head = {4789: b"\x08\0\0\0\0\0\7\0", 6081: b"\0\0\x08\0" + b"\0" * 4}
    data = head[port] + b"\xff" * 40
    packet = ip(17, struct.pack(">HHHH", 5555, port, 8 + len(data), 0) + data)
    frame, notes = flows(tmp_path, *[packet] * 5)
    assert frame["id.resp_p"].to_list() == [port]
    assert frame["orig_pkts"].to_list() == [5]
    assert any("could not be opened: 5" in note for note in notes)


def test_packets_captured_too_short_are_counted_and_begin_nothing(tmp_path):
    frame, notes = flows(tmp_path, ip(6, b"\0\1"), ip(6, tcp(2, 0)[:12]))
    assert frame["orig_pkts"].to_list() == [0]  # its ports are known, no more
    assert any("captured too short for their headers: 1" in note for note in notes)
    assert any("without a whole transport header" in note for note in notes)


def test_a_wrong_ip_checksum_is_named_with_the_option_that_counts_it(tmp_path):
    path = tmp_path / "made.pcap"
    path.write_bytes(capture(ip(6, tcp(2, 0)), link=101))
    frame, notes = connections(path)
    assert frame.height == 0
    assert "wrong IP checksum (see --ignore-checksums): 1" in notes[0]
    assert connections(path, checksums=False)[0].height == 1


def test_a_capture_is_not_written_over(write, run):
    data = (CAPTURES / "us_le.pcap").read_bytes()
    path = write("a.pcap", data)
    run("flows", "-r", path, "-o", path, code=2)
    assert path.read_bytes() == data


def test_what_cannot_be_read_is_named_as_the_input(run):
    done = run("flows", "-r", "/proc/self/mem", code=2)
    assert "cannot read mem: Input/output error" in done.stderr


# -- what Zeek itself expects

FIELDS = (
    "conn_state", "history", "duration", "orig_bytes", "resp_bytes", "orig_pkts",
    "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "missed_bytes", "id.orig_h",
    "id.orig_p", "id.resp_h", "id.resp_p", "proto",
)  # fmt: skip
PORTS = {
    "http": {6: (80, 81, 631, 1080, 3128, 8000, 8080, 8888)}, "ftp": {6: (21, 2811)},
    "ssl": {6: (443, 563, 585, 614, 636, 989, 990, 992, 993, 995, 5223)},
    "dns": {6: (53,), 17: (53, 137, 5353, 5355)}, "dhcp": {17: (67, 4011)},
    "smtp": {6: (25, 587)}, "imap": {6: (143,)}, "irc": {6: (6666, 6667, 6668, 6669)},
    "mysql": {6: (1434, 3306)}, "ntp": {17: (123,)}, "redis": {6: (6379,)},
    "rdp": {6: (3389,), 17: (3389,)},
}  # fmt: skip
"""Ports that Zeek's scripts register, for runs that load a few of them."""
DIFFERENT = {
    # Zeek's FTP analyzer gave up on a line that was too long and noted an X
    "scripts.base.protocols.ftp.ftp-max-command-length",
    # Zeek's NTP analyzer turned the roles by the mode within the message
    "scripts.base.protocols.ntp.misordered-ntp",
}


def runs(folder):
    """Return flags and server ports of each trace's run of Zeek."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 10 and (folder / f"{cells[1]}.conn.tsv").exists():
            ports = {6: set(), 17: {2123, 2152, 3544, 4754, 4789, 5072, 6081}}
            for name in cells[8].partition(":")[2].split(","):
                for protocol, numbers in PORTS.get(name.strip(), {}).items():
                    ports[protocol] |= set(numbers)
            is_default = cells[8].startswith("default")
            yield cells[1], cells[7], SERVER_PORTS if is_default else ports


def followed(path, flag, ports):
    """Return connections as Zeek would write them, sorted."""
    open_ones = Connections(server_ports=ports)
    with path.open("rb") as stream:
        found = [
            open_ones.add(decode(frames, checksums=flag != "-C"))
            for frames in read_frames(stream, source=path.name)
        ]
    found.append(open_ones.finish())
    text = conn_log.header() + "".join(map(conn_log.lines, found))
    names, *lines = [x for x in text.splitlines() if x.startswith("#f") or x[0] != "#"]
    return [dict(zip(names.split("\t")[1:], x.split("\t"), strict=True)) for x in lines]


@pytest.mark.data
def test_connections_are_those_that_zeek_expects_of_its_own_traces(data_folders):
    folder = next(r / "zeek-conn" for r in data_folders if (r / "zeek-conn").is_dir())
    different = set()
    n = 0
    for name, flag, ports in runs(folder):
        [path] = [p for p in folder.glob(f"{name}.pcap*") if p.suffix != ".tsv"]
        with (folder / f"{name}.conn.tsv").open(encoding="utf-8") as stream:
            expected = list(csv.DictReader(stream, delimiter="\t"))
        given = [f for f in FIELDS if f in expected[0]]
        found = [tuple(row[f] for f in given) for row in followed(path, flag, ports)]
        if sorted(found) != sorted(tuple(row[f] for f in given) for row in expected):
            different.add(name)
        n += 1
    assert n == 40
    assert different == DIFFERENT


# -- whatever the bytes are

WHOLE = {path.name: path.read_bytes() for path in CAPTURES.iterdir()}


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(set(WHOLE) - {"empty.pcap", "not_a_capture.pcap"})),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=30),
    cut=st.floats(0.2, 1),
)
def test_no_changed_or_missing_byte_crashes(name, changes, cut):
    data = bytearray(WHOLE[name])
    for where, value in changes:
        at = 4 + int(where * (len(data) - 5))
        data[at] = value
    stream = io.BytesIO(bytes(data[: int(cut * len(data))]))
    try:
        frames = list(read_connections(stream, source=name))
    except DataError:
        return
    table = conn_log.table(pl.concat(frames))
    assert (table["duration"] >= 0).all()
    assert (table["orig_bytes"] >= 0).all()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    link=st.sampled_from([0, 1, 9, 12, 50, 51, 101, 104, 105, 108, 113, 119, 127, 163,
                          219, 228, 229, 276, 999]),
    packets=st.lists(st.binary(max_size=200), min_size=1, max_size=20),
)  # fmt: skip
def test_random_bytes_of_any_link_type_are_decoded_or_left_out(link, packets):
    text = capture(*packets, link=link)
    frames = list(read_frames(io.BytesIO(text), source="random"))
    decoded = [decode(f) for f in frames]
    assert sum(map(len, decoded)) == len(packets)
    ends = np.concatenate([p.end for p in decoded])
    assert set(ends.tolist()) <= {int(e) for e in End}
    sum(f.height for f in read_connections(io.BytesIO(text), source="random"))
