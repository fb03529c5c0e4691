"""Queries of incidents: who may see them, and which have an address."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from sqlalchemy import Select, String, cast, false, select
from sqlalchemy.orm import selectinload

from evenflow.web.frame.context import web
from evenflow.web.frame.lists import MAX_SEARCHED
from evenflow.web.frame.permissions import at_least
from evenflow.web.store.tables import Incident, IncidentNote

MAX_ADDRESS = 60
"""Characters of an address that is looked for."""


def visible(user: Any = None) -> Select[Incident]:
    """Return the incidents that a person (the current one) may see.

    They belong to the team: analysts see all of them, viewers none.
    """
    query = select(Incident)
    return query if at_least("analyst", user) else query.where(false())


def found(name: str, user: Any = None) -> Incident | None:
    """Return an incident with its notes, if that person may see it."""
    notes = selectinload(Incident.notes).joinedload(IncidentNote.user)
    query = visible(user).where(Incident.id == name.replace("\0", "")[:32])
    anew = query.options(notes).execution_options(populate_existing=True)
    return web.db.scalar(anew)


def with_host(column: Any, address: str) -> Any:
    """Return the clause for the newest incidents that name an address.

    The column, ``Incident.attackers`` or ``.victims``, holds the first ones.
    """
    newest = select(Incident.id).order_by(Incident.at.desc()).limit(MAX_SEARCHED)
    text = cast(column, String)
    return Incident.id.in_(newest) & text.contains(
        json.dumps(written(address)), autoescape=True
    )


def written(address: str) -> str:
    """Return an address as a watch writes it; unchanged if it is not one."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
