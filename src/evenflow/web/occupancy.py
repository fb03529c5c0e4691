"""Who uses a data folder: any number of servers, or one restore alone.

The lock belongs to the process and is gone with it, however it dies.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evenflow.errors import BusyError
from evenflow.files import storage_error


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Use the folder beside other servers.

    Raises
    ------
    BusyError
        A restore is at work in it.
    """
    with _locked(root, fcntl.LOCK_SH, "a restore is at work in it; wait for its end"):
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Use the folder while no server does.

    Raises
    ------
    BusyError
        A server uses it.
    """
    with _locked(root, fcntl.LOCK_EX, "a server is running on it; stop that first"):
        yield


@contextmanager
def _locked(root: Path, kind: int, why: str) -> Iterator[None]:
    path = root / ".lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(root, error) from error
    with os.fdopen(handle) as stream:
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"{root} is in use, expected a data folder nobody uses: {why}"
            ) from error
        yield
