"""Labels: who did what when decides, not addresses, not directions."""

import json
import struct

import polars as pl
import pytest
from click.testing import CliRunner

from evenflow.cli import main
from evenflow.errors import DataError
from evenflow.lab import _raw, build, labels
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
).with_columns(label="family", tool=pl.lit("own"))


def packets(*lines):
    names = ("ts", "machine", "slot", "proto", "source", "source_port", "destination",
             "destination_port")  # fmt: skip
    return pl.DataFrame(lines, schema=names, orient="row")


def rows(*lines):
    names = ("ts", "proto", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
    made = pl.DataFrame(lines, schema=names, orient="row")
    return made.with_columns((pl.col("ts") + 5 * S).alias("known"))


def families(made, log):
    return labels.label(made, ACTIONS, log)["family"].to_list()


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


def test_error_messages_are_told_by_hosts_whatever_the_order_of_their_names():
    user, server = "10.1.1.2", "10.1.1.29"  # as words with ports, the other way round
    made = rows((11 * S, "icmp", server, 3, user, 3))
    assert families(made, packets((10 * S, 0, 1, 17, user, 2001, server, 9))) == [
        "benign"
    ]


USER6, SERVER6 = "fd00:1::a01:102", "fd00:1::a01:109"


def test_connections_of_ipv6_have_the_labels_of_who_made_them():
    log = packets(
        (10 * S, 0, 1, 6, USER6, 2001, SERVER6, 80),
        (10 * S, 0, 2, 58, USER6, 4711, SERVER6, 0),
    )
    made = rows(
        (10 * S, "tcp", USER6, 2001, SERVER6, 80),
        (10 * S, "icmp", USER6, 128, SERVER6, 0),
    )
    assert families(made, log) == ["benign", "scan"]


def test_that_hosts_look_for_one_another_is_no_attack():
    made = rows((10 * S, "icmp", USER6, 135, "ff02::1:ff01:109", 0))
    for slot, family in ((1, "benign"), (2, "unknown")):
        log = packets((10 * S, 0, slot, 58, USER6, 0, "ff02::1:ff01:109", 0))
        assert families(made, log) == [family]


def test_what_a_kernel_asks_its_neighbours_unasked_is_ordinary():
    log = packets((10 * S, 0, 2, 6, USER6, 7001, SERVER6, 80))
    made = rows(
        (10 * S, "icmp", "fe80::1", 133, "ff02::2", 134),
        (10 * S, "icmp", "fe80::1", 143, "ff02::16", 0),
        (10 * S, "icmp", USER6, 128, SERVER6, 0),
    )
    found = labels.label(made, ACTIONS, log)
    assert found["family"].to_list() == ["benign", "benign", "unknown"]
    assert found["label"].to_list()[:2] == ["neighbours", "neighbours"]


def test_a_connection_of_a_client_and_an_attacker_is_nobody_s():
    ends = ("0.0.0.0", 68, "255.255.255.255", 67)
    made = rows((10 * S, "udp", *ends))
    one, other = (10 * S, 0, 1, 17, *ends), (12 * S, 0, 2, 17, *ends)
    later = (20 * S, 0, 2, 17, *ends)
    assert families(made, packets(one, later)) == ["benign"]
    assert families(made, packets(one, other)) == ["unknown"]
    assert families(made, packets((10 * S, 0, 2, 17, *ends), later)) == ["scan"]


def frame(source_port):
    """Return a question by UDP, as it is in a capture."""
    body = b"a question"
    udp = struct.pack(">HHHH", source_port, 53, 8 + len(body), 0) + body
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
        bytes([10, 1, 1, 2]), bytes([10, 1, 1, 9]),
    )  # fmt: skip
    return b"\2" * 12 + b"\x08\x00" + _with_sum(ip) + udp


def _with_sum(ip):
    return ip[:10] + _raw.checksum(ip).to_bytes(2, "big") + ip[12:]


def make_run(folder, n_questions=1, part="train"):
    """Make the folder of a run in which questions were asked by UDP."""
    folder.mkdir()
    frames = [frame(2001 + i) for i in range(n_questions)]
    (folder / "capture.pcap").write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        + b"".join(struct.pack("<IIII", 10, 0, len(f), len(f)) + f for f in frames)
    )
    packets(
        *(
            (10 * S - 5, 0, 2, 17, USER, 2001 + i, SERVER, 53)
            for i in range(n_questions)
        )
    ).write_csv(folder / "packets.csv")
    action = {
        "id": 7, "start_ns": 9 * S, "machine": 0, "slot": 2, "action": "DNS tunnel",
        "family": "exfiltration", "twin_of": "", "tool": "own", "succeeded": True,
        "settings": {"rate": 3.5},
    }  # fmt: skip
    (folder / "actions.jsonl").write_text(json.dumps(action) + "\n")
    meta = {
        "run": folder.name, "plan": {"part": part},
        "sha256": {name: digest(folder / name) for name in FILES},
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


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
    for ports, family in (("1-100", labels.UNKNOWN), ("22,80,443", "benign")):
        action["settings"] = {"ports": ports}
        log.write_text(json.dumps(action) + "\n")
        assert labels.actions(run)["family"].to_list() == [family]


def test_a_check_of_links_that_mostly_miss_has_no_label(run):
    log = run / "actions.jsonl"
    action = json.loads(log.read_text()) | {"family": "benign", "action": "link check"}
    for gone, family in ((0.9, labels.UNKNOWN), (0.2, "benign")):
        action["settings"] = {"gone": gone}
        log.write_text(json.dumps(action) + "\n")
        assert labels.actions(run)["family"].to_list() == [family]


def test_a_capture_that_is_not_the_one_recorded_is_refused(run, tmp_path):
    with (run / "capture.pcap").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(DataError, match=r"capture\.pcap has the SHA-256"):
        build.build([run], tmp_path / "lab.parquet")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no readable meta\.json"):
        build.build([tmp_path], tmp_path / "lab.parquet")


def test_runs_are_added_to_a_file_whose_rows_stay(run, tmp_path):
    first, both = tmp_path / "first.parquet", tmp_path / "both.parquet"
    build.build([run], first)
    second = run.rename(tmp_path / "second")
    meta = json.loads((second / "meta.json").read_text())
    (second / "meta.json").write_text(json.dumps(meta | {"run": "second"}))
    args = ["lab", "build", str(second), "--add", str(first), "-o", str(both)]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    found, old = pl.read_parquet(both), pl.read_parquet(first)
    assert found.head(old.height).equals(old)
    assert found["run"].to_list() == ["run", "second"]
    runs = json.loads(pl.read_parquet_metadata(both)[build.RUNS])
    assert [r["run"] for r in runs] == ["run", "second"]


def test_a_run_is_not_added_twice(run, tmp_path):
    output = tmp_path / "lab.parquet"
    build.build([run], output)
    with pytest.raises(DataError, match="a run named run twice"):
        build.build([run], output, add=output)


def test_runs_are_added_to_no_other_file(run, tmp_path):
    other = tmp_path / "other.parquet"
    other.write_text("text")
    with pytest.raises(DataError, match="cannot be added to"):
        build.build([run], tmp_path / "lab.parquet", add=other)
    pl.DataFrame({"a": [1]}).write_parquet(other, metadata={build.RUNS: "[]"})
    with pytest.raises(DataError, match="has other columns"):
        build.build([run], tmp_path / "lab.parquet", add=other)


@pytest.mark.parametrize("part", ["train", "natural"])
def test_an_action_of_many_connections_has_rows_of_some_but_in_natural(tmp_path, part):
    many = 3 * build.MOST_OF_ACTION
    folder = make_run(tmp_path / "run", many, part)
    rows = build.build([folder], tmp_path / "rows.parquet")
    kept = rows.select("connection").n_unique()
    assert kept == (many if part == "natural" else build.MOST_OF_ACTION)
    # those that are left saw all of them
    assert rows["src_2s_connections"].max() > 2 * build.MOST_OF_ACTION
