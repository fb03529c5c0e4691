"""Event times of records and alerts; counts by event time and arrival.

What is there already happened when it arrived, as far as is known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evenflow.web.store.base import Moment, Number

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = ("hour", "owner_id", "source", "bundle", "label", "facet", "value")


def upgrade() -> None:
    """Add the times, filled from the arrival; give the counts a wider key."""
    for index in ("alert_list", "alert_grouped"):
        op.drop_index(index, "alert")
    for table in ("record", "alert"):
        op.add_column(table, sa.Column("event_at", Moment(), nullable=True))
        both = sa.table(table, sa.column("event_at"), sa.column("at"))
        op.execute(both.update().values(event_at=both.c.at))
        op.create_index(f"ix_{table}_event_at", table, ["event_at"])
    op.create_index("alert_list", "alert", ["state", "event_at"])
    shown = ["state", "group_id", "event_at", "n", "probability", "severity"]
    op.create_index("alert_grouped", "alert", shown)
    op.drop_index("tally_facet", "tally")
    op.rename_table("tally", "tally_before")
    op.create_table(
        "tally",
        sa.Column("id", Number, primary_key=True),
        sa.Column("hour", Moment(), nullable=False),
        sa.Column("arrived_at", Moment(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(12), nullable=False),
        sa.Column("bundle", sa.String(120), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("facet", sa.String(12), nullable=False),
        sa.Column("value", sa.String(80), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("hour", "arrived_at", *KEY[1:]),
    )
    before = sa.table("tally_before", *map(sa.column, (*KEY, "n")))
    new = sa.table("tally", *map(sa.column, (*KEY, "n", "arrived_at")))
    copied = sa.select(*before.c, before.c.hour)
    op.execute(new.insert().from_select([*KEY, "n", "arrived_at"], copied))
    op.drop_table("tally_before")
    op.create_index("tally_facet", "tally", ["facet", "hour"])
    op.create_index("ix_tally_arrived_at", "tally", ["arrived_at"])
