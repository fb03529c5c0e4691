"""``evenflow watch --sink database`` writes incidents and shows its run."""

import json
import time

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from evenflow.runtime.sinks import Outbox, RejectedError
from evenflow.web.incidents.writer import Writer
from evenflow.web.store.database import open_database
from evenflow.web.store.tables import Incident, WatchRun

EVENT = {
    "timestamp": "2026-01-01T00:00:02.123456+0000",
    "event_type": "incident",
    "alert": {"severity": 3},
    "incident": {
        "status": "opened",
        "summary": "Scan or probe from 192.0.2.66 to 198.51.100.20: 3 ports",
        "attackers": {"count": 1, "is_exact": True, "first": ["192.0.2.66"]},
        "victims": {"count": 1, "is_exact": True, "first": ["198.51.100.20"]},
        "ports": 3,
        "connections": 3,
        "start": "2026-01-01T00:00:00.000000+0000",
        "end": "2026-01-01T00:00:02.000000+0000",
        "samples": [],
    },
    "ml": {"model": "m", "version": "v", "score": 0.9, "class": "probe"},
    "incident_id": "0123456789abcdef",
    "alert_id": "0123456789abcdef-1",
}


def report(number=1, status="opened", name="0123456789abcdef", **more):
    event = EVENT | {"incident_id": name, "alert_id": f"{name}-{number}"}
    event["incident"] = EVENT["incident"] | {"status": status} | more
    return json.dumps(event).encode()


def state(**more):
    value = {
        "name": "eth0", "host": "sensor", "bundle": "m", "is_over": False,
        "figures": {"rate": 1.0}, "incidents": {"a1": 7},
        "recent": [{"source": "192.0.2.1"}],
    }  # fmt: skip
    return json.dumps(value | more).encode()


@pytest.fixture
def writer(settings):
    """A writer into the server's database."""
    made = Writer(open_database(settings))
    yield made
    made.close()


@pytest.mark.databases
def test_a_watch_of_a_capture_stores_one_incident_and_its_run(watched, stored):
    watched()
    found, run = stored.one(Incident), stored.one(WatchRun)
    assert (found.attackers, found.victims) == (["192.0.2.66"], ["198.51.100.20"])
    assert (found.label, found.connections) == ("probe", 300)
    assert (found.state, found.version, found.is_ongoing) == ("new", 1, False)
    assert found.event["incident"]["status"] == "closed"
    assert run.is_over
    assert run.figures["connections"] == 620
    assert (run.figures["alerts"], run.figures["packets_dropped"]) == (300, 0)
    assert len(run.recent) == 200
    assert {"source", "destination_port", "label", "is_attack"} <= run.recent[0].keys()


@pytest.mark.databases
def test_the_same_capture_again_changes_nothing_of_an_incident(watched, stored):
    watched()
    before = stored.one(Incident)
    stored.execute(update(Incident).values(state="closed", version=2))
    watched()
    found = stored.one(Incident)
    assert (found.state, found.version) == ("closed", 2)
    assert found.event == before.event
    assert stored.count(WatchRun) == 2


@pytest.mark.databases
def test_an_older_report_changes_nothing(writer, stored):
    writer.send([report(1), report(3, "closed", connections=9)])
    writer.send([report(2, "updated", connections=5)])
    found = stored.one(Incident)
    assert (found.n_reports, found.is_ongoing, found.connections) == (3, False, 9)


@pytest.mark.databases
def test_a_batch_in_any_order_stores_the_newest_of_each(writer, stored):
    writer.send([report(2, "closed"), report(1), report(1, name="b"), report(1)])
    found = {one.id: one.n_reports for one in stored.all(Incident)}
    assert found == {"0123456789abcdef": 2, "b": 1}


@pytest.mark.databases
def test_the_state_of_a_run_replaces_the_one_before(writer, stored):
    writer.show(state())
    first = stored.one(WatchRun)
    writer.show(state(is_over=True, recent=[], figures={"rate": 2.0}))
    found = stored.one(WatchRun)
    assert (found.is_over, found.recent, found.figures) == (
        True, [], {"rate": 2.0, "incidents": {"a1": 7}},
    )  # fmt: skip
    assert found.begun_at == first.begun_at
    assert found.seen_at >= first.seen_at


@pytest.mark.databases
def test_a_nul_in_a_name_from_a_log_is_left_out(writer, stored):
    first = {"count": 1, "is_exact": True, "first": ["192.0.2.66\0"]}
    writer.send([report(attackers=first)])
    writer.show(state(name="x\0y"))
    assert stored.one(Incident).attackers == ["192.0.2.66"]
    assert stored.one(WatchRun).name == "xy"


@pytest.mark.databases
def test_a_database_without_the_table_is_said_and_not_a_traceback(writer):
    with writer.database.engine.begin() as connection:
        for table in ("incident_note", "expected", "incident"):
            connection.execute(text(f"DROP TABLE {table}"))
    with pytest.raises((OSError, RejectedError), match="the database"):
        writer.send([report()])


def test_a_database_that_is_away_is_tried_again_and_drops_are_counted(
    writer, stored, monkeypatch
):
    is_away, notes = True, []
    begin = writer.database.make.begin

    def maybe():
        if is_away:
            raise OperationalError("INSERT", {}, ConnectionError("refused"))
        return begin()

    monkeypatch.setattr(writer.database.make, "begin", maybe)
    sink = Outbox(
        "database", writer, lambda message: message, patience_s=0.05, most_waiting=2,
        first_delay_s=0.001, on_event=notes.append,
    )  # fmt: skip
    sink.show(json.loads(state()))
    sink.write([report(name=str(n)) for n in range(5)])
    assert sink.counts.dropped == 3
    is_away = False
    assert sink.flush(10)
    sink.close()
    assert stored.all(Incident.id) == ["0", "1"]
    assert stored.count(WatchRun) == 1
    assert any("refused" in note.text for note in notes)
    assert notes[-1].text == "database works again; 3 alerts were dropped"


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_a_database_that_is_killed_and_comes_back_gets_all_events(
    writer, stored, postgresql
):
    notes = []
    sink = Outbox(
        "database", writer, lambda message: message, first_delay_s=0.05,
        on_event=notes.append,
    )  # fmt: skip
    sink.write([report()])
    assert sink.flush(10)
    postgresql.stop("immediate")
    begun = time.monotonic()
    sink.write([report(name=str(n)) for n in range(3)])
    sink.show(json.loads(state()))
    assert time.monotonic() - begun < 1
    assert not sink.flush(1)
    assert sink.counts.failures > 0
    postgresql.start()
    assert sink.flush(30)
    sink.close()
    assert stored.all(Incident.id) == ["0", "0123456789abcdef", "1", "2"]
    assert stored.count(WatchRun) == 1
    assert sink.counts.dropped == 0
    assert notes[-1].text == "database works again"


def test_a_folder_that_cannot_be_one_is_refused(run_watch):
    done = run_watch("--sink", "database:/dev/null/x")
    assert done.exit_code == 2
    assert "/dev/null/x" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_reached_is_refused_at_the_start(
    settings, run_watch, set_database
):
    set_database("postgresql://nobody@127.0.0.1:1/none")
    done = run_watch("--sink", f"database:{settings.home}")
    assert done.exit_code == 2
    assert "is not responding" in done.stderr
