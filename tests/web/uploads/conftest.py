"""What the tests of uploads share: files of records, a worker in this process."""

import io
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from evenflow.web.frame.context import KEY
from evenflow.web.jobs import queue, worker
from evenflow.web.jobs.kinds import SCORE
from evenflow.web.store.tables import Alert, Job, Tally


def csv_of(table, n=None):
    """Return rows as CSV."""
    return table.frame.head(n or len(table)).write_csv().encode()


def send(client, data, name="flows.csv"):
    """Send a file by the plain form."""
    return client.send(
        "/uploads",
        {"file": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
    )


def id_of(answer):
    """Return the job's id from the answer to :func:`send`."""
    assert answer.status_code == 303, answer.text
    return str(answer.location).rsplit("/", 1)[-1]


def work_off(app):
    """Run all jobs that wait, as a worker process would."""
    here = workplace(app.extensions[KEY].settings)
    while worker.run_one(here, "score"):
        pass
    here.database.dispose()


def scored(client, data, name="flows.csv"):
    """Send a file and run all jobs that wait; return the job's id."""
    job_id = id_of(send(client, data, name))
    work_off(client.application)
    return job_id


def workplace(settings):
    """Return the workplace of a worker."""
    return worker.Workplace.open(settings)


def put(here, source, *, bundle, name="x.csv", owner_id=None):
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


def run(here, source, bundle, **more):
    """Queue an upload and run it; return its job."""
    job_id = put(here, source, bundle=bundle.path.name, **more)
    assert worker.run_one(here, "score") == job_id
    return job_of(here, job_id)


def job_of(here, job_id):
    """Return a job as it is now."""
    with here.database.session() as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


def alerts_of(here, job_id):
    """Return the alerts a job opened, by line."""
    with here.database.session() as session:
        found = session.scalars(
            select(Alert).where(Alert.job_id == job_id).order_by(Alert.line)
        )
        return list(found.all())


def tallied(here):
    """Return the counts of the facet "all" by class."""
    with here.database.session() as session:
        found = session.execute(
            select(Tally.label, func.sum(Tally.n))
            .where(Tally.facet == "all")
            .group_by(Tally.label)
        )
        return {label: int(n) for label, n in found}


@pytest.fixture
def desk():
    """The functions above: a test's file cannot import another one."""
    parts = (
        csv_of, send, id_of, work_off, scored, workplace, put, run, job_of, alerts_of,
        tallied,
    )  # fmt: skip
    return SimpleNamespace(io=io.BytesIO, **{part.__name__: part for part in parts})


@pytest.fixture
def sample(rows):
    """200 records as CSV."""
    return csv_of(rows["test"], 200)


@pytest.fixture
def left(settings):
    """Return what names the folders in which uploads wait."""
    return lambda: sorted(p.name for p in (settings.home / "uploads").iterdir())
