"""The results of an upload as a file: its rows as CSV or JSON lines, and its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evenflow.runtime.writers import inert
from evenflow.web.store.tables import Job
from evenflow.web.uploads.results import Filter, Results


def rows(found: Results, kept: Filter, kind: str) -> Iterator[bytes]:
    """Yield the rows of a kind as CSV or JSON lines, part by part."""
    is_first = True
    for frame in found.parts(kept):
        if kind == "jsonl":
            yield frame.write_ndjson().encode()
        elif is_first or frame.height:
            yield inert(frame).write_csv(include_header=is_first).encode()
        is_first = False


def stem(job: Job) -> str:
    """Return a name for a download: the file's own, as far as it is plain."""
    own = re.sub(r"(\.(csv|tsv|jsonl|ndjson|parquet|txt|gz))+$", "", job.title.lower())
    return re.sub(r"[^a-z0-9_-]+", "-", own).strip("-")[:60] or "upload"
