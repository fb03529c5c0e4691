"""Captures and logs are read where records are read: a row for each connection."""

import io

import polars as pl
import pytest
from click.testing import CliRunner

from evenflow.cli import main
from evenflow.errors import DataError
from evenflow.runtime import bundle as bundles
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import read_records
from evenflow.runtime.stream import score_file
from evenflow.traffic.captures import read_frames
from evenflow.traffic.flows import read_connections


@pytest.fixture(scope="module")
def loaded(detector):
    return bundles.load(detector, threads=1)


@pytest.fixture(scope="module")
def log(capture, tmp_path_factory):
    """Return the connections of the capture as Zeek logs them."""
    path = tmp_path_factory.mktemp("log") / "conn.log"
    words = ["flows", "-r", str(capture), "-o", str(path), "--format", "zeek"]
    assert CliRunner().invoke(main, words).exit_code == 0
    return path


@pytest.mark.parametrize("given", ["capture", "log"])
def test_each_connection_is_a_record_with_its_hosts(given, request, loaded, tmp_path):
    source, out = request.getfixturevalue(given), tmp_path / "verdicts.csv"
    summary = score_file(loaded, source, out, keep_columns=True)
    assert (summary.read, summary.unit) == (620, "connection")
    assert summary.counts == {"benign": 320, "probe": 300}
    assert summary.extra == ()
    frame = pl.read_csv(out)
    assert frame["line"].to_list() == list(range(1, 621))
    attacks = frame.filter("is_attack")
    assert set(attacks["id.orig_h"]) == {"192.0.2.66"}
    assert set(attacks["flag"]) == set(attacks["conn_state"]) == {"REJ"}
    assert frame["time"].min() >= "2026-01-01T00:00:00.000000Z"


def test_a_capture_is_scored_from_a_pipe_in_any_pieces(capture, loaded):
    class Slow(io.BytesIO):
        def read(self, n=-1):
            return super().read(min(n, 777))

        read1 = read

    whole = [*read_records(capture, loaded.schema)]
    pieces = [*read_records(Slow(capture.read_bytes()), loaded.schema)]
    frames = [pl.concat(b.given for b in found) for found in (whole, pieces)]
    assert frames[0].equals(frames[1])


def test_a_capture_for_a_model_of_other_columns_is_refused_with_the_reason(
    capture, bundle
):
    with pytest.raises(DataError, match="columns that connections do not give"):
        next(read_records(capture, bundle.schema))


def test_a_log_for_a_model_of_other_columns_is_read_as_records(log, bundle):
    with pytest.raises(DataError, match="a Zeek log with its comment lines"):
        next(read_records(log, bundle.schema))


def test_a_log_that_lacks_what_the_model_needs_is_refused(loaded, tmp_path):
    path = tmp_path / "eve.json"
    path.write_text(
        '{"timestamp": "2026-01-01T00:00:00.000000+0000", "flow_id": 1, "event_type": '
        '"flow", "src_ip": "192.0.2.1", "src_port": 4000, "dest_ip": "192.0.2.2", '
        '"dest_port": 80, "proto": "TCP", "flow": {"pkts_toserver": 6, '
        '"pkts_toclient": 4, "bytes_toserver": 371, "bytes_toclient": 306, '
        '"start": "2026-01-01T00:00:00.000000+0000", '
        '"end": "2026-01-01T00:00:01.000000+0000"}}\n'
    )
    with pytest.raises(DataError, match=r"Suricata.*lacks.*orig_bytes"):
        next(read_records(path, loaded.schema))


def test_limits_hold_for_connections(capture, loaded):
    limits = Limits(rows=600, unpacked_bytes=2**30)
    with pytest.raises(DataError, match="more than 600 records"):
        list(read_records(capture, loaded.schema, limits=limits))


def test_packets_that_a_machine_captured_before_their_checksum_was_written_count(
    capture, loaded, tmp_path
):
    content = bytearray(capture.read_bytes())
    place, n_tcp = 24, 0
    while place < len(content):
        size = int.from_bytes(content[place + 8 : place + 12], "little")
        ip = place + 16 + 14
        if content[ip + 9] == 6:
            content[ip + 36 : ip + 38] = bytes(
                b ^ 0x5A for b in content[ip + 36 : ip + 38]
            )
            n_tcp += 1
        place += 16 + size
    path = tmp_path / "offloaded.pcap"
    path.write_bytes(content)
    with path.open("rb") as stream:
        verified = sum(f.height for f in read_connections(stream, source="it"))
    found = [
        pl.concat(b.given for b in read_records(p, loaded.schema))
        for p in (capture, path)
    ]
    assert n_tcp
    assert verified != found[0].height or verified == 0
    assert found[0].equals(found[1])


def test_a_capture_without_connections_says_so(loaded, tmp_path, capture):
    path = tmp_path / "empty.pcap"
    path.write_bytes(capture.read_bytes()[:24])
    with path.open("rb") as stream:
        assert list(read_frames(stream, source="empty")) == []
    with pytest.raises(DataError, match=r"empty\.pcap has no connections"):
        list(read_records(path, loaded.schema))


def test_what_was_left_out_of_a_capture_is_told(capture, loaded, tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(capture.read_bytes()[:-7])
    summary = score_file(loaded, path, tmp_path / "verdicts.csv")
    assert any("damaged after packet 1,099" in note for note in summary.notes)


@pytest.fixture
def read_ahead(monkeypatch):
    """Return what makes all captures large; to compile for a small one takes long."""

    def read_ahead(compiles=False):
        for room in ("evenflow.traffic.flows", "evenflow.runtime._connections"):
            monkeypatch.setattr(f"{room}.LARGE", 0)
        if not compiles:
            monkeypatch.setattr("evenflow.traffic.flows.can_compile", lambda: False)

    return read_ahead


@pytest.mark.parametrize(
    "compiles", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_a_capture_that_is_read_ahead_gives_the_same_verdicts(
    capture, loaded, tmp_path, read_ahead, compiles
):
    whole, ahead = tmp_path / "whole.csv", tmp_path / "ahead.csv"
    score_file(loaded, capture, whole, keep_columns=True)
    read_ahead(compiles)
    score_file(loaded, capture, ahead, keep_columns=True)
    assert whole.read_bytes() == ahead.read_bytes()


def test_an_error_of_a_capture_that_is_read_ahead_is_raised(
    capture, loaded, tmp_path, read_ahead
):
    read_ahead()
    out = tmp_path / "verdicts.csv"
    with pytest.raises(DataError, match="more than 10 records"):
        score_file(loaded, capture, out, limits=Limits(rows=10, unpacked_bytes=2**30))
    assert not out.exists()
