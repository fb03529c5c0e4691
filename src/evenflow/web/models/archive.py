"""A bundle as one zip file: how a browser brings one, and takes one away."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from evenflow.errors import BundleError, DataError
from evenflow.files import storage_error
from evenflow.runtime.folder import LIMITS, MB, SUMS, read_folder, write_folder
from evenflow.web.models.importing import MAX_NAME, copy_into
from evenflow.web.store.data_folder import Home

MAX_ENTRIES = 64
"""Entries of an archive, folders among them."""
MOST = {**LIMITS, SUMS: MB}
READ_BYTES = 2**20
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError,
    UnicodeDecodeError,
)  # fmt: skip
"""What a damaged or encrypted archive raises."""


def take(home: Home, stream: IO[bytes], name: str, *, most_bytes: int) -> str:
    """Take the bundle in a zip file into the data folder; return its name.

    Parameters
    ----------
    stream : binary file
        The archive: the files of one bundle, in one folder or in none.
    name : str
        The sender's name of the archive, after which the model is named.
    most_bytes : int
        Maximum bytes of all files unpacked.

    Raises
    ------
    DataError
        It is not a zip file of a bundle, or over a limit.
    BundleError
        The bundle is damaged.
    StorageError
        The data folder cannot be written.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix=".import.", dir=home.bundles))
    except OSError as error:
        raise storage_error(home.bundles, error) from error
    stem = PurePosixPath(name.replace("\\", "/")).stem
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip(".-")[:MAX_NAME]
    folder = place / (plain or "bundle")
    try:
        folder.mkdir(mode=0o700)
        _unpack(stream, folder, most_bytes)
        return copy_into(home, folder)
    except BundleError as error:
        raise BundleError(str(error).replace(str(folder), folder.name)) from error
    except OSError as error:
        raise storage_error(home.bundles, error) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def pack(folder: Path) -> bytes:
    """Return a bundle as a zip file, checked as it is read.

    Raises
    ------
    BundleError
        It is damaged.
    """
    files = read_folder(folder)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "bundle"
        write_folder(whole, files, overwrite=False)  # with the sums
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(whole.iterdir()):
                archive.write(path, f"{folder.name}/{path.name}")
    return out.getvalue()


def _unpack(stream: IO[bytes], folder: Path, most_bytes: int) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir()]
            if not 0 < len(entries) <= MAX_ENTRIES:
                raise _not_a_bundle(f"{len(entries)} files")
            parents = {str(PurePosixPath(one.filename).parent) for one in entries}
            if len(parents) > 1:
                raise _not_a_bundle(f"files in {len(parents)} folders")
            left = most_bytes
            for one in entries:
                name = PurePosixPath(one.filename).name
                if name not in MOST or (folder / name).exists():
                    raise _not_a_bundle(f"the file {name[:60]!r}")
                if one.compress_type not in KINDS:  # the others unpack without a bound
                    raise _not_a_bundle("an unusual kind of compression")
                left -= _extract(archive, one, folder / name, min(left, MOST[name]))
    except UNREADABLE as error:
        raise _not_a_bundle("no readable zip file") from error


def _extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int
) -> int:
    """Write one file; return its bytes, which are counted as they come."""
    n = 0
    with archive.open(entry) as source, path.open("xb") as out:
        while data := source.read(READ_BYTES):
            n += len(data)
            if n > most:
                raise DataError(
                    f"{path.name} has more than {most:,} bytes unpacked, expected a "
                    "smaller bundle. An administrator imports it with: evenflow serve "
                    "--add-bundle"
                )
            out.write(data)
    return n


def _not_a_bundle(found: str) -> DataError:
    return DataError(
        f"found {found}, expected a zip file with the files of one bundle, as the page "
        "of a model sends it"
    )
