"""What is older than an admin wants it kept is deleted, and nothing else."""

import os
from datetime import timedelta

import pytest

from evenflow.web.jobs import retention
from evenflow.web.store.tables import (
    Alert,
    AlertGroup,
    AlertNote,
    Audit,
    Incident,
    IncidentNote,
    Job,
    Record,
    Setting,
    Tally,
    Throttle,
    User,
    WatchRun,
    WebSession,
    now,
)

pytestmark = pytest.mark.databases


def run(here):
    return retention.run(here.database, here.home, here.settings)


def verdict(at):
    return {
        "at": at, "source": "form", "bundle": "b", "label": "dos", "probability": 0.9,
        "threshold": 0.5, "values": {},
    }  # fmt: skip


def fill(here, days):
    """Add one of everything of that age."""
    at = now() - timedelta(days=days)
    with here.database.session() as session:
        user = User(email=f"{days}@x.org", role="viewer", fs_uniquifier=str(days))
        job = Job(
            id=f"{days:024d}", kind="score", lane="score", state="done",
            created_at=at, ended_at=at,
        )  # fmt: skip
        session.add_all([user, job])
        session.flush()
        record = Record(**verdict(at), is_attack=True)
        session.add(record)
        session.flush()
        group = AlertGroup(key=str(days), label="dos", bundle="b", created_at=at)
        alert = Alert(**verdict(at), group=group, record_id=record.id, line=2)
        alert.job_id = job.id
        alert.notes.append(AlertNote(text="mine", user_id=user.id))
        tally = Tally(  # what counts is the arrival, however old the event is
            hour=now() - timedelta(days=3000), arrived_at=at, source="form",
            bundle="b", label="dos", facet="all", n=1,
        )  # fmt: skip
        incident = Incident(
            id=str(days), at=now(), ended_at=now(), reported_at=now(), seen_at=at,
            n_reports=1, is_ongoing=False, label="dos", severity=2, score=0.9,
            connections=1, attackers=[], victims=[], event={},
        )  # fmt: skip
        incident.notes.append(IncidentNote(text="mine", user_id=user.id))
        watch = WatchRun(
            id=str(days), name="lo", host="here", bundle="b", seen_at=at, figures={},
            recent=[],
        )  # fmt: skip
        throttle = Throttle(key=str(days), failures=1, first_at=at)
        browser = WebSession(
            token_sha256=str(days), user_id=user.id, created_at=at, seen_at=at
        )
        session.add_all([alert, tally, incident, watch, throttle, browser])
    for folder in (here.home.results, here.home.uploads):
        (folder / job.id).mkdir()
        (folder / job.id / "data").write_bytes(b"x")
    return job.id


ALL = (
    Record, Alert, AlertNote, Incident, IncidentNote, WatchRun, Tally, Job, Throttle,
    WebSession,
)  # fmt: skip


def test_only_what_is_old_goes_and_the_log_says_how_much(here, stored):
    old, new = fill(here, 91), fill(here, 0)
    gone = run(here)
    assert {table: stored.count(table) for table in ALL} == dict.fromkeys(ALL, 1)
    assert stored.count(User) == 2
    for folder in (here.home.results, here.home.uploads):
        assert [p.name for p in folder.iterdir()] == [new]
    assert (gone["alerts"], gone["records"], gone["uploads"]) == (1, 1, 1)
    assert (gone["incidents"], gone["watch_runs"]) == (1, 1)
    log = stored.one(Audit)
    assert log.action == "retention.run"
    assert log.detail == {"days": 90, "deleted": gone}
    assert old not in str(log.detail)
    assert run(here) == {}
    assert stored.count(Audit) == 1  # nothing deleted, nothing said


def test_an_admins_choice_goes_before_the_setting(here, stored):
    fill(here, 10)
    assert "records" not in run(here)
    stored.add(Setting(name="retention", value={"days": 7}))
    assert run(here)["records"] == 1


def test_sessions_do_not_wait_for_the_retention(here):
    fill(here, 8)
    gone = run(here)
    assert gone == {"sessions": 1, "throttles": 1, "watch_runs": 1}


def test_a_locked_account_stays_locked(here, stored):
    first, until = now() - timedelta(days=3), now() + timedelta(hours=1)
    stored.add(Throttle(key="a", failures=99, first_at=first, until=until))
    run(here)
    assert stored.count(Throttle) == 1


def test_a_job_that_waits_or_runs_is_not_old_and_a_training_keeps_its_row(here, stored):
    at = now() - timedelta(days=400)
    for state in ("queued", "running"):
        job = Job(id=state, kind="score", lane="score", state=state, created_at=at)
        stored.add(job)
    stored.add(Job(id="t", kind="train", lane="train", state="done", ended_at=at))
    run(here)
    assert stored.count(Job) == 3


def test_many_rows_go_in_small_batches(here, monkeypatch, stored):
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "PAUSE_S", 0.0)
    at = now() - timedelta(days=100)
    group = AlertGroup(key="k", label="dos", bundle="b")
    stored.add_all(Alert(**verdict(at), group=group) for _ in range(35))
    assert run(here)["alerts"] == 35
    assert stored.count(Alert) == 0


def aged(path, days):
    for each in (*path.iterdir(), path):
        when = (now() - timedelta(days=days)).timestamp()
        os.utime(each, (when, when))


def test_unfinished_uploads_are_deleted_and_orphans_set_aside_after_a_day(
    here, desk, bundle
):
    waiting, orphan = desk.put(here, b"x", bundle=bundle.path.name), "b" * 24
    old, new = (letter * 24 + ".part" for letter in "ac")
    for name in (old, orphan, new):
        (here.home.uploads / name).mkdir()
        (here.home.uploads / name / "data").write_bytes(b"x")
    for name in (old, orphan, waiting):
        aged(here.home.uploads / name, 2)
    assert run(here) == {"unfinished": 1, "set_aside": 1}
    assert (here.home.set_aside / "uploads" / orphan / "data").exists()
    assert {p.name for p in here.home.uploads.iterdir()} == {waiting, new}


def test_it_runs_at_once_and_then_hourly(here, monkeypatch):
    ran = []
    monkeypatch.setattr(retention, "run", lambda *_: ran.append(1))
    keeper = retention.Keeper()
    for _ in range(3):
        keeper.run_if_due(here.database, here.home, here.settings)
    assert ran == [1]
    keeper._due -= retention.EVERY_S
    keeper.run_if_due(here.database, here.home, here.settings)
    assert ran == [1, 1]
