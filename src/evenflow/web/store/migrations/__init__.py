"""The database's versions: one file under ``versions`` for each change of a release.

An empty database gets the tables of the code and the newest version at once; one that
an earlier evenflow made is changed by the files after its version, in order. A new file
comes with a test that upgrades a backup of the version before it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from evenflow.errors import StorageError
from evenflow.web.store.database import Database
from evenflow.web.store.tables import Base

logger = logging.getLogger(__name__)


@cache
def newest() -> str:
    """Return the version that this evenflow works with."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None  # noqa: S101 (there is always a first version)
    return found


@cache
def versions() -> frozenset[str]:
    """Return all versions that this evenflow knows."""
    script = ScriptDirectory.from_config(_config())
    return frozenset(found.revision for found in script.walk_revisions())


def current(database: Database) -> str | None:
    """Return the version of a database; None for an empty one."""
    with database.engine.connect() as connection:
        return _version(connection)


def upgrade(database: Database) -> None:
    """Bring a database to the newest version; run twice it does nothing.

    Raises
    ------
    StorageError
        The database was written by a newer evenflow.
    """
    config = _config()
    with _alone(database) as connection:
        config.attributes["connection"] = connection
        found = _version(connection)
        if found is None:
            Base.metadata.create_all(connection, checkfirst=False)
            command.stamp(config, "head")
        elif found in versions():
            command.upgrade(config, "head")
        else:
            raise other_version(found)
    logger.info("database at version %s", newest())


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """Yield a connection in one transaction, one at a time however many start."""
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            with connection.begin():
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7242361)")
                yield connection
            return
        # a table that is made anew is dropped first, and would take what refers to
        # its rows with it; the switch counts outside a transaction only
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                raise StorageError(
                    f"{len(broken)} rows refer to rows that are not there, expected "
                    "none; nothing was changed. Restore a backup: evenflow db restore"
                )
            connection.commit()
        finally:
            connection.rollback()
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def check(database: Database) -> None:
    """Refuse a database of another version.

    Raises
    ------
    StorageError
        It is older, newer, or empty.
    """
    found = current(database)
    if found != newest():
        raise other_version(found)


def other_version(found: str | None) -> StorageError:
    """Return the error to raise over a database of another version."""
    return StorageError(
        f"the database is {'empty' if found is None else f'at version {found}'}, "
        f"expected version {newest()}. Run: evenflow db upgrade; if it was written by "
        "a newer evenflow, upgrade evenflow"
    )


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    place = Path(str(resources.files("evenflow.web.store") / "migrations"))
    config.set_main_option("script_location", str(place).replace("%", "%%"))
    return config
