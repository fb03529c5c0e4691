"""The data sets of the server: whether their files are present, and explorations.

An exploration is looked up where it was kept; looking at a large data set takes a
worker, at the embedded one a moment.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evenflow import __version__, datasets, files
from evenflow.datasets import Dataset
from evenflow.errors import DataError, MissingExtraError
from evenflow.judge.pages import exploration as explore_page
from evenflow.prepare.explore import Exploration, explore
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Table
from evenflow.web.store.data_folder import Home
from evenflow.web.store.tables import OwnDataset, now

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""Names of data sets."""
TABLE_FILE = "table_file"
"""The plug-in that reads the team's own data sets."""
QUICK = "synthetic"
"""Made quickly, so explored without a worker."""
OWN = "own file"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One data set as it is listed."""

    dataset: Dataset
    here: str
    """``here``, ``built in``, ``not here``, ``own file`` or ``incomplete``."""
    missing: tuple[str, ...]
    """Names of the published files that are not here."""
    classes: tuple[str, ...]
    n_columns: int | None
    is_synthetic: bool
    own: OwnDataset | None = None
    """The team's own data set; None for all others."""

    @property
    def recipe(self) -> dict[str, Any]:
        """The table ``[dataset]`` of a recipe that trains on it."""
        if self.own is None:
            return {"name": self.name}
        return {"name": TABLE_FILE, **self.own.params}

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset.name

    @property
    def can_be_read(self) -> bool:
        """Whether all its rows can be loaded on this server."""
        return self.here in ("here", "built in")

    @property
    def can_be_looked_at(self) -> bool:
        """Whether some of its rows can be loaded on this server."""
        return self.can_be_read or self.here == "incomplete"


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredExploration:
    """An exploration and when it was made."""

    found: Mapping[str, Any]
    made_at: datetime
    evenflow: str
    notes: tuple[str, ...] = ()
    """What was guessed of the file."""

    @property
    def warnings(self) -> list[str]:
        """The warnings that a training on these rows would give, in words."""
        return [str(one["text"]) for one in self.found["warnings"]]

    @property
    def exploration(self) -> Exploration:
        """The exploration itself."""
        return Exploration(**self.found)


def sources(folders: Sequence[Path]) -> list[Source]:
    """Return every data set that a server could read, where its code can be read."""
    found = []
    for name in datasets.names():
        try:
            found.append(source(name, folders))
        except MissingExtraError as error:
            logger.warning("data set %s is left out: %s", name, error)
    return [one for one in found if not one.dataset.takes_rows]


def source(name: str, folders: Sequence[Path]) -> Source:
    """Return one data set.

    Raises
    ------
    RecipeError
        There is none of that name.
    """
    dataset = datasets.get(name)
    places = datasets.status(dataset, folders)
    missing = tuple(file.name for file, place in places if place is None)
    here = "here" if dataset.files else "built in" if dataset.schema else OWN
    if missing:
        here = "not here" if len(missing) == len(places) else "incomplete"
    schema = dataset.schema
    return Source(
        dataset=dataset,
        here=here,
        missing=missing,
        classes=() if schema is None else schema.classes,
        n_columns=None if schema is None else len(schema.columns),
        is_synthetic=schema is not None and schema.is_synthetic,
    )


def find(session: Session, name: str) -> OwnDataset | None:
    """Return the team's data set of that name."""
    return session.scalar(select(OwnDataset).where(OwnDataset.name == name))


def look(
    name: str,
    folders: Sequence[Path],
    *,
    params: Mapping[str, Any] | None = None,
    on_table: Callable[[Table], None] | None = None,
    on_event: OnEvent = ignore,
) -> Exploration:
    """Look at the training rows of a data set, beside its own test rows.

    ``params`` are those of the team's own data set; ``on_table`` gets the rows.

    Raises
    ------
    DataError
        A file is missing or not the published one.
    """
    plug_in = name if params is None else TABLE_FILE
    dataset = datasets.get(plug_in)
    split = dataset.splits[0]
    given = params or {}

    def load(part: str) -> Any:
        return datasets.load(plug_in, part, folders=folders, on_event=on_event, **given)

    table = load(split)
    if on_table is not None:
        on_table(table)
    is_whole = all(place is not None for _, place in datasets.status(dataset, folders))
    is_beside = dataset.has_official_test and split != "test" and is_whole
    return explore(
        table,
        others={"test": load("test")} if is_beside or "test" in given else {},
        split=split,
        on_event=on_event,
    )


def write(
    home: Home, name: str, exploration: Exploration, notes: Sequence[str] = ()
) -> None:
    """Write an exploration, and what was guessed of the file, whole or not at all.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    value: dict[str, Any] = {"evenflow": __version__, "made_at": now().isoformat()}
    value |= {"notes": list(notes), "exploration": exploration.to_dict()}
    files.write_json(_path(home, name), value)


def read(home: Home, name: str) -> StoredExploration | None:
    """Return the exploration of a data set; None if there is none."""
    path = _path(home, name)
    try:
        stamp = path.stat()
        return _read_file(path, stamp.st_mtime_ns, stamp.st_size)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.error("%s is incomplete and ignored: %s", path, error)
        return None


@lru_cache(maxsize=16)
def _read_file(path: Path, changed_ns: int, size: int) -> StoredExploration:
    del changed_ns, size
    value = json.loads(path.read_text(encoding="utf-8"))
    made = StoredExploration(
        found=value["exploration"],
        made_at=datetime.fromisoformat(value["made_at"]),
        evenflow=str(value["evenflow"]),
        notes=tuple(value.get("notes", ())),
    )
    explore_page.tiles(made.exploration.to_dict())  # another version's may be another
    return made


def _path(home: Home, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise DataError(
            f"there is no data set {name[:80]!r}, expected one of those under Explore"
        )
    return home.explore / f"{name}.json"


def forget(home: Home, name: str) -> None:
    """Delete the exploration of a data set, and its rows."""
    for path in (_path(home, name), home.explore / f"{name}.rows.parquet"):
        path.unlink(missing_ok=True)
