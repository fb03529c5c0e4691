"""Trainings as people start, watch, stop and resume them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from evenflow.errors import DataError
from evenflow.judge.charts import report as charts
from evenflow.recipe import Recipe
from evenflow.web.charts.reports import Picture, drawn
from evenflow.web.datasets.explorations import TABLE_FILE
from evenflow.web.frame.polling import word
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import TRAIN
from evenflow.web.models.catalog import part
from evenflow.web.store.data_folder import Home, remove
from evenflow.web.store.database import n_changed, serialize
from evenflow.web.store.tables import Job
from evenflow.web.trainings import job as train_job


def start(
    session: Session, home: Home, recipe: Recipe, *, owner_id: int, most_waiting: int
) -> Job:
    """Queue the training of a recipe.

    Raises
    ------
    DataError
        The same training was done already, or is under way; or its owner has too many
        jobs.
    """
    name = train_job.bundle_name(recipe)
    if (home.bundles / name).exists():
        raise DataError(
            f"the model {name} was trained from this recipe, and a second training "
            "gives the same model. Change the recipe, for example its seed"
        )
    serialize(session, "training", name)
    if (other := _under_way(session, name)) is not None:
        raise DataError(
            f"this recipe is already in the list ({other.title}, {other.state}). "
            "Resume that training, or change the recipe, for example its seed"
        )
    return queue.put(
        session,
        TRAIN,
        payload={"recipe": recipe.to_dict(), "name": name},
        title=recipe.title or recipe.name,
        owner_id=owner_id,
        most_waiting=most_waiting,
    )


def _under_way(session: Session, name: str) -> Job | None:
    unfinished = select(Job).where(Job.kind == TRAIN.name, Job.state != "done")
    jobs = session.scalars(unfinished)
    return next((job for job in jobs if job.payload.get("name") == name), None)


def discard(session: Session, home: Home, job: Job) -> bool:
    """Forget a training that was stopped or failed, and its checkpoint.

    False, and nothing is changed, where it goes on or has ended well.
    """
    gone = delete(Job).where(Job.id == job.id, Job.state.in_(("stopped", "failed")))
    if n_changed(session, gone) != 1:
        return False
    name = str(job.payload.get("name", ""))
    if name and name.replace("-", "").replace("_", "").isalnum():
        remove(home.bundles / f"{name}.partial")
    return True


def recipe_of(job: Job) -> Mapping[str, Any]:
    """Return the recipe of a job; empty where its payload holds none."""
    recipe = (job.result or {}).get("recipe") or job.payload.get("recipe")
    return recipe if isinstance(recipe, Mapping) else {}


def name_of(job: Job) -> str:
    """Return what is trained, in a few words: data set, model, balancing."""
    recipe = recipe_of(job)
    named = {key: part(recipe, key) for key in ("dataset", "model", "balance")}
    if named["dataset"] == TABLE_FILE:
        named["dataset"] = str(recipe["dataset"].get("path", "")).partition(".")[0]
    return "{dataset}/{model}-{balance}".format(**named)


def epochs(job: Job) -> Sequence[Mapping[str, Any]]:
    """Return the epochs that are known of."""
    found = (job.result or {}).get("history") or (job.progress or {}).get("epochs")
    return found or []


def curves(job: Job) -> dict[str, Picture]:
    """Return loss and macro F1 by epoch; empty before the first."""
    found = epochs(job)
    if not found:
        return {}
    loss, macro_f1 = charts.training_curves(found)
    return drawn(
        [
            ("loss", loss, "Loss of training and validation rows by epoch."),
            ("macro_f1", macro_f1, "Macro F1 of the validation rows by epoch."),
        ]
    )


def before(session: Session, job: Job) -> int:
    """Return how many jobs of the lane come before one that waits."""
    ahead = (Job.state.in_(queue.LIVE), Job.created_at < job.created_at)
    query = select(func.count(Job.id)).where(Job.lane == job.lane, *ahead)
    return session.scalar(query) or 0


def state_word(job: Job, more: Any = "") -> str:
    """Return the word for everything a page shows of a job's state."""
    return word(
        job.id, job.state, job.stop_requested, job.progress, job.error, job.result, more
    )
