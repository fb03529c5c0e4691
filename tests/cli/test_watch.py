"""``evenflow watch``: traffic in, alerts and incidents out, and a clean end."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import polars as pl
import pytest
from rich.console import Console

from evenflow.cli.watch_view import Screen
from evenflow.progress import Note
from evenflow.runtime import bundle as bundles
from evenflow.runtime.feeds import Feed
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.watch import Watch
from evenflow.traffic.contracts import for_columns
from evenflow.traffic.flows import read_connections

from ..namespace import alone, ip  # noqa: TID252 (tests are not a package)
from .conftest import ZEEK, ended, grow, zeek_lines


@pytest.fixture
def watch(run, detector):
    """Return a function that runs the command with the detector."""
    return lambda *words, **options: run(
        "watch", "--bundle", detector, *words, **options
    )


def events(path, kind=None):
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [e for e in found if kind in (None, e["event_type"])]


def test_a_capture_gives_one_incident_for_its_scan(watch, capture, tmp_path):
    out = tmp_path / "alerts.json"
    done = watch("-r", capture, "--sink", f"eve:{out}")
    summary = "Scan or probe from 192.0.2.66 to 198.51.100.20: 300 ports, 300 conn"
    assert summary in done.stderr
    assert "300 alerts, 1 incident" in done.stderr
    assert [e["incident"]["status"] for e in events(out, "incident")] == [
        "opened",
        "closed",
    ]
    assert len(events(out, "alert")) == 10
    assert done.stdout == ""


def test_without_a_bundle_the_shipped_one_scores_and_its_limits_are_told(
    run, capture, tmp_path
):
    out = tmp_path / "alerts.json"
    done = run("watch", "-r", capture, "--sink", f"eve:{out}")
    told, *_ = done.stderr.splitlines()
    assert re.fullmatch(
        r"no --bundle: lab-live scores, which comes with evenflow; on held-out runs of "
        r"'lab' it detects \d+\.\d % of the attacks and has \d+\.\d % false alarms",
        told,
    )
    assert "192.0.2.66" in {e.get("src_ip") for e in events(out, "incident")}
    assert {e["ml"]["model"] for e in events(out, "alert")} == {"lab-live"}
    again = tmp_path / "by_name.json"
    run("watch", "--bundle", "lab-live", "-r", capture, "--sink", f"eve:{again}")
    assert events(again) == events(out)


def test_the_packets_of_an_incident_are_kept(watch, capture, tmp_path):
    out, folder = tmp_path / "alerts.json", tmp_path / "evidence"
    watch("-r", capture, "--sink", f"eve:{out}", "--evidence", folder)
    [path] = folder.iterdir()
    assert path.stem == events(out, "incident")[0]["incident_id"]
    with path.open("rb") as stream:
        found = pl.concat(read_connections(stream, source="evidence"))
    assert set(found["id.orig_h"]) == {"192.0.2.66"}
    assert found.height == 300


def test_a_log_that_goes_to_json_lines_has_the_figures(watch, capture, tmp_path):
    done = watch("-r", capture, "--sink", f"eve:{tmp_path}/a", "--log-json")
    facts = [json.loads(line) for line in done.stderr.splitlines()]
    *_, last = [fact for fact in facts if "age_p99_s" in fact]  # a slow run tells more
    assert (last["alerts"], last["incidents"], last["connections"]) == (300, 1, 620)
    assert watch("-r", capture, "--sink", f"eve:{tmp_path}/a", "-q").stderr == ""


def packets(capture):
    """Return the head of a capture and its packets, each with its own head."""
    data, at, found = capture.read_bytes(), 24, []
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        found.append(data[at:end])
        at = end
    return data[:24], found


def test_two_captures_are_read_as_if_they_were_one(watch, capture, tmp_path, write):
    head, found = packets(capture)
    first = write("1.pcap", b"".join([head, *found[:500]]))
    second = write("2.pcap", b"".join([head, *found[500:]]))
    out = tmp_path / "alerts.json"
    watch("-r", first, "-r", second, "--sink", f"eve:{out}")
    assert events(out, "incident")[-1]["incident"]["connections"] == 300


def test_expected_behaviour_is_counted_in_the_last_lines(
    watch, capture, tmp_path, write
):
    rule = 'source = "192.0.2.66"\nreason = "our scanner"\nexpires = 2026-02-01\n'
    rules = write("expected.toml", f"[[suppress]]\n{rule}")
    out = tmp_path / "alerts.json"
    done = watch("-r", capture, "--sink", f"eve:{out}", "--suppress", rules)
    assert "alerts suppressed, our scanner: 300" in done.stderr
    assert events(out) == []


def test_home_networks_decide_the_direction(watch, capture, tmp_path):
    out = tmp_path / "alerts.json"
    watch("-r", capture, "--sink", f"eve:{out}", "--home", "198.51.100.0/24")
    assert events(out, "incident")[0]["incident"]["direction"] == "inbound"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "found none of -r, -i, --zeek"),
        (["-r", "a", "-i", "lo"], "found --read and --interface of"),
        (["-r", "a", "tcp"], "expected one with -i"),
        (["--zeek", "a", "--evidence", "b"], "a log has no packets"),
        (["-r", "{capture}", "--evidence", "/dev/null/x"], "cannot write /dev/null/x"),
        (
            ["-r", "{capture}", "--sink", "mail:x"],
            "expected one of database, eve, stdout, syslog",
        ),
        (["-r", "{capture}", "--home", "home"], "expected an address or a network"),
        (["-r", "no.pcap"], "cannot read no.pcap: No such file"),
        (["-r", "{detector}/card.md"], "expected a capture, pcap or pcapng"),
        (["-r", "{capture}", "--suppress", "no.toml"], "cannot read no.toml"),
        (["-r", "{capture}", "--sink", "eve:/no/folder/f"], "cannot write"),
        (["-i", "eth99"], "there is no interface 'eth99'"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(watch, capture, detector, words, message):
    given = [word.format(capture=capture, detector=detector) for word in words]
    done = watch(*given, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bundle_of_columns_that_traffic_does_not_give_is_refused(
    run, bundle, capture
):
    done = run("watch", "--bundle", bundle, "-r", capture, code=2)
    assert "columns that connections do not give" in done.stderr


EVE_FLOW = {
    "timestamp": "2026-01-01T00:00:01.000000+0000", "flow_id": 1, "event_type": "flow",
    "src_ip": "192.0.2.1", "src_port": 1, "dest_ip": "192.0.2.2", "dest_port": 2,
    "proto": "TCP", "flow": {
        "pkts_toserver": 1, "pkts_toclient": 1, "bytes_toserver": 60,
        "bytes_toclient": 60, "start": "2026-01-01T00:00:00.000000+0000",
        "end": "2026-01-01T00:00:01.000000+0000", "age": 1, "state": "closed",
        "reason": "timeout", "alerted": False,
    },
}  # fmt: skip


def test_a_log_that_lacks_what_the_model_needs_is_refused_with_the_reason(watch, write):
    log = write("eve.json", json.dumps(EVE_FLOW) + "\n")
    done = watch("--eve", log, "--no-follow", code=2)
    assert "cannot be computed from Suricata" in done.stderr
    assert "orig_bytes" in done.stderr


@pytest.mark.parametrize("follows", [True, False])
def test_a_log_gives_alerts(watch, log, tmp_path, follows):
    out = tmp_path / "alerts.json"
    if follows:  # it is stopped from outside
        stop_soon(2)
    words = [] if follows else ["--no-follow"]
    watch("--zeek", log, "--sink", f"eve:{out}", *words)
    assert events(out, "incident")[-1]["incident"]["connections"] == 20


@pytest.mark.parametrize("follows", [True, False])
def test_a_line_without_a_value_costs_one_verdict(watch, log, tmp_path, follows):
    lines = log.read_text().splitlines()
    [fields] = [text for text in lines if text.startswith("#fields")]
    damaged = lines[-8].split("\t")
    damaged[fields.split("\t").index("conn_state") - 1] = "-"
    log.write_text("\n".join([*lines[:-8], "\t".join(damaged), *lines[-7:]]) + "\n")
    if follows:
        stop_soon(2)
    out, state = tmp_path / "alerts.json", tmp_path / "state"
    words = ("--zeek", log, "--sink", f"eve:{out}", "--state", state, "--alerts", 99)
    done = watch(*words, *([] if follows else ["--no-follow"]))
    assert "have no conn_state get no verdict: 1" in done.stderr
    assert len(events(out, "alert")) == 19


@pytest.mark.slow
def test_a_finished_log_is_read_on_from_the_state(watch, log, tmp_path):
    out, state = tmp_path / "out", tmp_path / "state"
    words = ("--zeek", log, "--sink", f"eve:{out}", "--state", state, "--alerts", 99)
    watch(*words, "--no-follow")
    watch(*words, "--no-follow")
    grow(log, 20, 30)
    watch(*words, "--no-follow")
    assert [e["dest_port"] for e in events(out, "alert")] == list(range(30))


def stop_soon(seconds):
    """Send this process a signal, a little later."""
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.slow
def test_a_followed_log_resumes_after_the_last_line_that_was_read(watch, log, tmp_path):
    out, state = tmp_path / "out", tmp_path / "state"
    words = ("--zeek", log, "--sink", f"eve:{out}", "--state", state, "--alerts", 99)
    stop_soon(2)
    watch(*words)
    grow(log, 20, 30)
    stop_soon(2)
    watch(*words)
    alerts = events(out, "alert")
    assert [e["dest_port"] for e in alerts] == list(range(30))
    assert len({e["incident_id"] for e in alerts}) == 1
    assert [e["incident"]["status"] for e in events(out, "incident")] == ["opened"]


@pytest.fixture
def follow(start, detector, log, tmp_path):
    """Return a function that starts a watch of the log, or goes on with it."""

    def follow(out):
        words = ("--state", tmp_path / "state", "--alerts", 99)
        return start(
            "--bundle", detector, "--zeek", log, "--sink", f"eve:{out}", *words
        )

    return follow


def alerted(out, n):
    """Wait until a file has as many alerts."""
    until(lambda: out.exists() and len(events(out, "alert")) == n)


@pytest.mark.slow
def test_a_run_that_is_killed_loses_no_alert_and_repeats_some_by_their_ids(
    follow, log, tmp_path
):
    out = tmp_path / "out"
    process = follow(out)
    alerted(out, 20)
    process.kill()
    process.wait()
    grow(log, 20, 30)
    process = follow(out)
    alerted(out, 50)
    ended(process)
    alerts = events(out, "alert")
    assert len({e["alert_id"] for e in alerts}) == 30
    assert len({e["incident_id"] for e in alerts}) == 1


@pytest.fixture
def small_disk(tmp_path):
    """The folder of a file system that a file named ``filler`` fills."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(OSError, match="No space left"):
            (folder / "filler").write_bytes(bytes(2**20))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_events_wait_while_the_disk_is_full_and_none_is_lost(
    follow, log, small_disk, tmp_path
):
    out = small_disk / "out"
    process = follow(out)
    has_begun(process, "No space left on device. Alerts wait")
    err = ended(process, code=2)
    assert "did not reach their sinks" in err
    assert "state was not saved: events wait for their sinks" in err
    assert not (tmp_path / "state").exists()
    process = follow(out)
    time.sleep(2)
    (small_disk / "filler").unlink()
    alerted(out, 20)
    grow(log, 20, 30)
    alerted(out, 30)
    ended(process)
    assert [e["dest_port"] for e in events(out, "alert")] == list(range(30))


@pytest.mark.slow
def test_a_log_that_was_rotated_while_nobody_read_it_loses_no_line(
    follow, log, tmp_path
):
    out = tmp_path / "out"
    process = follow(out)
    alerted(out, 20)
    ended(process)
    grow(log, 20, 25)
    log.rename(tmp_path / "conn.1.log")
    log.write_text(ZEEK + zeek_lines(25, 30))
    process = follow(out)
    alerted(out, 30)
    ended(process)
    assert [e["dest_port"] for e in events(out, "alert")] == list(range(30))
    assert len({e["incident_id"] for e in events(out, "alert")}) == 1


def test_a_clock_that_jumps_loses_no_alert_and_leaves_no_incident_open(
    watch, capture, tmp_path, write
):
    out = tmp_path / "out"
    head, scan = packets(capture)
    for i in range(200, 400):  # of 600, a day later
        at = int.from_bytes(scan[i][:4], "little") + 86_400
        scan[i] = at.to_bytes(4, "little") + scan[i][4:]
    jumps = write("jumps.pcap", b"".join([head, *scan[:600]]))
    done = watch("-r", jumps, "--sink", f"eve:{out}")
    assert "300 alerts" in done.stderr
    incidents = events(out, "incident")
    closed = [e["incident"] for e in incidents if e["incident"]["status"] == "closed"]
    assert sum(one["connections"] for one in closed) == 300
    assert {tuple(one["attackers"]["first"]) for one in closed} == {("192.0.2.66",)}


def test_a_state_of_something_else_is_refused(watch, capture, tmp_path):
    (tmp_path / "state").write_text("{}")
    done = watch("-r", capture, "--state", tmp_path / "state", code=2)
    assert "is not a state of evenflow watch" in done.stderr


@pytest.mark.slow
def test_events_that_reach_no_sink_are_an_error_at_the_end(watch, capture):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = watch("-r", capture, "--sink", f"syslog:tcp://127.0.0.1:{port}", code=2)
    assert "Connection refused" in done.stderr
    assert "12 events did not reach their sinks" in done.stderr


@pytest.mark.slow
def test_a_capture_from_a_pipe_gives_lines_on_stdout(start, detector, capture):
    with capture.open("rb") as stream:
        process = start("--bundle", detector, "-r", "-", stdin=stream)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    kinds = [json.loads(line)["event_type"] for line in out.splitlines()]
    assert sorted(kinds) == ["alert"] * 10 + ["incident"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_pipe_that_is_stopped_ends_with_what_it_has(
    start, detector, capture, number, code
):
    process = start("--bundle", detector, "-r", "-", stdin=subprocess.PIPE)
    process.stdin.buffer.write(capture.read_bytes())
    process.stdin.buffer.flush()
    assert process.stdout.readline().startswith('{"timestamp"')
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    # what the pipe still held when it was stopped was not read
    assert re.search(r"[1-9]\d* connections of stdin", err), err
    assert '"status":"closed"' in out


def refuse(capture, name="far", n=60):
    """Send a scan of closed ports past an interface: each SYN, and the reset to it."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((name, 0))
        for packet in packets(capture)[1][: 2 * n]:
            out.send(packet[16:])
            time.sleep(0.001)


def has_begun(process, text):
    """Wait for a line of a process; notes may come before it."""
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"no {text}")


def until(condition, seconds=30.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@alone
def test_a_scan_on_an_interface_is_alerted_within_seconds(
    start, detector, capture, tmp_path, number
):
    out, state = tmp_path / "alerts.json", tmp_path / "state.json"
    process = start(
        "--bundle", detector, "-i", "near", "--sink", f"eve:{out}", "--state", state,
        "tcp",
    )  # fmt: skip
    has_begun(process, "watching near")
    time.sleep(0.5)
    begun = time.time()
    refuse(capture)
    until(lambda: out.exists() and events(out, "incident"), 5)
    assert time.time() - begun < 5
    time.sleep(1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    first = events(out, "incident")[0]
    assert first["src_ip"] == "192.0.2.66"
    assert "60 alerts, 1 incident" in err
    [[_, saved]] = json.loads(state.read_text())["incidents"]["open"]
    assert saved["connections"] == 60


@pytest.mark.slow
@alone
def test_packets_that_were_captured_before_ctrl_c_are_scored(
    start, detector, capture, tmp_path
):
    process = start("--bundle", detector, "-i", "near", "--sink", f"eve:{tmp_path}/a")
    has_begun(process, "watching near")
    time.sleep(0.5)
    refuse(capture)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "60 alerts, 1 incident" in err


@pytest.mark.slow
@alone
def test_a_scan_that_a_sensor_publishes_is_alerted_within_seconds(
    start, server, detector, capture, tmp_path
):
    server.stop()
    server.start()  # in this network
    out = tmp_path / "alerts.json"
    bus = ("--bus", server.url)
    contract = ("--contract", "nsl_kdd_live")
    sensor = start("-i", "near", *bus, *contract, "tcp", command="publish")
    scorer = start("--bundle", detector, *bus, "--sink", f"eve:{out}")
    has_begun(sensor, "publishing near to redis://")
    has_begun(scorer, "watching evenflow:nsl_kdd_live")
    time.sleep(0.5)
    refuse(capture)
    until(lambda: out.exists() and events(out, "incident"), 5)
    for process in (sensor, scorer):
        time.sleep(1)
        err = ended(process)
    assert events(out, "incident")[0]["src_ip"] == "192.0.2.66"
    assert "60 alerts, 1 incident" in err


@pytest.mark.slow
@alone
def test_an_interface_that_vanishes_is_an_error_after_all_is_judged(
    start, detector, capture, tmp_path
):
    out = tmp_path / "alerts.json"
    process = start("--bundle", detector, "-i", "near", "--sink", f"eve:{out}")
    has_begun(process, "watching near")
    time.sleep(0.5)
    refuse(capture, n=3)
    ip("link", "del", "near")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "the interface near has vanished" in err
    assert events(out, "incident")[-1]["incident"]["connections"] == 3


def test_the_view_of_a_terminal_has_figures_and_incidents(detector, capture):
    screen = Screen()
    screen.console = Console(file=io.StringIO(), width=200, force_terminal=True)
    bundle = bundles.load(detector, threads=1)
    found = Watch(
        bundle,
        for_columns(bundle.schema.names).start(source="mixed"),
        Incidents(),
        on_report=screen.report,
    )
    feed = Feed(name="mixed.pcap", batches=iter(()))
    screen.begin(found, feed)
    with capture.open("rb") as stream:
        for frame in read_connections(stream, source="mixed"):
            found.take(frame)
            screen.status(found, feed)
    screen.note(Note(text="a note\x1b[2J", is_warning=True))
    screen.console.print(screen._draw())
    drawn = screen.console.file.getvalue()
    assert "300 alerts" in drawn
    assert "1 incident open" in drawn
    assert "Scan or probe from 192.0.2.66" in drawn
    assert "\x1b[2J" not in drawn
