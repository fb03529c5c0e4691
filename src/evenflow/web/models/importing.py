"""Take bundles into the data folder: whole, verified, under a name of their own."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from evenflow.errors import BundleError, DataError, StorageError
from evenflow.files import storage_error
from evenflow.runtime import shipped
from evenflow.runtime.folder import SUMS, read_folder, sums_of, write_folder
from evenflow.runtime.verify import verify
from evenflow.web.models.detectors import ACTIVE, Detectors
from evenflow.web.store.data_folder import Home
from evenflow.web.store.database import Database
from evenflow.web.store.tables import Setting

logger = logging.getLogger(__name__)

MAX_NAME = 100


def found_in(folder: Path) -> list[Path]:
    """Return the bundles that a path means: itself, or those directly in it.

    Raises
    ------
    DataError
        There are none.
    """
    if (folder / "manifest.json").is_file():
        return [folder]
    inside = sorted(p.parent for p in folder.glob("*/manifest.json"))
    if not inside:
        raise DataError(
            f"{folder} holds no bundle, expected the folder of one, or a folder of "
            "bundles. Train one: evenflow train lab/lightgbm-none -o my-bundle"
        )
    return inside


def take(home: Home, database: Database, folders: Iterable[Path]) -> list[str]:
    """Copy bundles, or folders of them, into the data folder; return their names.

    One that is there already is left alone. The first is used where none is in use.

    Raises
    ------
    BundleError
        One is damaged; those before it were taken.
    DataError
        A folder holds no bundle.
    StorageError
        The data folder cannot be written.
    """
    sources = [path for folder in folders for path in found_in(folder)]
    names = [copy_into(home, source) for source in sources]
    if names:
        with database.session() as session:
            Detectors(home, database).activate_first(session, names[0], "command line")
    return names


def take_shipped(home: Home, database: Database) -> str:
    """Use the detector that comes with evenflow where no model is active.

    Returned is its name among the models, empty where another model is active.

    Raises
    ------
    BundleError, StorageError
        As :func:`take`.
    """
    with database.session() as session:
        if session.get(Setting, ACTIVE) is not None:
            return ""
    [name] = take(home, database, [shipped.FOLDER])
    return name


def copy_into(home: Home, source: Path) -> str:
    """Copy one bundle into the data folder, verified; return its name there.

    Raises
    ------
    BundleError
        It is damaged.
    StorageError
        The data folder cannot be written.
    """
    files = read_folder(source)  # plain files and no other; they are what is written
    name = _name(source, sums_of(files), home)
    path = home.bundles / name
    if path.exists():
        return name
    part = home.bundles / f".{name}.{os.getpid()}.part"
    try:
        write_folder(part, files, overwrite=True)
        verify(part)
        part.rename(path)
    except BundleError as error:
        # the message names the copy, which will be gone
        raise BundleError(str(error).replace(str(part), str(source))) from error
    except OSError as error:
        if path.exists():  # another server that starts took it at the same time
            return name
        if isinstance(error, StorageError):
            raise
        raise storage_error(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    logger.info("imported the bundle %s", name)
    return name


def _name(source: Path, sums: bytes, home: Home) -> str:
    """Return a name: the folder's, with the sum's start where that is another's."""
    real = Path(os.path.realpath(source))
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", real.name).strip(".-")
    name = plain[:MAX_NAME] or "bundle"
    try:
        theirs = (home.bundles / name / SUMS).read_bytes()
    except OSError:
        return name
    if sums != theirs:
        name = f"{name}-{hashlib.sha256(sums).hexdigest()[:8]}"
    return name
