"""Downloads: answers that a browser saves and never shows as a page of ours."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import polars as pl
from flask import Response
from sqlalchemy import Select

from evenflow.errors import DataError
from evenflow.runtime.writers import inert
from evenflow.web.frame.context import web
from evenflow.web.frame.headers import POLICY

TYPES = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
    "pcap": "application/vnd.tcpdump.pcap",
    "tex": "application/x-tex",
    "toml": "application/toml",
    "zip": "application/zip",
}
"""Media types by the ending of a name."""
READ_BYTES = 2**18
MAX_DOWNLOADED = 10_000
"""Rows of one download, the first ones of the list."""
MAX_CHARACTERS = 2**26
"""Characters of the values in one download: it is made in memory."""
MAX_COLUMNS = 1_000
"""Columns of a CSV: untrusted records may each have hundreds of their own."""


def attachment(body: str | bytes | Iterator[bytes], name: str) -> Response:
    """Return a file that a browser saves, and never opens as a page of ours.

    The ending of its name tells its type; only plain characters of it are kept.
    """
    if isinstance(body, str):
        body = body.encode("utf-8", "replace")
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[-150:]
    response = Response(body, mimetype=TYPES[name.rsplit(".", 1)[-1]])
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    response.headers["Content-Security-Policy"] = f"sandbox; {POLICY}"
    return response


def pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of a stream's bytes, then close it."""
    with stream:
        while data := stream.read(READ_BYTES):
            yield data


def downloaded(query: Select[Any]) -> list[Any]:
    """Return the first rows of a list that holds values, for one download.

    Raises
    ------
    DataError
        Their values are larger than one download may be.
    """
    rows: list[Any] = []
    size = 0
    limited = query.limit(MAX_DOWNLOADED).execution_options(yield_per=500)
    for row in web.db.scalars(limited):
        size += sum(len(str(name)) + len(str(v)) for name, v in row.values.items())
        if size > MAX_CHARACTERS:
            raise DataError(
                f"these rows hold more than {MAX_CHARACTERS:,} characters, expected "
                "a download that fits in memory. Narrow the filters, by date for "
                "instance"
            )
        rows.append(row)
    return rows


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV that no spreadsheet runs anything of."""
    frame = pl.DataFrame(
        {name: _series(name, rows) for name in _names(rows)}, strict=False
    )
    return inert(frame).write_csv().encode()


def as_json(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as a JSON array."""
    return json.dumps(list(rows), indent=1, ensure_ascii=False, default=str).encode()


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of a table: of more than fit those that most rows have."""
    counts = Counter(name for row in rows for name in row)
    if len(counts) <= MAX_COLUMNS:
        return list(counts)
    kept = {name for name, _ in counts.most_common(MAX_COLUMNS)}
    return [name for name in counts if name in kept]


def _series(name: str, rows: Sequence[Mapping[str, Any]]) -> pl.Series:
    cells = [_cell(row.get(name)) for row in rows]
    is_number = all(c is None or isinstance(c, int | float) for c in cells)
    if is_number:
        return pl.Series(name, cells, strict=False)
    return pl.Series(name, [None if c is None else str(c) for c in cells])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float | str):
        return value
    return json.dumps(value, default=str)
