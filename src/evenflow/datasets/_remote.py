"""A published file: found in any of its forms, and verified before it is read.

A file lies in a folder of data sets as its publisher's text, that text in gzip, or
our Parquet copy of it; the layout may be nested (``nsl-kdd/raw/KDDTrain+.txt.gz``) or
flat (``nsl_kdd/KDDTrain+.txt``). Whatever its form, its content is held against a
published SHA-256 before a row of it is used.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evenflow.errors import ChecksumError, DataError

MOST_BYTES = 16 << 30
"""Nothing larger is read or fetched, whatever it claims to be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """A file as its publisher gave it out."""

    name: str
    folder: str
    """Folder of the data set in a folder of data sets: ``nsl-kdd``."""
    sha256: str | None
    """Of the published bytes, unpacked; None where no checksum is known."""
    size: int | None = None
    """Bytes, unpacked."""
    least_size: int = 0
    """A smaller file of one of the names is another file."""
    parquet: str = ""
    """Name of our Parquet copy, if there is one."""
    parquet_sha256: str = ""
    other_names: tuple[str, ...] = ()
    """Names under which the same bytes circulate."""
    url: str | None = None
    """An https address of the published bytes; None where none can be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a published file lies, and in which form."""

    path: Path
    form: Literal["text", "gzip", "parquet"]


def folders_of(file: RemoteFile, root: Path) -> Iterator[Path]:
    """Yield the folders under a root in which a file may lie."""
    for name in dict.fromkeys((file.folder, file.folder.replace("-", "_"))):
        yield root / name / "raw"
        yield root / name
    yield root


def find(file: RemoteFile, folders: Sequence[Path]) -> Place | None:
    """Return the first place a file lies at; the publisher's bytes before our copy."""
    return next(find_all(file, folders), None)


def find_all(file: RemoteFile, folders: Sequence[Path]) -> Iterator[Place]:
    """Yield each place a file of one of the names lies at, best first."""
    for root in folders:
        places = list(folders_of(file, root))
        names = [n for name in (file.name, *file.other_names) for n in _forms(name)]
        for wanted in (names, [file.parquet] if file.parquet else []):
            for folder in places:
                for name in wanted:
                    # a folder that may not be read holds nothing for us
                    if os.path.isfile(folder / name):  # noqa: PTH113
                        yield _place(folder / name)


def fits(place: Place, file: RemoteFile) -> bool:
    """Return whether a file has the published size; quick, and no proof."""
    if place.form == "parquet":
        return True
    try:
        with place.path.open("rb") as stream:
            size = stream.seek(0, 2)
            if place.form == "gzip" and size >= 4:  # its last word: the unpacked size
                stream.seek(-4, 2)
                size = int.from_bytes(stream.read(4), "little")
    except OSError:
        return True  # loading says why it cannot be read
    return size >= file.least_size and file.size in (None, size)


def _forms(name: str) -> tuple[str, str]:
    return name, f"{name}.gz"


def _place(path: Path) -> Place:
    forms: dict[str, Literal["gzip", "parquet"]] = {
        ".gz": "gzip",
        ".parquet": "parquet",
    }
    return Place(path=path, form=forms.get(path.suffix, "text"))


def missing(file: RemoteFile, folders: Sequence[Path], *, page: str = "") -> DataError:
    """Return the error to raise when a file is in none of the folders."""
    wanted = f"{file.folder}/{file.name}"
    looked = ", ".join(str(f) for f in folders) or "no folder was given"
    sha256 = f" with SHA-256 {file.sha256}" if file.sha256 else ""
    forms = "as text or .gz" if file.name != file.parquet else "as it is"
    copy = f" or as {file.parquet}" if file.parquet and forms != "as it is" else ""
    source = f"Get it from {page} and put" if page else "Put"
    fetch = f"evenflow data fetch {file.folder.replace('-', '_')}"
    run = f"Run: {fetch}, or get" if file.url else "Get"
    do = f"{source.replace('Get', run)} it at {wanted} in one of those folders"
    return DataError(
        f"{file.name} is missing (looked for {wanted} in: {looked}). Expected the "
        f"published file{sha256}, {forms}{copy}. {do}; EVENFLOW_DATA names "
        "another folder"
    )


def content(
    file: RemoteFile, folders: Sequence[Path], *, page: str = ""
) -> tuple[Place, Path | bytes]:
    """Return where a file lies and its verified content.

    Returns
    -------
    Place
    Path or bytes
        The path itself for text and Parquet; the unpacked text for gzip.

    Raises
    ------
    DataError
        The file is in none of the folders, cannot be read, or is cut short.
    ChecksumError
        Its content is not the published one.
    """
    place = find(file, folders)
    if place is None:
        raise missing(file, folders, page=page)
    if place.form != "gzip":
        verify(place, file)
        return place, place.path
    data = unpack(place.path, most=file.size)
    if file.sha256 is not None:
        compare(place.path, hashlib.sha256(data).hexdigest(), file.sha256, file)
    return place, data


def verify(place: Place, file: RemoteFile) -> None:
    """Hold the content of a file against its published SHA-256, where one is known.

    Raises
    ------
    ChecksumError
        It is another file.
    """
    wanted = file.parquet_sha256 if place.form == "parquet" else file.sha256
    if not wanted:
        return
    if place.form == "gzip":
        data = unpack(place.path, most=file.size)
        found = hashlib.sha256(data).hexdigest()
    else:
        found = _digest(place.path)
    compare(place.path, found, wanted, file)


def unpack(path: Path, *, most: int | None = None) -> bytes:
    """Return the text in a gzip file, which must not be longer than ``most`` bytes.

    Raises
    ------
    DataError
        The file is cut short, damaged, no gzip, or larger than it should be.
    """
    limit = MOST_BYTES if most is None else most
    try:
        with gzip.open(path, "rb") as stream:
            data = stream.read(limit + 1)
    except EOFError as error:
        raise DataError(
            f"{path} is truncated: its gzip stream ends before its end mark. Expected "
            "the whole file; copy or fetch it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path} is not a valid gzip file: {error}. Expected a whole .gz file; "
            "copy or fetch it again"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > limit:
        raise ChecksumError(
            f"{path} unpacks to more than {limit:,} bytes; expected at most the size "
            "of the published file. Delete it and fetch it again"
        )
    return data


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot read {path}: {error.strerror or error}. Expected a file this user may "
        "read; check its permissions"
    )


def compare(path: Path | str, found: str, expected: str, file: RemoteFile) -> None:
    """Refuse a file whose SHA-256 is not the expected one."""
    if found != expected:
        raise ChecksumError(
            f"{path} is not the published {file.name}: its SHA-256 is {found}, "
            f"expected {expected}. It may be truncated or changed: delete it and get "
            "it again"
        )
