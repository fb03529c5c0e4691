"""Explorations of data sets in the background."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evenflow.progress import Event, Note
from evenflow.web.datasets import explorations, rows
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import EXPLORE
from evenflow.web.jobs.task import Outcome, Task, Workplace
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import Job


def queue_missing(here: Workplace) -> None:
    """Queue an exploration of each data set that is here and was never explored.

    One that failed or was stopped is not tried again: a person can start it.
    """
    sources = explorations.sources(here.settings.data_folders)
    wanted = [
        one.name
        for one in sources
        if one.can_be_looked_at
        and one.name != explorations.QUICK
        and explorations.read(here.home, one.name) is None
    ]
    with here.database.session() as session:
        serialize(session, "explorations")
        payloads = session.scalars(select(Job.payload).where(Job.kind == EXPLORE.name))
        known = {payload.get("dataset") for payload in payloads}
        for name in wanted:
            if name not in known:
                put(session, name)


def put(session: Session, name: str, **more: Any) -> Job:
    """Queue an exploration of a data set; ``more`` as :func:`queue.put` takes it."""
    title, payload = f"Explore {name}", {"dataset": name}
    return queue.put(session, EXPLORE, payload=payload, title=title, **more)


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
    with task.database.session() as session:
        mine = explorations.find(session, name)
        params = None if mine is None else dict(mine.params)
    files = [str(v) for k, v in (params or {}).items() if k in ("path", "test")]

    def on_event(event: Event) -> None:
        if isinstance(event, Note):
            text = event.text
            for file in files:  # named by the server, not by the person
                text = text.removeprefix(f"{file}: ")
            notes.append(text)
        task.on_event(event)

    keep = partial(rows.write, task.home, name)
    found = explorations.look(
        name,
        task.settings.all_data_folders,
        on_table=keep,
        on_event=on_event,
        params=params,
    )
    task.check()
    explorations.write(task.home, name, found, notes if params else ())
    return Outcome(result={"dataset": name, "n_rows": found.overview["n_rows"]})
