"""The first release: its tables are those of the code, which an empty database gets."""

from __future__ import annotations

revision = "0004"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing: there is no earlier version."""
