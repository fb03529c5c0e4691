"""Explore: every data set, and what is in it before anything is learnt."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from flask import Response, abort, render_template, request
from flask_security import current_user
from sqlalchemy import select

from evenflow import datasets
from evenflow.errors import DataError, MissingExtraError
from evenflow.judge.pages import exploration as explore_page
from evenflow.judge.tables import exploration as explore_grids
from evenflow.web.charts.reports import Picture, drawn
from evenflow.web.datasets import explorations, own, rows
from evenflow.web.datasets.explorations import Source, StoredExploration
from evenflow.web.datasets.job import put
from evenflow.web.frame import polling
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.permissions import at_least, audit, is_guest
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import EXPLORE
from evenflow.web.pages import Entry, Pages
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import Job
from evenflow.web.trainings import manage

bp = Pages("explore", "/explore")
MAX_FILES = 2
"""Files of one data set: its rows, and its test rows."""
NAV = (Entry(label="Data sets", endpoint="explore.index", icon="explore", order=45),)

VIEWS = {"overview": "Overview", "columns": "Columns", "together": "Correlations"}


@bp.get("")
def index() -> str:
    """List the data sets."""
    found = own.sources(web.db(), web.settings)
    found = [one for one in found if one.own is None or not is_guest()]
    return render_template(
        "explore/index.html",
        may_add=at_least("analyst") and web.settings.max_own_datasets > 0,
        sources=found,
        kept={one.name: explorations.read(web.home, one.name) for one in found},
    )


@bp.get("/<name>")
def show(name: str) -> str:
    """Show what is in a data set, or how to find out."""
    view = request.args.get("view", "overview")
    if view not in VIEWS:
        abort(404)
    source = _source(name)
    kept = explorations.read(web.home, name)
    if kept is None and name == explorations.QUICK:
        exploration = explorations.look(
            name,
            web.settings.data_folders,
            on_table=partial(rows.write, web.home, name),
        )
        explorations.write(web.home, name, exploration)
        kept = explorations.read(web.home, name)
    job = _job(name)
    shown: dict[str, Any] = {
        "source": source,
        "job": job,
        "may_change": source.own is not None
        and own.may_change(source.own, current_user),
        "etag": manage.state_word(job) if job else "",
        "is_live": job is not None and job.state in queue.LIVE,
    }
    if kept is None:
        return render_template("explore/unseen.html", **shown)
    found = kept.found
    return render_template(
        "explore/show.html",
        has_rows=rows.path_of(web.home, name).is_file(),
        kept=kept,
        found=found,
        view=view,
        views=VIEWS,
        tiles=explore_page.tiles(found),
        pictures=_pictures(kept, view),
        grids=explore_grids,
        bad=explore_page.BAD,
        **shown,
    )


@lru_cache(maxsize=24)
def _pictures(kept: StoredExploration, view: str) -> dict[str, Picture]:
    make = {
        "overview": explore_page.class_pictures,
        "columns": explore_page.column_pictures,
        "together": explore_page.association_pictures,
    }[view]
    return drawn(make(kept.found))


@bp.get("/<name>/state")
def state(name: str) -> Response:
    """Answer how far the look at a data set is; 204 once there is nothing to say."""
    _source(name)
    job = _job(name)
    if job is None:
        return Response(status=204)
    return polling.fresh(
        "explore/_state.html",
        {"job": job, "name": name},
        manage.state_word(job),
        is_over=job.state not in queue.LIVE,
    )


@bp.post("/<name>/look")
def look(name: str) -> Response:
    """Start a job that looks at a data set."""
    source = _source(name)
    if not source.can_be_looked_at or source.dataset.reads_own_file:
        raise DataError(
            f"the files of {name} are not on this server. An administrator gets them "
            f"with: evenflow data fetch {name}"
        )
    serialize(web.db, "exploration", name)
    job = _job(name)
    if job is None or job.state not in queue.LIVE:
        put(
            web.db(),
            name,
            owner_id=current_user.id,
            most_waiting=web.settings.max_waiting_jobs,
        )
        audit("explore.start", name)
        web.db.commit()
    return see_other("explore.show", name=name)


@bp.get("/<name>/page.html")
def download(name: str) -> Response:
    """Send the page in one file, to be kept."""
    _source(name)
    kept = explorations.read(web.home, name)
    if kept is None:
        abort(404)
    text = explore_page.html(kept.exploration)
    return attachment(text, f"{name}-exploration.html")


def _source(name: str) -> Source:
    mine = explorations.find(web.db(), name)
    if mine is not None:
        if is_guest():  # a demo does not show the team's own files
            abort(404)
        return own.source_of(mine)
    if name not in datasets.names() or datasets.get(name).takes_rows:
        abort(404)
    try:
        return explorations.source(name, web.settings.data_folders)
    except MissingExtraError:
        abort(404)


def _job(name: str) -> Job | None:
    """Return the newest look at a data set, if it is not forgotten."""
    query = select(Job).where(Job.kind == EXPLORE.name).order_by(Job.created_at.desc())
    jobs = web.db.scalars(query.limit(200))
    return next((job for job in jobs if job.payload.get("dataset") == name), None)
