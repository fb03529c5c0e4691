"""Settings that an admin changes at run time; the rest is in the settings file."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.lists import whole
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import retention
from evenflow.web.pages.admin._blueprint import bp
from evenflow.web.store.tables import Setting

LONGEST = 3650
"""Maximum number of days."""


@bp.get("/settings")
def settings() -> str:
    """Show what is set."""
    return _page()


@bp.post("/settings")
def keep() -> Any:
    """Set for how long history, alerts, incidents and uploads are kept."""
    typed = request.form.get("days", "").strip()
    if not (after := whole(typed, most=LONGEST)):
        error = f"Found {typed[:20]!r}; type a whole number of days, 1 to {LONGEST:,}"
        return _page(typed=typed, error=error), 422
    before = retention.days(web.db(), web.settings)
    web.db.merge(Setting(name=retention.SETTING, value={"days": after}))
    audit("settings.retention", "retention", before=before, after=after)
    web.db.commit()
    done = f"History, alerts, incidents and uploads are now kept for {after:,} days"
    return see_other("admin.settings", done)


def _page(*, typed: str | None = None, error: str = "") -> str:
    days = retention.days(web.db(), web.settings)
    return render_template(
        "admin/settings.html",
        days=str(days) if typed is None else typed,
        error=error,
        longest=LONGEST,
        settings=web.settings,
    )
