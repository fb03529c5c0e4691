"""Own data sets: add a labelled file, or an upload; name its labels; delete it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flask import Response, abort, make_response, render_template, request
from flask_security import current_user
from polars import selectors as cs
from sqlalchemy import select

from evenflow.errors import DataError
from evenflow.web.datasets import explorations, own
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.large_bodies import allow_large, copy, most_bytes, too_large
from evenflow.web.frame.permissions import visible
from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.pages import Pages
from evenflow.web.store.tables import Job, OwnDataset
from evenflow.web.uploads import file_kinds, manage, sent
from evenflow.web.uploads.job import SENT

bp = Pages("own_data", "/datasets", role="analyst")
MAX_OFFERED = 50
"""Uploads offered as test rows, the newest ones."""


@bp.get("/new")
def new() -> Response:
    """Show the form that adds a data set: of a file, or of an upload."""
    job = _upload(request.args.get("upload", ""))
    values: dict[str, str] = {}
    if job is not None:
        found = job.result.get("labels") or {}
        values = {
            "name": own.name_for(web.db(), job.title),
            "title": job.title,
            "label": str(found.get("column") or job.payload.get("label", "")),
            "benign": ", ".join(job.payload.get("benign", ())),
        }
    return _form(job, values)


@bp.url_value_preprocessor
def _set_limit(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Let an analyst send two whole files; the form is read right after this."""
    if endpoint == "own_data.add" and current_user.is_authenticated:
        web.db.commit()  # no transaction stays open while the files arrive
        allow_large(n_files=2)


@bp.post("")
def add() -> Response:
    """Keep a file as a data set of the team."""
    job = _upload(request.form.get("upload", ""))
    values = {
        key: request.form.get(key, "")[:1000]
        for key in ("name", "title", "label", "benign", "test")
    }
    try:
        fill = _from_upload(job) if job else _from_file("file")
        if fill is None:
            raise DataError("no file was chosen. Choose a labelled file")
        other = _upload(values["test"])
        made = own.add(
            web.db(),
            web.home,
            web.settings,
            current_user,
            name=values["name"].strip(),
            title=values["title"],
            fill=fill,
            fill_test=_from_upload(other) if other else _from_file("test_file"),
            labels=_labels(values),
        )
    except DataError as error:
        return _form(job, values, sentence(error))
    return see_other(
        "explore.show",
        f"{made.name} was added. It is explored now; then it can be trained on.",
        name=made.name,
    )


@bp.post("/<name>/labels")
def change(name: str) -> Response:
    """Change the labels of a data set and explore it again."""
    found = _mine(name)
    own.change(web.db(), web.home, found, _labels(request.form))
    own.explore(web.db(), web.settings, current_user, found)
    web.db.commit()
    return see_other("explore.show", "It is explored again.", "info", name=name)


@bp.post("/<name>/delete")
def delete(name: str) -> Response:
    """Delete a data set of the team; models trained on it stay."""
    found = _mine(name)
    try:
        own.delete(web.db(), web.home, found)
    except DataError as error:
        web.db.rollback()
        return see_other("explore.show", sentence(error), "error", name=name)
    return see_other("explore.index", f"{name} was deleted. Its models stay.")


def _mine(name: str) -> OwnDataset:
    """Return a data set of the team that the person may change, else 404 or 403."""
    found = explorations.find(web.db(), name)
    if found is None:
        abort(404)
    if not own.may_change(found, current_user):
        abort(403)
    return found


def _labels(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of the labels; a data set has no column of event times."""
    found = sent.choices(given)
    return {name: found[name] for name in ("label", "benign") if name in found}


def _upload(job_id: str) -> Job | None:
    """Return an upload that has ended, None where none is asked for, else 404."""
    if not job_id:
        return None
    job = manage.found(job_id)
    if job.state != "done" and not (web.home.uploads / job.id / SENT).is_file():
        abort(404)
    return job


def _from_upload(job: Job) -> own.Fill:
    """Return what writes the rows of an upload: those scored, or its file."""
    if job.state != "done":
        source = web.home.uploads / job.id / SENT
        return partial(_copy, source)
    results = manage.results_of(job)
    if not results.height:
        raise DataError(f"{job.title} has no scored row, expected some. Add its file")
    rows = results.scan.select(cs.by_name(*results.given)).rename(results.own_names)
    return lambda path: own.write_frame(rows, path)


def _copy(source: Path, path: Path) -> None:
    shutil.copyfile(source, path)


def _from_file(field: str) -> own.Fill | None:
    """Return what writes the file of the form; None where none was chosen."""
    file = request.files.get(field)
    if file is None or not file.filename:
        return None

    def fill(path: Path) -> None:
        with path.open("xb") as out:
            copy(file.stream, out, most_bytes(), too_large())

    return fill


def _form(job: Job | None, values: dict[str, str], error: str = "") -> Response:
    others = select(Job).where(Job.kind.in_(UPLOADS), Job.state == "done")
    newest = visible(others, Job).order_by(Job.created_at.desc()).limit(MAX_OFFERED)
    page = render_template(
        "explore/new.html",
        upload=job,
        values=values,
        error=error,
        suffixes=file_kinds.SUFFIXES,
        settings=web.settings,
        others=[
            (one.id, f"{one.title}, {one.created_at:%Y-%m-%d %H:%M}")
            for one in web.db.scalars(newest)
            if job is None or one.id != job.id
        ],
    )
    return make_response(page, 422 if error else 200)
