"""Data sets of the team, and titles and retirement of models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "own_dataset",
        sa.Column("id", number, primary_key=True),
        sa.Column("name", sa.String(40), nullable=False, unique=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], ondelete="SET NULL"),
    )
    op.create_index("ix_own_dataset_owner_id", "own_dataset", ["owner_id"])
    op.create_table(
        "model_note",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
    )
