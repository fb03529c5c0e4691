"""The report on a labelled upload: figures, classes, curves, the wrong rows."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Response, abort, render_template, url_for

from evenflow.judge.pages import report as render
from evenflow.judge.report import Report
from evenflow.judge.tables import report as figures
from evenflow.web.charts.reports import Picture, drawn
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.pages.uploads._blueprint import bp
from evenflow.web.pages.uploads.acts import results_of
from evenflow.web.store.tables import Job
from evenflow.web.uploads import labels, manage

PICTURES = ("roc", "precision_recall", "recall", "precision", "attack_types",
            "reliability", "confusion_matrix")  # fmt: skip


@bp.get("/<job_id>/report")
def report(job_id: str) -> str:
    """Show the report on the rows of a labelled file."""
    job, found = _report(job_id)
    return render_template(
        "uploads/report.html",
        job=job,
        report=found,
        labels=job.result["labels"],
        marks=figures.marks(found),
        tiles_shown=figures.headlines(found),
        pictures=_pictures(_folder(job), _stamp(job)),
        cells=_cells(job, found),
        tables={
            "binary": figures.binary(found),
            "classes": figures.classes(found),
            "attacks": figures.attacks(found),
        },
        errors=labels.ERRORS,
    )


@bp.get("/<job_id>/report.<any(html, json):kind>")
def download_report(job_id: str, kind: str) -> Response:
    """Send the report to be kept: a page in one file, or JSON."""
    job, found = _report(job_id)
    if kind == "html":
        text = render.html(found)
    else:
        text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n"
    return attachment(text, f"{manage.stem(job)}-report.{kind}")


def _report(job_id: str) -> tuple[Job, Report]:
    """Return an upload and its report, else 404."""
    job = manage.found(job_id)
    results_of(job)
    if "figures" not in job.result.get("labels", {}):
        abort(404)
    return job, labels.read(_folder(job))


def _folder(job: Job) -> Path:
    return web.home.results / job.id


def _stamp(job: Job) -> int:
    return (_folder(job) / labels.REPORT).stat().st_mtime_ns


@lru_cache(maxsize=8)
def _pictures(folder: Path, stamp: int) -> dict[str, Picture]:
    del stamp
    found = drawn(render.pictures(labels.read(folder)))
    return {name: found[name] for name in PICTURES if name in found}


def _cells(job: Job, found: Report) -> dict[str, Any]:
    """Return the confusion matrix; a cell has its count, and where its rows are."""
    names, matrix = found.confusion["labels"], found.confusion["matrix"]
    known = set(job.result["counts"])

    def cell(true: str, decided: str, n: int) -> tuple[int, str, bool]:
        url = ""
        if n and decided in known:
            asked: dict[str, Any] = {"true": true, "label": decided}
            url = url_for("uploads.show", job_id=job.id, **asked)
        return n, url, true == decided

    shown = [k for k, row in enumerate(matrix) if sum(row)]
    return {
        "columns": [name for name in names if name in known],
        "rows": [
            (
                names[k],
                [
                    cell(names[k], name, n)
                    for name, n in zip(names, matrix[k], strict=True)
                    if name in known
                ],
            )
            for k in shown
        ],
    }
