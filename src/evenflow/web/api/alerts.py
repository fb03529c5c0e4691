"""Alerts: list them, give feedback, add notes, download those with feedback."""

from __future__ import annotations

import re
import tempfile
from typing import IO, Any, BinaryIO, Literal, cast

from flask import Response, abort, request
from pydantic import Field
from sqlalchemy import Select, select

from evenflow.errors import DataError
from evenflow.web.accounts.bearer import Caller
from evenflow.web.alerts import change, feedback
from evenflow.web.api import bodies, paging, schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.bundles import found_bundle
from evenflow.web.api.operations import Call, Group, Raw
from evenflow.web.api.paging import Paged, Part, Search
from evenflow.web.api.score import in_use
from evenflow.web.frame import errors, notes
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment, pieces
from evenflow.web.frame.permissions import MAX_NUMBER, audit, found_or_404
from evenflow.web.store.tables import Alert, AlertNote

group = Group(
    "Alerts", "Records scored as attacks, and the feedback of analysts.", "alerts:read"
)
_ETAG = re.compile(r'(?:W/)?"?(\d{1,9})"?')
IN_MEMORY = 2**23


class FilterQuery(Search):
    """Which alerts are wanted."""

    state: Literal["new", "open", "closed"] | None = None
    judged: bool | None = Field(
        None, description="Whether an analyst has given feedback."
    )
    group: int | None = Field(
        None, ge=1, le=MAX_NUMBER, description="Number of a group of alerts."
    )


class AlertsQuery(Paged, FilterQuery):
    """Which alerts are wanted."""


class ExportQuery(FilterQuery):
    """Which alerts with feedback are wanted, and how."""

    format: Literal["csv", "jsonl"] = "csv"
    bundle: str = Field(
        "",
        max_length=200,
        description="The model whose columns are exported; by default the active one. "
        "Alerts without these columns are left out.",
    )


@group.add("GET", "/alerts", summary="List alerts", gives=Part[schemas.AlertShort])
def list_alerts(call: Call[AlertsQuery, None]) -> dict[str, Any]:
    """List the alerts you may see, the newest first."""
    return paging.newest(_narrowed(call.caller, call.query), Alert, call.query)


@group.add("GET", "/alerts/<int:number>", summary="Show an alert", gives=schemas.Alert)
def show_alert(call: Call[Query, None], number: int) -> Alert:
    """Show an alert with its record and notes; the header ETag is its version."""
    alert = _found(number, call.caller)
    call.headers["ETag"] = f'"{alert.version}"'
    return alert


@group.add(
    "PATCH",
    "/alerts/<int:number>",
    scope="alerts:write",
    summary="Give feedback on an alert",
    gives=schemas.Alert,
    errors=(409,),
    takes=("If-Match",),
)
def change_alert(call: Call[Query, schemas.AlertChange], number: int) -> Alert:
    """Change the state of an alert, or say whether the verdict is right.

    Feedback closes the alert, and its removal opens it again, unless a state is sent.
    Name the version you have seen, in the header If-Match or as `version`: where
    somebody else changed the alert meanwhile, 409 is answered and nothing changed.
    """
    body, alert = call.body, _found(number, call.caller)
    version = _version(body.version)
    sent = body.model_fields_set
    judgement: str | None = None
    if "judgement" in sent:
        judgement = body.judgement or ""
    _check_label(alert, body)
    if judgement is None and "true_label" in sent:
        judgement = alert.judgement or ""
        if judgement != "wrong":
            bodies.refuse("true_label", "is only allowed with the judgement `wrong`")
    try:
        change.change_alert(
            web.db(),
            alert,
            cast("Any", call.caller),
            version=version,
            state=body.state,
            judgement=judgement,
            true_label=body.true_label,
        )
    except change.Stale:
        web.db.rollback()
        now = web.db.scalar(select(Alert.version).where(Alert.id == number))
        if now is None:
            abort(404)
        errors.refuse(
            409,
            f"The alert is of version {now}, and the request is for version "
            f"{version}: somebody else changed it. Read it again and repeat",
            kind="Stale",
            version=now,
        )
    alert = _found(number, call.caller)
    call.headers["ETag"] = f'"{alert.version}"'
    return alert


@group.add(
    "POST",
    "/alerts/<int:number>/notes",
    scope="alerts:write",
    summary="Add a note to an alert",
    gives=schemas.Note,
    status=201,
)
def add_note(call: Call[Query, schemas.NoteIn], number: int) -> AlertNote:
    """Add a note to an alert; notes are never changed.

    A note of yours with the same text is not added again.
    """
    alert = _found(number, call.caller)
    text = call.body.text.strip()
    if not text:
        bodies.refuse("text", "found only white space, expected a note")
    try:
        return notes.add_note(AlertNote, text, call.caller, alert_id=alert.id)
    except DataError as error:
        bodies.refuse("text", str(error))


@group.add(
    "GET",
    "/alerts/export",
    summary="Download alerts with feedback, as training rows",
    gives=Raw(
        kinds={"text/csv": None, "application/x-ndjson": None},
        description="The columns of a model, and the class from an analyst's feedback "
        "as `label`. The header Records-Read has their number.",
    ),
    errors=(404, 503),
    is_write=True,
)
def export_alerts(call: Call[ExportQuery, None]) -> Response:
    """Download the alerts whose class an analyst gave, as labelled rows."""
    asked = call.query
    bundle = found_bundle(asked.bundle) if asked.bundle else in_use()
    query, kind = _narrowed(call.caller, asked), asked.format
    # a file in memory until it is large: the rows outlive the database's session
    sink = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    try:
        n = change.export(web.db(), query, bundle.schema, cast("BinaryIO", sink), kind)
    except BaseException:
        sink.close()
        raise
    audit("alert.export", f"labelled.{kind}", user=call.caller, rows=n)
    sink.seek(0)
    response = attachment(pieces(cast("IO[bytes]", sink)), f"labelled.{kind}")
    response.call_on_close(sink.close)  # where nobody reads it
    response.headers["Records-Read"] = str(n)
    return response


def _narrowed(caller: Caller, asked: FilterQuery) -> Select[Any]:
    query = asked.select(Alert, Alert.service, Alert.label, Alert.src, user=caller)
    if asked.state:
        query = query.where(Alert.state == asked.state)
    if asked.group is not None:
        query = query.where(Alert.group_id == asked.group)
    if asked.judged is not None:
        none = Alert.judgement.is_(None)
        query = query.where(~none if asked.judged else none)
    return query


def _found(number: int, caller: Caller) -> Alert:
    alert: Alert = found_or_404(Alert, number, change.WITH_NOTES, user=caller)
    return alert


def _version(in_body: int | None) -> int:
    """Return the version that a request names, in its body or header; 422 if none."""
    header = request.headers.get("If-Match")
    if header is None:
        if in_body is None:
            bodies.refuse(
                "version",
                "found nothing, expected the version of the alert, here or in the "
                "header If-Match",
            )
        return in_body
    found = _ETAG.fullmatch(header.strip())
    if found is None:
        bodies.refuse(
            "If-Match", 'expected the version of the alert, such as "3" (its ETag)'
        )
    if in_body is not None and in_body != int(found[1]):
        bodies.refuse("version", "differs from the header If-Match, expected the same")
    return int(found[1])


def _check_label(alert: Alert, body: schemas.AlertChange) -> None:
    label = body.true_label
    if label is None:
        return
    if body.judgement == "right" and label != alert.label:
        problem = "expected none with the judgement `right`: the class is the model's"
    elif body.judgement != "right" and label == alert.label:
        problem = "is the model's class, expected another class, or `right`"
    elif label not in feedback.classes_of(alert.bundle, alert.label):
        known = ", ".join(feedback.classes_of(alert.bundle, alert.label))
        problem = f"found {label[:60]!r}, expected one of {known}"
    else:
        return
    bodies.refuse("true_label", problem)
