"""The database: SQLite in one file, or PostgreSQL by address.

SQLite runs in WAL with a full sync: what was answered as stored is stored. A read
opens no transaction there, so the first write can always begin one; PostgreSQL's
connections are tested before use, so a server that was away and is back is met by
new connections and not by errors.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Delete,
    Engine,
    Update,
    create_engine,
    delete,
    event,
    false,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from evenflow.errors import DataError, StorageError
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.tables import TALLY_KEY, Base, Setting, Tally

logger = logging.getLogger(__name__)

AnySession = Session | scoped_session[Session]
BUSY_S = 10.0
"""Seconds a writer waits for another one in SQLite."""
PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF",
)  # fmt: skip
"""Of every connection to SQLite."""
Failed = (DBAPIError, PoolTimeout)
"""Errors of a database that does not answer, or not as it should."""
CANNOT_WRITE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    "53100", "25006",  # PostgreSQL's disk_full and read_only_sql_transaction
}  # fmt: skip
"""Codes by which SQLite and PostgreSQL say that they cannot write."""


class Database:
    """An engine and the sessions made from it."""

    def __init__(self, url: str | URL, *, pool_size: int = 10) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url, pool_size)
        self.make = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session; commit at the end, roll back at an error."""
        with self.make.begin() as session:
            yield session

    def dispose(self) -> None:
        """Close all connections (before a fork, say)."""
        self.engine.dispose()

    def fold(self) -> None:
        """Write SQLite's log into its file: a copy of that alone is then whole."""
        if self.is_sqlite:
            try:
                with self.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            except DBAPIError as error:
                logger.warning("the log of %s stays beside it: %s", self.url, error)
            self.dispose()


def open_database(settings: Settings) -> Database:
    """Return the database that the settings name."""
    url = settings.database or sqlite_url(open_home(settings.home).database)
    return Database(url, pool_size=settings.threads + 2)


def parse_url(url: str | URL) -> URL:
    """Return the address of a database that evenflow can use.

    Raises
    ------
    DataError
        The address is invalid, or of another kind of database.
    """
    wanted = "expected postgresql+psycopg://user@host/name, or sqlite:///PATH"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DataError(f"found no address of a database, {wanted}") from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise DataError(f"found a database of kind {parsed.drivername!r}, {wanted}")
    if parsed.drivername == "sqlite" and not parsed.database:
        raise DataError(f"found SQLite without a file, {wanted}")
    return parsed


def sqlite_url(path: Path) -> URL:
    """Return the address of a SQLite file."""
    return URL.create("sqlite", database=str(path))


def is_away(error: Exception) -> bool:
    """Return whether the database was not there or busy, rather than the SQL wrong."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeout)
    return (
        isinstance(error, OperationalError)
        or error.connection_invalidated
        or cannot_write(error)
    )


def cannot_write(error: DBAPIError) -> bool:
    """Return whether the database is there but its disk is full or read-only."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in CANNOT_WRITE or getattr(error.orig, "sqlstate", "") in CANNOT_WRITE


@contextmanager
def reached(database: Database) -> Iterator[None]:
    """Say it in a line where the database does not answer inside the block.

    Raises
    ------
    DataError
        It is away, or does not let this user in.
    StorageError
        It cannot write, or is a SQLite file that is damaged.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite's own message quotes the damage
        if not database.is_sqlite:
            raise
        raise _damaged(database, "its tables are not readable") from error
    except DBAPIError as error:
        # the class itself and none below it: a file that is no database, or is broken
        if database.is_sqlite and type(error.orig) is sqlite3.DatabaseError:
            raise _damaged(database, str(error.orig)) from error
        if not is_away(error):
            raise
        where = database.url.render_as_string(hide_password=True)
        why = (str(error.orig).strip() or "no reason given").splitlines()[0]
        if cannot_write(error):
            raise StorageError(
                f"the database {where} cannot write: {why}. Expected a disk with room "
                "and files that this user may write to; free some space or change "
                "their mode"
            ) from error
        raise DataError(
            f"the database {where} is not responding: {why}. Expected one that is up "
            "and lets this user in; start it or name another with --database"
        ) from error


def serialize(session: AnySession, *key: object) -> None:
    """Let other transactions with that key wait here until this one ends.

    What is counted after it is still so when something is added: a limit holds,
    however many requests come at once. SQLite has one writer at a time, which this
    transaction becomes.
    """
    if session.get_bind().dialect.name == "sqlite":
        session.execute(delete(Setting).where(false()))
        return
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(number)))


def n_changed(session: AnySession, statement: Update | Delete) -> int:
    """Execute a change, and return how many rows it met."""
    done: Any = session.execute(statement)
    return int(done.rowcount)


def upsert(session: AnySession, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Return an insert into a table that can say what a row already there does.

    Both databases know ``on_conflict_do_nothing`` and ``on_conflict_do_update``;
    SQLAlchemy has them on the insert of each dialect.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def check_whole(database: Database) -> None:
    """Refuse a SQLite file that is damaged, wherever in it; reads all of it once.

    Raises
    ------
    StorageError
    """
    if database.is_sqlite:
        with reached(database), database.engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise _damaged(database, str(found))


def _damaged(database: Database, why: str) -> StorageError:
    lines = [line for line in why.splitlines() if not line.startswith("***")]
    return StorageError(
        f"{database.url.database} is damaged ({(lines or [why])[0][:200]}), expected a "
        "whole SQLite database. Stop all servers, keep a copy of the file, and restore "
        "a backup: evenflow db restore FILE --force"
    )


def _engine(url: URL, pool_size: int) -> Engine:
    pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": pool_size}
    if url.get_backend_name() == "sqlite":
        folder = Path(str(url.database)).parent
        if not folder.is_dir():
            raise StorageError(
                f"{folder} is not there, expected a folder for the database. Make it "
                "or name another one"
            )
        # with IMMEDIATE the driver begins at the first write, never at a read: no
        # snapshot grows stale under a writer
        waits = {"isolation_level": "IMMEDIATE", "timeout": BUSY_S}
        engine = create_engine(url, connect_args=waits, **pool)
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_recycle=1800,
        **pool,
        connect_args={
            "connect_timeout": 5,
            "application_name": "evenflow",
            # a server that is gone without a word is noticed, whoever waits for it
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,  # ms
        },
    )


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


FINE_S = 30
"""Seconds of the finest counts."""


def add_tallies(
    session: Session,
    counts: Mapping[tuple[str, str, str], int],
    *,
    at: datetime,
    owner_id: int | None,
    arrived: datetime | None = None,
    **common: str,
) -> None:
    """Add verdicts of one moment to the counts; see :func:`add_timed_tallies`.

    Parameters
    ----------
    counts : mapping of (label, facet, value) to int
        Verdicts counted; those of the facet ``all`` have no value.
    at : datetime
        Event time.
    arrived : datetime, optional
        The event time by default.
    **common
        Their ``source`` and ``bundle``.
    """
    hour, fine = floor(at, 3600), floor(at, FINE_S)
    timed = {(hour, *key): n for key, n in counts.items()}
    timed |= {
        (fine, label, "fine", ""): n
        for (label, facet, _), n in counts.items()
        if facet == "all"
    }
    add_timed_tallies(
        session, timed, arrived=arrived or at, owner_id=owner_id, **common
    )


def add_timed_tallies(
    session: Session,
    counts: Mapping[tuple[datetime, str, str, str], int],
    *,
    arrived: datetime,
    owner_id: int | None,
    **common: str,
) -> None:
    """Add verdicts to the counts of :class:`~evenflow.web.store.tables.Tally`.

    Parameters
    ----------
    counts : mapping of (start, label, facet, value) to int
        Verdicts counted, by the start of their hour, or of their 30 seconds where the
        facet is ``fine``.
    **common
        Their ``source`` and ``bundle``.
    """
    hour = floor(arrived, 3600)
    shared = {"arrived_at": hour, "owner_id": owner_id or 0, **common}
    rows = [  # always in the same order: two writers cannot wait for each other
        shared | {"hour": start, "label": label, "facet": facet, "value": value, "n": n}
        for (start, label, facet, value), n in sorted(counts.items())
    ]
    for start in range(0, len(rows), 500):
        statement = upsert(session, Tally).values(rows[start : start + 500])
        session.execute(
            statement.on_conflict_do_update(
                index_elements=TALLY_KEY, set_={"n": Tally.n + statement.excluded.n}
            )
        )


def floor(at: datetime, step_s: int) -> datetime:
    """Return the last whole step of seconds before a moment, counted from 1970."""
    return datetime.fromtimestamp(int(at.timestamp()) // step_s * step_s, UTC)
