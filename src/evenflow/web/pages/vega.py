"""The library that draws charts, and what every template needs to draw one.

It is the one that HTML reports carry, so a chart looks the same in both. Its name tells
the versions it was made from: a browser may keep it for good, and a new version is
fetched at once.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response, abort, url_for

from evenflow.judge.charts import theme
from evenflow.judge.pages import page

MAKERS = ("altair", "vl-convert-python")
AGE_S = 31_536_000
"""How long a browser may keep the drawing library: a year."""

bp = Blueprint("vega", __name__)


@bp.app_context_processor
def charts() -> dict[str, Any]:
    """Return the address of the library, and the colours of charts."""
    return {
        "chart_themes": {"light": theme.config(), "dark": theme.config(dark=True)},
        "vega_src": url_for("vega.library", wanted=file_name()),
    }


@bp.get("/vega/<wanted>")
def library(wanted: str) -> Response:
    """Answer with the library that draws charts."""
    if wanted != file_name():
        abort(404)
    response = Response(script(), mimetype="text/javascript")
    response.headers["Cache-Control"] = f"public, max-age={AGE_S}, immutable"
    return response


@cache
def file_name() -> str:
    """Return the library's file name, ``vega.<hash of the versions>.js``; at once."""
    made_from = " ".join(f"{maker} {version(maker)}" for maker in MAKERS)
    return f"vega.{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.js"


@cache
def script() -> bytes:
    """Return the library: JavaScript that defines ``vegaEmbed``, 0.9 MB.

    The first call takes about a second; every process makes it once.
    """
    text, _ = page.program()
    return text.encode()
