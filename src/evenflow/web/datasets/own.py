"""The team's own data sets: labelled files that people bring, kept in the data folder.

A file is named by what it holds, so a recipe that names it always trains on the same
rows, and a data set that was deleted and added again is another one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evenflow import datasets
from evenflow.datasets import Dataset, table_file
from evenflow.errors import DataError, StorageError
from evenflow.files import replacing, storage_error
from evenflow.web.datasets import explorations
from evenflow.web.datasets.explorations import Source, find
from evenflow.web.frame.permissions import at_least, audit
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import EXPLORE, RETRAIN, TRAIN
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import Home
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import Job, OwnDataset
from evenflow.web.uploads import file_kinds

NAME = re.compile(r"[a-z][a-z0-9_]{1,38}[a-z0-9]")
MAX_TITLE = 200
CAVEATS = (
    "A file of the team: its columns and labels were guessed or named by a person.",
    "Without a test file of its own, test rows are drawn from the same file: figures "
    "are optimistic for other networks.",
)
Fill = Callable[[Path], None]
"""Writes the file of a data set to a path."""


def sources(session: Session, settings: Settings) -> list[Source]:
    """Return the team's data sets, then all others a server could read."""
    own = session.scalars(select(OwnDataset).order_by(OwnDataset.name))
    return [*map(source_of, own), *explorations.sources(settings.data_folders)]


def source(session: Session, settings: Settings, name: str) -> Source:
    """Return one data set.

    Raises
    ------
    RecipeError
        There is none of that name.
    """
    mine = find(session, name)
    if mine is not None:
        return source_of(mine)
    return explorations.source(name, settings.data_folders)


def source_of(own: OwnDataset) -> Source:
    """Return a data set of the team as all others are listed."""
    has_test = "test" in own.params
    return Source(
        dataset=Dataset(
            name=own.name,
            title=own.title or own.name,
            load=partial(table_file.load, **own.params),
            load_later=partial(table_file.load_later, **own.params),
            splits=("train", "test") if has_test else ("train",),
            has_official_test=has_test,
            reads_own_file=False,
            terms="Of your team.",
            citation="Of your team.",
            caveats=CAVEATS[:1] if has_test else CAVEATS,
        ),
        here="here",
        missing=(),
        classes=(),
        n_columns=None,
        is_synthetic=False,
        own=own,
    )


def check_name(session: Session, name: str) -> None:
    """Refuse a name that is invalid or another data set's.

    Raises
    ------
    DataError
        It is one of the two.
    """
    if not NAME.fullmatch(name):
        raise DataError(
            f"found the name {name[:60]!r}, expected 3 to 40 lower-case letters, "
            "digits and _, the first a letter. Choose another name"
        )
    if name in datasets.names() or find(session, name) is not None:
        raise DataError(
            f"there is a data set {name}, expected a new name. Choose another one"
        )


def name_for(session: Session, title: str) -> str:
    """Return a free name like that of a file."""
    plain = re.sub(r"\W+", "_", title.lower().split(".")[0], flags=re.ASCII)
    plain = f"data_{plain}" if not plain[:1].isalpha() else plain
    base = re.sub(r"_+", "_", plain)[:30].strip("_").ljust(3, "x")
    for k in range(1, 100):
        name = base if k == 1 else f"{base}_{k}"
        if name not in datasets.names() and find(session, name) is None:
            return name
    return f"{base}_{secrets.token_hex(3)}"


def add(
    session: Session,
    home: Home,
    settings: Settings,
    user: Any,
    *,
    name: str,
    fill: Fill,
    fill_test: Fill | None = None,
    title: str = "",
    labels: Mapping[str, Any],
) -> OwnDataset:
    """Keep a file as a data set of the team and queue its exploration; then commit.

    Parameters
    ----------
    fill, fill_test : callable
        Write the file, and that of the test rows, to a path.
    labels : mapping
        ``label``, the column, and ``benign``, its values that mean benign; what is
        absent is guessed.

    Raises
    ------
    DataError
        The name or the file is invalid, or the person has as many as allowed.
    StorageError
        The file cannot be written; nothing is left behind.
    """
    check_name(session, name)
    session.commit()  # no transaction stays open while the file is written
    made: list[Path] = []
    try:
        made.append(_written(home, name, fill))
        params: dict[str, Any] = {"path": made[0].name, **labels}
        if fill_test is not None:
            made.append(_written(home, f"{name}.test", fill_test))
            params["test"] = made[1].name
        serialize(session, "own_dataset", 0)
        check_name(session, name)
        _refuse_more(session, user, settings.max_own_datasets)
        own = OwnDataset(
            name=name,
            title=title.replace("\0", "").strip()[:MAX_TITLE],
            owner_id=user.id,
            params=params,
            size=sum(path.stat().st_size for path in made),
        )
        session.add(own)
        audit("dataset.create", name, user=user, size=own.size)
        explore(session, settings, user, own)
        session.commit()
    except BaseException:
        session.rollback()
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return own


def _refuse_more(session: Session, user: Any, most: int) -> None:
    mine = select(func.count(OwnDataset.id)).where(OwnDataset.owner_id == user.id)
    if (session.scalar(mine) or 0) >= most:
        raise DataError(f"you keep {most} data sets, the maximum. Delete one")


def explore(session: Session, settings: Settings, user: Any, own: OwnDataset) -> Job:
    """Queue the exploration of a data set of the team."""
    return queue.put(
        session,
        EXPLORE,
        payload={"dataset": own.name},
        title=f"Look at {own.name}",
        owner_id=user.id,
        most_waiting=settings.max_waiting_jobs,
    )


def change(session: Session, home: Home, own: OwnDataset, labels: Any) -> None:
    """Change the labels of a data set; what was found of it before is deleted."""
    kept = {k: v for k, v in own.params.items() if k in ("path", "test")}
    own.params = kept | dict(labels)
    explorations.forget(home, own.name)
    audit("dataset.change", own.name, **labels)


def may_change(own: OwnDataset, user: Any) -> bool:
    """Return whether a person may change it: an analyst their own, an admin any."""
    is_mine = own.owner_id is not None and own.owner_id == user.id
    return at_least("admin", user) or (is_mine and at_least("analyst", user))


def delete(session: Session, home: Home, own: OwnDataset) -> None:
    """Delete a data set with its files, and commit; models trained on it stay.

    Raises
    ------
    DataError
        A job reads it.
    """
    live = select(Job).where(
        Job.kind.in_((EXPLORE.name, TRAIN.name, RETRAIN.name)),
        Job.state.in_(queue.LIVE),
    )
    if any(_may_read(job, own) for job in session.scalars(live)):
        raise DataError(
            f"a job that reads {own.name} is queued or running, expected none. Stop it "
            "first"
        )
    files = [home.datasets / own.params[k] for k in ("path", "test") if k in own.params]
    name = own.name
    session.delete(own)
    audit("dataset.delete", name)
    session.commit()
    explorations.forget(home, name)
    for path in files:
        path.unlink(missing_ok=True)


def _may_read(job: Job, own: OwnDataset) -> bool:
    if job.kind == RETRAIN.name:  # its model's recipe says what it reads
        return True
    recipe = job.payload.get("recipe") or {}
    dataset = recipe.get("dataset") if isinstance(recipe, dict) else None
    path = dataset.get("path") if isinstance(dataset, dict) else None
    return own.name == job.payload.get("dataset") or path == own.params["path"]


def _written(home: Home, stem: str, fill: Fill) -> Path:
    """Return the file that ``fill`` writes, named by what it holds."""
    part = home.datasets / f".{secrets.token_hex(8)}.part"
    try:
        fill(part)
        file_kinds.check(part, stem)
        with part.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        path = home.datasets / f"{stem}.{sha256[:12]}.table"
        part.rename(path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise storage_error(home.datasets, error) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def write_frame(scan: pl.LazyFrame, path: Path) -> None:
    """Write rows as Parquet, part by part."""
    with replacing(path) as part:
        scan.sink_parquet(part)
