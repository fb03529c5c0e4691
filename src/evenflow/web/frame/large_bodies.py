"""Bytes from a client: read within a limit into a file without a name, then written.

Nothing that others wait for is held while a client sends: it may take as long as it
likes.
"""

from __future__ import annotations

import fcntl
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from flask import abort, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from evenflow.files import storage_error
from evenflow.web.frame.context import web

COPY_BYTES = 2**18
OVERHEAD = 2**16
"""Bytes of a form around its file."""
LOOK_S = 0.02
"""Seconds between two tries of a lock."""


class Readable(Protocol):
    """A stream of bytes: a request's body, a form's file."""

    def read(self, size: int = ..., /) -> bytes:
        """Return at most so many bytes, none at the end."""


class Spool(io.FileIO):
    """A file without a name, gone when it is closed."""

    def write(self, data: Any) -> int:
        """Write all of it.

        Raises
        ------
        StorageError
            The disk is full.
        """
        _write_all(super().write, data)
        return len(data)


def _write_all(write: Callable[[Any], int], data: Any) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[write(rest) :]
    except OSError as error:
        raise storage_error(Path("the upload"), error) from error


def spool(folder: Path) -> Spool:
    """Return a spool on the disk of that folder.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    try:
        handle, path = tempfile.mkstemp(prefix=".form.", dir=folder)
        Path(path).unlink()
    except OSError as error:
        raise storage_error(folder, error) from error
    return Spool(handle, "r+b")


def copy(stream: Readable, out: Any, most: int, over: Exception) -> None:
    """Copy a stream to its end; ``over`` is raised once it has more bytes.

    Raises
    ------
    StorageError
        The disk is full.
    """
    left = most
    while data := stream.read(COPY_BYTES):
        left -= len(data)
        if left < 0:
            raise over
        _write_all(out.write, data)


def lock(stream: IO[bytes], busy: str, wait_s: float = 0.0) -> None:
    """Lock a file until it is closed; 409 says ``busy`` if another one has it."""
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                abort(409, busy)
            time.sleep(LOOK_S)
        else:
            return


def allow_large(n_files: int = 1) -> None:
    """Let this request upload whole files; a form's go to uploads' disk."""
    real: Any = request._get_current_object()  # type: ignore[attr-defined]
    real.max_content_length = n_files * most_bytes() + OVERHEAD
    real.max_form_parts = 8 + 2 * n_files
    g.too_large = too_large().description
    real._get_file_stream = lambda *_args, **_kwargs: spool(web.home.uploads)


def too_large() -> RequestEntityTooLarge:
    """Return the error over a file that has more bytes than one may have."""
    return RequestEntityTooLarge(
        f"The file is larger than {web.settings.max_upload_mb:,.0f} MiB, the maximum "
        "size. Split it, or upload it compressed as .gz"
    )


def most_bytes() -> int:
    """Return the most bytes of one file."""
    return int(web.settings.max_upload_mb * 2**20)
