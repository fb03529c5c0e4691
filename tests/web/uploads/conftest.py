"""What the tests of uploads share: files of records, a worker in this process."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from evenflow.schema import Table
from evenflow.web.frame.context import KEY
from evenflow.web.jobs import queue, worker
from evenflow.web.jobs.kinds import SCORE
from evenflow.web.settings import Settings
from evenflow.web.store.tables import Alert, Job, Tally


def csv_of(table: Table, n: int | None = None) -> bytes:
    """Return rows as CSV."""
    return table.frame.head(n or len(table)).write_csv().encode()


def send(client: Any, data: bytes, name: str = "flows.csv") -> Any:
    """Send a file by the plain form."""
    return client.send(
        "/uploads",
        {"file": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
    )


def id_of(answer: Any) -> str:
    """Return the job's id from the answer to :func:`send`."""
    assert answer.status_code == 303, answer.text
    return str(answer.location).rsplit("/", 1)[-1]


def work_off(app: Flask) -> None:
    """Run all jobs that wait, as a worker process would."""
    here = workplace(app.extensions[KEY].settings)
    while worker.run_one(here, "score"):
        pass
    here.database.dispose()


def workplace(settings: Settings) -> worker.Workplace:
    """Return the workplace of a worker."""
    return worker.Workplace.open(settings)


def put(
    here: worker.Workplace,
    source: Path | bytes,
    *,
    bundle: str,
    name: str = "x.csv",
    owner_id: int | None = None,
) -> str:
    """Queue an upload without the web."""
    job_id = queue.new_id()
    folder = here.home.uploads / job_id
    folder.mkdir()
    data = source if isinstance(source, bytes) else source.read_bytes()
    (folder / "data").write_bytes(data)
    with here.database.session() as session:
        queue.put(
            session,
            SCORE,
            payload={"file": "data", "bundle": bundle, "name": name},
            title=name,
            job_id=job_id,
            owner_id=owner_id,
        )
    return job_id


def job_of(here: Any, job_id: str) -> Job:
    """Return a job as it is now."""
    with here.database.session() as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


def alerts_of(here: Any, job_id: str) -> list[Alert]:
    """Return the alerts a job opened, by line."""
    with here.database.session() as session:
        found = session.scalars(
            select(Alert).where(Alert.job_id == job_id).order_by(Alert.line)
        )
        return list(found.all())


def tallied(here: Any) -> dict[str, int]:
    """Return the counts of the facet "all" by class."""
    with here.database.session() as session:
        found = session.execute(
            select(Tally.label, func.sum(Tally.n))
            .where(Tally.facet == "all")
            .group_by(Tally.label)
        )
        return {label: int(n) for label, n in found}


@pytest.fixture
def desk() -> SimpleNamespace:
    """The functions above: a test's file cannot import another one."""
    parts = (
        csv_of, send, id_of, work_off, workplace, put, job_of, alerts_of, tallied,
    )  # fmt: skip
    return SimpleNamespace(**{part.__name__: part for part in parts})
