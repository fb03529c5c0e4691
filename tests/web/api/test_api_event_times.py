"""A program's records happen when they say so, and are found by that."""

from datetime import UTC, datetime, timedelta

import pytest

from evenflow.web.record_form.examples import examples
from evenflow.web.store.tables import now
from evenflow.web.verdicts import event_time

AT = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)


@pytest.fixture
def dos(bundle):
    """A record that is scored as an attack."""
    return next(e.record for e in examples(bundle) if e.label == "dos")


@pytest.mark.databases
def test_a_kept_record_is_found_by_its_event_time(program, dos):
    record = dos | {"seen": AT.timestamp()}
    path = "/score?keep=true&time_column=Seen"
    kept = program.ask("POST", path, json={"record": record}, expect=200).json
    assert datetime.fromisoformat(kept["event_at"]) == AT
    for kind in ("records", "alerts"):
        hour = "since=2026-03-01T10:00:00Z&until=2026-03-01T11:00:00Z"
        [found] = program.ask("GET", f"/{kind}?{hour}").json["items"]
        assert datetime.fromisoformat(found["event_at"]) == AT
        assert now() - datetime.fromisoformat(found["at"]) < timedelta(hours=1)


@pytest.mark.parametrize("ts", ["soon", None, True, 0, "2090-01-01T00:00:00Z", ""])
def test_a_time_that_cannot_be_is_no_error_and_no_event_time(program, dos, ts):
    record = {"record": dos | {"ts": ts}}
    kept = program.ask("POST", "/score?keep=true", json=record, expect=200).json
    assert now() - datetime.fromisoformat(kept["event_at"]) < timedelta(hours=1)


def test_the_records_of_a_batch_are_read_at_once_and_found_by_their_times(
    program, dos, monkeypatch
):
    calls = []
    parsed = event_time.parsed
    monkeypatch.setattr(
        event_time, "parsed", lambda *given: calls.append(1) or parsed(*given)
    )
    seen = [AT.timestamp(), AT.isoformat(), "soon", "2026-03-01 10:20:30", ""]
    body = {"records": [dos | {"seen": str(one)} for one in seen]}
    path = "/score/batch?keep=true&time_column=seen"
    program.ask("POST", path, json=body, expect=200)
    hour = "since=2026-03-01T10:00:00Z&until=2026-03-01T11:00:00Z"
    for kind in ("records", "alerts"):
        found = program.ask("GET", f"/{kind}?{hour}").json["items"]
        assert [datetime.fromisoformat(r["event_at"]) for r in found] == [AT] * 3
    assert len(calls) == 1  # one by one takes longer than the scoring
