"""Download a published file: over https alone, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from evenflow.datasets._remote import MOST_BYTES, RemoteFile, compare, content, find
from evenflow.errors import DataError
from evenflow.files import replacing
from evenflow.progress import OnEvent, Progress, ignore

CHUNK = 1 << 20
TIMEOUT_S = 30.0


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follow a redirection to another https address, refuse any other."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ):
        """Return the request that follows a redirection."""
        try:
            require_https(newurl)
        except DataError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_https(url: str) -> None:
    """Refuse an address that is not https.

    Raises
    ------
    DataError
        It is not; whoever sits on the way could read or change the file.
    """
    if urlsplit(url).scheme != "https":
        raise DataError(
            f"{url} is not an https address; expected https, so that nobody on the "
            "way can change the file. Get the file by hand and check its SHA-256"
        )


def opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses: https only, also after a redirection."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _HttpsOnly(),
    ):
        director.add_handler(handler)
    return director


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    page: str = "",
    on_event: OnEvent = ignore,
    director: urllib.request.OpenerDirector | None = None,
) -> Path:
    """Return the path of a verified copy of ``file``, downloaded if it is not there.

    Parameters
    ----------
    file : RemoteFile
    folder : Path
        A folder of data sets; the file goes into its data set's folder in there.
    page : str
        The publisher's page, for the message where there is no address.
    on_event : callable
        Gets a :class:`~evenflow.progress.Progress` in bytes.
    director : urllib.request.OpenerDirector, optional
        What opens the address; by default one that knows https alone.

    Raises
    ------
    DataError
        No address can be trusted, it is not https, it did not answer, or what came is
        longer or shorter than the published file. Nothing half-fetched is left.
    ChecksumError
        What is there, or what came, is not the published file.
    StorageError
        The disk is full or the folder cannot be written.
    """
    place = find(file, [folder])
    if place is not None:
        content(file, [folder])
        return place.path
    if file.url is None or file.sha256 is None:
        sum_note = f" Its SHA-256 is {file.sha256}." if file.sha256 else ""
        raise DataError(
            f"{file.name} has no trusted download address: its publisher hands it out "
            f"on request only{f' ({page})' if page else ''}. Get it there and put it "
            f"at {folder / file.folder / file.name}.{sum_note}"
        )
    require_https(file.url)
    path = folder / file.folder / file.name
    request = urllib.request.Request(file.url, headers={"User-Agent": "evenflow"})  # noqa: S310
    try:
        with (
            (director or opener()).open(request, timeout=TIMEOUT_S) as answer,
            replacing(path) as part,
        ):
            found = _copy(answer, part, file, on_event)
            compare(file.url, found, file.sha256, file)
    except urllib.error.HTTPError as error:
        error.close()
        raise _unreachable(file, path, f"{error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        raise _unreachable(file, path, getattr(error, "reason", error)) from error
    return path


def _unreachable(file: RemoteFile, path: Path, reason: object) -> DataError:
    return DataError(
        f"cannot fetch {file.url}: {reason}. Without a network, put {file.name} "
        f"(SHA-256 {file.sha256}) at {path} yourself"
    )


def _copy(answer: BinaryIO, part: Path, file: RemoteFile, on_event: OnEvent) -> str:
    """Write what comes to ``part``; return its SHA-256."""
    limit = MOST_BYTES if file.size is None else file.size
    digest, done = hashlib.sha256(), 0
    with part.open("wb") as stream:
        while chunk := _read(answer, file):
            done += len(chunk)
            if done > limit:
                raise DataError(
                    f"{file.url} sends more than the {limit:,} bytes of the published "
                    f"{file.name}, so the download was stopped. The address leads to "
                    "another file: get the file by hand"
                )
            stream.write(chunk)
            digest.update(chunk)
            on_event(
                Progress(
                    step=f"fetch {file.name}", done=done, total=file.size, unit="bytes"
                )
            )
    if file.size is not None and done < file.size:
        raise DataError(
            f"{file.url} sent {done:,} of the {file.size:,} bytes of {file.name}; the "
            "connection broke. Run the command again"
        )
    return digest.hexdigest()


def _read(answer: BinaryIO, file: RemoteFile) -> bytes:
    try:
        return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"the connection to {file.url} broke: {error}. Run the command again"
        ) from error
