"""Train what a recipe describes; the bundle then stands among the models.

The checkpoint lies beside the bundle that is being made, so a worker that dies, or is
told to leave, loses one epoch at most: whoever takes the job again goes on from there.
"""

from __future__ import annotations

import importlib.util
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from evenflow.errors import BusyError, DataError
from evenflow.experiment import run as experiment
from evenflow.progress import Epoch, Event, Progress
from evenflow.recipe import Recipe
from evenflow.runtime.bundle import Bundle
from evenflow.web.datasets.explorations import TABLE_FILE
from evenflow.web.jobs.task import Outcome, Task

MAX_EPOCHS = 300
"""Epochs that the progress holds; of more, evenly many are left out."""
BUSY_S = 120.0
"""Longest wait for a worker that lost this job and has not noticed yet."""
RETRY_S = 2.0


def run(task: Task) -> Outcome:
    """Run the experiment of a job.

    The payload holds ``recipe``, as :meth:`Recipe.to_dict` made it, and may hold
    ``name``, which the bundle gets.

    Raises
    ------
    EvenflowError
        The data is not here, or the recipe asks for what cannot be.
    StorageError
        The bundle cannot be written.
    """
    recipe = Recipe.from_dict(task.payload["recipe"], source="the recipe")
    name = str(task.payload.get("name") or bundle_name(recipe))
    output = task.home.bundles / name
    if not experiment.is_done(output, recipe):  # a worker may have died after that
        _train(task, recipe, output)
    task.set_progress(step="check the model", done=0)
    bundle = task.detectors.load(name)

    def store(session: Session) -> None:
        task.detectors.activate_first(session, name, "experiment")

    return Outcome(result=_result(name, recipe, bundle, task.progress), store=store)


def bundle_name(recipe: Recipe) -> str:
    """Return the name of a recipe's bundle: another recipe, another name."""
    dataset = recipe.dataset.name
    if dataset == TABLE_FILE:  # one of the team's own, which its file names
        dataset = str(recipe.dataset.params["path"]).partition(".")[0]
    parts = (dataset, recipe.model.name, recipe.balance.name)
    named = "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", part)[:30] for part in parts)
    return f"{named}-seed{recipe.seed}-{recipe.sha256[:8]}"


def _train(task: Task, recipe: Recipe, output: Path) -> None:
    until = time.monotonic() + BUSY_S
    while True:
        try:
            experiment.run(
                recipe,
                folders=task.settings.all_data_folders,
                output=output,
                resume=True,
                device="auto",
                on_event=listener(task),
            )
            return
        except BusyError as error:
            if time.monotonic() > until:
                raise DataError(
                    "another worker is still training this and does not stop; expected "
                    "its lock to be released. Resume the experiment later"
                ) from error
            task.set_progress(step="wait for the previous worker", done=0)
            time.sleep(RETRY_S)


def listener(task: Task) -> Callable[[Event], None]:
    """Return what keeps steps, epochs and notes as the job's progress.

    The epochs of an earlier worker stay: it is the same training.
    """
    before = task.job.progress or {}
    epochs: list[dict[str, Any]] = list(before.get("epochs", ()))
    steps: list[dict[str, Any]] = []
    began = time.monotonic()

    def listener(event: Event) -> None:
        nonlocal began
        if isinstance(event, Epoch):
            # an epoch without validation rows has NaN there, which no JSON knows
            value = {
                k: v if not isinstance(v, float) or math.isfinite(v) else None
                for k, v in asdict(event).items()
            }
            kept = [e for e in epochs if e["number"] < event.number]
            epochs[:] = thinned([*kept, value])
            task.set_progress(epochs=list(epochs))
            return
        if isinstance(event, Progress) and event.unit == "step":
            if event.total is None:
                began = time.monotonic()
                steps.append({"name": event.step, "seconds": None})
            elif steps and steps[-1]["name"] == event.step:
                steps[-1]["seconds"] = round(time.monotonic() - began, 2)
            task.progress["steps"] = [dict(step) for step in steps]
        task.on_event(event)

    if epochs:
        task.progress["epochs"] = list(epochs)
    return listener


def thinned(epochs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most so many epochs as a page draws, the last one always."""
    if len(epochs) <= MAX_EPOCHS:
        return epochs
    return [*epochs[:-1:2], epochs[-1]]


def _result(
    name: str, recipe: Recipe, bundle: Bundle, progress: Mapping[str, Any]
) -> dict[str, Any]:
    binary, several = bundle.report["binary"], bundle.report["multiclass"]
    return {
        "bundle": name,
        "protocol": bundle.report["protocol"],
        "figures": {
            "detection_rate": binary["detection_rate"],
            "false_alarm_rate": binary["false_alarm_rate"],
            "accuracy": binary["accuracy"],
            "macro_f1": several["macro_f1"],
        },
        "history": bundle.report["training"]["history"],
        "notes": bundle.report["training"]["notes"],
        "recipe": recipe.to_dict(),
        "steps": progress.get("steps", []),
    }


def can_train() -> bool:
    """Return whether the packages that train are installed."""
    wanted = ("torch", "sklearn", "imblearn", "onnx", "skl2onnx", "lightgbm")
    return all(importlib.util.find_spec(name) is not None for name in wanted)
