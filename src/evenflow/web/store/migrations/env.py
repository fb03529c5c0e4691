"""Run by Alembic with the connection that :func:`migrations.upgrade` opened."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from evenflow.web.store.base import Moment
from evenflow.web.store.tables import Base


def _render(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    """Write our own types as the plain ones they are: a version never changes."""
    if kind == "type" and isinstance(value, Moment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and type(value).__name__ == "AsaList":
        return "sa.UnicodeText()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
