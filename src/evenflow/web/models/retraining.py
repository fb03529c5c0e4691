"""Train a model again with the feedback of analysts, and compare the two.

The feedback was written when the job was queued: a job that runs twice trains on the
same rows. The new model stands among the others; nothing activates it but a person.
"""

from __future__ import annotations

import math
from typing import Any

from evenflow.errors import DataError
from evenflow.experiment import retrain as retraining
from evenflow.web.jobs.task import Outcome, Task
from evenflow.web.store.data_folder import remove
from evenflow.web.trainings.job import listener

FEEDBACK = "feedback.jsonl"
"""Labelled records in the columns of the model, the oldest first."""
REPEAT = 10
"""How often each record of the feedback is fitted."""


def run(task: Task) -> Outcome:
    """Retrain the model of a job.

    The payload holds ``bundle``, the model, and ``name``, which the new one gets.

    Raises
    ------
    EvenflowError
        There is too little feedback, or the rows of the training are not here.
    StorageError
        The new model cannot be written.
    """
    source = task.uploaded / FEEDBACK
    if not source.is_file():
        raise DataError(
            "the feedback of this job does not exist any longer, expected it until the "
            "job is done. Retrain the model again"
        )
    name, new = str(task.payload["bundle"]), str(task.payload["name"])
    task.set_progress(step="load the model", done=0)
    bundle = task.detectors.load(name)
    with source.open("rb") as stream:
        rows = retraining.read_feedback(bundle.schema, stream, name="the feedback")
    made = retraining.retrain(
        bundle,
        rows,
        folders=task.settings.all_data_folders,
        repeat=REPEAT,
        on_event=listener(task),
    )
    task.check()
    made.experiment.save(task.home.bundles / new, overwrite=True)
    task.detectors.load(new)
    report = made.experiment.report
    result: dict[str, Any] = {
        "bundle": new,
        "of": name,
        "rows": len(rows),
        "fitted": made.n_fitted,
        "is_better": made.is_better,
        "reasons": list(made.reasons),
        "checks": [_finite(check.to_dict()) for check in made.checks],
        "protocol": report.protocol,
        "notes": report.notes,
        "steps": task.progress.get("steps", []),
    }
    return Outcome(result=result, after=lambda: remove(task.uploaded))


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    """Return a comparison as JSON takes it: one of no rows has no finite figures."""

    def one(found: Any) -> Any:
        is_bad = isinstance(found, float) and not math.isfinite(found)
        return None if is_bad else found

    return {
        key: [one(end) for end in found] if isinstance(found, list) else one(found)
        for key, found in value.items()
    }
