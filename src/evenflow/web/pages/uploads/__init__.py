"""Uploads: send a file, watch it being scored, read what was found in it."""

from __future__ import annotations

from evenflow.web.pages import Entry
from evenflow.web.pages.uploads import acts, report, result, sending
from evenflow.web.pages.uploads._blueprint import bp

__all__ = ["NAV", "acts", "bp", "report", "result", "sending"]

NAV = (Entry(label="Uploads", endpoint="uploads.index", icon="upload", order=15),)
