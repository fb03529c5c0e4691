"""The packets of an incident are kept, and no more than fit."""

import numpy as np
import pytest

from evenflow.runtime import evidence
from evenflow.runtime.evidence import Evidence
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.traffic.captures import read_frames
from evenflow.traffic.decoding import decode


def packets_of(path):
    with path.open("rb") as stream:
        [found] = read_frames(stream, source=path.name)
    return found


@pytest.fixture(scope="module")
def frames(capture):
    return packets_of(capture)


def reports(label="probe", victim="198.51.100.20", attacker="192.0.2.66"):
    """Return what is reported of an incident from its begin to its end."""
    alert = Alert(
        uid="C1", first_ns=0, last_ns=0, known_ns=0, source=attacker, source_port=1,
        destination=victim, destination_port=80, proto="tcp", ip_proto=6, label=label,
        probability=0.96, threshold=0.5,
    )  # fmt: skip
    incidents = Incidents()
    return [*incidents.add(alert).reports, *incidents.finish()]


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


def test_what_is_remembered_is_bounded(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_RECENT_BYTES", len(frames.data))
    found = Evidence(tmp_path)
    for _ in range(5):
        found.see(frames)
    found.report(reports()[0])
    assert len(kept(tmp_path)) == 600


def test_the_number_of_files_is_bounded_and_said_once(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_FILES", 2)
    notes = []
    found = Evidence(tmp_path, on_event=notes.append)
    found.see(frames)
    for host in ("192.0.2.66", "192.0.2.10", "192.0.2.67", "192.0.2.1"):
        found.report(reports(attacker=host)[0])
    assert len([*tmp_path.iterdir()]) == 2
    assert len(notes) == 1


def test_a_folder_that_is_lost_is_a_note_and_detection_goes_on(frames, tmp_path):
    notes = []
    found = Evidence(tmp_path / "e", on_event=notes.append)
    found.see(frames)
    (tmp_path / "e").rmdir()
    found.report(reports()[0])
    found.see(frames)
    assert "cannot write" in notes[0].text
    assert len(notes) == 1
