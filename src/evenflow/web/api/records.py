"""The history: records that were scored one by one and stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from flask import abort
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from evenflow.web.api import paging, schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.operations import Call, Group
from evenflow.web.api.paging import Paged, Part
from evenflow.web.frame.context import web
from evenflow.web.frame.lists import MAX_SEARCHED, holds
from evenflow.web.frame.permissions import may_see, visible
from evenflow.web.store.tables import Record

group = Group("Records", "The history of records scored one by one.")


class RecordsQuery(Paged):
    """Which records are wanted."""

    label: str | None = Field(None, max_length=80, description="Class decided.")
    attacks: bool | None = Field(
        None, description="Only attacks, or only benign records."
    )
    source: Literal["form", "api"] | None = None
    since: datetime | None = Field(None, description="Not before this time.")
    until: datetime | None = Field(None, description="Before this time.")
    q: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="A text in service or values; searched for among the newest "
        f"{MAX_SEARCHED:,} records.",
    )


@group.add(
    "GET",
    "/records",
    scope="records:read",
    summary="List records",
    query=RecordsQuery,
    gives=Part[schemas.RecordShort],
)
def list_records(call: Call[RecordsQuery, None]) -> dict[str, Any]:
    """List the records you may see, the newest first."""
    asked, caller = call.query, call.caller
    query = visible(select(Record), Record, caller)
    if asked.label:
        query = query.where(Record.label == asked.label)
    if asked.attacks is not None:
        query = query.where(Record.is_attack.is_(asked.attacks))
    if asked.source:
        query = query.where(Record.source == asked.source)
    query = paging.between(query, Record, asked.since, asked.until)
    if asked.q:
        columns = (Record.service, Record.label)
        query = query.where(holds(Record, asked.q, *columns, user=caller))
    return paging.newest(query, Record, asked, _short)


@group.add(
    "GET",
    "/records/<int:number>",
    scope="records:read",
    summary="Show a record",
    gives=schemas.Record,
    errors=(404,),
)
def show_record(call: Call[Query, None], number: int) -> dict[str, Any]:
    """Show a kept record: its values, the explanation if one was kept, its alert."""
    record = web.db.get(Record, number, options=[joinedload(Record.alert)])
    if record is None or not may_see(record, call.caller):
        abort(404)
    return _short(record) | {
        "values": record.values,
        "explanation": record.view or None,
        "alert_id": record.alert.id if record.alert else None,
    }


def _short(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,
        "source": record.source,
        "bundle": record.bundle,
        "verdict": record.label,
        "is_attack": record.is_attack,
        "attack_probability": record.probability,
        "threshold": record.threshold,
        "service": record.service,
    }
