"""A web hook: batches of events as a JSON array by HTTP POST."""

from __future__ import annotations

import base64
import http.client
import ipaddress
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


class _Public(http.client.HTTPConnection):
    """A connection to an address of the internet."""

    def connect(self) -> None:
        """Connect; refuse an address of a private network before anything is sent.

        The address is that of the connection itself: a name that leads elsewhere the
        next time it is looked up gains nothing.
        """
        super().connect()
        found = ipaddress.ip_address(self.sock.getpeername()[0])
        mapped = getattr(found, "ipv4_mapped", None)
        if not (mapped or found).is_global:
            self.close()
            raise RejectedError("its address is private, and no setting allows it")


class _PublicTLS(_Public, http.client.HTTPSConnection):
    """The same by TLS."""


class _PublicHTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Public, req)


class _PublicHTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicTLS, req)


class Hook:
    """The address that is posted to.

    With ``is_public`` it is refused where it is one of a private network, and no proxy
    is asked.
    """

    most_messages = 100

    def __init__(
        self, url: str, authorization: str | None, *, is_public: bool = False
    ) -> None:
        self.url = url
        self.headers = {"Content-Type": "application/json", "User-Agent": "evenflow"}
        if authorization:
            self.headers["Authorization"] = authorization
        handlers: list[Any] = [_NoRedirect]
        if is_public:
            no_proxy = urllib.request.ProxyHandler({})
            handlers += [_PublicHTTP, _PublicHTTPS, no_proxy]
        self._opener = urllib.request.build_opener(*handlers)

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


def hook(target: str, *, is_public: bool = False) -> tuple[str, Hook]:
    """Return the name of a web hook, without secrets, and the hook.

    Raises
    ------
    DataError
        The address is invalid.
    """
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
    plain = urlunsplit((url.scheme, host, url.path, url.query, ""))
    return f"webhook:{url.scheme}://{host}", Hook(
        plain, authorization, is_public=is_public
    )


def open_sink(target: str, setup: Setup) -> Outbox:
    """Return a web hook as a sink."""
    name, transport = hook(target)
    return setup.outbox(name, transport, setup.text)
