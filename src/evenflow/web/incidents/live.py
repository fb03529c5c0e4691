"""The live state of watches: figures of each run, and the connections scored last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, defer

from evenflow.web.store.tables import Incident, WatchRun, now

SILENT_S = 10.0
"""Age of its last sign of life from which on a run is silent."""
SHOWN = timedelta(hours=1)
"""How long a run that ended, or is silent, is shown."""
MAX_RUNS, MAX_RECENT, MAX_INCIDENTS = 20, 200, 20
MAX_READ = 5
"""Runs whose connections are read."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the runs of watches see, at one moment."""

    at: datetime
    runs: Sequence[WatchRun]
    """The running ones first."""
    incidents: Sequence[Incident]
    """Those that go on, the newest first."""
    n_incidents: int

    def age_s(self, run: WatchRun) -> float:
        """Return how long ago a run showed itself last, in seconds."""
        return max((self.at - run.seen_at).total_seconds(), 0.0)

    def is_alive(self, run: WatchRun) -> bool:
        """Return whether a run goes on, and showed itself of late."""
        return not run.is_over and self.age_s(run) < SILENT_S

    @property
    def running(self) -> list[WatchRun]:
        """The runs that are alive."""
        return [run for run in self.runs if self.is_alive(run)]

    def connections_of(self, incident: Incident) -> int:
        """Return how many connections an incident has: its report may be older."""
        shown = [run.figures.get("incidents", {}).get(incident.id) for run in self.runs]
        return max(incident.connections, *(n or 0 for n in shown), 0)

    @property
    def silence(self) -> str:
        """The sentence to show where no run is alive; empty where one is."""
        if self.running:
            return ""
        if not self.runs:
            return "No watch has reported in the last hour."
        age = ago(min(map(self.age_s, self.runs)))
        if all(run.is_over for run in self.runs):
            return f"No watch is running. The last one ended {age} ago."
        return f"No watch has reported for {age}."

    def total(self, name: str) -> float:
        """Return the sum of a figure over the runs; of rates, over those alive."""
        runs = self.running if name == "rate" else self.runs
        return sum(float(run.figures.get(name, 0)) for run in runs)


def seen(session: Session) -> Seen:
    """Return what the runs of watches see now."""
    at = now()
    runs = _shown(WatchRun, at).limit(MAX_RUNS).options(defer(WatchRun.recent))
    going_on = Incident.is_ongoing.is_(True)
    incidents = select(Incident).where(going_on).order_by(Incident.seen_at.desc())
    return Seen(
        at=at,
        runs=session.scalars(runs).all(),
        incidents=session.scalars(incidents.limit(MAX_INCIDENTS)).all(),
        n_incidents=session.scalar(select(func.count()).where(going_on)) or 0,
    )


def reported(session: Session) -> list[Any]:
    """Return when each run showed itself last: what changes with its connections."""
    query = _shown(WatchRun.id, now()).add_columns(WatchRun.seen_at).limit(MAX_READ)
    return [[run, at.isoformat()] for run, at in session.execute(query)]


def connections(session: Session) -> list[dict[str, Any]]:
    """Return the connections that the runs scored last, the newest first.

    ``at`` is the time of one, ``watch`` the name of its run.
    """
    query = _shown(WatchRun.name, now()).add_columns(WatchRun.recent).limit(MAX_READ)
    found = [
        {**row, "watch": name, "at": moment(row["at_ns"])}
        for name, rows in session.execute(query)
        for row in rows
        if row.get("at_ns") is not None
    ]
    found.sort(key=itemgetter("at_ns"), reverse=True)
    return found[:MAX_RECENT]


def _shown(what: Any, at: datetime) -> Select[Any]:
    """Return a query of the runs that are shown, the running ones first."""
    query = select(what).where(WatchRun.seen_at >= at - SHOWN)
    return query.order_by(WatchRun.is_over, WatchRun.seen_at.desc())


def moment(ns: int) -> datetime:
    """Return nanoseconds since 1970 as a time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)


def ago(seconds: float) -> str:
    """Return an age in words.

    Examples
    --------
    >>> ago(12.4), ago(90), ago(7300)
    ('12 s', '1 min', '2 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min" if seconds < 3600 else f"{seconds // 3600:.0f} h"
