"""Look at a data set and keep what was found."""

from __future__ import annotations

from evenflow.web.datasets import explorations
from evenflow.web.jobs.task import Outcome, Task


def run(task: Task) -> Outcome:
    """Explore the data set that the payload names as ``dataset``.

    Raises
    ------
    EvenflowError
        Its files are not here or are not the published ones.
    StorageError
        What was found cannot be kept.
    """
    name = str(task.payload["dataset"])
    task.set_progress(step="read the files", done=0)
    found = explorations.look(name, task.settings.data_folders, on_event=task.on_event)
    task.check()
    explorations.write(task.home, name, found)
    return Outcome(result={"dataset": name, "n_rows": found.overview["n_rows"]})
