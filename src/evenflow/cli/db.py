"""``evenflow db``: upgrade, back up and restore the server's database."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options
from evenflow.cli import settings as servers
from evenflow.cli.guard import Group, voice
from evenflow.errors import DataError
from evenflow.files import is_stream
from evenflow.places import environment, program

if TYPE_CHECKING:
    from evenflow.web.settings import Settings
    from evenflow.web.store.data_folder import Home
    from evenflow.web.store.database import Database


@click.group(cls=Group, short_help="Upgrade, back up or restore the server's database.")
def db() -> None:
    """Upgrade, back up or restore the database of a server."""


@db.command("upgrade", short_help="Upgrade the database to this version.")
@servers.server
def upgrade(home: Path | None, config: Path | None, **given: Any) -> None:
    """Upgrade the database to this version, as `serve` does when it starts."""
    settings = servers.load(home, config, given)
    from evenflow.web.store import migrations

    with servers.opened(settings) as database:
        click.echo(f"The database is at version {migrations.current(database)}")


@db.command("backup", short_help="Back up the database to FILE.")
@click.argument("file", type=options.PATH)
@servers.server
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup(
    home: Path | None, config: Path | None, *, file: Path, force: bool, **given: Any
) -> None:
    """Back up the database to FILE and verify the copy; servers keep running.

    Bundles, uploads and results are folders beside it: copy the data folder for
    those. PostgreSQL needs its program pg_dump on PATH.
    """
    settings = servers.load(home, config, given)
    from evenflow.web.store import backup as backups

    with servers.opened(settings) as database:
        backups.backup(database, file, run=_run, force=force)
    is_mixed = is_stream(file)  # the words must not follow the bytes in standard output
    size = "" if is_mixed else f", {file.stat().st_size:,} bytes"
    click.echo(f"Saved the database to {file}{size}", err=is_mixed)


@db.command("restore", short_help="Restore the database from FILE.")
@click.argument("file", type=options.PATH)
@servers.server
@click.option("--force", is_flag=True, help="Replace a database that is not empty.")
def restore(
    home: Path | None, config: Path | None, *, file: Path, force: bool, **given: Any
) -> None:
    """Restore the database from FILE and upgrade it to this version.

    Refused while a server runs. People who were logged in at the time of the backup
    are logged in again.
    """
    settings = servers.load(home, config, given)
    from evenflow.web.store import backup as backups
    from evenflow.web.store import pairing

    with _alone(settings) as (home_folder, database):
        backups.restore(database, file, run=_run, force=force)
        left = pairing.after_restore(home_folder, database)
    voice().say(f"Restored {file}")
    if left:
        click.echo(left, err=True)


@db.command("adopt", short_help="Pair the data folder with this database.")
@servers.server
def adopt(home: Path | None, config: Path | None, **given: Any) -> None:
    """Pair the data folder with this database.

    A server does not start with a data folder and a database that are not paired.
    Pairing them ends their earlier pairings. Uploads and results that the database does
    not know are moved to the folder set-aside of the data folder.
    """
    settings = servers.load(home, config, given)
    from evenflow.web.store import migrations, pairing

    with _alone(settings) as (home_folder, database):
        migrations.upgrade(database)
        pairing.adopt(home_folder, database)
    voice().say(f"{settings.home} is now paired with the database")


@contextmanager
def _alone(settings: Settings) -> Iterator[tuple[Home, Database]]:
    """Yield data folder and database while no server uses them."""
    from evenflow.web.store import data_folder as homes
    from evenflow.web.store import folder_lock
    from evenflow.web.store.database import open_database, reached

    with folder_lock.alone(settings.home):
        database, before = open_database(settings), os.umask(0o077)
        try:
            with reached(database):
                yield homes.open_home(settings.home), database
        finally:
            os.umask(before)
            database.dispose()


def _run(words: list[str], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    found = program(words[0])
    if found is None:
        raise DataError(
            f"the program {words[0]} was not found on PATH, expected PostgreSQL's "
            "client programs. Install them (Debian: apt install postgresql-client)"
        )
    return subprocess.run(  # noqa: S603 (found on PATH, no shell)
        [found, *words[1:]],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
