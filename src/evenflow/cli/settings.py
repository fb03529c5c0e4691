"""Which server a command means: its data folder, settings and database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow import toml
from evenflow.cli import options
from evenflow.cli.guard import voice
from evenflow.errors import DataError, MissingExtraError
from evenflow.files import write_json
from evenflow.places import data_home, folders, secret_key

if TYPE_CHECKING:
    from evenflow.web.settings import Settings
    from evenflow.web.store.database import Database

FILE = "settings.toml"
ADDRESS = "address.json"
"""In the data folder while a server runs: where it listens."""
Decorator = options.Decorator

home = click.option(
    "--home",
    metavar="DIR",
    type=options.PATH,
    help="The server's data folder  [default: ~/.local/share/evenflow]",
)
config = click.option(
    "--config",
    metavar="FILE",
    type=options.PATH,
    help="Settings in TOML  [default: settings.toml in the data folder]",
)
database = click.option(
    "--database",
    metavar="URL",
    help="A PostgreSQL database, as postgresql+psycopg://USER@HOST/NAME  "
    "[default: SQLite in the data folder]",
)


def server(command: Any) -> Any:
    """Add the options that name a server to a command."""
    return home(config(database(command)))


def need_web() -> None:
    """Check that the packages of the web application are installed.

    Raises
    ------
    MissingExtraError
    """
    try:
        import evenflow.web.app  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evenflow"):
            raise
        raise MissingExtraError(
            f"the web application needs the package {error.name!r}, which is not "
            "installed; expected the extra 'web'. Install it: "
            "pip install 'evenflow[web]'"
        ) from error


def load(
    home: Path | None, config: Path | None, given: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings: those of the file, then what was given as options.

    The data folder and the secret are made if they are not there.

    Raises
    ------
    MissingExtraError
        The web application is not installed.
    DataError
        A file or value is refused.
    StorageError
        The data folder cannot be made or written.
    """
    need_web()
    from evenflow.web.settings import Settings
    from evenflow.web.store.data_folder import open_home, secret

    value = _read(config) if config else {}
    root = home or Path(value.pop("home", None) or data_home())
    root = Path(os.path.expanduser(root)).absolute()  # noqa: PTH111 (never raises)
    here = open_home(root)
    source = config or root / FILE
    if config is None and source.exists():
        value = _read(source)
    value.pop("home", None)
    changes = {key: v for key, v in (given or {}).items() if v is not None}
    value |= changes | {"home": root}
    key = secret_key() or value.get("secret_key") or secret(here)
    value["secret_key"] = key
    if not value.get("data_folders"):
        value["data_folders"] = [path.absolute() for path in folders()]
    named = [str(source)] if source.exists() else []
    return Settings.from_dict(
        value, source=" with ".join([*named, *(["options"] if changes else [])])
    )


@contextmanager
def announced(settings: Settings) -> Iterator[None]:
    """Let other commands know, until the block ends, where the server listens."""
    path, before = settings.home / ADDRESS, os.umask(0o077)
    try:
        write_json(path, {"host": settings.host, "port": settings.port})
    finally:
        os.umask(before)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running(settings: Settings) -> Settings:
    """Return the settings with the address of the server that runs, if one does."""
    try:
        found = json.loads((settings.home / ADDRESS).read_text(encoding="utf-8"))
        changes = {"host": str(found["host"]), "port": int(found["port"])}
    except (OSError, ValueError, KeyError, TypeError):
        return settings
    return settings.model_copy(update=changes)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Yield the database, brought to this version, and close it at the end.

    Raises
    ------
    StorageError
        It does not belong to the data folder.
    """
    from evenflow.web.store import migrations, pairing
    from evenflow.web.store.data_folder import Home
    from evenflow.web.store.database import open_database, reached

    found, before = open_database(settings), os.umask(0o077)
    try:
        with reached(found):
            pairing.check(Home(root=settings.home), found)
            migrations.upgrade(found)
            yield found
    finally:
        found.dispose()
        os.umask(before)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Expected a file of settings in "
            "TOML; name another one with --config"
        ) from error
    except ValueError as error:
        raise DataError(
            f"{path} is not valid TOML: {error}. Correct that line"
        ) from error
    has_secrets = {"secret_key", "database", "mail"} & value.keys()
    if has_secrets and path.stat().st_mode & 0o077:
        voice().say(
            f"Others can read {path}, which may hold secrets. Run: chmod 600 {path}"
        )
    return value
