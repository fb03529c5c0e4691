"""Uploads: send a file, watch it being scored, read what was found in it."""

from __future__ import annotations

from flask import Blueprint

from evenflow.web.pages import Entry

bp = Blueprint("uploads", __name__, url_prefix="/uploads")
NAV = (Entry(label="Uploads", endpoint="uploads.index", icon="upload", order=15),)

# each adds its routes to ``bp``
from evenflow.web.pages.uploads import acts, downloads, result, sending  # noqa: E402, F401
