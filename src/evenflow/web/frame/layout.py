"""The frame of every page, and the names its templates may use."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from typing import Any

from flask import Flask, Response, abort, g, request, url_for

from evenflow import __version__
from evenflow.judge.charts import theme
from evenflow.web.charts import library
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least
from evenflow.web.store.tables import now

AGE_S = 31_536_000
"""How long a browser may keep the drawing library: a year."""


def register(app: Flask) -> None:
    """Add the frame's values and filters to an application's templates."""
    app.add_url_rule("/vega/<wanted>", "vega.library", serve_library)
    # a global: macros, which see no context, name icons by it
    app.jinja_env.globals["asset"] = asset

    @app.context_processor
    def frame() -> dict[str, Any]:
        active = None if g.get("is_bare") else web.detectors.active_name()
        return {
            "account_url": url_for("account.index"),
            "active_bundle": active,
            "at_least": at_least,
            "chart_themes": {"light": theme.config(), "dark": theme.config(dark=True)},
            "models_url": url_for("models.show", name=active) if active else "",
            "now": now(),
            "sign_up": web.settings.sign_up,
            "vega_src": url_for("vega.library", wanted=library.name()),
            "version": __version__,
        }


def serve_library(wanted: str) -> Response:
    """Answer with the library that draws charts."""
    if wanted != library.name():
        abort(404)
    is_packed = request.accept_encodings["gzip"] > 0
    body = library.packed() if is_packed else library.library()
    response = Response(body, mimetype="text/javascript")
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = f"public, max-age={AGE_S}, immutable"
    return response


def asset(name: str) -> str:
    """Return the address of a static file, changed whenever the file changes."""
    return url_for("static", filename=name, v=digest(name))


@lru_cache(maxsize=256)
def digest(name: str) -> str:
    """Return the start of the SHA-256 of a static file, which is there."""
    data = (resources.files("evenflow.web") / "static" / name).read_bytes()
    return hashlib.sha256(data).hexdigest()[:10]
