"""Look at a data set and keep what was found."""

from __future__ import annotations

from functools import partial

from evenflow.progress import Event, Note
from evenflow.web.datasets import explorations, rows
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
    notes: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
        task.on_event(event)

    with task.database.session() as session:
        mine = explorations.find(session, name)
        more = {} if mine is None else {"params": dict(mine.params)}
    keep = partial(rows.write, task.home, name)
    found = explorations.look(
        name,
        task.settings.all_data_folders,
        on_table=keep,
        on_event=on_event,
        **more,
    )
    task.check()
    explorations.write(task.home, name, found, notes if more else ())
    return Outcome(result={"dataset": name, "n_rows": found.overview["n_rows"]})
