"""Who uses a data folder: any number of servers and watches, or one restore alone.

The lock belongs to the process and ends with it, however it dies. Whoever comes
first deletes the half-written files of processes that were killed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from evenflow.errors import BusyError
from evenflow.files import storage_error
from evenflow.web.store.data_folder import remove

logger = logging.getLogger(__name__)

WAIT_S = 2.0
"""Seconds a server waits for another one that deletes what was left."""
PART = re.compile(r"\..+\.(?P<who>[A-Za-z0-9_]+)\.part(-journal)?")
"""Name of a file or folder that is being written: by a process, or a random word."""


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Use the folder beside other servers.

    Raises
    ------
    BusyError
        A restore is at work in it.
    """
    with _opened(root) as stream:
        end = time.monotonic() + WAIT_S
        while True:
            if _lock(stream, fcntl.LOCK_EX):
                _sweep(root)
            if _lock(stream, fcntl.LOCK_SH):
                break
            if time.monotonic() > end:
                raise _busy(root, "a restore is at work in it; wait for its end")
            time.sleep(0.05)
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Use the folder while no server and no watch does.

    Raises
    ------
    BusyError
        A server or a watch uses it.
    """
    with _opened(root) as stream:
        if not _lock(stream, fcntl.LOCK_EX):
            raise _busy(root, "a server or a watch is running on it; stop that first")
        _sweep(root)
        yield


@contextmanager
def _opened(root: Path) -> Iterator[TextIO]:
    try:
        handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(root, error) from error
    with os.fdopen(handle) as stream:
        yield stream


def _lock(stream: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(root: Path, why: str) -> BusyError:
    return BusyError(f"{root} is in use, expected a data folder nobody uses: {why}")


def _sweep(root: Path) -> None:
    """Delete what killed restores, copies and trainings left; call it alone."""
    for place in (root, root / "bundles", root / "explore"):
        for path in place.glob(".*.part*"):
            found = PART.fullmatch(path.name)
            if found is None or _is_alive(found["who"]):
                continue
            remove(path)
            logger.info("deleted %s, which a process that was killed left", path)


def _is_alive(who: str) -> bool:
    """Return whether that is the number of another process that runs."""
    return who.isdigit() and int(who) != os.getpid() and Path("/proc", who).exists()
