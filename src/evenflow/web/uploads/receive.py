"""Take files in: whole from a form or a program, or piece by piece from a browser.

Whatever a file is called, it is stored as ``data`` in a folder; its own name is only
ever shown. While it arrives the folder ends in ``.part``; once all is there it gets the
job's id, and the job scores it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from werkzeug.exceptions import Conflict, NotFound

from evenflow.errors import DataError, StorageError
from evenflow.files import storage_error
from evenflow.web.frame import large_bodies
from evenflow.web.frame.context import web
from evenflow.web.frame.large_bodies import Readable, copy, lock, spool
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import SCORE
from evenflow.web.models.offered import refuse_retired
from evenflow.web.store.data_folder import remove
from evenflow.web.store.database import serialize
from evenflow.web.store.tables import Job
from evenflow.web.uploads.file_kinds import check, shown_name
from evenflow.web.uploads.job import SENT

PART_BYTES = 4 * 2**20
"""Size of the pieces a browser sends."""
MAX_UNFINISHED = 5
"""Uploads of one person that may be under way."""
IDLE_S = 3600.0
"""Seconds without a piece after which an unfinished upload no longer counts."""
FINISH_S = 2.0
"""Seconds that the end of an upload waits for another request that ends it."""
BUSY = "Another piece is being received. Try again in a few seconds"
NO_CHOICES: Mapping[str, Any] = MappingProxyType({})
_ID = re.compile(r"[0-9a-f]{24}")
_META = "about.json"


class OffsetError(Conflict):
    """A piece does not follow what is here."""

    def __init__(self, here: int) -> None:
        super().__init__(f"{here} bytes were received, expected the piece that follows")
        self.more = {"offset": here}


def receive_upload(
    user: Any,
    name: str,
    stream: Readable,
    *,
    bundle: str = "",
    choices: Mapping[str, Any] = NO_CHOICES,
    upload_id: str | None = None,
) -> Job:
    """Take a whole file and queue the job that scores it.

    With an id, 24 hexadecimal digits, it is one upload, however often the file is
    sent, also at once. Without a bundle the one in use scores it. ``choices`` are those
    of :func:`.sent.choices`. The job is committed.

    Raises
    ------
    DataError
        The file does not hold records, there is no model, or too many jobs are queued.
    StorageError
        The disk is full; nothing is left behind.
    RequestEntityTooLarge
        It has more bytes than ``max_upload_mb``.
    Conflict
        Another file was sent under that id.
    """
    bundle = _bundle(bundle)
    upload_id = upload_id or queue.new_id()
    if web.db.get(Job, upload_id) is None:
        _room(user, 0)
    web.db.commit()  # no transaction stays open while the file arrives
    part = _part(queue.new_id())  # one of its own for each request of the same id
    with _all_or_nothing(part):
        part.mkdir(mode=0o700)
        with (part / SENT).open("xb+", buffering=0) as out:
            copy(stream, out, large_bodies.most_bytes(), large_bodies.too_large())
            out.seek(0)
            sha256 = hashlib.file_digest(out, "sha256").hexdigest()
        serialize(web.db, "upload", upload_id)  # the same at once: one by one
        job = web.db.get(Job, upload_id, populate_existing=True)
        if job is None:
            about = {"bundle": bundle, "sha256": sha256, **choices}
            return accept(user, part, upload_id, name, about)
        web.db.commit()
        if job.owner_id != user.id or job.payload.get("sha256") != sha256:
            raise Conflict(f"There is another upload {upload_id}. Choose a new id")
        remove(part)
        return job


def begin(
    user: Any,
    name: str,
    size: int,
    *,
    bundle: str = "",
    choices: Mapping[str, Any] = NO_CHOICES,
) -> str:
    """Begin an upload in pieces; return its id. See :func:`receive_upload`.

    Raises
    ------
    DataError
        There is no model, or too much of this person is under way.
    StorageError
        There is no room for a file of that size.
    RequestEntityTooLarge
        It has more bytes than ``max_upload_mb``.
    """
    bundle = _bundle(bundle)
    if size < 1:
        raise DataError(f"{shown_name(name)} is empty, expected a file of records")
    if size > large_bodies.most_bytes():
        raise large_bodies.too_large()
    _room(user, size)
    serialize(web.db, "uploads", user.id)
    if len(_unfinished(user.id)) >= MAX_UNFINISHED:
        raise DataError(
            f"{MAX_UNFINISHED} of your uploads are unfinished, expected fewer. Finish "
            "one; an upload without a new piece is deleted after an hour"
        )
    upload_id = queue.new_id()
    part, name = _part(upload_id), shown_name(name)
    job = {"bundle": bundle, **choices}
    about = {"owner": user.id, "name": name, "size": size, "job": job}
    with _all_or_nothing(part):
        part.mkdir(mode=0o700)
        (part / SENT).touch(mode=0o600)
        (part / _META).write_text(json.dumps(about), encoding="utf-8")
        web.db.commit()
    return upload_id


def offset(user: Any, upload_id: str) -> int:
    """Return how many bytes of an unfinished upload are here; 404 if it is not one."""
    part, _ = _mine(user, upload_id)
    return (part / SENT).stat().st_size


def append(user: Any, upload_id: str, at: int, stream: Readable) -> int:
    """Add a piece that begins at byte ``at``; return how many bytes are here then.

    The piece is read from the client first and the file is locked only to write it:
    a slow client holds nothing that another request waits for.

    Raises
    ------
    OffsetError
        The pieces before it are not here, or it is here already; the response says
        where to go on. Or another piece is being written at this moment.
    DataError
        It goes beyond the size that was announced.
    StorageError
        The disk is full; nothing is left behind.
    """
    part, about = _mine(user, upload_id)
    path = part / SENT
    web.db.commit()  # no transaction stays open while the piece arrives
    try:
        with path.open("r+b", buffering=0) as out, spool(web.home.uploads) as piece:
            _follows(at, out)  # early: a piece in vain is not read
            copy(stream, piece, about["size"] - at, _beyond())
            piece.seek(0)
            lock(out, BUSY)
            here = _follows(at, out)
            out.seek(here)
            try:
                copy(piece, out, about["size"] - here, _beyond())
            except BaseException:
                out.truncate(here)
                raise
            now_here = out.tell()
    except FileNotFoundError:
        raise _no_such_upload() from None
    except StorageError:
        remove(part)
        raise
    if here == 0 and now_here:  # what is plainly something else is not sent whole
        with _all_or_nothing(part):
            check(path, about["name"])
    return now_here


def finish(user: Any, upload_id: str) -> Job:
    """Queue the job of an upload whose pieces are all here; asked twice it is one job.

    Raises
    ------
    DataError
        Pieces are missing, or as for :func:`receive`.
    """
    with _locked(upload_id):  # asked twice at once: one after the other
        job = web.db.get(Job, upload_id) if _ID.fullmatch(upload_id) else None
        if job is not None and job.owner_id == user.id:
            return job
        part, about = _mine(user, upload_id)
        found = (part / SENT).stat().st_size
        if found != about["size"]:
            raise DataError(
                f"{found} of {about['size']} bytes of {about['name']} were received, "
                "expected all. Send the rest"
            )
        with _all_or_nothing(part):
            return accept(user, part, upload_id, about["name"], about["job"])


def discard(user: Any, upload_id: str) -> None:
    """Delete an unfinished upload."""
    part, _ = _mine(user, upload_id)
    remove(part)


def accept(
    user: Any,
    part: Path,
    upload_id: str,
    name: str,
    about: Mapping[str, Any],
) -> Job:
    """Queue the job that scores a file that is here; committed when this returns.

    ``about`` is the rest of the job's payload.

    Raises
    ------
    DataError
        The file does not hold records, or too many jobs of this person are queued.
    """
    path, name = part / SENT, shown_name(name)
    check(path, name)
    folder = web.home.uploads / upload_id
    try:
        job = queue.put(
            web.db(),
            SCORE,
            payload={"name": name, **about},
            title=name,
            owner_id=user.id,
            job_id=upload_id,
            most_waiting=web.settings.max_waiting_jobs,
        )
        told = {"bytes": path.stat().st_size, "bundle": about["bundle"]}
        audit("upload.accept", upload_id, user=user, name=name, **told)
        (part / _META).unlink(missing_ok=True)
        remove(folder)  # of a process that was killed before it could commit
        part.rename(folder)
        web.db.commit()
    except BaseException:
        web.db.rollback()
        remove(folder)
        raise
    return job


@contextmanager
def _locked(upload_id: str) -> Iterator[None]:
    """Hold an upload's file, wherever it stands by now, against another request."""
    places = [_part(upload_id), web.home.uploads / upload_id]
    with ExitStack() as stack:
        for place in places if _ID.fullmatch(upload_id) else ():
            try:
                stream = stack.enter_context((place / SENT).open("rb"))
            except FileNotFoundError:
                continue
            lock(stream, BUSY, wait_s=FINISH_S)
            break
        yield  # without a file it is scored already, or was never begun


def _follows(at: int, out: IO[bytes]) -> int:
    """Return how many bytes are here if a piece at ``at`` follows them, else 409."""
    here = os.fstat(out.fileno()).st_size
    if at != here:
        raise OffsetError(here)
    return here


def _mine(user: Any, upload_id: str) -> tuple[Path, dict[str, Any]]:
    if not _ID.fullmatch(upload_id):
        raise _no_such_upload()
    part = _part(upload_id)
    about = _about(part)
    if about["owner"] != user.id:
        raise _no_such_upload()
    return part, about


def _about(part: Path) -> dict[str, Any]:
    """Return what was said at the beginning; without an owner where nothing was."""
    try:
        about: dict[str, Any] = json.loads((part / _META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"owner": None}
    return about


def _no_such_upload() -> NotFound:
    return NotFound("No such upload is under way. Begin it again")


def _unfinished(owner_id: int) -> list[Path]:
    """Return a person's uploads that are under way; delete those that got no piece."""
    found = []
    for part in web.home.uploads.glob("*.part"):
        if _about(part)["owner"] != owner_id:
            continue
        with suppress(FileNotFoundError):
            if time.time() - (part / SENT).stat().st_mtime > IDLE_S:
                remove(part)
            else:
                found.append(part)
    return found


def _part(upload_id: str) -> Path:
    return web.home.uploads / f"{upload_id}.part"


def _bundle(name: str) -> str:
    if name:
        web.detectors.path(name)
        refuse_retired(web.db(), name)
        return name
    active = web.detectors.active_name()
    if active is None:
        raise DataError(
            "no model is active, expected one to score the file. Ask an "
            "administrator to activate a model"
        )
    return active


def _room(user: Any, size: int) -> None:
    """Refuse early what could not be taken at the end.

    Raises
    ------
    DataError
        Too many jobs of this person wait.
    StorageError
        The disk has no room.
    """
    queue.refuse_more(web.db(), user.id, web.settings.max_waiting_jobs)
    try:
        free = shutil.disk_usage(web.home.uploads).free
    except OSError as error:
        raise storage_error(web.home.uploads, error) from error
    if free < size:
        raise StorageError(
            f"{web.home.uploads} has {free} bytes left, expected room for {size}"
        )


@contextmanager
def _all_or_nothing(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remove(part)
        if isinstance(error, StorageError):
            raise
        raise storage_error(part, error) from error
    except BaseException:
        remove(part)
        raise


def _beyond() -> DataError:
    return DataError(
        "the pieces add up to more than the declared file size. Start the upload again"
    )
