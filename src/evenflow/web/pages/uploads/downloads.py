"""Downloads of an upload's results: all rows or a kind of them, streamed."""

from __future__ import annotations

from flask import Response, abort

from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment, pieces
from evenflow.web.pages.uploads._blueprint import bp
from evenflow.web.pages.uploads.acts import results_of, upload_or_404
from evenflow.web.pages.uploads.result import result_filter
from evenflow.web.uploads.download import rows, stem
from evenflow.web.uploads.results import REJECTS


@bp.get("/<job_id>/download/<any(csv, jsonl):kind>")
def download(job_id: str, kind: str) -> Response:
    """Send the rows that the address asks for."""
    job = upload_or_404(job_id)
    found = results_of(job)
    kept = result_filter(found.classes)
    what = kept.label or ("attacks" if kept.attacks_only else "verdicts")
    return attachment(rows(found, kept, kind), f"{stem(job)}-{what}.{kind}")


@bp.get("/<job_id>/download/rejected.jsonl")
def download_rejected(job_id: str) -> Response:
    """Send the rejected rows."""
    job = upload_or_404(job_id)
    results_of(job)
    path = web.home.results / job.id / REJECTS
    if not path.is_file():
        abort(404)
    return attachment(pieces(path.open("rb")), f"{stem(job)}-rejected.jsonl")
