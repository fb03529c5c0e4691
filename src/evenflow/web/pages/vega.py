"""The library that draws charts, and what every template needs to draw one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, url_for

from evenflow.judge.charts import theme
from evenflow.web.charts import library as drawing

AGE_S = 31_536_000
"""How long a browser may keep the drawing library: a year."""

bp = Blueprint("vega", __name__)


@bp.app_context_processor
def charts() -> dict[str, Any]:
    """Return the address of the library, and the colours of charts."""
    return {
        "chart_themes": {"light": theme.config(), "dark": theme.config(dark=True)},
        "vega_src": url_for("vega.library", wanted=drawing.name()),
    }


@bp.get("/vega/<wanted>")
def library(wanted: str) -> Response:
    """Answer with the library that draws charts."""
    if wanted != drawing.name():
        abort(404)
    response = Response(drawing.library(), mimetype="text/javascript")
    response.headers["Cache-Control"] = f"public, max-age={AGE_S}, immutable"
    return response
