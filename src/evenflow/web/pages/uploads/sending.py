"""The list of uploads, and the ways to send a file: a plain form, or in pieces."""

from __future__ import annotations

from typing import Any

from flask import (
    Response,
    abort,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_security import current_user
from pydantic_core import from_json
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.exceptions import RequestEntityTooLarge

from evenflow.errors import DataError
from evenflow.runtime import shipped
from evenflow.runtime.records import reads_connections
from evenflow.runtime.writers import inert
from evenflow.web.frame import lists, polling
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.large_bodies import OVERHEAD, allow_large, most_bytes, too_large
from evenflow.web.frame.permissions import visible
from evenflow.web.jobs import retention
from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.jobs.queue import LIVE
from evenflow.web.models.offered import offered
from evenflow.web.pages.uploads._blueprint import bp
from evenflow.web.record_form.examples import examples
from evenflow.web.store.tables import Job
from evenflow.web.uploads import file_kinds, receive, sent

PER_PAGE = 25
TYPED = ("label", "benign", "bundle", "time_column")
"""Fields of the form beside the file."""


@bp.get("")
def index() -> str:
    """Show the uploads a person may see, and a form to send one."""
    return _index()


@bp.get("/list")
def listed() -> Response:
    """Answer the list alone, for the page that is open."""
    return polling.fresh("uploads/_list.html", _found())


def _index(error: str = "") -> str:
    bundle = web.detectors.active()
    return render_template(
        "uploads/index.html",
        **_found(),
        error=error,
        typed={
            n: v
            for n in ("label", "benign", "bundle")
            if (v := request.form.get(n, ""))
        },
        bundle=bundle,
        models=offered(),
        suffixes=file_kinds.SUFFIXES,
        is_for_connections=bundle is not None and reads_connections(bundle.schema),
        kept_days=retention.days(web.db(), web.settings),
        settings=web.settings,
        part_bytes=receive.PART_BYTES,
        most_bytes=most_bytes(),
        too_large=sentence(too_large().description),
    )


def _found() -> dict[str, Any]:
    whose = request.args.get("whose", "")
    query = visible(select(Job), Job).where(Job.kind.in_(UPLOADS))
    if whose == "mine":
        query = query.where(Job.owner_id == current_user.id)
    page = lists.page(
        query.options(joinedload(Job.owner)).order_by(Job.created_at.desc(), Job.id),
        per_page=PER_PAGE,
        url=lambda n: url_for("uploads.index", page=n, whose=whose or None),
    )
    is_live = any(job.state in LIVE for job in page.rows)
    return {"page": page, "whose": whose, "is_live": is_live, "live": LIVE}


@bp.url_value_preprocessor
def _set_limit(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Let a person who is logged in send a whole file by the form.

    Here, since the form is read right after this, when its token is checked.
    """
    if endpoint == "uploads.begin":  # a name and a size
        request.max_content_length = OVERHEAD
    if endpoint != "uploads.send" or request.method != "POST":
        return
    if current_user.is_authenticated:
        web.db.commit()  # no transaction stays open while the file arrives
        allow_large()


@bp.post("")
def send() -> Response:
    """Take a file that was sent by the plain form."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return make_response(_index("No file was chosen. Choose one to upload."), 422)
    try:
        job = receive.receive_upload(
            current_user,
            file.filename,
            file.stream,
            bundle=request.form.get("bundle", ""),
            choices=sent.choices(request.form),
        )
    except RequestEntityTooLarge as error:
        return make_response(_index(sentence(error.description)), 413)
    except DataError as error:
        return make_response(_index(sentence(error)), 422)
    return see_other(
        "uploads.show",
        f"{job.title} was uploaded and will be scored shortly.",
        job_id=job.id,
    )


@bp.post("/parts")
def begin() -> Any:
    """Begin an upload in pieces."""
    try:
        body = from_json(request.get_data())
    except ValueError:  # also what nests too deep, or an endless integer
        body = None
    if not isinstance(body, dict):
        abort(400, "Found no JSON object, expected the name and the size")
    name, size = body.get("name"), body.get("size")
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool):
        abort(400, "Found no name or no size, expected both")
    bundle = body.get("bundle", "")
    if not isinstance(bundle, str):
        abort(400, "Found no name of a model, expected one")
    upload_id = receive.begin(
        current_user, name, size, bundle=bundle, choices=sent.choices(body)
    )
    return jsonify(
        id=upload_id,
        offset=0,
        url=url_for("uploads.append", upload_id=upload_id),
        finish=url_for("uploads.finish", upload_id=upload_id),
    ), 201


@bp.get("/parts/<upload_id>")
def state(upload_id: str) -> Any:
    """Answer how much of an upload is here."""
    return jsonify(offset=receive.offset(current_user, upload_id))


@bp.put("/parts/<upload_id>")
def append(upload_id: str) -> Any:
    """Add a piece."""
    at = lists.whole(request.args.get("offset", ""), most=2**53)
    if at is None:
        abort(400, "Found no offset, expected where the piece begins")
    here = receive.append(current_user, upload_id, at, request.stream)
    return jsonify(offset=here)


@bp.post("/parts/<upload_id>/finish")
def finish(upload_id: str) -> Any:
    """Queue an upload whose pieces are all here."""
    job = receive.finish(current_user, upload_id)
    return jsonify(id=job.id, url=url_for("uploads.show", job_id=job.id))


@bp.delete("/parts/<upload_id>")
def discard(upload_id: str) -> Any:
    """Delete an upload that was given up."""
    receive.discard(current_user, upload_id)
    return "", 204


@bp.get("/example.csv")
def example() -> Response:
    """Send a small file in the columns of the model in use: its examples of classes."""
    bundle = web.detectors.active()
    if bundle is None:
        abort(404, "There is no active model yet, so there is no example for it.")
    rows = [found.row for found in examples(bundle, per_class=8)]
    frame = inert(bundle.golden.frame[rows], is_input=True)
    return attachment(frame.write_csv().encode(), "example.csv")


@bp.get("/example.pcap")
def example_capture() -> Response:
    """Send the capture that comes with evenflow, of attacks among ordinary traffic."""
    return attachment(shipped.CAPTURE.read_bytes(), "example.pcap")
