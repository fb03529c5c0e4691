"""Labels: who did what when decides, not addresses, not directions."""

from __future__ import annotations

import json
import struct

import polars as pl
import pytest
from click.testing import CliRunner

from evenflow.cli import main
from evenflow.errors import DataError
from evenflow.lab import build
from evenflow.lab.record import FILES, digest

S = 10**9
USER, ATTACKER_TOO, SERVER = "10.1.1.2", "10.1.1.2", "10.1.1.9"
ACTIONS = pl.DataFrame(
    [
        {"action": 0, "machine": 0, "slot": 1, "start_ns": 0, "family": "benign"},
        {"action": 1, "machine": 0, "slot": 2, "start_ns": 0, "family": "scan"},
        {"action": 2, "machine": 0, "slot": 1, "start_ns": 50 * S, "family": "dos"},
    ],
    schema_overrides={"start_ns": pl.Int64},
)


def packets(*lines):
    names = ("ts", "machine", "slot", "proto", "source", "source_port", "destination",
             "destination_port")  # fmt: skip
    return pl.DataFrame(lines, schema=names, orient="row")


def rows(*lines):
    names = ("ts", "proto", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
    return pl.DataFrame(lines, schema=names, orient="row")


def families(made, log):
    return build.label(made, ACTIONS, log)["family"].to_list()


def test_two_clients_of_one_address_have_the_labels_of_what_each_did():
    log = packets(
        (10 * S, 0, 1, 6, USER, 2001, SERVER, 80),
        (10 * S, 0, 2, 6, ATTACKER_TOO, 7001, SERVER, 80),
    )
    made = rows(
        (10 * S, "tcp", USER, 2001, SERVER, 80),
        (10 * S, "tcp", ATTACKER_TOO, 7001, SERVER, 80),
    )
    assert families(made, log) == ["benign", "scan"]


def test_a_connection_seen_in_the_wrong_direction_has_its_label():
    log = packets((10 * S, 0, 2, 6, USER, 7001, SERVER, 80))
    assert families(rows((10 * S, "tcp", SERVER, 80, USER, 7001)), log) == ["scan"]


def test_the_later_half_of_a_split_connection_has_the_label_of_the_first():
    log = packets((10 * S, 0, 2, 17, USER, 7001, SERVER, 53))
    made = rows(
        (10 * S, "udp", USER, 7001, SERVER, 53),
        (90 * S, "udp", SERVER, 53, USER, 7001),
    )
    assert families(made, log) == ["scan", "scan"]


def test_a_port_used_again_by_another_action_has_that_one_s_label():
    log = packets(
        (10 * S, 0, 1, 6, USER, 2001, SERVER, 80),
        (60 * S, 0, 1, 6, USER, 2001, SERVER, 80),
    )
    made = rows(
        (10 * S, "tcp", USER, 2001, SERVER, 80),
        (60 * S, "tcp", USER, 2001, SERVER, 80),
    )
    assert families(made, log) == ["benign", "dos"]


def test_what_nobody_did_is_unknown():
    log = packets((10 * S, 0, 1, 6, USER, 2001, SERVER, 80))
    made = rows(
        (10 * S, "tcp", USER, 2002, SERVER, 80),
        (10 * S, "udp", USER, 2001, SERVER, 80),
        (400 * S, "tcp", USER, 2001, SERVER, 80),
    )
    assert families(made, log) == ["unknown"] * 3


def test_an_error_message_is_ordinary_where_no_attacker_was_at_work():
    made = rows((11 * S, "icmp", SERVER, 3, USER, 3))
    ordinary = (10 * S, 0, 1, 17, USER, 2001, SERVER, 9)
    assert families(made, packets(ordinary)) == ["benign"]
    attack = (12 * S, 0, 2, 6, USER, 7001, SERVER, 80)
    assert families(made, packets(ordinary, attack)) == ["unknown"]


def test_an_error_message_long_after_its_cause_is_unknown():
    made = rows((60 * S, "icmp", SERVER, 3, USER, 3))
    log = packets((10 * S, 0, 1, 17, USER, 2001, SERVER, 9))
    assert families(made, log) == ["unknown"]


def test_an_error_message_that_a_scan_caused_is_nobody_s_doing():
    log = packets((10 * S, 0, 2, 17, USER, 7001, SERVER, 9))
    made = rows(
        (10 * S, "udp", USER, 7001, SERVER, 9), (10 * S, "icmp", SERVER, 3, USER, 3)
    )
    assert families(made, log) == ["scan", "unknown"]


def test_pings_have_the_label_of_who_sent_them():
    log = packets((10 * S, 0, 2, 1, USER, 4711, SERVER, 0))
    assert families(rows((10 * S, "icmp", USER, 8, SERVER, 0)), log) == ["scan"]


@pytest.fixture
def run(tmp_path):
    """Return the folder of a run in which one UDP question was asked."""
    folder = tmp_path / "run"
    folder.mkdir()
    body = b"a question"
    udp = struct.pack(">HHHH", 2001, 53, 8 + len(body), 0) + body
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
        bytes([10, 1, 1, 2]), bytes([10, 1, 1, 9]),
    )  # fmt: skip
    words = struct.unpack(">10H", ip)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~total & 0xFFFF) + ip[12:]
    frame = b"\2" * 12 + b"\x08\x00" + ip + udp
    (folder / "capture.pcap").write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        + struct.pack("<IIII", 10, 0, len(frame), len(frame))
        + frame
    )
    packets((10 * S - 5, 0, 2, 17, USER, 2001, SERVER, 53)).write_csv(
        folder / "packets.csv"
    )
    action = {
        "id": 7, "start_ns": 9 * S, "machine": 0, "slot": 2, "action": "DNS tunnel",
        "family": "exfiltration", "twin_of": "", "tool": "own", "succeeded": True,
        "settings": {"rate": 3.5},
    }  # fmt: skip
    (folder / "actions.jsonl").write_text(json.dumps(action) + "\n")
    meta = {
        "run": "run", "plan": {"part": "train"},
        "sha256": {name: digest(folder / name) for name in FILES},
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def test_a_run_becomes_rows_with_label_tool_and_rate(run, tmp_path):
    output = tmp_path / "lab.parquet"
    done = CliRunner().invoke(main, ["lab", "build", str(run), "-o", str(output)])
    assert done.exit_code == 0, done.output
    [row] = pl.read_parquet(output).to_dicts()
    assert (row["family"], row["label"], row["tool"]) == (
        "exfiltration", "dns_tunnel", "own",
    )  # fmt: skip
    assert (row["rate"], row["action"], row["part"]) == (3.5, 7, "train")
    assert (row["protocol"], row["fwd_bytes"]) == ("udp", 10)
    [meta] = json.loads(pl.read_parquet_metadata(output)[build.RUNS])
    assert meta["run"] == "run"


def test_a_scan_of_many_ports_with_leave_has_no_label(run):
    log = run / "actions.jsonl"
    action = json.loads(log.read_text())
    action |= {"family": "benign", "action": "inventory"}
    for ports, family in (("1-100", build.UNKNOWN), ("22,80,443", "benign")):
        action["settings"] = {"ports": ports}
        log.write_text(json.dumps(action) + "\n")
        assert build.actions(run)["family"].to_list() == [family]


def test_a_capture_that_is_not_the_one_recorded_is_refused(run, tmp_path):
    with (run / "capture.pcap").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(DataError, match=r"capture\.pcap has the SHA-256"):
        build.build([run], tmp_path / "lab.parquet")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no readable meta\.json"):
        build.build([tmp_path], tmp_path / "lab.parquet")
