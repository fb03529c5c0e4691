"""The database into one file and back: whole, checked, or not at all.

SQLite by its own online backup, while servers run; PostgreSQL by its own programs. The
SHA-256 of all of it stands in the file's last line, which both leave unread. A restore
runs alone: no server uses the database meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import inspect, text

from evenflow.errors import BusyError, DataError, EvenflowError, StorageError
from evenflow.files import replacing
from evenflow.web.store import migrations
from evenflow.web.store.database import Database

SUM = b"\nevenflow backup SHA-256 "
"""Begins the last line, before the sum of everything above it."""
N_SUM = len(SUM) + 64 + 1
Run = Callable[[list[str], dict[str, str]], "subprocess.CompletedProcess[str]"]
"""Runs a program with variables added to the environment."""


def backup(database: Database, path: Path, *, run: Run, force: bool = False) -> None:
    """Write the database into one file; servers go on meanwhile.

    The file is readable by its owner alone: it holds password hashes. With ``force``
    one that is there may be replaced.

    Raises
    ------
    DataError
        The file is there, or PostgreSQL's program failed.
    StorageError
        The database cannot be read, or the file cannot be written.
    """
    if path.exists() and not force:
        raise DataError(
            f"{path} already exists, expected a new name. Choose another, or replace "
            "it with --force"
        )
    if (
        database.is_sqlite
        and path.exists()
        and path.samefile(str(database.url.database))
    ):
        raise DataError(
            f"{path} is the database itself, expected another file. A running server "
            "would keep using the replaced one"
        )
    with replacing(path) as part:
        part.touch(mode=0o600)
        if database.is_sqlite:
            _copy(Path(str(database.url.database)), part, mode="rw")
            _check(part, shown=path)
        else:
            words = ["pg_dump", "--format=custom", f"--file={part}"]
            _postgresql(database, words, run)
            _contents(part, run, shown=path)
        _seal(part)


def restore(database: Database, path: Path, *, run: Run, force: bool = False) -> None:
    """Replace the database by what :func:`backup` wrote, and bring it to this version.

    Call it while no server uses the database
    (:func:`evenflow.web.store.folder_lock.alone`).

    Raises
    ------
    BusyError
        A server on another machine is connected to the PostgreSQL database.
    DataError
        The file is not a backup of this kind of database or is damaged, or the database
        is not empty and ``force`` is not given.
    StorageError
        The backup is of a newer evenflow, or the database cannot be written.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file, expected a backup. Check the path")
    if database.is_sqlite:
        _check(path, shown=path)
        version = _version(path)
        if version is not None and version not in migrations.versions():
            raise migrations.other_version(version)
    else:
        _contents(path, run, shown=path)
    _check_sum(path)
    if not database.is_sqlite:
        _refuse_connected(database)
    if not force and inspect(database.engine).get_table_names():
        raise DataError(
            "the database is not empty, expected an empty one. Back it up first; then "
            "replace all of it with --force"
        )
    if database.is_sqlite:
        _put_back(database, path)
    else:
        words = ["pg_restore", "--clean", "--if-exists", "--no-owner"]
        words += ["--no-privileges", "--single-transaction", "--exit-on-error"]
        _postgresql(database, [*words, str(path)], run)
    migrations.upgrade(database)


def _seal(path: Path) -> None:
    """Write the sum of a file as its last line."""
    with path.open("r+b") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0, os.SEEK_END)
        stream.write(SUM + digest.encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _check_sum(path: Path) -> None:
    """Refuse a backup that is not, to the byte, what was written."""
    left, digest = path.stat().st_size - N_SUM, hashlib.sha256()
    with path.open("rb") as stream:
        while left > 0 and (data := stream.read(min(left, 2**20))):
            digest.update(data)
            left -= len(data)
        last = stream.read()
    found = digest.hexdigest()
    if last != SUM + found.encode() + b"\n":
        expected = last[len(SUM) : -1].decode("ascii", "replace")
        why = f"its SHA-256 is {found}, the file says {expected}"
        if not last.startswith(SUM):
            why = "its last line is not a SHA-256"
        raise DataError(
            f"{path} is damaged ({why}), expected a file as evenflow db backup wrote "
            "it. Use another backup"
        )


def _copy(source: Path, target: Path, *, mode: str = "ro") -> None:
    """Copy a SQLite database, also while it is written to, into one file."""
    try:
        with (
            closing(_opened(source, mode)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # no second file beside it
    except sqlite3.Error as error:
        raise StorageError(
            f"cannot copy {source} to {target.parent}: {error}. Expected a whole "
            "database and a disk with room for the copy; free some space or choose "
            "another folder"
        ) from error


def _put_back(database: Database, path: Path) -> None:
    place = Path(str(database.url.database))
    database.dispose()
    with replacing(place) as part:
        part.touch(mode=0o600)
        _copy(path, part)
        # what the old database had not yet taken in must not reach the new one
        for suffix in ("-wal", "-shm"):
            place.with_name(place.name + suffix).unlink(missing_ok=True)


def _check(path: Path, *, shown: Path) -> None:
    """Refuse a file that is not an intact SQLite database."""
    with _reading(shown), closing(_opened(path)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if found != ["ok"] or broken:
        why = "; ".join(found) if found != ["ok"] else f"a row of {broken[0]}"
        raise DataError(
            f"{shown} is damaged ({why}), expected a whole database. Use another backup"
        )


def _version(path: Path) -> str | None:
    with _reading(path), closing(_opened(path)) as connection:
        has = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        ).fetchone()
        if not has:
            raise DataError(
                f"{path} is not a database of evenflow; expected a file that evenflow "
                "db backup wrote"
            )
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


@contextmanager
def _reading(shown: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise DataError(
            f"{shown} cannot be read as a SQLite database ({error}), expected a file "
            "that evenflow db backup wrote"
        ) from error


def _opened(path: Path, mode: str = "ro") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)


def _refuse_connected(database: Database) -> None:
    """Refuse to go on beside a server, wherever it runs."""
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'evenflow' AND pid <> pg_backend_pid()"
    )
    with database.engine.connect() as connection:
        n = connection.execute(others).scalar_one()
    database.dispose()
    if n:
        raise BusyError(
            f"{n} connections of an evenflow server are open, expected none. Stop the "
            "servers and workers of this database first"
        )


def _contents(path: Path, run: Run, *, shown: Path) -> None:
    """Refuse a file that is not a PostgreSQL backup with our tables."""
    done = run(["pg_restore", "--list", str(path)], {})
    if done.returncode or " alembic_version " not in done.stdout:
        raise DataError(
            f"{shown} is not a backup of a PostgreSQL database of evenflow, expected a "
            "file that evenflow db backup wrote"
        )


def _postgresql(database: Database, words: list[str], run: Run) -> None:
    from psycopg.conninfo import make_conninfo

    url = database.url
    parts = {"host": url.host, "port": url.port, "user": url.username}
    where = make_conninfo("", dbname=url.database, **parts, **dict(url.query))  # type: ignore[arg-type]
    secret = {"PGPASSWORD": str(url.password)} if url.password else {}
    program, *rest = words
    database.dispose()
    done = run([program, f"--dbname={where}", *rest], secret)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise EvenflowError(
            f"{program} failed: {lines[0]}. Expected it to succeed; the database is "
            "unchanged. Correct the cause and run the command again"
        )
