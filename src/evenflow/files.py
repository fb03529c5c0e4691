"""Write whole files or none, and let one run at a time own a folder.

A link is followed: what it leads to is replaced, not the link. A device, a pipe and an
open descriptor (/dev/stdout, /proc/self/fd/1) cannot be replaced and are written to.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

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
    errno.ELOOP,
    errno.ENXIO,
    errno.ENODEV,
    errno.EBADF,
}
"""Error numbers by which a disk or a permission stands in the way."""


_DESCRIPTORS = re.compile(r"/proc/(?P<pid>\d+)(/task/\d+)?/fd")
MOST_LINKS = 40


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` on success.

    Where ``path`` is a stream, the temporary file is elsewhere, and is written to it.

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
    with _elsewhere(path) if is_stream(path) else _beside(path) as part:
        try:
            yield part
        except OSError as error:
            # what else goes wrong (a connection, say) is the caller's to tell
            if isinstance(error, StorageError) or error.errno not in DISK:
                raise
            raise storage_error(path, error) from error


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    target = followed(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        yield part
        try:
            part.replace(target)
        except OSError as error:
            raise storage_error(path, error) from error
    finally:
        with suppress(OSError):  # gone already, or a name no file could have had
            part.unlink()


@contextmanager
def _elsewhere(path: Path) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise storage_error(path, error) from error
    with folder as name:
        made = Path(name) / "made"
        yield made
        with opened(path) as out, made.open("rb") as stream:
            shutil.copyfileobj(stream, out)


def is_stream(path: Path) -> bool:
    """Return whether a path is written to in place, and never replaced.

    It is a device, a pipe or a socket, or leads to an open descriptor of a process,
    even one of a plain file: whoever opened it would keep using the replaced file.
    """
    if _descriptor(path) is not None:
        return True
    try:
        kind = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def followed(path: Path) -> Path:
    """Return the path of what links lead to, which need not be there.

    Raises
    ------
    StorageError
        The links lead back to themselves.
    """
    found = Path(os.path.realpath(path))
    if os.path.islink(found):  # noqa: PTH114 (never raises)
        raise StorageError(
            f"cannot write {path}: found links that lead back to themselves, expected "
            "a file or a free name. Remove the link or choose another path"
        )
    return found


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a stream to write to, from where it stands; what is there is not cut.

    Raises
    ------
    StorageError
        It cannot be opened or written. A reader that left is a BrokenPipeError.
    """
    pid, number = _descriptor(path) or (0, 0)
    try:
        if pid == os.getpid():
            handle = os.dup(number)
        else:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(handle, "wb") as stream:
            yield stream
    except (BrokenPipeError, StorageError):
        raise  # a reader that has seen enough is no error of ours
    except OSError as error:
        raise storage_error(path, error) from error


def _descriptor(path: Path) -> tuple[int, int] | None:
    """Return process and number where a path leads to an open descriptor."""
    here = path if path.is_absolute() else Path.cwd() / path
    for _ in range(MOST_LINKS):
        place = _DESCRIPTORS.fullmatch(os.path.realpath(here.parent))
        if place and here.name.isdigit():
            return int(place["pid"]), int(here.name)
        try:
            link = here.readlink()
        except OSError:
            return None
        here = Path(os.path.realpath(here.parent)) / link
    return None


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

    The lock belongs to the process: it ends when the process dies, however it
    dies, so a killed run never blocks the next one. A folder that was made here and
    got nothing but the lock is removed again.

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
            # a run that just ended may have removed what was opened here
            if not os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
                raise BlockingIOError(errno.EAGAIN, "removed")
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
