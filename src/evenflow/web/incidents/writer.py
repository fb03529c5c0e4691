"""Incidents into the database: of uploads, and of ``evenflow watch --sink database``.

The writer of a watch also stores the state of its run. It stands behind the bounded
queue of its sink, whose thread alone calls it. A database that is away is an
:class:`OSError`: the queue tries again, and drops what no longer fits.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from evenflow.runtime.sinks import RejectedError
from evenflow.web.incidents.rules import that_apply
from evenflow.web.store.database import Database, Failed, is_away, upsert
from evenflow.web.store.tables import Base, Incident, WatchRun, now

KEPT = ("id", "state", "version")
"""Columns of an incident that a report does not change."""


class Writer:
    """The way of a watch into a database, which it closes at the end."""

    most_messages = 100

    def __init__(self, database: Database) -> None:
        self.database = database
        self.run = uuid.uuid4().hex
        self.rules: tuple[str, ...] = ()
        """Expected behaviour as it was read last, in TOML."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Store incidents, each by its id; an older report changes nothing."""
        with self._session() as session:
            store(session, [json.loads(message) for message in messages])

    def show(self, message: bytes) -> None:
        """Store the state of the run, instead of the one before."""
        state = _clean(json.loads(message))
        row = {
            "id": self.run,
            "name": state["name"][:200],
            "host": state["host"][:100],
            "bundle": state["bundle"][:120],
            "begun_at": now(),
            "seen_at": now(),
            "is_over": state["is_over"],
            "figures": state["figures"] | {"incidents": state["incidents"]},
            "recent": state["recent"],
        }
        try:
            with self._session() as session:
                _store(session, WatchRun, row, ("id", "begun_at"))
            self.read_rules()
        except RejectedError as error:  # the next state may be a better one
            raise OSError(str(error)) from error

    def read_rules(self) -> None:
        """Read the rules of expected behaviour that apply."""
        with self._session() as session:
            self.rules = tuple(one.rule for one in session.scalars(that_apply()))

    def sync(self) -> None:
        """Do nothing: each batch was committed."""

    def close(self) -> None:
        """Close all connections."""
        self.database.dispose()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with self.database.session() as session:
                yield session
        except Failed as error:
            why = (str(getattr(error, "orig", None) or error).splitlines() or [""])[0]
            if is_away(error):
                raise OSError(f"the database does not take it: {why}") from error
            raise RejectedError(f"the database refuses it: {why}") from error


def store(session: Session, events: Sequence[Mapping[str, Any]]) -> None:
    """Store incidents by their events, each by its id."""
    rows = [_row(event) for event in events]
    last = {row["id"]: row for row in sorted(rows, key=lambda r: r["n_reports"])}
    # always in the same order: two writers cannot wait for each other
    for _, row in sorted(last.items()):
        _store(session, Incident, row, KEPT, is_newer=True)


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an incident's event."""
    event = _clean(event)
    what = event["incident"]
    return {
        "id": event["incident_id"],
        "at": datetime.fromisoformat(what["start"]),
        "ended_at": datetime.fromisoformat(what["end"]),
        "reported_at": datetime.fromisoformat(event["timestamp"]),
        "seen_at": now(),
        "n_reports": int(event["alert_id"].rpartition("-")[2]),
        "is_ongoing": what["status"] != "closed",
        "label": event["ml"]["class"][:80],
        "severity": event["alert"]["severity"],
        "score": event["ml"]["score"],
        "connections": what["connections"],
        "attackers": what["attackers"]["first"],
        "victims": what["victims"]["first"],
        "event": event,
        "state": "new",
        "version": 1,
    }


def _store(
    session: Session,
    table: type[Base],
    row: dict[str, Any],
    kept: Sequence[str],
    *,
    is_newer: bool = False,
) -> None:
    """Insert a row, or change the one of that id but for what is kept of it."""
    insert = upsert(session, table).values(row)
    new = {name: insert.excluded[name] for name in row if name not in kept}
    newer = insert.excluded.n_reports >= Incident.n_reports if is_newer else None
    session.execute(
        insert.on_conflict_do_update(index_elements=["id"], set_=new, where=newer)
    )


def _clean(value: Any) -> Any:
    """Return JSON values without NUL, which PostgreSQL does not take."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return value
