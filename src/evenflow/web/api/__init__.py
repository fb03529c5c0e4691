"""The REST API under ``/api/v1``, described by its OpenAPI document."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask_wtf import CSRFProtect
from pydantic_core import to_json

from evenflow.web.accounts import bearer
from evenflow.web.api import (
    alerts,
    batch,  # noqa: F401 (it adds to the group of score)
    bundles,
    me,
    openapi,
    records,
    score,
    uploads,
)
from evenflow.web.monitor import health, metrics

PREFIX = "/api/v1"
GROUPS = (
    score.group,
    uploads.group,
    alerts.group,
    records.group,
    bundles.group,
    me.group,
)
KEY = "evenflow.openapi"


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
    bearer.register(app)
    metrics.register(app)
    app.register_blueprint(blueprint)
    app.register_blueprint(health.bp)


def document() -> dict[str, Any]:
    """Return the application's OpenAPI document."""
    found: dict[str, Any] | None = current_app.extensions.get(KEY)
    if found is None:
        from evenflow.web.frame.context import web

        found = current_app.extensions[KEY] = openapi.document(GROUPS, web.settings)
    return found


def serve_document() -> Response:
    """Answer with the document; no key is needed."""
    response = Response(to_json(document(), indent=1), mimetype="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.add_etag()
    response.make_conditional(request)
    return response
