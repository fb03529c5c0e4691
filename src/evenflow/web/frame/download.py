"""Downloads: answers that a browser saves and never shows as a page of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from flask import Response, make_response

TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
"""Media types by the ending of a name."""
READ_BYTES = 2**18


def attachment(body: bytes | Iterator[bytes], name: str) -> Response:
    """Return a file to be saved under that name, whose ending tells its type."""
    response = Response(body, mimetype=TYPES[name.rsplit(".", 1)[-1]])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of a stream's bytes, then close it."""
    with stream:
        while data := stream.read(READ_BYTES):
            yield data


def as_file(text: str, name: str, media: str) -> Response:
    """Return a text that a browser saves and never opens as ours."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:150]
    response = make_response(text.encode("utf-8", "replace"))
    response.headers["Content-Type"] = f"{media}; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
