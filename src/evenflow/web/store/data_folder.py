"""The data folder: the secret, the database, bundles, uploads, results.

Readable by its owner alone. The secret is made on the first start and kept; two
processes that start at once agree on one.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from evenflow.errors import StorageError
from evenflow.files import storage_error

logger = logging.getLogger(__name__)

OURS = ("secret", "settings.toml", "evenflow.db", "folder-id")
"""Files by one of which a data folder is known."""
FOLDERS = ("bundles", "uploads", "results", "explore", "datasets")


class Home:
    """Paths inside the data folder."""

    def __init__(self, *, root: Path) -> None:
        self.root: Final = root
        self.database: Final = root / "evenflow.db"
        """The SQLite file."""
        self.bundles: Final = root / "bundles"
        """Folder of bundles that may be served; nothing outside it is ever opened."""
        self.uploads: Final = root / "uploads"
        """Uploaded files, one folder a job."""
        self.results: Final = root / "results"
        """Verdicts on uploaded files, one folder a job."""
        self.set_aside: Final = root / "set-aside"
        """Uploads and results that no job knows; nothing here deletes them."""
        self.explore: Final = root / "explore"
        """Explorations of data sets, and their rows to be browsed."""
        self.datasets: Final = root / "datasets"
        """Files of the team's own data sets."""


def open_home(root: Path) -> Home:
    """Return the data folder, made if it is not there, open to its owner alone.

    Raises
    ------
    StorageError
        It cannot be made or written, belongs to another user, or is open to others
        and holds something else.
    """
    home = Home(root=root)
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_ours = not any(root.iterdir()) or any((root / n).exists() for n in OURS)
        _close(root, is_ours=is_ours)
        for name in FOLDERS:
            (root / name).mkdir(exist_ok=True, mode=0o700)
            _close(root / name, is_ours=True)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise storage_error(root, error) from error
    return home


def _close(folder: Path, *, is_ours: bool) -> None:
    """Take a folder away from all users but this one, who must own it."""
    found = folder.stat()
    _refuse_foreign(folder, found)
    mode = stat.S_IMODE(found.st_mode)
    if not mode & 0o077:
        return
    if mode & stat.S_ISVTX or not is_ours:
        raise StorageError(
            f"{folder} is open to other users (mode {mode:o}) and holds something "
            "else, expected a data folder of mode 700. Choose a new one with --home, "
            f"or run: chmod 700 {folder}"
        )
    folder.chmod(0o700)
    logger.warning("%s was open to other users (mode %o), set to 700", folder, mode)


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise StorageError(
            f"{path} belongs to user {found.st_uid}, expected this user "
            f"({os.geteuid()}): its owner could change what the server trusts. Run the "
            f"command as that user, or: chown -R {os.geteuid()} {path}"
        )


def secret(home: Home) -> str:
    """Return the secret that signs cookies, made and kept on the first start.

    Raises
    ------
    StorageError
        It cannot be read or written, belongs to another user, or others may read it.
    """
    path = home.root / "secret"
    part = path.with_name(f".secret.{os.getpid()}.part")
    try:
        if not path.exists():
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_urlsafe(48))
            try:
                os.link(part, path)  # fails if another process was first
            except FileExistsError:
                pass
            finally:
                part.unlink()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # to open a FIFO would wait
            raise StorageError(
                f"{path} is not a regular file, expected the secret that signs "
                "cookies. Restore it from a backup"
            )
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error
    _refuse_foreign(path, found)
    if (mode := found.st_mode) & 0o077:
        raise StorageError(
            f"{path} can be read by others (mode {mode & 0o777:o}), expected mode 600. "
            f"Run: chmod 600 {path}"
        )
    if len(text) < 32 or not text.isprintable() or "\ufffd" in text:
        raise StorageError(
            f"{path} holds {len(text)} characters, expected 32 or more, all of them "
            "printable. Restore it from a backup, or delete it: a new one is made at "
            "the next start, and passwords and second factors are then set again by "
            "links (evenflow user reset EMAIL --second-factor)"
        )
    return text


def remove(path: Path) -> None:
    """Delete a file or folder; what cannot be deleted is logged."""

    def on_error(_call: Callable[..., Any], name: str, error: Any) -> None:
        logger.error("cannot delete %s: %s", name, error[1])

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=on_error)
    else:
        path.unlink(missing_ok=True)
