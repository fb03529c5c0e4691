"""Incidents: list them, and show one with its last report."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from flask import abort
from pydantic import Field

from evenflow.web.api import paging, schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.decided import Share
from evenflow.web.api.operations import Call, Group
from evenflow.web.api.paging import Paged, Part
from evenflow.web.incidents import queries
from evenflow.web.store.tables import Incident

group = Group(
    "Incidents",
    "Attacks on the network, as watches with `--sink database` report them. They "
    "belong to the team: keys of viewers see none.",
    "alerts:read",
)


class IncidentsQuery(Paged):
    """Which incidents are wanted."""

    state: Literal["new", "open", "closed"] | None = None
    ongoing: bool | None = Field(
        None, description="Whether its watch counts further alerts to it."
    )
    label: str | None = Field(None, max_length=80, description="Class decided.")
    attacker: str | None = Field(
        None, max_length=queries.MAX_ADDRESS, description="Address of an attacker."
    )
    victim: str | None = Field(
        None, max_length=queries.MAX_ADDRESS, description="Address of a victim."
    )
    since: datetime | None = Field(None, description="Began not before this time.")
    until: datetime | None = Field(None, description="Began before this time.")


class IncidentShort(schemas.Answer):
    """Alerts that an analyst handles as one."""

    id: str
    at: datetime = Field(description="First packet.")
    ended_at: datetime = Field(description="Last packet.")
    reported_at: datetime = Field(description="Last report, by the packets' time.")
    is_ongoing: bool = Field(
        description="Whether its watch counts further alerts to it."
    )
    state: Literal["new", "open", "closed"]
    version: int = Field(description="Counted up by every change of an analyst.")
    verdict: str = Field(validation_alias="label")
    severity: int = Field(description="1 is the highest, 3 the lowest.")
    attack_probability: Share = Field(
        validation_alias="score", description="The highest of its connections."
    )
    connections: int
    attackers: list[str] = Field(description="Addresses of the first ones.")
    victims: list[str] = Field(description="Addresses of the first ones.")


class IncidentFull(IncidentShort):
    """An incident with its last report and the notes beside it."""

    event: dict[str, Any] = Field(description="The last report, in the form of EVE.")
    notes: list[schemas.Note]


@group.add("GET", "/incidents", summary="List incidents", gives=Part[IncidentShort])
def list_incidents(call: Call[IncidentsQuery, None]) -> dict[str, Any]:
    """List the incidents you may see, those that began last first."""
    asked, query = call.query, queries.visible(call.caller)
    if asked.state:
        query = query.where(Incident.state == asked.state)
    if asked.ongoing is not None:
        query = query.where(Incident.is_ongoing.is_(asked.ongoing))
    if asked.label:
        query = query.where(Incident.label == asked.label)
    if asked.attacker:
        query = query.where(queries.with_host(Incident.attackers, asked.attacker))
    if asked.victim:
        query = query.where(queries.with_host(Incident.victims, asked.victim))
    if asked.since is not None:
        query = query.where(Incident.at >= paging.utc(asked.since, "since"))
    if asked.until is not None:
        query = query.where(Incident.at < paging.utc(asked.until, "until"))
    return paging.latest(query, Incident, Incident.at, asked)


@group.add("GET", "/incidents/<name>", summary="Show an incident", gives=IncidentFull)
def show_incident(call: Call[Query, None], name: str) -> Incident:
    """Show an incident by its id, with its last report and its notes."""
    found = queries.found(name, call.caller)
    if found is None:
        abort(404)
    return found
