"""The packets of an incident are kept, and no more than fit."""

import io
import struct
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise

import numpy as np
import pytest

from evenflow.runtime import evidence
from evenflow.runtime.evidence import Evidence
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.traffic.captures import Frames, read_frames
from evenflow.traffic.decoding import decode

S = 10**9


def packets_of(path):
    with path.open("rb") as stream:
        [found] = read_frames(stream, source=path.name)
    return found


@pytest.fixture(scope="module")
def frames(capture):
    return packets_of(capture)


def reports(label="probe", victim="198.51.100.20", attacker="192.0.2.66"):
    """Return what is reported of an incident from its begin to its end."""
    incidents = Incidents()
    alert = alert_of(0, victim, attacker=attacker, label=label)
    return [*incidents.add(alert).reports, *incidents.finish()]


def alert_of(n, victim, attacker="192.0.2.66", label="probe"):
    """Return an alert of the second ``n``."""
    return Alert(
        uid=f"C{n}", first_ns=n * S, last_ns=n * S, known_ns=n * S, source=attacker,
        source_port=1, destination=victim, destination_port=80, proto="tcp",
        ip_proto=6, label=label, probability=0.96, threshold=0.5,
    )  # fmt: skip


def made(n, *hosts):
    """Return a packet to each next host, all of the second ``n``."""
    ends = [int(ip_address(host)) for host in hosts]
    data = b"".join(
        struct.pack(">BBHHHBBHII", 0x45, 0, 20, 0, 0, 64, 255, 0, *pair)
        for pair in pairwise(ends)
    )
    start = np.arange(0, len(data), 20)
    size = np.full(len(start), 20)
    return Frames(
        data=np.frombuffer(data, np.uint8), start=start, length=size, wire=size,
        time_ns=np.full(len(start), n * S), link=np.full(len(start), 101),
    )  # fmt: skip


def part(frames, first, last):
    return frames.take(np.arange(first, last))


def bytes_of(frames, row):
    start = int(frames.start[row])
    return frames.data[start : start + int(frames.length[row])].tobytes()


def kept(folder):
    """Return the packets of the only file."""
    [path] = folder.iterdir()
    return decode(packets_of(path))


def test_packets_before_and_after_the_opening_are_kept_and_none_after_the_end(
    frames, tmp_path
):
    found = Evidence(tmp_path / "e")
    opened, closed = reports()
    found.see(part(frames, 0, 100))
    found.report(opened)
    found.see(part(frames, 100, 200))
    found.report(closed)
    found.see(part(frames, 200, 300))
    assert len(kept(tmp_path / "e")) == 200


@pytest.mark.parametrize(("label", "n"), [("probe", 600), ("dos", 800), ("r2l", 600)])
def test_of_a_scan_the_attacker_of_a_flood_the_victim_else_both(
    frames, tmp_path, label, n
):
    found = Evidence(tmp_path)
    found.see(frames)
    found.report(reports(label)[0])
    assert len(kept(tmp_path)) == n


def test_bytes_and_times_are_those_that_were_captured(frames, tmp_path):
    found = Evidence(tmp_path)
    found.see(frames)
    found.report(reports()[0])
    packets = kept(tmp_path)
    assert packets.frames.time_ns.tolist() == frames.time_ns[:600].tolist()
    for row in (0, 599):
        assert bytes_of(packets.frames, row) == bytes_of(frames, row)


def test_a_file_is_bounded(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_PACKETS", 50)
    found = Evidence(tmp_path)
    found.see(part(frames, 0, 40))
    found.report(reports()[0])
    found.see(part(frames, 40, 600))
    assert len(kept(tmp_path)) == 50
    assert found.left_out == {evidence.FULL: 550}


def test_a_file_is_bounded_in_bytes_and_what_does_not_fit_is_counted(
    frames, tmp_path, monkeypatch
):
    monkeypatch.setattr(evidence, "MAX_BYTES", 5000)
    notes = []
    found = Evidence(tmp_path, on_event=notes.append)
    found.see(frames)
    found.report(reports()[0])
    [path] = tmp_path.iterdir()
    assert 4800 < path.stat().st_size <= 5000
    found.finish()
    assert notes[-1].text == f"{evidence.FULL}: {600 - len(kept(tmp_path))}"


def test_a_file_that_a_killed_run_left_half_a_block_in_goes_on(
    frames, tmp_path, monkeypatch
):
    first = Evidence(tmp_path)
    first.see(part(frames, 0, 100))
    opened = reports()[0]
    first.report(opened)
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.setattr(evidence, "MAX_PACKETS", 120)
    again = Evidence(tmp_path, opened=lambda: [opened.incident])
    again.see(part(frames, 100, 200))
    assert len(kept(tmp_path)) == 120, "99 whole ones, and 21 of the second run"
    assert again.left_out[evidence.FULL] == 79


def test_packets_that_cannot_be_written_are_counted_and_leave_no_half_a_block(
    frames, tmp_path, monkeypatch
):
    found = Evidence(tmp_path)
    found.see(part(frames, 0, 100))
    found.report(reports()[0])

    def full(self, mode="r", *rest, **more):
        with io.FileIO(self, mode) as stream:
            stream.write(b"half a block")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "open", full)
        found.see(part(frames, 100, 200))
    assert found.left_out == {evidence.FAILED: 100}
    assert len(kept(tmp_path)) == 100


def test_what_is_remembered_is_bounded(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_RECENT_BYTES", len(frames.data))
    found = Evidence(tmp_path)
    for _ in range(5):
        found.see(frames)
    found.report(reports()[0])
    assert len(kept(tmp_path)) == 600
    assert found.left_out == {evidence.FORGOTTEN: 1}


def test_packets_of_every_link_type_are_kept(frames, tmp_path):
    odd = np.arange(len(frames)) % 2  # these without their Ethernet header
    mixed = replace(
        frames, start=frames.start + 14 * odd, length=frames.length - 14 * odd,
        link=np.where(odd, 101, 1),
    )  # fmt: skip
    found = Evidence(tmp_path)
    found.see(part(mixed, 0, 301))
    found.report(reports()[0])
    found.see(part(mixed, 301, 600))
    packets = kept(tmp_path)
    assert packets.frames.link.tolist() == mixed.link[:600].tolist()
    assert packets.source.tolist() == decode(part(frames, 0, 600)).source.tolist()


VICTIMS = [f"10.0.0.{n}" for n in range(1, 13)]


def test_packets_of_hosts_that_come_later_are_kept_once(tmp_path):
    incidents = Incidents()
    found = Evidence(tmp_path, opened=incidents.opened)
    for n, victim in enumerate(VICTIMS):
        found.see(made(n, "192.0.2.66", victim, "192.0.2.66"))
        found.see(made(n, "10.0.0.99", "10.0.0.98"))
        for report in incidents.add(alert_of(n, victim, label="r2l")).reports:
            found.report(report)
    first, *_ = incidents.opened()
    for report in incidents.finish():
        found.report(report)
    packets = decode(packets_of(tmp_path / f"{first.id}.pcapng"))
    sent = packets.destination[:, 1].tolist()
    assert sorted(sent) == sorted(
        int(ip_address(v)) for v in [*VICTIMS, *["192.0.2.66"] * len(VICTIMS)]
    )


def test_hosts_that_come_in_the_last_batch_are_kept(tmp_path):
    opened, closed = reports("r2l", victim="10.0.0.1")
    found = Evidence(tmp_path)
    found.see(made(0, "192.0.2.66", "10.0.0.1"))
    found.report(opened)
    found.see(made(1, "192.0.2.66", "10.0.0.2"))
    closed.incident.victims.add("10.0.0.2")
    found.report(closed)
    assert len(kept(tmp_path)) == 2


def test_of_many_pairs_the_packets_between_attackers_and_victims_are_kept(tmp_path):
    opened, _ = reports("r2l", victim="10.0.0.1")
    opened.incident.shape = "many"
    opened.incident.attackers.add("192.0.2.67")
    opened.incident.victims.add("10.0.0.2")
    found = Evidence(tmp_path)
    found.see(made(0, "10.0.0.2", "192.0.2.67", "10.0.0.3", "10.0.0.1", "192.0.2.66"))
    found.report(opened)
    ends = kept(tmp_path).source[:, 1].tolist()
    assert ends == [int(ip_address(host)) for host in ("10.0.0.2", "10.0.0.1")]


def test_an_incident_of_an_earlier_run_goes_on_in_its_file(frames, tmp_path):
    opened, _ = reports()
    first = Evidence(tmp_path)
    first.see(part(frames, 0, 100))
    first.report(opened)
    second = Evidence(tmp_path, opened=lambda: [opened.incident])
    second.see(part(frames, 100, 250))
    assert len(kept(tmp_path)) == 250


def test_the_number_of_files_is_bounded_and_said_once(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_FILES", 2)
    notes = []
    found = Evidence(tmp_path, on_event=notes.append)
    found.see(frames)
    for host in ("192.0.2.66", "192.0.2.10", "192.0.2.67", "192.0.2.1"):
        found.report(reports(attacker=host)[0])
    assert len([*tmp_path.iterdir()]) == 2
    assert len(notes) == 1
    assert found.left_out[evidence.NO_FILE] == 2


def test_a_folder_that_is_lost_is_a_note_and_detection_goes_on(frames, tmp_path):
    notes = []
    found = Evidence(tmp_path / "e", on_event=notes.append)
    found.see(frames)
    (tmp_path / "e").rmdir()
    found.report(reports()[0])
    found.see(frames)
    assert "cannot write" in notes[0].text
    assert len(notes) == 1
