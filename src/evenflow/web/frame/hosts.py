"""Hosts that a server answers for: those of its settings, before anything is routed.

A page elsewhere whose name is made to lead here (DNS rebinding) says its own name as
the host, and is refused. What is refused is answered without building an address.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from evenflow.web.settings import HOST, Settings, is_loopback

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
HEALTH = frozenset({"/healthz", "/readyz"})
"""Addresses that a load balancer asks by the machine's IP address, or without a host;
they tell nothing, and no name can be made to lead to them."""


class Hosts:
    """A WSGI application that is asked only by the names it has.

    The settings' ``public_url`` names the host; loopback names are always taken.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.public = urlsplit(settings.public_url).hostname or ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request, or refuse it."""
        path = str(environ.get("PATH_INFO", ""))
        refusal = self._refusal(environ.get("HTTP_HOST"), path)
        if refusal is None:
            return self.app(environ, start_response)
        status, kind, message = refusal
        mimetype, text = "text/plain; charset=utf-8", f"{message}.\n"
        if path.startswith("/api/"):
            mimetype = "application/json"
            text = json.dumps({"error": {"type": kind, "message": message}}) + "\n"
        headers = [
            ("Content-Type", mimetype),
            ("Content-Length", str(len(text))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [text.encode()]

    def _refusal(
        self, host: str | None, path: str
    ) -> tuple[HTTPStatus, str, str] | None:
        """Return status, kind and message of a refusal, if there is one."""
        if host or path not in HEALTH:
            found = HOST.fullmatch((host or "").lower())
            if found is None or int(found[2] or 0) > 65_535:
                return (
                    HTTPStatus.BAD_REQUEST,
                    "BadHost",
                    "Found no host in the request, or one that is not valid, expected "
                    "NAME or NAME:PORT. Use the address of this server",
                )
            name = found[1].strip("[]")
            is_known = name == self.public or is_loopback(name)
            if not is_known and not (path in HEALTH and _is_ip(name)):
                return (
                    HTTPStatus.MISDIRECTED_REQUEST,
                    "UnknownHost",
                    "This server does not answer for the host of the request, expected "
                    "the host of its setting public_url, or localhost. Use the address "
                    "of this server, or set public_url",
                )
        if "//" in path:  # a page has one address: a proxy's rules on it cannot miss
            return HTTPStatus.NOT_FOUND, "NotFound", "There is no page at this address"
        return None


def _is_ip(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
