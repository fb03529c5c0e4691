"""The tie between a data folder and its database: one random id, stored in both.

Jobs are rows of the database, uploads and results are folders beside it. A database
that belongs to another data folder knows nothing of these, so a command on a folder
and a database that do not belong together is refused.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from evenflow.errors import StorageError
from evenflow.files import storage_error, write_text
from evenflow.web.store.data_folder import Home
from evenflow.web.store.database import Database, upsert
from evenflow.web.store.tables import DataFolder

FILE = "folder-id"


def check(home: Home, database: Database) -> None:
    """Refuse a database that does not belong to the data folder; write nothing.

    Raises
    ------
    StorageError
        The ids differ, or one of the two belongs to something else.
    """
    here = _folder_id(home)
    if here is None and not _has_files(home):
        return
    there = _database_id(database)
    if here != there:
        raise _mismatch(home, database, here, there)


def tie(home: Home, database: Database) -> None:
    """Give a new data folder and its database their id; call it after the upgrade.

    Raises
    ------
    StorageError
        They do not belong together, or the id cannot be written.
    """
    check(home, database)
    here = _folder_id(home)
    with database.session() as session:
        new = _stored(session) or here or secrets.token_hex(16)
        _store(session, new, replace=False)
    with database.session() as session:  # another server may have been first
        there = _stored(session)
    if here is None and there is not None:
        _write(home, there)
    check(home, database)


def adopt(home: Home, database: Database) -> None:
    """Tie the database to the data folder, whatever either belonged to before.

    Both get a new id: what belonged to one of them before is refused from now on.
    """
    new = secrets.token_hex(16)
    with database.session() as session:
        _store(session, new, replace=True)
    _write(home, new)


def after_restore(home: Home, database: Database) -> str:
    """Tie a restored database that has no id yet; return what is to be done, if any."""
    here = _folder_id(home)
    with database.session() as session:
        if here is not None:
            _store(session, here, replace=False)
        there = _stored(session)
    if here == there or (here is None and not _has_files(home)):
        return ""
    return (
        f"The restored database belongs to another data folder than {home.root}. To "
        f"pair them: evenflow db adopt --home {home.root}"
    )


def _mismatch(
    home: Home, database: Database, here: str | None, there: str | None
) -> StorageError:
    where = database.url.render_as_string(hide_password=True)
    found = f"the data folder {home.root} and the database {where}"
    if here is None:
        found += ": the folder has uploads or results but no id, the database has one"
    elif there is None:
        found += ": the folder was used with a database, this one is new or was emptied"
    else:
        found += ": their ids differ"
    return StorageError(
        f"{found}. Expected a folder and the database it was used with: another "
        "database does not know its uploads and results. Choose the right one with "
        "--home or --database, or restore a backup (evenflow db restore FILE "
        f"--force); to pair these two: evenflow db adopt --home {home.root}"
    )


def _has_files(home: Home) -> bool:
    return any(any(folder.iterdir()) for folder in (home.uploads, home.results))


def _folder_id(home: Home) -> str | None:
    path = home.root / FILE
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(path, error) from error


def _write(home: Home, value: str) -> None:
    before = os.umask(0o077)
    try:
        write_text(home.root / FILE, value + "\n")
    finally:
        os.umask(before)


def _database_id(database: Database) -> str | None:
    if database.is_sqlite and not Path(str(database.url.database)).exists():
        return None  # to connect would make the file
    if not inspect(database.engine).has_table(DataFolder.__tablename__):
        return None
    with database.session() as session:
        return _stored(session)


def _stored(session: Session) -> str | None:
    found = session.get(DataFolder, 1, populate_existing=True)
    return None if found is None else found.token


def _store(session: Session, value: str, *, replace: bool) -> None:
    statement = upsert(session, DataFolder).values(id=1, token=value)
    if replace:
        new = {"token": statement.excluded.token}
        statement = statement.on_conflict_do_update(index_elements=["id"], set_=new)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=["id"])
    session.execute(statement)
