"""The security headers of every answer."""

from __future__ import annotations

from flask import Flask, Response, request

from evenflow.web.frame import layout
from evenflow.web.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "manifest-src 'self'; object-src 'none'"
)
"""Content-Security-Policy: own files only, nothing inline, never in a frame."""
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), usb=()",
}
STATIC_AGE_S = 31_536_000
FOUND = (200, 206, 304)


def register(app: Flask, settings: Settings) -> None:
    """Add the headers to all answers of an application."""

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in ALWAYS.items():
            response.headers[name] = value
        response.headers.setdefault("Content-Security-Policy", POLICY)
        if settings.is_https:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint == "static" and response.status_code in FOUND:
            # the address may carry a hash of what is in the file
            name = str((request.view_args or {})["filename"])
            hashed = request.args.get("v") == layout.digest(name)
            age = STATIC_AGE_S if hashed else 300
            keep = f"public, max-age={age}" + (", immutable" if hashed else "")
            response.headers["Cache-Control"] = keep
        elif "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response
