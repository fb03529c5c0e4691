"""Errors of an upload, with the status that a web answer has."""

from __future__ import annotations

from typing import ClassVar

from evenflow.errors import DataError


class UploadError(DataError):
    """Parent of the errors of an upload."""

    status: ClassVar[int]
    kind: ClassVar[str]
    """Name of the error in an answer."""


class NoSuchUploadError(UploadError):
    """There is no such upload of that person."""

    status, kind = 404, "NotFound"

    def __init__(self) -> None:
        super().__init__("No such upload is under way. Begin it again")


class TooLargeError(UploadError):
    """The file has more bytes than one may have."""

    status, kind = 413, "RequestEntityTooLarge"

    def __init__(self, most_mb: float) -> None:
        super().__init__(
            f"The file is larger than {most_mb:,.0f} MiB, the maximum size. Split it, "
            "or upload it compressed as .gz"
        )


class OffsetError(UploadError):
    """A piece does not follow what is here."""

    status, kind = 409, "Conflict"

    def __init__(self, here: int) -> None:
        super().__init__(f"{here} bytes were received, expected the piece that follows")
        self.here = here


class TakenIdError(UploadError):
    """Another file was sent under that id."""

    status, kind = 409, "Conflict"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"There is another upload {upload_id}. Choose a new id")
