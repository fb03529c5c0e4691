"""The kinds of file that are accepted.

Flow logs and captures become another entry of :data:`KINDS` and another kind of job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evenflow.errors import DataError
from evenflow.text import form
from evenflow.web.jobs.kinds import SCORE, JobKind

MAX_NAME = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceKind:
    """An accepted kind of file: another kind of traffic is another entry."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    job: JobKind
    """The job that scores it."""


KINDS = (
    SourceKind(
        name="records",
        title="Records in the columns of the model: CSV, JSON lines or Parquet",
        suffixes=(".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz", ".parquet"),
        job=SCORE,
    ),
)


def kind_of(path: Path, name: str) -> SourceKind:
    """Return what kind of source a file is.

    Raises
    ------
    DataError
        It is empty, or plainly something else.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        raise DataError(
            f"{name} is empty; expected records as text (plain or gzip) or Parquet"
        )
    form.refuse(head, name=name)
    return KINDS[0]


def shown_name(name: str) -> str:
    """Return a sender's file name as it is shown: no folders, nothing unprintable."""
    last = re.split(r"[\\/]", name)[-1]
    text = "".join(c for c in last if c.isprintable()).strip()
    return text[:MAX_NAME] or "unnamed file"
