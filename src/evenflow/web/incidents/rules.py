"""An incident as expected behaviour: a rule for ``evenflow watch --suppress``."""

from __future__ import annotations

from datetime import date

from evenflow import toml
from evenflow.runtime.incidents import suppress
from evenflow.web.store.tables import Incident

MAX_REASON = 200


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
