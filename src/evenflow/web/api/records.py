"""The history: records that were scored one by one and stored."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sqlalchemy.orm import joinedload

from evenflow.web.api import paging, schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.operations import Call, Group
from evenflow.web.api.paging import Paged, Part, Search
from evenflow.web.frame.permissions import found_or_404
from evenflow.web.store.tables import Record

group = Group("Records", "The history of records scored one by one.", "records:read")


class RecordsQuery(Paged, Search):
    """Which records are wanted."""

    attacks: bool | None = Field(
        None, description="Only attacks, or only benign records."
    )
    source: Literal["form", "api"] | None = None


@group.add("GET", "/records", summary="List records", gives=Part[schemas.RecordShort])
def list_records(call: Call[RecordsQuery, None]) -> dict[str, Any]:
    """List the records you may see, the newest first."""
    asked, caller = call.query, call.caller
    query = asked.select(Record, Record.service, Record.label, user=caller)
    if asked.attacks is not None:
        query = query.where(Record.is_attack.is_(asked.attacks))
    if asked.source:
        query = query.where(Record.source == asked.source)
    return paging.newest(query, Record, asked)


@group.add(
    "GET", "/records/<int:number>", summary="Show a record", gives=schemas.Record
)
def show_record(call: Call[Query, None], number: int) -> Record:
    """Show a kept record: its values, the explanation if one was kept, its alert."""
    with_alert = joinedload(Record.alert)
    record: Record = found_or_404(Record, number, with_alert, user=call.caller)
    return record
