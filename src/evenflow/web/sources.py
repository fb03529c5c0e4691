"""The kinds of file that are taken, and those that are often taken for one.

Flow logs and captures become another entry of :data:`KINDS` and another kind of job.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evenflow.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceKind:
    """A kind of file that is taken: another kind of traffic is another entry."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    job: str
    """Kind of the job that scores it."""


KINDS = (
    SourceKind(
        name="records",
        title="Records in the columns of the model: CSV, JSON lines or Parquet",
        suffixes=(".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz", ".parquet"),
        job="score",
    ),
)
REFUSED = (
    (b"PK\x03\x04", "a zip file (or a spreadsheet)"),
    (b"PK\x05\x06", "a zip file"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture"),
    (b"\n\r\r\n", "a packet capture"),
    (b"\xa1\xb2\x3c\x4d", "a packet capture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x89PNG", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
"""First bytes of what is taken for something else often."""


def kind_of(path: Path, name: str) -> SourceKind:
    """Return what kind of source a file is.

    Raises
    ------
    DataError
        It is empty, or plainly something else.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
    wanted = "expected CSV, JSON lines (each also as gzip) or Parquet"
    if not head:
        raise DataError(f"{name} is empty, {wanted}")
    for start, found in REFUSED:
        if head.startswith(start):
            do = "Send the records as one of those"
            if "zip" in found or "file" in found or "archive" in found:
                do = "Unpack it and send the file inside"
            raise DataError(f"{name} is {found}, {wanted}. {do}")
    return KINDS[0]
