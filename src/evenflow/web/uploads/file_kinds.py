"""The files that are accepted, by their first bytes."""

from __future__ import annotations

import re
from pathlib import Path

from evenflow.errors import DataError
from evenflow.runtime.records import is_capture
from evenflow.text import form

MAX_NAME = 120
SUFFIXES = (
    ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".gz", ".pcap",
    ".pcapng", ".cap", ".log",
)  # fmt: skip
"""What a browser offers; files are recognised by their content."""


def check(path: Path, name: str) -> None:
    """Refuse a file that plainly holds neither records nor connections.

    Raises
    ------
    DataError
        It is empty, or plainly something else.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        raise DataError(
            f"{name} is empty; expected records as text (plain or gzip) or Parquet, a "
            "capture or a log of connections"
        )
    if not is_capture(head):
        form.refuse(head, name=name)


def shown_name(name: str) -> str:
    """Return a sender's file name as it is shown: no folders, nothing unprintable."""
    last = re.split(r"[\\/]", name)[-1]
    text = "".join(c for c in last if c.isprintable()).strip()
    return text[:MAX_NAME] or "unnamed file"
