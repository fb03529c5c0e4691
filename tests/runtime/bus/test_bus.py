"""Sensors publish, scorers share: nothing is lost, and verdicts are those of one."""

import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from evenflow.errors import DataError, MissingExtraError, StorageError
from evenflow.runtime.bus import batch, client, consume, publish
from evenflow.runtime.bus.address import address
from evenflow.runtime.bus.batch import Head, columns, pack
from evenflow.runtime.bus.client import Stream
from evenflow.traffic.contracts import contract

from .conftest import SIZE, N, alerts


def until(condition, seconds=60.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def send(sensor, traffic, size=SIZE):
    for part in traffic.iter_slices(size):
        sensor.take(part)


def test_verdicts_over_a_bus_are_those_of_one_machine(
    publisher, scorer, traffic, expected
):
    sensor = publisher()
    send(sensor, traffic)
    assert sensor.flush(20)
    assert sensor.published == N
    # two scorers in turn: none of them has every connection of a host
    one, other = scorer(), scorer()
    counts = [[one.drain(most=800), other.drain(most=800)] for _ in range(4)]
    n_one, n_other = map(sum, zip(*counts, strict=True))
    n_one += one.drain()
    assert n_one + n_other == N
    assert min(n_one, n_other) > N / 4
    assert alerts(one.path, other.path) == expected


def test_what_a_scorer_left_is_taken_over_and_scored_again(
    publisher, scorer, traffic, expected
):
    send(publisher(), traffic)
    assert scorer().held().height == SIZE * consume.MOST_READ
    time.sleep(0.3)
    other = scorer(idle_s=0.2)
    assert other.drain() == N
    assert other.taken_over == consume.MOST_READ
    assert alerts(other.path) == expected
    until(lambda: other.stream.backlog() == consume.Backlog(lag=0, pending=0))


@pytest.mark.slow
def test_entries_that_were_scored_are_removed_and_no_others(publisher, scorer, traffic):
    send(publisher(), traffic[: 40 * SIZE])
    first, other = scorer(), scorer("?group=second")
    first.drain(most=16 * SIZE)
    first.stream.trim()
    # the second group has read nothing
    assert first.stream._server.xlen("evenflow:flow") == 40
    other.drain()
    other.stream.trim()
    kept = first.stream._server.xlen("evenflow:flow")
    assert 40 - 16 <= kept <= 40 - 16 + 1
    assert first.drain() == 24 * SIZE


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Waits of a tenth of a second, and not of one."""
    monkeypatch.setattr(consume, "TRIM_S", 0.05)
    monkeypatch.setattr(consume, "WAIT_MS", 50)
    monkeypatch.setattr(consume, "LONGEST_DELAY_S", 0.2)
    monkeypatch.setattr(publish, "LONGEST_DELAY_S", 0.1)


@pytest.mark.slow
def test_a_full_stream_makes_a_file_wait_and_drops_nothing(
    publisher, scorer, traffic, expected
):
    notes = []
    sensor = publisher(most_stream=200_000, most_queue=100_000, on_event=notes.append)
    work = threading.Thread(target=send, args=(sensor, traffic))
    work.start()
    until(lambda: sensor.outbox.is_full(20_000))
    time.sleep(0.3)
    assert work.is_alive()  # it waits
    assert sensor.published < N / 2
    found, n = scorer(), 0
    while n < N:
        n += found.drain()
    work.join(20)
    assert sensor.flush(20)
    assert (n, sensor.dropped, sensor.published) == (N, 0, N)
    assert alerts(found.path) == expected
    assert any("the stream evenflow:flow is full" in note.text for note in notes)


@pytest.mark.slow
def test_live_connections_that_find_no_room_are_dropped_and_counted(
    publisher, scorer, traffic
):
    notes = []
    sensor = publisher(
        most_stream=50_000, most_queue=50_000, is_live=True, on_event=notes.append
    )
    for part in traffic.iter_slices(SIZE):
        sensor.take(part)
        sensor.publish()
    assert 0 < sensor.dropped < N
    assert any("batches are dropped" in note.text for note in notes)
    found = scorer()

    def is_empty():
        found.drain(most=1)
        return sensor.flush(0.05)

    until(is_empty)
    sensor._since -= 60
    sensor.take(traffic[:0], settled_ns=7)  # a heartbeat has the figures
    until(lambda: is_empty() and {7} == {h.settled_ns for h in found.sensors.values()})
    assert found.figures()["sensors_dropped"] == sensor.dropped
    assert sensor.published + sensor.dropped == N


@pytest.mark.slow
def test_a_sensor_keeps_what_it_has_while_the_server_is_away(
    publisher, server, scorer, traffic, expected
):
    notes = []
    sensor = publisher(on_event=notes.append)
    send(sensor, traffic[:3000])
    assert sensor.flush(20)
    found = scorer(on_event=notes.append)
    n = found.drain(most=1000)
    server.stop()
    send(sensor, traffic[3000:])
    assert not sensor.flush(0.3)
    assert next(found.batches()).height == 0
    server.start()
    while n < N:
        n += found.drain()
    assert sensor.flush(5)
    assert sensor.dropped == 0
    assert alerts(found.path) == expected
    text = " ".join(note.text for note in notes)
    assert "Connection refused. Batches wait" in text
    assert text.count("works again") == 2


def test_a_connection_that_no_scorer_would_accept_costs_no_other(
    publisher, scorer, traffic
):
    notes = []
    sensor = publisher(on_event=notes.append)
    strange = traffic[:50].with_columns(
        pl.Series("id.resp_p", [70_000, *traffic["id.resp_p"][1:50]]),
        pl.Series("id.orig_h", ["1::2::3", "1::2::3", *traffic["id.orig_h"][2:50]]),
        pl.lit("x" * 5000).alias("history"),
    )
    sensor.take(strange)
    assert sensor.flush(5)
    assert (sensor.rejected, sensor.published) == (2, 48)
    assert len(notes) == 1
    assert "connection C0: id.resp_p is '70000', expected a number" in notes[0].text
    assert scorer().drain() == 48
    sensor.close()
    assert sensor.dropped == 0


def test_a_server_that_lost_its_data_gets_a_new_group(
    publisher, stream, scorer, traffic
):
    found = scorer()
    stream()._server.flushall()
    next(found.batches())
    send(publisher(), traffic[:500])
    until(lambda: found.drain() == 500)


HEAD = Head(sensor="s", run=1, sequence=2, contract="flow")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"other": b"x"}, "found other fields than 'batch'"),
        ({"batch": b"x", "more": b"y"}, "found other fields than 'batch'"),
        ({"batch": b"\x80\x04K\x01."}, "zlib did not write"),
        ({"batch": b""}, "cut short"),
        ({"batch": "nsl_kdd_live"}, "publishes rows of the contract nsl_kdd_live"),
    ],
)
def test_an_entry_that_is_no_batch_is_put_aside_with_the_reason(
    stream, scorer, fields, reason
):
    if fields.get("batch") == "nsl_kdd_live":
        head = HEAD.model_copy(update={"contract": "nsl_kdd_live"})
        frame = pl.DataFrame(schema=columns("nsl_kdd_live"))
        fields = {"batch": pack(frame, head)}
    notes = []
    server = stream()._server
    server.xadd("evenflow:flow", fields)
    found = scorer(on_event=notes.append)
    assert next(found.batches()).height == 0
    assert found.figures()["bus_rejected"] == 1
    assert reason in notes[0].text
    assert "evenflow:flow:rejected" in notes[0].text
    [(_, kept)] = server.xrange("evenflow:flow:rejected")
    assert reason in kept[b"reason"].decode()
    assert kept[b"batch"] == fields.get("batch", b"")
    assert found.stream.backlog().pending == 0


def test_rejected_entries_are_bounded(stream, scorer, monkeypatch):
    monkeypatch.setattr("evenflow.runtime.bus.client.MOST_REJECTED", 5)
    server = stream()._server
    for _ in range(24):
        server.xadd("evenflow:flow", {"batch": b"x" * 300_000})
    found = scorer()
    until(lambda: next(found.batches()) is not None and found.rejected == 24)
    kept = server.xrange("evenflow:flow:rejected")
    assert len(kept) == 5
    assert {len(fields[b"batch"]) for _, fields in kept} == {2**18}
    assert kept[0][1][b"n_bytes"] == b"300000"


def test_an_entry_that_ends_every_scorer_is_put_aside(
    publisher, scorer, traffic, monkeypatch
):
    monkeypatch.setattr(consume, "MOST_DELIVERIES", 3)
    sensor = publisher()
    send(sensor, traffic[:SIZE])
    assert sensor.flush(5)
    for _ in range(3):
        found = scorer(idle_s=0.01)
        until(lambda: next(found.batches()).height == SIZE)  # noqa: B023
        time.sleep(0.05)
    last = scorer(idle_s=0.01)
    until(lambda: next(last.batches()).height == 0 and last.rejected == 1)
    [(_, kept)] = last.stream._server.xrange("evenflow:flow:rejected")
    assert kept[b"reason"] == b"found an entry that 3 scorers did not finish"


def test_entries_that_someone_else_removed_are_reported(
    publisher, stream, scorer, traffic
):
    notes = []
    sensor = publisher()
    send(sensor, traffic[:SIZE])
    assert sensor.flush(5)
    scorer().held()
    stream()._server.xtrim("evenflow:flow", maxlen=0, approximate=False)
    time.sleep(0.05)
    found = scorer(idle_s=0.01, on_event=notes.append)
    next(found.batches())
    assert found.removed == 1
    assert "1 entries were removed before they were scored" in notes[0].text


def test_extreme_values_of_a_valid_batch_end_no_scorer(stream, scorer, traffic):
    part = traffic[:6]
    frame = batch.with_rows(part, contract("flow").start().add(part), "flow")
    most = 2**62
    frame = frame.with_columns(
        pl.lit(most).alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.Int64 and name not in batch.HIGHEST and "." not in name
    )
    frame = frame.with_columns(
        pl.lit(None, pl.String).alias("uid"),
        pl.lit("\x1b[2J\0").alias("conn_state"),
        pl.lit("^\0").alias("history"),
        pl.lit("").alias("proto"),
        pl.lit("::").alias("id.resp_h"),
        pl.lit(65_535).alias("id.resp_p"),
        pl.Series("id.orig_p", [0, 65_535, None] * 2),
        pl.lit(-(2**63)).alias("duration"),
        pl.Series("flow.src_100_ports", [0, -1, 2**62, 99, 50, -(2**63)]),
    )
    found, server = scorer(), stream()._server
    server.xadd("evenflow:flow", {"batch": pack(frame, HEAD)})
    assert found.drain() == 6
    assert found.rejected == 0
    assert alerts(found.path)


def test_a_scorer_that_leaves_is_forgotten(stream, scorer):
    found = scorer()
    next(found.batches())
    found.leave()
    assert stream()._server.xinfo_consumers("evenflow:flow", "evenflow") == []


def test_the_password_is_needed_and_never_shown(server, tmp_path, monkeypatch):
    server.stop()
    server.words = ("--requirepass", "top-secret")
    server.start()
    with_it = server.url.replace("//", "//:top-secret@")
    for url in (server.url, with_it.replace("top", "not")):
        with pytest.raises(StorageError, match="(?i)password|authentication") as caught:
            Stream(address(url, contract="flow"))
        assert "secret" not in str(caught.value)
    (tmp_path / "password").write_text("top-secret\n")
    monkeypatch.setenv("EVENFLOW_BUS_PASSWORD", "top-secret")
    for url, file in (
        (server.url, None),
        (with_it, None),
        (with_it.replace("top", "not"), tmp_path / "password"),
    ):
        found = address(url, contract="flow", password_file=file)
        assert "secret" not in repr(found) + found.name
        Stream(found).close()


def test_tls_trusts_the_authority_that_is_named(server, tmp_path):
    names = [tmp_path / name for name in ("key.pem", "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", names[0], "-out", names[1], "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    server.stop()
    server.words = (
        "--tls-port", str(server.port), "--port", "0", "--tls-auth-clients", "no",
        "--tls-key-file", str(names[0]), "--tls-cert-file", str(names[1]),
    )  # fmt: skip
    server.start()
    url = server.url.replace("redis:", "rediss:")
    Stream(address(f"{url}?ca={names[1]}", contract="flow")).close()
    with pytest.raises(StorageError, match="CERTIFICATE_VERIFY_FAILED"):
        Stream(address(url, contract="flow"))


def test_without_redis_py_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evenflow\[bus\]'"):
        Stream(address("redis://127.0.0.1", contract="flow"))


def test_a_server_that_is_too_old_is_said_to_be(server, monkeypatch):
    monkeypatch.setattr(client, "OLDEST", (99, 0))
    with pytest.raises(DataError, match=r"is Redis \d.*, expected 6.2 or newer"):
        Stream(address(server.url, contract="flow"))
