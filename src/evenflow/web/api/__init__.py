"""The REST API under ``/api/v1``, described by its OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask_wtf import CSRFProtect
from pydantic_core import to_json

from evenflow.web.accounts import bearer
from evenflow.web.api import (
    alerts,
    batch,  # noqa: F401 (it adds to the group of score)
    bundles,
    incidents,
    me,
    monitor,
    openapi,
    records,
    score,
    uploads,
)
from evenflow.web.frame.context import KEY as WEB

PREFIX = "/api/v1"
GROUPS = (
    score.group,
    uploads.group,
    alerts.group,
    incidents.group,
    records.group,
    bundles.group,
    me.group,
)
KEY = "evenflow.openapi"
"""Under which an application carries what makes its document; the page reads it."""


def register(app: Flask) -> None:
    """Add the API, and what operators ask, to an application."""
    blueprint = Blueprint("api_v1", __name__, url_prefix=PREFIX)
    for group in GROUPS:
        group.register(blueprint)
    blueprint.add_url_rule(
        "/openapi.json", "document", serve_document, provide_automatic_options=False
    )
    # no cookie counts here, so no other page can make a browser ask anything
    protect: CSRFProtect = app.extensions["csrf"]
    protect.exempt(blueprint)
    settings = app.extensions[WEB].settings
    # made at the first question: it takes a while
    app.extensions[KEY] = cache(lambda: openapi.document(GROUPS, settings))
    bearer.register(app)
    monitor.register(app)
    app.register_blueprint(blueprint)


def document() -> dict[str, Any]:
    """Return the application's OpenAPI document."""
    made: dict[str, Any] = current_app.extensions[KEY]()
    return made


def serve_document() -> Response:
    """Answer with the document; no key is needed."""
    response = Response(to_json(document(), indent=1), mimetype="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.add_etag()
    response.make_conditional(request)
    return response
