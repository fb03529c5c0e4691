"""A capture that is scored as a file has the incidents that a watch would report."""

import polars as pl
import pytest

from evenflow.runtime import bundle as bundles
from evenflow.runtime.file_incidents import FileIncidents
from evenflow.runtime.stream import score_file


@pytest.fixture
def incidents(detector):
    return FileIncidents(bundles.load(detector, threads=1))


def scored(incidents, source, folder):
    return score_file(
        incidents._bundle, source, folder / "out.parquet", on_scored=incidents.take
    )


def test_a_scan_in_a_capture_is_one_incident(incidents, capture, tmp_path):
    scored(incidents, capture, tmp_path)
    [report] = incidents.finish()
    assert incidents.n == 1
    assert (report.what, report.incident.connections) == ("closed", 300)
    event = incidents.event(report)
    assert event["src_ip"] == "192.0.2.66"
    assert event["ml"]["model"] == "refusals"


def test_records_without_hosts_give_no_incident(incidents, tmp_path):
    rows = pl.DataFrame({"protocol_type": "tcp", "flag": "REJ", "src_bytes": [0] * 9})
    rows.write_csv(tmp_path / "records.csv")
    assert scored(incidents, tmp_path / "records.csv", tmp_path).attacks == 9
    assert incidents.finish() == []
    assert incidents.n == 0


def test_only_the_first_incidents_are_kept_and_all_are_counted(
    incidents, capture, tmp_path, monkeypatch
):
    monkeypatch.setattr("evenflow.runtime.file_incidents.MOST", 0)
    scored(incidents, capture, tmp_path)
    assert incidents.finish() == []
    assert incidents.n == 1
