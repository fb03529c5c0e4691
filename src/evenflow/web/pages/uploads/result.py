"""One upload: its progress, results, every row with its explanation, downloads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, abort, render_template, request, url_for
from flask_security import current_user
from sqlalchemy import select

from evenflow.errors import DataError
from evenflow.judge.charts import class_colors
from evenflow.knowledge import class_title
from evenflow.web.charts import daily
from evenflow.web.frame import lists, polling, ranges
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment, pieces
from evenflow.web.frame.errors import sentence
from evenflow.web.jobs import retention
from evenflow.web.jobs.queue import LIVE
from evenflow.web.pages.uploads._blueprint import bp
from evenflow.web.pages.uploads.acts import results_of, row_or_404
from evenflow.web.store.tables import Alert, Job
from evenflow.web.uploads import labels, manage, results
from evenflow.web.uploads.job import SENT
from evenflow.web.uploads.results import REJECTS, SORTS, Filter, Results, Sort
from evenflow.web.verdicts import stored
from evenflow.web.verdicts.facets import SERVICES, SOURCES

PER_PAGE = 50
ENDS = ("first", "last")
STEP = timedelta(seconds=1)
MAX_SHOWN = 6
"""Columns of the file that the table shows; a row's own page has all."""


@bp.get("/<job_id>")
def show(job_id: str) -> str:
    """Show an upload: its progress, or what was found."""
    job = manage.found(job_id)
    shown = _common(job)
    if job.state != "done":
        return render_template("uploads/state.html", **shown)
    try:
        found = results_of(job)
    except DataError as error:
        shown["gone"] = sentence(error)
        return render_template("uploads/state.html", **shown)
    return render_template("uploads/show.html", **shown, **_table(job, found))


@bp.get("/<job_id>/state")
def fragment(job_id: str) -> Response:
    """Answer how far a job is, for the page that is open."""
    return polling.fresh("uploads/_state.html", _common(manage.found(job_id)))


@bp.get("/<job_id>/rejected")
def rejected(job_id: str) -> str:
    """Show the rejected rows, and what is wrong with them."""
    job = manage.found(job_id)
    results_of(job)
    total = int(job.result["rejected"])
    page = lists.page_of(total, per_page=PER_PAGE)
    path = web.home.results / job.id / REJECTS
    rows = results.rejected(path, start=page.start, n_rows=PER_PAGE)
    return render_template(
        "uploads/rejected.html", **_common(job), page=replace(page, rows=rows)
    )


@bp.get("/<job_id>/rows/<int:line>")
def row(job_id: str, line: int) -> str:
    """Show one row, its verdict, and why."""
    job = manage.found(job_id)
    found, values = row_or_404(job, line)
    given = {k: v for k, v in found.values(values).items() if v is not None}
    return render_template(
        "uploads/row.html",
        **_common(job),
        line=line,
        event_at=values.get(found.time),
        truth=found.truth_of(line),
        stored=stored.shown(str(job.result["bundle"]), given, found.verdict(values)),
        alert=web.db.scalar(
            select(Alert).where(Alert.job_id == job.id, Alert.line == line)
        ),
    )


@bp.get("/<job_id>/download/<any(csv, jsonl):kind>")
def download(job_id: str, kind: str) -> Response:
    """Send the rows that the address asks for, streamed."""
    job = manage.found(job_id)
    found = results_of(job)
    kept = result_filter(found)
    what = (
        kept.error
        or kept.true_class
        or kept.label
        or ("attacks" if kept.attacks_only else "verdicts")
    )
    body = manage.rows(found, kept, kind)
    return attachment(body, f"{manage.stem(job)}-{what}.{kind}")


@bp.get("/<job_id>/download/rejected.jsonl")
def download_rejected(job_id: str) -> Response:
    """Send the rejected rows."""
    job = manage.found(job_id)
    results_of(job)
    path = web.home.results / job.id / REJECTS
    if not path.is_file():
        abort(404)
    return attachment(pieces(path.open("rb")), f"{manage.stem(job)}-rejected.jsonl")


def _common(job: Job) -> dict[str, Any]:
    return {
        "job": job,
        "is_live": job.state in LIVE,
        "is_kept": (web.home.uploads / job.id / SENT).is_file(),
        "may_delete": manage.may_discard(job, current_user),
        "kept_days": retention.days(web.db(), web.settings),
        "unit": job.result.get("unit", "line"),
        "gone": "",
    }


def result_filter(found: Results) -> Filter:
    """Return which rows the address asks for; what is unknown filters nothing."""
    label, true, error = (lists.text(n) for n in ("label", "true", "error"))
    kinds = ("any", *labels.ERRORS) if found.is_labelled else ()
    wanted = ranges.asked()
    return Filter(
        label=label if label in found.verdicts else "",
        attacks_only=request.args.get("attacks", "") == "1",
        since=wanted.since,
        until=wanted.until,
        true_class=true if true in found.true_classes else "",
        error=error if error in kinds else "",
    )


def _table(job: Job, found: Results) -> dict[str, Any]:
    kept = result_filter(found)
    sort: Sort = next((s for s in SORTS if s == request.args.get("sort")), "line")
    is_down = request.args.get("down", "") == "1"
    columns = _shown_columns(found)
    counts: dict[str, int] = job.result["counts"]
    wanted = ranges.asked()
    is_counted = not (kept.asks_truth or kept.is_timed)
    total = _n_kept(counts, kept, job) if is_counted else found.n_kept(kept)
    url_args: dict[str, Any] = {
        "job_id": job.id,
        "label": kept.label or None,
        "attacks": "1" if kept.attacks_only else None,
        **wanted.args,
        "true": kept.true_class or None,
        "error": kept.error or None,
    }
    order: dict[str, Any] = {
        "sort": sort if sort != "line" else None,
        "down": "1" if is_down else None,
    }
    page = lists.page_of(
        total,
        per_page=PER_PAGE,
        url=lambda n: url_for("uploads.show", **url_args, **order, page=n),
    )
    part = found.page(
        kept,
        sort=sort,
        descending=is_down,
        start=page.start,
        n_rows=PER_PAGE,
        columns=columns,
    )
    lines = [row["line"] for row in part.rows]
    opened = web.db.execute(
        select(Alert.line, Alert.id).where(
            Alert.job_id == job.id, Alert.line.in_(lines)
        )
    ).all()
    rows = [(label, n) for label, n in counts.items() if n]
    return {
        "found": found,
        "kept": kept,
        "columns": columns,
        "counts": counts,
        "sort": sort,
        "down": is_down,
        "order": order,
        "url_args": url_args,
        "heads": {name: _head(url_args, name, "-" * is_down + sort) for name in SORTS},
        "page": replace(page, rows=part.rows),
        "alerts": {row.line: row.id for row in opened},
        "range": wanted,
        "range_errors": [(n, lists.LABELS[n], e) for n, e in wanted.errors.items()],
        "over_time": _over_time(job, found, kept),
        "spec": daily.shares(
            [(class_title(label), n) for label, n in rows],
            class_colors.scale(counts, class_title),
            title="records",
        ),
        "error_kinds": labels.ERRORS,
    }


def _over_time(job: Job, found: Results, kept: Filter) -> dict[str, Any] | None:
    """Return the chart of the rows by their event times; None without one."""
    if not found.has_times:
        return None
    first, last = (datetime.fromisoformat(job.result["times"][n]) for n in ENDS)
    since = max(kept.since or first, first)
    until = min(kept.until or last + STEP, last + STEP)
    bars = ranges.bars(since, max(until, since + STEP))
    step = timedelta(seconds=bars.step_s)
    names = {label: class_title(label) for label in job.result["counts"]}
    rows: dict[datetime, dict[str, int]] = {}
    values = []
    for start, label, n in found.over_time(kept, bars.step_s):
        at = datetime.fromtimestamp(start, UTC)
        rows.setdefault(at, {})[label] = n
        values.append(
            {
                "at": at,
                "end": at + step,
                "class": names[label],
                "label": label,
                "n": n,
                "rank": list(names).index(label),
            }
        )
    labels = [label for label in names if any(label in row for row in rows.values())]
    spec = daily.over_time(
        values,
        class_colors.scale(names, class_title),
        shown=[names[label] for label in labels],
        start=bars.start,
        end=bars.end,
        title="records",
    )
    here = url_for("uploads.show", job_id=job.id, attacks=kept.attacks_only or None)
    spec["usermeta"] = {"zoom": request.full_path, "rows": {"attack": f"{here}#rows"}}
    times = [
        {
            "at": at,
            "counts": [row.get(label, 0) for label in labels],
            "ends": {"since": ranges.stamp(at), "until": ranges.stamp(at + step)},
        }
        for at, row in sorted(rows.items())
    ]
    heads = [{"label": names[label], "number": True} for label in labels]
    found_in = {"first": first, "last": last, "bars": bars}
    return {"spec": spec, "heads": heads, "rows": times, **found_in}


def _n_kept(counts: dict[str, int], kept: Filter, job: Job) -> int:
    """Return how many rows a filter keeps, as the job has counted them."""
    benign = next(iter(counts))
    if kept.label:
        is_none = kept.attacks_only and kept.label == benign
        return 0 if is_none else int(counts[kept.label])
    return int(job.result["attacks"] if kept.attacks_only else job.result["scored"])


def _head(url_args: dict[str, Any], name: str, sort: str) -> dict[str, str]:
    """Return where a column's head leads, and how it is sorted now."""

    def url(order: str) -> str:
        down = "1" if order.startswith("-") else None
        return url_for("uploads.show", **url_args, sort=order.lstrip("-"), down=down)

    # what is clicked first is what is looked for: the likeliest attack, the first line
    return lists.head(name, sort, url, is_down_first=name == "probability")


def _shown_columns(found: Results) -> list[str]:
    """Return the file's columns that tell most: from where, to what, what kind."""
    folded = {name.strip().casefold(): name for name in found.given}
    first = [folded[n] for n in (*SOURCES, *SERVICES) if n in folded]
    rest = [name for name in found.given if name not in first]
    return (first[:2] + rest)[:MAX_SHOWN]
