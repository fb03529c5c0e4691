"""Write whole files or none, and let one run at a time own a folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evenflow.errors import BusyError, StorageError

DISK = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.EFBIG,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}
"""Error numbers by which a disk or a permission stands in the way."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` on success.

    Parameters
    ----------
    path : Path
        The file that shall exist, whole, afterwards.

    Raises
    ------
    StorageError
        The disk is full, the folder is not writable, or the rename failed.
        Nothing half-written is left.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        yield part
        part.replace(path)
    except OSError as error:
        # what else goes wrong in the block (a connection, say) is the caller's to tell
        if isinstance(error, StorageError) or error.errno not in DISK:
            raise
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):  # gone already, or a name no file could have had
            part.unlink()


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the error to raise when writing ``path`` failed with ``error``."""
    found = error.strerror or str(error)
    return StorageError(
        f"cannot write {path}: {found}. Expected a folder with room that this "
        "user may write to; free some space or choose another path"
    )


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN is refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Own ``folder`` (made if missing) until the block ends.

    The lock belongs to the process: it is gone when the process dies, however it
    dies, so a killed run never blocks the next one. A folder that was made here and
    got nothing but the lock is taken away again.

    Raises
    ------
    BusyError
        Another run owns the folder.
    StorageError
        The folder cannot be made or written.
    """
    lock, is_new = folder / ".lock", not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = lock.open("w")
    except OSError as error:
        raise storage_error(folder, error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # a run that just ended may have taken away what was opened here
            if not os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
                raise BlockingIOError(errno.EAGAIN, "taken away")
        except OSError as error:
            raise BusyError(
                f"{folder} is being written by another run; expected a folder of "
                "its own for each run. Wait for that run or choose another folder"
            ) from error
        try:
            yield
        finally:
            if is_new and folder.is_dir() and [*folder.iterdir()] == [lock]:
                with suppress(OSError):
                    lock.unlink()
                    folder.rmdir()
