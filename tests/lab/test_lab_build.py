"""Labels: who did what when decides, not addresses, not directions."""

import json
import struct

import polars as pl
import pytest

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


USER6, SERVER6 = "fd00:1::a01:102", "fd00:1::a01:109"
PLAIN = (10 * S, 0, 1, 6, USER, 2001, SERVER, 80)
QUESTION = (10 * S, 0, 1, 17, USER, 2001, SERVER, 9)
ERROR = (11 * S, "icmp", SERVER, 3, USER, 3)
LABELLED = {
    "two clients of one address have the labels of what each did": (
        [PLAIN, (10 * S, 0, 2, 6, ATTACKER_TOO, 7001, SERVER, 80)],
        {(10 * S, "tcp", USER, 2001, SERVER, 80): "benign",
         (10 * S, "tcp", ATTACKER_TOO, 7001, SERVER, 80): "scan"},
    ),
    "a connection seen in the wrong direction has its label": (
        [(10 * S, 0, 2, 6, USER, 7001, SERVER, 80)],
        {(10 * S, "tcp", SERVER, 80, USER, 7001): "scan"},
    ),
    "the later half of a split connection has the label of the first": (
        [(10 * S, 0, 2, 17, USER, 7001, SERVER, 53)],
        {(10 * S, "udp", USER, 7001, SERVER, 53): "scan",
         (90 * S, "udp", SERVER, 53, USER, 7001): "scan"},
    ),
    "a port used again by another action has that one's label": (
        [PLAIN, (60 * S, *PLAIN[1:])],
        {(10 * S, "tcp", USER, 2001, SERVER, 80): "benign",
         (60 * S, "tcp", USER, 2001, SERVER, 80): "dos"},
    ),
    "what nobody did is unknown": (
        [PLAIN],
        {(10 * S, "tcp", USER, 2002, SERVER, 80): "unknown",
         (10 * S, "udp", USER, 2001, SERVER, 80): "unknown",
         (400 * S, "tcp", USER, 2001, SERVER, 80): "unknown"},
    ),
    "an error message is ordinary where no attacker was at work": (
        [QUESTION], {ERROR: "benign"}
    ),
    "an error message is unknown where an attacker was at work": (
        [QUESTION, (12 * S, 0, 2, 6, USER, 7001, SERVER, 80)], {ERROR: "unknown"}
    ),
    "an error message long after its cause is unknown": (
        [QUESTION], {(60 * S, *ERROR[1:]): "unknown"}
    ),
    "an error message that a scan caused is nobody's doing": (
        [(10 * S, 0, 2, 17, USER, 7001, SERVER, 9)],
        {(10 * S, "udp", USER, 7001, SERVER, 9): "scan",
         (10 * S, *ERROR[1:]): "unknown"},
    ),
    "pings have the label of who sent them": (
        [(10 * S, 0, 2, 1, USER, 4711, SERVER, 0)],
        {(10 * S, "icmp", USER, 8, SERVER, 0): "scan"},
    ),
    # 10.1.1.29 and 10.1.1.2 as words with ports: the other way round
    "error messages are told by hosts whatever the order of their names": (
        [(10 * S, 0, 1, 17, USER, 2001, "10.1.1.29", 9)],
        {(11 * S, "icmp", "10.1.1.29", 3, USER, 3): "benign"},
    ),
    "connections of IPv6 have the labels of who made them": (
        [(10 * S, 0, 1, 6, USER6, 2001, SERVER6, 80),
         (10 * S, 0, 2, 58, USER6, 4711, SERVER6, 0)],
        {(10 * S, "tcp", USER6, 2001, SERVER6, 80): "benign",
         (10 * S, "icmp", USER6, 128, SERVER6, 0): "scan"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("log", "found"), LABELLED.values(), ids=LABELLED)
def test_a_connection_has_the_label_of_who_made_it(log, found):
    assert families(rows(*found), packets(*log)) == [*found.values()]


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
    ports = range(2001, 2001 + n_questions)
    frames = [frame(port) for port in ports]
    (folder / "capture.pcap").write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        + b"".join(struct.pack("<IIII", 10, 0, len(f), len(f)) + f for f in frames)
    )
    log = packets(*((10 * S - 5, 0, 2, 17, USER, port, SERVER, 53) for port in ports))
    log.write_csv(folder / "packets.csv")
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
def folder(tmp_path):
    return make_run(tmp_path / "run")


def test_a_run_becomes_rows_with_label_tool_and_rate(folder, tmp_path, run):
    output = tmp_path / "lab.parquet"
    run("lab", "build", folder, "-o", output)
    [row] = pl.read_parquet(output).to_dicts()
    assert (row["family"], row["label"], row["tool"]) == (
        "exfiltration", "dns_tunnel", "own",
    )  # fmt: skip
    assert (row["rate"], row["action"], row["part"]) == (3.5, 7, "train")
    assert (row["protocol"], row["fwd_bytes"]) == ("udp", 10)
    [meta] = json.loads(pl.read_parquet_metadata(output)[build.RUNS])
    assert meta["run"] == "run"


@pytest.mark.parametrize(
    ("action", "settings", "family"),
    [
        ("inventory", {"ports": "1-100"}, labels.UNKNOWN),  # many of them
        ("inventory", {"ports": "22,80,443"}, "benign"),
        ("link check", {"gone": 0.9}, labels.UNKNOWN),  # most of them
        ("link check", {"gone": 0.2}, "benign"),
    ],
)
def test_what_looks_like_a_scan_and_has_leave_has_no_label(
    folder, action, settings, family
):
    log = folder / "actions.jsonl"
    changed = {"family": "benign", "action": action, "settings": settings}
    log.write_text(json.dumps(json.loads(log.read_text()) | changed) + "\n")
    assert labels.actions(folder)["family"].to_list() == [family]


def test_a_capture_that_is_not_the_one_recorded_is_refused(folder, tmp_path):
    with (folder / "capture.pcap").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(DataError, match=r"capture\.pcap has the SHA-256"):
        build.build([folder], tmp_path / "lab.parquet")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no readable meta\.json"):
        build.build([tmp_path], tmp_path / "lab.parquet")


def test_runs_are_added_to_a_file_whose_rows_stay(folder, tmp_path, run):
    first, both = tmp_path / "first.parquet", tmp_path / "both.parquet"
    build.build([folder], first)
    second = make_run(tmp_path / "second")
    run("lab", "build", second, "--add", first, "-o", both)
    found, old = pl.read_parquet(both), pl.read_parquet(first)
    assert found.head(old.height).equals(old)
    assert found["run"].to_list() == ["run", "second"]
    runs = json.loads(pl.read_parquet_metadata(both)[build.RUNS])
    assert [r["run"] for r in runs] == ["run", "second"]


def test_a_run_is_not_added_twice(folder, tmp_path):
    output = tmp_path / "lab.parquet"
    build.build([folder], output)
    with pytest.raises(DataError, match="a run named run twice"):
        build.build([folder], output, add=output)


def test_runs_are_added_to_no_other_file(folder, tmp_path, write):
    other = write("other.parquet", "text")
    with pytest.raises(DataError, match="cannot be added to"):
        build.build([folder], tmp_path / "lab.parquet", add=other)
    pl.DataFrame({"a": [1]}).write_parquet(other, metadata={build.RUNS: "[]"})
    with pytest.raises(DataError, match="has other columns"):
        build.build([folder], tmp_path / "lab.parquet", add=other)


@pytest.mark.parametrize("part", ["train", "natural"])
def test_an_action_of_many_connections_has_rows_of_some_but_in_natural(tmp_path, part):
    many = 3 * build.MOST_OF_ACTION
    folder = make_run(tmp_path / "run", many, part)
    rows = build.build([folder], tmp_path / "rows.parquet")
    kept = rows.select("connection").n_unique()
    assert kept == (many if part == "natural" else build.MOST_OF_ACTION)
    # those that are left saw all of them
    assert rows["src_2s_connections"].max() > 2 * build.MOST_OF_ACTION
