"""An incident as expected behaviour: a rule that watches read, and those that apply."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, scoped_session

from evenflow import toml
from evenflow.runtime.incidents import suppress
from evenflow.web.store.tables import Expected, Incident, now

MAX_REASON = 200
MAX_RULES = suppress.MOST_RULES


def that_apply() -> Select[Any]:
    """Return the query of the rules that have not expired, the newest first."""
    query = select(Expected).where(Expected.expires_at > now())
    return query.order_by(Expected.id.desc()).limit(MAX_RULES)


def n_that_apply(session: Session | scoped_session[Session]) -> int:
    """Return the number of the rules that have not expired."""
    query = select(func.count()).where(Expected.expires_at > now())
    return session.scalar(query) or 0


def rule(incident: Incident, reason: str, expires: date) -> str:
    """Return the rule that suppresses alerts such as those of an incident, in TOML.

    Of a scan it names the attackers, of a flood the victims, else both.
    """
    shape = incident.event["incident"].get("shape")
    hosts = {
        "source": None if shape == "flood" else list(incident.attackers),
        "destination": None if shape == "sweep" else list(incident.victims),
    }
    words = "".join(c if c.isprintable() else " " for c in reason[:MAX_REASON])
    table = {**hosts, "class": incident.label, "reason": words.strip()}
    text = f"[[suppress]]\n{toml.dumps(table)}\nexpires = {expires.isoformat()}\n"
    suppress.rules(toml.loads(text), source="the rule")
    return text
