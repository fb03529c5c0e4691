"""The blueprint that the files of this folder add their pages to."""

from __future__ import annotations

from evenflow.web.pages import Pages

bp = Pages("alerts", "/alerts")
