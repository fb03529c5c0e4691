"""Downloads of an upload's results: all rows or a kind of them, streamed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flask import Response, abort

from evenflow.runtime.writers import inert
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import require
from evenflow.web.pages.uploads import bp
from evenflow.web.pages.uploads.acts import results_of, upload_or_404
from evenflow.web.pages.uploads.result import asked_filter
from evenflow.web.store.tables import Job
from evenflow.web.uploads.results import REJECTS, Filter, Results

TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
READ_BYTES = 2**18


@bp.get("/<job_id>/download/<any(csv, jsonl):kind>")
@require("viewer")
def download(job_id: str, kind: str) -> Response:
    """Send the rows that the address asks for."""
    job = upload_or_404(job_id)
    found = results_of(job)
    kept = asked_filter(found.classes)
    what = kept.label or ("attacks" if kept.attacks_only else "verdicts")
    return sent(rows(found, kept, kind), TYPES[kind], f"{stem(job)}-{what}.{kind}")


@bp.get("/<job_id>/download/rejected.jsonl")
@require("viewer")
def download_rejected(job_id: str) -> Response:
    """Send the rows that were set aside."""
    job = upload_or_404(job_id)
    results_of(job)
    path = web.home.results / job.id / REJECTS
    if not path.is_file():
        abort(404)
    return sent(pieces(path), TYPES["jsonl"], f"{stem(job)}-rejected.jsonl")


def rows(found: Results, kept: Filter, kind: str) -> Iterator[bytes]:
    """Yield the rows of a kind as CSV or JSON lines, part by part."""
    is_first = True
    for frame in found.parts(kept):
        if kind == "jsonl":
            yield frame.write_ndjson().encode()
        elif is_first or frame.height:
            yield inert(frame).write_csv(include_header=is_first).encode()
        is_first = False


def pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes."""
    with path.open("rb") as stream:
        while data := stream.read(READ_BYTES):
            yield data


def stem(job: Job) -> str:
    """Return a name for a download: the file's own, as far as it is plain."""
    own = re.sub(r"(\.(csv|tsv|jsonl|ndjson|parquet|txt|gz))+$", "", job.title.lower())
    return re.sub(r"[^a-z0-9_-]+", "-", own).strip("-")[:60] or "upload"


def sent(body: Iterator[bytes], mimetype: str, name: str) -> Response:
    """Return a download of that name."""
    response = Response(body, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
