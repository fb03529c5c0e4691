"""The blueprint that the files of this folder add their pages to."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("uploads", "evenflow.web.pages.uploads", url_prefix="/uploads")
