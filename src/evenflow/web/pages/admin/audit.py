"""The audit log: who did what, when, from where."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from flask import render_template, url_for
from sqlalchemy import Select, select

from evenflow.runtime.writers import inert
from evenflow.web.frame import lists, permissions
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.pages.admin._blueprint import bp
from evenflow.web.store.tables import Audit, now

NAMES = ("actor", "action", "since", "until")
MAX_LINES = 100_000
"""Lines of one download, the newest."""
COLUMNS = ("at", "actor", "action", "object", "address", "detail")


@bp.get("/audit")
def audit() -> str:
    """Show the log, the newest line first."""
    typed, errors, query = _filters()
    filled: dict[str, Any] = {name: value for name, value in typed.items() if value}
    actions = sorted(web.db.scalars(select(Audit.action).distinct().limit(200)))
    return render_template(
        "admin/audit.html",
        page=lists.page(query),
        typed=typed,
        errors=errors,
        actions=actions,
        csv_url=url_for("admin.audit_csv", **filled),
        detail_text=detail_text,
    )


@bp.get("/audit.csv")
def audit_csv() -> Any:
    """Download the log as it is filtered; no spreadsheet runs anything of it."""
    typed, _, query = _filters()
    rows = web.db.scalars(query.limit(MAX_LINES)).all()
    told: dict[str, Any] = {
        f"filter_{name}": value for name, value in typed.items() if value
    }
    permissions.audit("audit.download", rows=len(rows), **told)
    web.db.commit()
    cells = [[_cell(getattr(row, name)) for name in COLUMNS] for row in rows]
    schema = dict.fromkeys(COLUMNS, pl.String)
    frame = pl.DataFrame(cells, schema=schema, orient="row")
    name = f"evenflow-audit-{now():%Y-%m-%d}.csv"
    return attachment(inert(frame).write_csv().encode(), name)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def detail_text(detail: dict[str, Any]) -> str:
    """Return a line's detail in one row of words.

    Examples
    --------
    >>> detail_text({"before": "viewer", "after": "admin", "how": ""})
    'before viewer, after admin'
    """
    return ", ".join(f"{k} {v}" for k, v in detail.items() if v not in ("", None, []))


def _filters() -> tuple[dict[str, str], dict[str, str], Select[Any]]:
    typed = {name: lists.text(name) for name in NAMES}
    errors: dict[str, str] = {}
    query = select(Audit).order_by(Audit.id.desc())
    if typed["actor"]:
        query = query.where(Audit.actor.icontains(typed["actor"], autoescape=True))
    if typed["action"]:
        query = query.where(Audit.action.startswith(typed["action"], autoescape=True))
    if since := lists.day(typed, "since", errors):
        query = query.where(Audit.at >= since)
    if until := lists.day(typed, "until", errors):
        query = query.where(Audit.at < until + timedelta(days=1))
    return typed, errors, query
