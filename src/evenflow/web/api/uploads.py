"""Files: upload one, see its progress, read its verdicts, stop it, delete it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Response, abort, request
from pydantic import Field
from sqlalchemy import select

from evenflow.web.accounts.bearer import Caller
from evenflow.web.api import bodies, paging, schemas
from evenflow.web.api.bodies import Query, TimeColumn
from evenflow.web.api.operations import Call, Group, Raw
from evenflow.web.api.paging import Paged, Part
from evenflow.web.frame import large_bodies
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.large_bodies import Readable
from evenflow.web.frame.permissions import audit, visible
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.store.tables import JOB_STATES, Job
from evenflow.web.uploads import manage, receive, results, sent
from evenflow.web.uploads.results import REJECTS, Filter, Results, Sort

group = Group("Uploads", "Score whole files in the background.", "uploads")
FORM, OCTETS = "multipart/form-data", "application/octet-stream"
FORM_SCHEMA = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
MAX_CELL = 500
MAX_CELLS = 200
"""Characters of a value and columns of a row that a page of results repeats; the
downloads hold all."""
_ID = re.compile(r"[0-9a-f]{24}")


class SendQuery(Query):
    """The parameters of an upload."""

    name: str = Field(
        "",
        max_length=200,
        description="Name of the upload; a form's file already has one.",
    )
    bundle: str = Field(
        "", max_length=200, description="The model to use; by default the active one."
    )
    time_column: TimeColumn = ""
    label: str = Field(
        "",
        max_length=200,
        description="The column of labels; by default found by its name.",
    )
    benign: str = Field(
        "",
        max_length=1000,
        description="Labels that mean benign, separated by commas; by default found.",
    )


class UploadsQuery(Paged):
    """Which uploads are wanted."""

    state: str | None = Field(None, pattern=f"^({'|'.join(JOB_STATES)})$")
    mine: bool = Field(False, description="Only your own.")


class FilterQuery(Query):
    """Which rows of a result are wanted."""

    label: str | None = Field(None, max_length=80, description="Only this class.")
    attacks: bool = Field(False, description="Only attacks.")
    since: datetime | None = Field(None, description="Events not before this time.")
    until: datetime | None = Field(None, description="Events before this time.")


class ResultsQuery(Paged, FilterQuery):
    """Which rows of a result are wanted, and in which order."""

    sort: Sort = "line"
    descending: bool = False
    values: bool = Field(False, description="Repeat each record as it was given.")


@group.add(
    "PUT",
    "/uploads/<job_id>",
    summary="Upload a file",
    body=Raw(
        kinds={OCTETS: None, "text/csv": None, FORM: FORM_SCHEMA},
        description="The bytes of one file, or a form with the field `file`: CSV with "
        "a header or JSON lines (each also as .gz), or Parquet.",
    ),
    gives=schemas.Upload,
    status=202,
    errors=(409, 413, 507),
)
def send_upload(call: Call[SendQuery, None], job_id: str) -> dict[str, Any]:
    """Send a file to be scored in the background, under an id of your own.

    The id is 24 hexadecimal digits that nobody can guess, such as those of
    `openssl rand -hex 12`. The file may be far larger than other requests (the page of
    limits says how large). The answer is given once the file is stored. Sent again,
    the same file is the same upload, and another file is answered with 409.
    """
    if not _ID.fullmatch(job_id):
        bodies.refuse(
            "job_id",
            f"found {job_id[:60]!r}, expected 24 hexadecimal digits in lower case",
        )
    large_bodies.allow_large()
    name: str = call.query.name
    stream: Readable = request.stream
    if request.mimetype == FORM:
        file = request.files.get("file")
        if file is None:
            bodies.refuse("file", "found nothing, expected a file in this field")
        name, stream = name or file.filename or "", file.stream
    _known(call.query.bundle)
    job = receive.receive_upload(
        call.caller,
        name,
        stream,
        bundle=call.query.bundle,
        choices=sent.choices(
            {
                "label": call.query.label,
                "benign": call.query.benign,
                "time_column": call.query.time_column,
            }
        ),
        upload_id=job_id,
    )
    call.headers["Location"] = f"/api/v1/uploads/{job.id}"
    return upload_json(job, call.caller)


@group.add("GET", "/uploads", summary="List uploads", gives=Part[schemas.Upload])
def list_uploads(call: Call[UploadsQuery, None]) -> dict[str, Any]:
    """List the uploads you may see, the newest first."""
    asked = call.query
    query = visible(select(Job), Job, call.caller).where(Job.kind.in_(UPLOADS))
    if asked.mine:
        query = query.where(Job.owner_id == call.caller.id)
    if asked.state:
        query = query.where(Job.state == asked.state)
    part = paging.latest(query, Job, Job.created_at, asked)
    return part | {"items": [upload_json(job, call.caller) for job in part["items"]]}


@group.add(
    "GET",
    "/uploads/<job_id>",
    summary="Show the progress of an upload",
    gives=schemas.Upload,
)
def show_upload(call: Call[Query, None], job_id: str) -> dict[str, Any]:
    """Return the progress of an upload, and its results once it is done."""
    return upload_json(manage.found(job_id, call.caller), call.caller)


@group.add(
    "GET",
    "/uploads/<job_id>/results",
    summary="Read the verdicts on a file",
    gives=Part[schemas.ResultRow],
    errors=(409,),
)
def list_results(call: Call[ResultsQuery, None], job_id: str) -> Response:
    """Read the verdicts on a file, in parts. 409 until the upload is done."""
    asked = call.query
    found = _results(manage.found(job_id, call.caller))
    shares = [f"p_{label}" for label in found.classes]
    page = found.page(
        _filter(found, asked),
        sort=asked.sort,
        descending=asked.descending,
        start=asked.start,
        n_rows=asked.limit,
        columns=[*shares, *(found.given[:MAX_CELLS] if asked.values else ())],
    )
    rows = [_row(found, row, with_values=asked.values) for row in page.rows]
    return bodies.answer(paging.by_place(asked, page.total, rows))


@group.add(
    "GET",
    "/uploads/<job_id>/results.<any(csv, jsonl):kind>",
    summary="Download the verdicts on a file",
    gives=Raw(kinds={"text/csv": None, "application/x-ndjson": None}),
    errors=(409,),
)
def download_results(call: Call[FilterQuery, None], job_id: str, kind: str) -> Response:
    """Download all verdicts of a filter with the records as they were given.

    In CSV, text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    job = manage.found(job_id, call.caller)
    found = _results(job)
    body = manage.rows(found, _filter(found, call.query), kind)
    return attachment(body, f"{manage.stem(job)}-verdicts.{kind}")


@group.add(
    "GET",
    "/uploads/<job_id>/rejected",
    summary="Read the rejected rows",
    gives=Part[schemas.RejectedRow],
    errors=(409,),
)
def list_rejected(call: Call[Paged, None], job_id: str) -> dict[str, Any]:
    """Read the rows that do not keep the model's contract, and what is wrong."""
    job, asked = manage.found(job_id, call.caller), call.query
    _results(job)
    path = web.home.results / job.id / REJECTS
    found = results.rejected(path, start=asked.start, n_rows=asked.limit)
    return paging.by_place(asked, int(job.result["rejected"]), found)


@group.add(
    "POST",
    "/uploads/<job_id>/stop",
    summary="Stop an upload",
    gives=schemas.Upload,
    status=202,
)
def stop_upload(call: Call[Query, None], job_id: str) -> dict[str, Any]:
    """Ask a queued or running upload to stop; one that has ended stays as it is."""
    job = manage.found(job_id, call.caller)
    queue.request_stop(web.db(), job)
    audit("upload.stop", job.id, user=call.caller, name=job.title)
    web.db.flush()
    web.db.refresh(job)
    return upload_json(job, call.caller)


@group.add(
    "DELETE",
    "/uploads/<job_id>",
    summary="Delete an upload",
    gives=None,
    status=204,
    errors=(403, 409),
)
def delete_upload(call: Call[Query, None], job_id: str) -> Response:
    """Delete an upload of your own with its results; its alerts stay.

    409 while it is queued or running: stop it first. Administrators delete any.
    """
    job = manage.found(job_id, call.caller)
    if not manage.may_discard(job, call.caller):
        abort(403, "The upload is somebody else's. Ask its owner or an administrator")
    if not manage.discard(job, call.caller):
        abort(
            409, "The upload is in progress, expected one that has ended. Stop it first"
        )
    return Response(status=204)


def upload_json(job: Job, caller: Caller) -> dict[str, Any]:
    """Return an upload as it is answered."""
    return {
        "id": job.id,
        "title": job.title,
        "state": job.state,
        "is_mine": job.owner_id == caller.id,
        "stop_requested": job.stop_requested,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "progress": job.progress or {},
        "error": job.error or None,
        "result": job.result if job.state == "done" else None,
    }


def _known(bundle: str) -> None:
    if bundle and bundle not in web.detectors.names():
        bodies.refuse(
            "bundle", f"found {bundle[:60]!r}, expected one of GET /bundles, or none"
        )


def _results(job: Job) -> Results:
    if job.state != "done":
        abort(409, f"The upload is {job.state}, expected one that is done")
    return manage.results_of(job)


def _filter(found: Results, asked: FilterQuery) -> Filter:
    if asked.label and asked.label not in found.verdicts:
        known = ", ".join(found.verdicts)
        bodies.refuse("label", f"found {asked.label[:60]!r}, expected one of {known}")
    since, until = asked.since, asked.until
    return Filter(
        label=asked.label or "",
        attacks_only=asked.attacks,
        since=None if since is None else paging.utc(since, "since"),
        until=None if until is None else paging.utc(until, "until"),
    )


def _row(found: Results, row: dict[str, Any], *, with_values: bool) -> dict[str, Any]:
    shares = {label: row.pop(f"p_{label}") for label in found.classes}
    given = {name: row.pop(name) for name in found.given if name in row}
    answer = {"event_at": row.pop(found.time, None)} | row | {"classes": shares}
    if with_values:
        answer["values"] = {name: _cell(value) for name, value in given.items()}
    return answer


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:MAX_CELL]
