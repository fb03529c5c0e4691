"""Ids that clients give to records, in place of the answers kept under a key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the id to the records and drop the table of answers."""
    # an index and no constraint: for one, SQLite would make the table anew, and
    # alerts would lose their record
    op.add_column("record", sa.Column("client_id", sa.String(length=80), nullable=True))
    op.create_index(
        "record_client_id", "record", ["owner_id", "source", "client_id"], unique=True
    )
    op.drop_table("idempotency")
