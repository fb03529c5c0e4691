"""Rules of expected behaviour are applied in the browser, and watches follow them."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from evenflow.cli import watch_database
from evenflow.cli.watch_database import Shown
from evenflow.runtime.feeds import Feed
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.web.incidents.writer import Writer
from evenflow.web.store.database import open_database
from evenflow.web.store.tables import Expected, Incident, WatchRun

from .test_incident_pages import SCANNER, incident

RULE = '[[suppress]]\nsource = ["192.0.2.66"]\nreason = "ours"\nexpires = 2099-01-31\n'


def rule(text=RULE, days=30):
    return Expected(rule=text, expires_at=datetime.now(UTC) + timedelta(days=days))


def test_a_rule_is_applied_listed_and_deleted(analyst, stored):
    stored.add(incident())
    sent = {"incident": "a1", "reason": "our scanner", "expires": "2099-01-31"}
    analyst.send("/incidents/expected", sent, expect=303)
    found = stored.one(Expected)
    assert (found.incident_id, str(found.expires_at.date())) == ("a1", "2099-02-01")
    page = analyst.get("/incidents/expected")
    assert SCANNER in page.text
    assert "our scanner" in page.text
    analyst.send(f"/incidents/expected/{found.id}/delete", {})
    assert stored.count(Expected) == 0
    assert "No rules" in analyst.get("/incidents/expected").text


@pytest.mark.parametrize(
    "wrong", [{"reason": ""}, {"expires": "soon"}, {"expires": ""}]
)
def test_a_rule_without_a_reason_or_a_day_is_not_applied(wrong, analyst, stored):
    stored.add(incident())
    sent = {"incident": "a1", "reason": "ours", "expires": "2099-01-31"} | wrong
    answer = analyst.send("/incidents/expected", sent, expect=303)
    assert "/incidents/a1" in answer.headers["Location"]
    assert stored.count(Expected) == 0


def test_a_rule_needs_an_incident_that_is_there(analyst):
    sent = {"incident": "none", "reason": "ours", "expires": "2099-01-31"}
    assert analyst.send("/incidents/expected", sent).status_code == 404
    assert analyst.send("/incidents/expected/7/delete", {}).status_code == 404


@pytest.mark.databases
def test_a_watch_follows_the_rules_of_its_database_from_the_start(watched, stored):
    stored.add(rule())
    watched()
    assert stored.count(Incident) == 0
    figures = stored.one(WatchRun).figures
    assert (figures["suppressed"], figures["incidents"]) == (300, {})


@pytest.mark.databases
def test_a_rule_that_has_expired_suppresses_nothing(watched, stored):
    stored.add(rule(days=-1))
    watched()
    assert stored.count(Incident) == 1


@pytest.mark.databases
def test_a_watch_that_runs_reads_rules_as_they_are_now(settings, stored):
    writer = Writer(open_database(settings))
    writer.read_rules()
    assert writer.rules == ()
    stored.add(rule())
    writer.read_rules()
    assert writer.rules == (RULE,)
    writer.close()


def test_rules_are_followed_as_they_change_and_an_invalid_one_is_told(monkeypatch):
    monkeypatch.setattr(watch_database, "facts", lambda *_: {})
    incidents, notes = Incidents(suppressions=("own",)), []
    writer = SimpleNamespace(rules=())
    found = SimpleNamespace(
        sinks=[SimpleNamespace(shows=True, show=lambda _: None)], recent=None,
        incidents=incidents, totals=SimpleNamespace(verdicts=0),
        model=SimpleNamespace(name="m"),
    )  # fmt: skip
    shown = Shown(found, Feed(name="eth0", batches=iter(())), [writer], notes.append)
    assert list(incidents.suppressions) == ["own"]
    writer.rules = (RULE, "[[suppress]]\nreason = 1")
    shown.show()
    own, ours = incidents.suppressions
    assert (own, ours.reason) == ("own", "ours")
    assert ours.expires_ns > time.time_ns()
    [note] = notes
    assert "delete it on the server" in note.text
    writer.rules = ()
    shown.show()
    assert list(incidents.suppressions) == ["own"]
