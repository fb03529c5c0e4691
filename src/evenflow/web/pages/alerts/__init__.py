"""The queue of alerts: find, group, judge, suppress, and download the labels."""

from __future__ import annotations

from evenflow.web.pages import Entry
from evenflow.web.pages.alerts import acts, listed, looks, show, suppressed
from evenflow.web.pages.alerts._blueprint import bp

__all__ = ["NAV", "acts", "bp", "listed", "looks", "show", "suppressed"]

NAV = (Entry(label="Alerts", endpoint="alerts.index", icon="alerts", order=14),)
