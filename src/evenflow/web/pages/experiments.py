"""Experiments: start a training from a recipe, watch it learn, stop and resume it."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, make_response, render_template, request, url_for
from flask_security import current_user
from sqlalchemy import select

from evenflow import recipe as recipes
from evenflow import registry, toml
from evenflow.errors import BundleError, DataError
from evenflow.web.datasets import explorations, own
from evenflow.web.frame import lists, polling
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.lists import Page
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import TRAIN
from evenflow.web.models.catalog import read
from evenflow.web.pages import Entry, Pages
from evenflow.web.store.tables import Job
from evenflow.web.trainings import form, manage, shipped
from evenflow.web.trainings.job import can_train

bp = Pages("experiments", "/experiments", role="analyst")
NAV = (
    Entry(
        label="Experiments",
        endpoint="experiments.index",
        icon="experiments",
        order=50,
        role="analyst",
    ),
)
PER_PAGE = 30


@bp.get("")
def index() -> str:
    """List the trainings, the newest first."""
    page = _page()
    return render_template(
        "experiments/index.html",
        page=page,
        etag=_list_word(page),
        can_train=can_train(),
        trainings=manage,
    )


@bp.get("/list")
def rows() -> Response:
    """Return the list, 304 if nothing has changed."""
    page = _page()
    shown = {"page": page, "trainings": manage}
    return polling.fresh("experiments/_list.html", shown, _list_word(page))


def _page() -> Page:
    query = select(Job).where(Job.kind == TRAIN.name)
    return lists.page(
        query.order_by(Job.created_at.desc(), Job.id),
        per_page=PER_PAGE,
        url=lambda n: url_for("experiments.index", page=n),
    )


def _list_word(page: Page) -> str:
    return polling.word(page.number, [manage.state_word(job) for job in page.rows])


@bp.get("/new")
def new() -> Response:
    """Show the form of a new training, empty or filled from a recipe."""
    if name := request.args.get("model", ""):
        try:
            recipe = read(web.home, name).recipe
        except (BundleError, DataError):
            abort(404)
        text = toml.dumps(recipe)
        return _form(form.Filled(values={"toml": text}), as_toml=True)
    values = {"dataset": "synthetic", "model": "cnn", "balance": "hybrid"}
    if (named := request.args.get("recipe", "")) in recipes.shipped():
        dataset, _, rest = named.partition("/")
        model, _, balance = rest.partition("-")
        if balance not in registry.names("balance"):  # the file names the parts
            text = toml.dumps(recipes.tables(named))
            return _form(form.Filled(values={"toml": text}), as_toml=True)
        values = {"dataset": dataset, "model": model, "balance": balance}
    elif dataset := request.args.get("dataset", ""):
        is_own = explorations.find(web.db(), dataset) is not None
        if is_own or dataset in registry.names("datasets"):
            values["dataset"] = dataset
        if is_own:
            values |= {"model": "lightgbm", "balance": "none"}
    as_toml = request.args.get("as") == "toml"
    if as_toml:
        values = {"toml": toml.dumps(recipes.tables("synthetic/cnn-hybrid"))}
    return _form(form.Filled(values=values), as_toml=as_toml)


@bp.post("/new")
def start() -> Response:
    """Start the training that was described, or show it as TOML to be changed."""
    if not can_train():
        return see_other("experiments.index")
    known = own.sources(web.db(), web.settings)
    as_toml = request.form.get("form") == "toml"
    if as_toml:
        filled = form.from_toml(request.form.get("toml", ""), known)
    elif request.form.get("do") == "fields":
        return _form(form.Filled(values=form.typed_values(request.form)), as_toml=False)
    else:
        filled = form.from_fields(request.form, known)
    if filled.recipe is None:
        return _form(filled, as_toml=as_toml)
    if request.form.get("do") == "edit":
        text = toml.dumps(filled.recipe.to_dict())
        return _form(form.Filled(values={"toml": text}), as_toml=True)
    if filled.own is not None and (problem := _unread(filled.own)):
        errors = {"toml" if as_toml else "dataset": problem}
        return _form(
            form.Filled(values=filled.values, errors=errors, own=filled.own),
            as_toml=as_toml,
        )
    try:
        job = manage.start(
            web.db(),
            web.home,
            filled.recipe,
            owner_id=current_user.id,
            most_waiting=web.settings.max_waiting_jobs,
        )
    except DataError as error:
        errors = {"toml" if as_toml else "": sentence(error)}
        return _form(form.Filled(values=filled.values, errors=errors), as_toml=as_toml)
    audit("experiment.start", job.id, recipe=filled.recipe.name)
    web.db.commit()
    return see_other("experiments.show", job_id=job.id)


def _unread(source: explorations.Source) -> str:
    """Return why a team's data set cannot train yet: its warnings were not shown."""
    kept = explorations.read(web.home, source.name)
    if kept is None:
        return (
            f"{source.name} is not explored yet, so its warnings are not known. Wait "
            "for its exploration, or see what it says."
        )
    if kept.warnings and request.form.get("seen") != source.name:
        return "Read the warnings of this data set above, then start the training."
    return ""


def _form(filled: form.Filled, *, as_toml: bool) -> Response:
    known = own.sources(web.db(), web.settings)
    # PyTorch is slow to import: not for the form that nobody has filled in
    is_chosen = request.method == "POST" or "recipe" in request.args
    name = filled.values.get("model", "")
    chosen = filled.values.get("dataset") or (filled.own.name if filled.own else "")
    mine = next((s for s in known if s.own and s.name == chosen), None)
    page = render_template(
        "experiments/new.html",
        filled=filled,
        values=filled.values,
        errors=filled.errors,
        listed=list(filled.listed()),
        as_toml=as_toml,
        can_train=can_train(),
        own=mine,
        kept=explorations.read(web.home, mine.name) if mine else None,
        datasets=[
            (s.name, f"{s.name}: {s.dataset.title}")
            for s in known
            if s.can_be_read and not s.dataset.reads_own_file
        ],
        absent=[s for s in known if not s.can_be_read and s.missing],
        form=form,
        registry=registry,
        of_model=form.of_model(name) if is_chosen else form.OfModel(),
        shipped=shipped.groups(known),
    )
    return make_response(page, 422 if filled.errors else 200)


@bp.get("/<job_id>")
def show(job_id: str) -> str:
    """Show one training."""
    job = _job(job_id)
    recipe = manage.recipe_of(job)
    return render_template(
        "experiments/show.html",
        recipe=recipe,
        recipe_text=toml.dumps(recipe) if recipe else "",
        curves_etag=_curves_word(job),
        curves=manage.curves(job),
        **_state(job),
    )


@bp.get("/<job_id>/state")
def state(job_id: str) -> Response:
    """Answer how far a training is, 304 if nothing has changed, 204 at its end."""
    shown = _state(_job(job_id))
    return polling.fresh(
        "experiments/_state.html", shown, shown["etag"], is_over=not shown["is_live"]
    )


@bp.get("/<job_id>/curves")
def curves(job_id: str) -> Response:
    """Answer the learning curves, 304 without a new epoch, 204 at the end."""
    job = _job(job_id)
    return polling.fresh(
        "experiments/_curves.html",
        lambda: {"job": job, "curves": manage.curves(job)},
        _curves_word(job),
        is_over=job.state not in queue.LIVE,
    )


def _state(job: Job) -> dict[str, Any]:
    ahead = manage.before(web.db(), job) if job.state == "queued" else 0
    return {
        "job": job,
        "job_progress": job.progress or {},
        "epochs": manage.epochs(job),
        "ahead": ahead,
        "trainings": manage,
        "etag": manage.state_word(job, ahead),
        "is_live": job.state in queue.LIVE,
    }


def _curves_word(job: Job) -> str:
    epochs = manage.epochs(job)
    return polling.word(job.id, len(epochs), epochs[-1] if epochs else None)


@bp.post("/<job_id>/stop")
def stop(job_id: str) -> Response:
    """Ask a training to stop; its checkpoint is kept."""
    job = _job(job_id)
    queue.request_stop(web.db(), job)
    audit("experiment.stop", job.id)
    web.db.commit()
    said = "Stopping after the current step. The checkpoint is kept."
    return see_other("experiments.show", said, "info", job_id=job.id)


@bp.post("/<job_id>/resume")
def resume(job_id: str) -> Response:
    """Queue a training that was stopped or failed again."""
    job = _job(job_id)
    if not queue.requeue(web.db(), job, most_waiting=web.settings.max_waiting_jobs):
        abort(409)
    audit("experiment.resume", job.id)
    web.db.commit()
    return see_other("experiments.show", job_id=job.id)


@bp.post("/<job_id>/discard")
def discard(job_id: str) -> Response:
    """Forget a training that came to nothing, and its checkpoint."""
    job = _job(job_id)
    title = job.title
    if not manage.discard(web.db(), web.home, job):
        abort(409)
    audit("experiment.discard", job_id, title=title)
    web.db.commit()
    said = f"{title or 'The training'} and its checkpoint were deleted."
    return see_other("experiments.index", said)


def _job(job_id: str) -> Job:
    is_id = job_id.isascii() and job_id.replace("-", "").isalnum() and len(job_id) < 33
    job = web.db.get(Job, job_id) if is_id else None
    if job is None or job.kind != TRAIN.name:
        abort(404)
    return job
