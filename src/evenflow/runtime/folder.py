"""A bundle's folder: written whole or not at all, read with suspicion.

Every file is listed with its SHA-256 in ``SHA256SUMS``, in the format of
``sha256sum -c``. What is read is what was summed: each file is opened once.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evenflow.errors import BundleError, StorageError
from evenflow.files import followed, storage_error

SUMS = "SHA256SUMS"
MB = 2**20
LIMITS = {
    "manifest.json": 4 * MB,
    "preprocessor.json": 64 * MB,
    "decision.json": MB,
    "model.onnx": 2048 * MB,
    "golden.npz": 64 * MB,
    "reference.npz": 64 * MB,
    "fingerprint.npz": 1024 * MB,
    "report.json": 16 * MB,
    "recipe.json": MB,
    "card.md": 4 * MB,
}
"""The files of a bundle, all of them, and the most bytes each may have."""
CONTROL = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Characters that change how a terminal or a page shows others, but tab and newline."""
HALF = re.compile("[\\ud800-\\udfff]")
"""Halves of surrogate pairs, which no encoding can write."""
MAX_LEVELS = 32
"""Maximum nesting of lists and objects: a page that shows them recurses."""
MAX_VALUES, MAX_VALUES_OF_RECORDS = 200_000, 2_000_000
"""Maximum number of values in a JSON file; a page shows all those of a report."""
AGAIN = "Get the bundle again from where it was trained"


def write_folder(folder: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write the files and their sums as ``folder``, whole or not at all.

    Raises
    ------
    StorageError
        ``folder`` exists and is not a bundle, or is one and ``overwrite`` is False;
        or the disk is full, or the place is not writable.
    """
    folder = followed(folder)
    _may_write(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = {"prefix": f".{folder.name}.", "suffix": ".part"}
        part = Path(tempfile.mkdtemp(**beside, dir=folder.parent))
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        part.chmod(0o755)
        for name, data in {**files, SUMS: sums_of(files)}.items():
            with (part / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        _rename(part, folder)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _may_write(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    is_bundle = (folder / SUMS).is_file() and (folder / "manifest.json").is_file()
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if not (is_bundle or is_empty):
        raise StorageError(
            f"{folder} exists and is not a bundle; expected a new folder. Choose "
            "another name"
        )
    if is_bundle and not overwrite:
        raise StorageError(
            f"{folder} is already a bundle; expected a new folder. Choose another "
            "name, or allow it to be overwritten"
        )


def _rename(part: Path, folder: Path) -> None:
    """Put ``part`` in the place of ``folder``; no moment without a whole bundle."""
    if not folder.exists():
        part.rename(folder)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.fsencode(part), os.fsencode(folder)
    exchange = 2  # RENAME_EXCHANGE; AT_FDCWD is -100
    if libc.renameat2(-100, here[0], -100, here[1], exchange) == 0:
        return  # ``part`` now names the old bundle, which the caller removes
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    try:
        folder.rename(old)
        try:
            part.rename(folder)
        except OSError:
            old.rename(folder)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a bundle, each checked against its sum.

    Raises
    ------
    BundleError
        There is no bundle, a file is missing, changed, not listed, too large, a
        link or no plain file.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise BundleError(
            f"{folder}: found {found}, expected a bundle's folder. Give the folder "
            "that training wrote"
        )
    try:
        there = {entry.name for entry in os.scandir(folder)}
        if SUMS not in there:
            raise BundleError(
                f"{folder}: found no {SUMS}, expected a bundle's folder. Give the "
                "folder that training wrote"
            )
        sums = _sums(folder, _read(folder, SUMS, MB))
        _same_names(folder, there - {SUMS}, set(sums))
        files = {name: _read(folder, name, LIMITS[name]) for name in sorted(sums)}
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot be read ({error.strerror or error}), expected plain "
            "files this user may read. Check the permissions"
        ) from error
    for name, data in files.items():
        if (found := sha256(data)) != sums[name]:
            raise BundleError(
                f"{folder / name} was changed: its SHA-256 is {found}, expected "
                f"{sums[name]}. {AGAIN}"
            )
    return files


def _sums(folder: Path, data: bytes) -> dict[str, str]:
    sums: dict[str, str] = {}
    for number, line in enumerate(data.decode("ascii", "replace").splitlines(), 1):
        digest, _, name = line.partition("  ")
        if name not in LIMITS or name in sums or len(digest) != 64:
            raise BundleError(
                f"{folder / SUMS}, line {number}: found {line[:80]!r}, expected the "
                f"SHA-256 of a file of a bundle ({', '.join(LIMITS)}). {AGAIN}"
            )
        sums[name] = digest
    return sums


def _same_names(folder: Path, there: set[str], listed: set[str]) -> None:
    for found, expected, what in (
        (there, listed, "not listed in SHA256SUMS"),
        (listed, there, "listed in SHA256SUMS but not there"),
        (set(LIMITS), listed, "missing"),
    ):
        if odd := sorted(found - expected):
            raise BundleError(
                f"{folder}: found {', '.join(map(repr, odd[:5]))} {what}, expected "
                f"the files of a bundle and no other. {AGAIN}"
            )


def _read(folder: Path, name: str, limit: int) -> bytes:
    """Return a file's bytes; a link, a device or a giant is refused unread."""
    path = folder / name
    kind = path.lstat()
    if not stat.S_ISREG(kind.st_mode):
        raise BundleError(
            f"{path}: found a link or special file, expected a plain file. {AGAIN}"
        )
    data = b""
    if kind.st_size <= limit:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            data = stream.read(kind.st_size + 1)
    if max(kind.st_size, len(data)) > limit:
        raise BundleError(
            f"{path}: found more than {limit} bytes, expected fewer. {AGAIN}"
        )
    return data


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """Return the text of ``SHA256SUMS`` for the files."""
    lines = (f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    return "".join(lines).encode()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: Any) -> bytes:
    """Return JSON with a fixed layout, so that equal values give equal bytes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def from_json(data: bytes, *, source: str, of_records: bool = False) -> dict[str, Any]:
    """Return the JSON object in ``data``: finite numbers, text of plain characters.

    Parameters
    ----------
    of_records : bool
        Whether it holds values of records: many, and of any characters.

    Raises
    ------
    BundleError
        It is not a JSON object, nests without end, holds a key twice, a number that is
        not finite, a control character or half a surrogate pair.
    """
    try:
        value = json.loads(data, object_pairs_hook=_object, parse_int=_whole)
        if not isinstance(value, dict):
            raise TypeError(f"a {type(value).__name__}")
        if of_records:
            check_plain(value, odd=HALF, most=MAX_VALUES_OF_RECORDS)
        else:
            check_plain(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleError(
            f"{source}: found {error}, expected a JSON object. {AGAIN}"
        ) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key twice")
    return value


def _whole(digits: str) -> int:
    if len(digits) > 20:  # Python reads up to 4,300
        raise ValueError(_TOO_LARGE)
    return int(digits)


_TOO_LARGE = "a whole number of more than 64 bits"


def check_plain(
    value: Any, *, odd: re.Pattern[str] = CONTROL, most: int = MAX_VALUES
) -> None:
    """Refuse what no program can pass on: to a terminal, to JSON, to a page.

    Raises
    ------
    ValueError
        A text holds an odd character, a number is not finite or of more than 64 bits,
        or there are too many values, or too many inside each other.
    """
    level, n_values = [value], 0
    for _ in range(MAX_LEVELS + 1):
        inner: list[Any] = []
        for found in level:
            n_values += 1
            if isinstance(found, dict):
                inner += found.keys()
                inner += found.values()
            elif isinstance(found, list):
                inner += found
            else:
                _check_plain(found, odd)
            if n_values > most:
                raise ValueError(f"more than {most} values")
        if not inner:
            return
        level = inner
    raise ValueError(f"more than {MAX_LEVELS} lists or objects inside each other")


def _check_plain(found: Any, odd: re.Pattern[str]) -> None:
    if isinstance(found, str):
        if character := odd.search(found):
            raise ValueError(
                f"the control character {character[0]!r} in the text {found[:60]!r}"
            )
    elif isinstance(found, float) and not math.isfinite(found):
        raise ValueError("a number that is not finite")
    elif isinstance(found, int) and abs(found) > 2**63:
        raise ValueError(_TOO_LARGE)
