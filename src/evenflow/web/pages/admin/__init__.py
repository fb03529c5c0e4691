"""Administration: people, invitations, settings, and the log of who did what."""

from __future__ import annotations

from evenflow.web.pages import Entry
from evenflow.web.pages.admin import audit, invitations, settings, users
from evenflow.web.pages.admin._blueprint import bp

__all__ = ["NAV", "audit", "bp", "invitations", "settings", "users"]


def _entry(label: str, endpoint: str, icon: str, order: int) -> Entry:
    return Entry(
        label=label, endpoint=f"admin.{endpoint}", icon=icon, order=order, role="admin"
    )


NAV = (
    _entry("Users", "users", "users", 70),
    _entry("Invitations", "invitations", "mail", 71),
    _entry("Settings", "settings", "settings", 72),
    _entry("Audit log", "audit", "audit", 73),
)
