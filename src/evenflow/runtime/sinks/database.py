"""The database of a web application: incidents, and what a run sees.

It gets incidents in the form of EVE, whatever the form of the other sinks, and the
state of the run once a second. Who opens it is handed in: this package knows no
database.
"""

from __future__ import annotations

import json
from typing import Any

from evenflow.errors import DataError
from evenflow.runtime.sinks import Outbox, Setup


def _incident(event: dict[str, Any]) -> bytes | None:
    if event["event_type"] != "incident":
        return None
    return json.dumps(event, separators=(",", ":")).encode()


def open_sink(target: str, setup: Setup) -> Outbox:
    """Return the database of the server with that data folder as a sink."""
    if setup.open_database is None:
        raise DataError(
            "found the sink 'database', which is known to evenflow watch alone. Name "
            "another sink"
        )
    name = f"database:{target}" if target else "database"
    return setup.outbox(name, setup.open_database(target), _incident)
