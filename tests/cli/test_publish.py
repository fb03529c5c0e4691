"""``evenflow publish`` and ``watch --bus``: one machine to several, by commands."""

import json
import os
import signal
import socket
import threading
import time

import pytest

from evenflow.runtime.bus.address import address
from evenflow.runtime.bus.client import Backlog, Stream


def alerts(path):
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {e["alert_id"]: e["ml"] for e in found if e["event_type"] == "alert"}


def stop_when_done(server):
    """Send this process a signal once its scorers have dealt with every entry."""
    stream = Stream(address(f"{server.url}?stream=captures", contract="none"))

    def wait():
        while stream.backlog() != Backlog(lag=0, pending=0):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.slow
def test_a_capture_that_is_published_gives_the_alerts_it_gives_alone(
    run, server, capture, detector, tmp_path
):
    bus = ("--bus", f"{server.url}?stream=captures")
    words = ("--contract", "nsl_kdd_live", "--sensor", "gate", "--log-json")
    done = run("publish", "-r", capture, *bus, *words)
    last = [json.loads(line) for line in done.stderr.splitlines()][-1]
    # 620 connections, some of which go on and have several rows
    assert (last["published"], last["dropped"]) == (939, 0)
    found = []
    for name, source in (("alone", ("-r", capture)), ("shared", bus)):
        if name == "shared":
            stop_when_done(server)
        done = run(
            "watch", *source, "--bundle", detector, "--alerts", 1000, "--sink",
            f"eve:{tmp_path / name}",
        )  # fmt: skip
        assert "300 alerts, 1 incident" in done.stderr
        found.append(alerts(tmp_path / name))
    assert found[0] == found[1]
    assert len(found[0]) == 300


@pytest.mark.slow
def test_a_followed_log_resumes_after_what_was_published(
    run, server, tmp_path, capture
):
    log, state = tmp_path / "conn.log", tmp_path / "state"
    run("flows", "-r", capture, "-o", log)
    words = ("--zeek", log, "--bus", server.url, "--contract", "nsl_kdd_live")
    published = []
    for _ in range(2):
        threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
        done = run("publish", *words, "--state", state, "--log-json")
        last = [json.loads(line) for line in done.stderr.splitlines()][-1]
        published.append(last["published"])
    assert published == [620, 0]


@pytest.mark.parametrize("command", ["publish", "watch"])
def test_a_server_that_is_away_is_one_line_without_the_password(
    run, capture, detector, command
):
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    source = ("-r", capture) if command == "publish" else ("--bundle", detector)
    url = f"redis://:top-secret@127.0.0.1:{port}/1"
    done = run(command, *source, "--bus", url, code=2)
    assert f"redis://127.0.0.1:{port}/1: Error 111" in done.stderr
    assert "Connection refused" in done.stderr
    assert "secret" not in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["publish", "-r", "{capture}"], "Missing option '--bus'"),
        (["publish", "--bus", "redis://h"], "found none of -r, -i, --zeek"),
        (["publish", "-r", "{capture}", "--bus", "http://u:secret@h"], "the scheme"),
        (["publish", "-r", "{capture}", "--bus", "redis:///0"], "no host"),
        (["publish", "-r", "{capture}", "--bus", "redis://h:secret"], "a port"),
        (["publish", "-r", "{capture}", "--bus", "redis://h/secret!"], "the database"),
        (["publish", "-r", "{capture}", "--bus", "redis://h?streem=a"], "'streem'"),
        (["publish", "-r", "{capture}", "--bus", "redis://h?group=a b"], "the group"),
        (["publish", "-r", "{capture}", "--bus", "redis://h", "--contract", "x"],
         "no contract 'x'"),
        (["publish", "-r", "{capture}", "--bus", "redis://h", "--password-file", "no"],
         "cannot read the password of the bus in no"),
        (["publish", "-r", "{capture}", "--bus", "rediss://h?ca=no.pem"],
         "cannot read the certificates no.pem"),
        (["watch", "--bundle", "{detector}", "--bus", "redis://h", "--zeek", "x"],
         "found --zeek and --bus of"),
        (["watch", "--bundle", "{detector}", "--bus", "redis://h", "--evidence", "x"],
         "the bus has no packets"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_exit_2(run, capture, detector, words, message):
    given = [word.format(capture=capture, detector=detector) for word in words]
    done = run(*given, code=2)
    assert message in done.stderr
    assert "u:secret" not in done.stderr
    assert "Traceback" not in done.stderr
