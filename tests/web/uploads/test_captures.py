"""A capture and a log are uploads like any other."""

import re
import shutil
from datetime import datetime

import pytest
from click.testing import CliRunner

from evenflow.cli import main
from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import Incident, Job


@pytest.fixture
def client(app, people, detector):
    """Return an analyst of a server whose model reads connections."""
    state = app.extensions[KEY]
    shutil.copytree(detector, state.home.bundles / "refusals")
    people("admin").send("/models/refusals/activate")
    return people("analyst")


@pytest.fixture(params=["capture", "log"])
def source(request, capture, tmp_path):
    """Return a file to upload."""
    if request.param == "capture":
        return capture
    path = tmp_path / "conn.log"
    words = ["flows", "-r", str(capture), "-o", str(path), "--format", "zeek"]
    assert CliRunner().invoke(main, words).exit_code == 0
    return path


@pytest.mark.slow
def test_an_upload_shows_each_connection_with_hosts_verdict_and_reasons(
    desk, app, client, source, stored
):
    answer = desk.send(client, source.read_bytes(), source.name)
    job_id = desk.id_of(answer)
    desk.work_off(app)
    page = client.get(f"/uploads/{job_id}")
    assert "620" in page.text
    assert "300" in page.text
    assert "Connection" in page.text
    assert "192.0.2.66" in page.text
    times = stored.one(Job).result["times"]
    assert (times["column"], times["known"], times["unknown"]) == ("time", 620, 0)
    assert (
        f"{datetime.fromisoformat(times['first']):%Y-%m-%d %H:%M:%S} UTC" in page.text
    )
    row = client.get(f"/uploads/{job_id}/rows/1")
    assert "Connection 1 of" in row.text
    assert "192.0.2.66" in row.text
    said = "Scan or probe from 192.0.2.66 to 198.51.100.20: 300 ports, 300 connections"
    [link] = page.tree.iterfind(f".//a[.='{said}']")
    shown = client.get(link.get("href"), expect=200)
    assert "192.0.2.66" in shown.text


@pytest.mark.slow
def test_a_viewer_reads_the_incidents_of_an_upload_and_the_team_has_them_once(
    desk, app, client, people, capture, stored
):
    viewer = people("viewer")
    for name in ("a.pcap", "again.pcap"):
        job_id = desk.id_of(desk.send(viewer, capture.read_bytes(), name))
        desk.work_off(app)
        page = viewer.get(f"/uploads/{job_id}")
        assert "Scan or probe from 192.0.2.66 to 198.51.100.20" in page.text
        assert "/incidents/" not in page.text
    incident = stored.one(Incident)
    assert (incident.attackers, incident.connections) == (["192.0.2.66"], 300)
    assert not incident.is_ongoing


@pytest.mark.slow
@pytest.mark.usefixtures("lab_live")
def test_the_example_capture_is_scored_with_its_attackers_as_incidents(
    desk, app, viewer
):
    sent = viewer.get("/uploads/example.pcap", expect=200)
    job_id = desk.id_of(desk.send(viewer, sent.data, "example.pcap"))
    desk.work_off(app)
    page = viewer.get(f"/uploads/{job_id}", expect=200)
    for attacker in ("10.150.176.39", "10.150.176.138"):
        assert re.search(rf"<li>[^<]* from {attacker} to ", page.text), attacker


def test_the_page_offers_captures_where_the_model_reads_connections(client):
    assert "a capture (pcap, pcapng)" in client.get("/uploads").text


def test_the_page_offers_no_captures_where_the_model_reads_other_columns(people):
    assert "a capture (pcap, pcapng)" not in people("viewer").get("/uploads").text


def test_a_capture_for_a_model_of_other_columns_fails_with_the_reason(
    desk, app, analyst, capture
):
    job_id = desk.id_of(desk.send(analyst, capture.read_bytes(), "a.pcap"))
    desk.work_off(app)
    page = analyst.get(f"/uploads/{job_id}")
    assert "columns that connections do not give" in page.text
