"""A web hook: batches of events as a JSON array by HTTP POST."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from evenflow.errors import DataError
from evenflow.runtime.sinks import Outbox, Setup
from evenflow.runtime.sinks._outbox import RejectedError

TIMEOUT_S = 10.0
AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 that ask to try again."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that leads elsewhere is an answer: events go where they were sent."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Return nothing, which makes it an error."""


class Hook:
    """The address that is posted to."""

    most_messages = 100

    def __init__(self, url: str, authorization: str | None) -> None:
        self.url = url
        self.headers = {"Content-Type": "application/json", "User-Agent": "evenflow"}
        if authorization:
            self.headers["Authorization"] = authorization
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, messages: Sequence[bytes]) -> None:
        """Post messages as one array."""
        request = urllib.request.Request(  # noqa: S310 (http and https alone)
            self.url, b"[" + b",".join(messages) + b"]", self.headers, method="POST"
        )
        try:
            self._opener.open(request, timeout=TIMEOUT_S).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= 500 or error.code in AGAIN:
                raise OSError(f"answered {error.code}") from error
            why = "a redirect is not followed" if error.code < 400 else "not accepted"
            raise RejectedError(f"answered {error.code}, {why}") from error
        except urllib.error.URLError as error:
            raise OSError(_reason(error.reason)) from error
        except http.client.HTTPException as error:
            raise OSError(f"answered no HTTP: {error!r}") from error

    def sync(self) -> None:
        """Do nothing: each batch was answered."""

    def close(self) -> None:
        """Do nothing: each batch has a connection of its own."""


def _reason(reason: object) -> str:
    return (isinstance(reason, OSError) and reason.strerror) or str(reason)


def open_sink(target: str, setup: Setup) -> Outbox:
    """Return a web hook as a sink."""
    try:
        url = urlsplit(target)
        has_port = url.port is None or url.port > 0
    except ValueError:
        has_port = False
    if not has_port or url.scheme not in ("http", "https") or not url.hostname:
        raise DataError(
            "found a sink 'webhook:' with an invalid address, expected "
            "webhook:https://HOST/PATH. Correct it"
        )
    authorization = None
    host = url.netloc.rpartition("@")[2]
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
        authorization = f"Basic {base64.b64encode(pair).decode()}"
    # paths of web hooks are often secrets
    return setup.outbox(
        f"webhook:{url.scheme}://{host}",
        Hook(urlunsplit((url.scheme, host, url.path, url.query, "")), authorization),
        setup.text,
    )
