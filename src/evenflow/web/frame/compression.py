"""Answers compressed with gzip: static files always, pages where that reveals nothing.

A page holds secrets beside untrusted text. Who can have a browser ask for it again and
again, with text of their choice, reads the secrets from its length (BREACH). So a page
is compressed only where the browser says that the request comes from the application's
own pages or from the address bar (``Sec-Fetch-Site``), which no other site can forge.
"""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, Response, request

FILES = frozenset({"static", "vega.library"})
"""Endpoints whose answers are the same for everybody."""
FILE_TYPES = frozenset({"text/css", "text/javascript", "image/svg+xml"})
PAGE_TYPES = frozenset({"text/html", "application/json"})
OWN = frozenset({"same-origin", "none"})
"""Values of ``Sec-Fetch-Site`` of requests that no other site has made."""
MIN_BYTES = 1_000
MAX_BYTES = 4_000_000
PAGE_LEVEL = 5
"""Level 9 takes twice as long for pages that are 3 % smaller."""


def register(app: Flask) -> None:
    """Compress an application's answers for browsers that accept gzip."""

    @app.after_request
    def compress(response: Response) -> Response:
        is_file = request.endpoint in FILES
        if (
            response.mimetype not in (FILE_TYPES if is_file else PAGE_TYPES)
            or (is_file and (response.status_code != 200 or "Range" in request.headers))
            or "Content-Encoding" in response.headers
        ):
            return response
        response.vary.add("Accept-Encoding")
        if not is_file:
            response.vary.add("Sec-Fetch-Site")
        if request.accept_encodings["gzip"] <= 0 or not (is_file or _is_own(response)):
            return response
        response.direct_passthrough = False
        plain = response.get_data()
        if not MIN_BYTES <= len(plain) <= MAX_BYTES:
            return response
        response.set_data(
            _compressed(plain) if is_file else gzip.compress(plain, PAGE_LEVEL, mtime=0)
        )
        response.headers["Content-Encoding"] = "gzip"
        name, _ = response.get_etag()
        if name is not None:  # the same content, other bytes
            response.set_etag(name, weak=True)
        return response


def _is_own(response: Response) -> bool:
    """Return whether a page is made already, for a request of the application's own."""
    return response.is_sequence and request.headers.get("Sec-Fetch-Site") in OWN


@lru_cache(maxsize=64)
def _compressed(plain: bytes) -> bytes:
    return gzip.compress(plain, 9, mtime=0)
