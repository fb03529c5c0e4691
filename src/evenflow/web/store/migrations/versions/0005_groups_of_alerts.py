"""Groups of alerts; an alert with feedback is closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from evenflow.runtime.incidents.incident import severity
from evenflow.web.alerts.groups import Common, Placing
from evenflow.web.store.base import Moment, Number
from evenflow.web.verdicts.facets import DESTINATIONS, facet

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BATCH = 1_000
NEW = (
    ("n", sa.Integer(), "1"),
    ("dst", sa.String(64), ""),
    ("close_reason", sa.String(20), ""),
    ("severity", sa.Integer(), "2"),
)
"""New columns of an alert, and their values in old rows."""


def upgrade() -> None:
    """Add the tables and columns, put the alerts that there are into groups."""
    op.create_table(
        "alert_group",
        sa.Column("id", Number, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column(
            "owner_id", sa.Integer, sa.ForeignKey("account.id", ondelete="SET NULL")
        ),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("bundle", sa.String(120), nullable=False),
        sa.Column("src", sa.String(64), nullable=False),
        sa.Column("dst", sa.String(64), nullable=False),
        sa.Column("service", sa.String(80), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_index("ix_alert_group_owner_id", "alert_group", ["owner_id"])
    op.create_index("alert_group_kin", "alert_group", ["owner_id", "label", "bundle"])
    with op.batch_alter_table("alert") as alert:
        alert.add_column(sa.Column("group_id", Number))
        alert.create_foreign_key(
            "alert_group_id_fkey", "alert_group", ["group_id"], ["id"]
        )
        for name, kind, default in NEW:
            column = sa.Column(name, kind, nullable=False, server_default=default)
            alert.add_column(column)
        alert.add_column(sa.Column("assignee_id", sa.Integer))
        alert.create_foreign_key(
            "alert_assignee_id_fkey",
            "account",
            ["assignee_id"],
            ["id"],
            ondelete="SET NULL",
        )
    _fill(op.get_bind())
    with op.batch_alter_table("alert") as alert:
        alert.alter_column("group_id", nullable=False)
        for name, _, _ in NEW:
            alert.alter_column(name, server_default=None)
        columns = ["state", "group_id", "at", "n", "probability", "severity"]
        alert.create_index("alert_grouped", columns)
        alert.create_index("alert_group_id", ["group_id"])
        alert.create_index("ix_alert_assignee_id", ["assignee_id"])
    _triage()


def _triage() -> None:
    """Add the tables of bulk changes, suppressions, filters and preferences."""
    op.create_table(
        "bulk_act",
        sa.Column("id", Number, primary_key=True),
        _holder(),
        sa.Column("at", Moment, nullable=False),
        sa.Column("words", sa.String(200), nullable=False),
    )
    op.create_index("ix_bulk_act_user_id", "bulk_act", ["user_id"])
    op.create_table(
        "bulk_item",
        sa.Column("act_id", Number, _to("bulk_act"), primary_key=True),
        sa.Column("alert_id", Number, _to("alert"), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("judgement", sa.String(10)),
        sa.Column("true_label", sa.String(80)),
        sa.Column("judged_by", sa.Integer),
        sa.Column("judged_at", Moment),
        sa.Column("close_reason", sa.String(20), nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("assignee_id", sa.Integer),
    )
    op.create_index("ix_bulk_item_alert_id", "bulk_item", ["alert_id"])
    op.create_table(
        "suppression",
        sa.Column("id", Number, primary_key=True),
        sa.Column("group_id", Number, _to("alert_group"), nullable=False),
        sa.Column("user_id", sa.Integer, _account()),
        sa.Column("act_id", Number, sa.ForeignKey("bulk_act.id", ondelete="SET NULL")),
        sa.Column("at", Moment, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("revoked_at", Moment),
        sa.Column("n", sa.Integer, nullable=False),
    )
    for name in ("group_id", "expires_at"):
        op.create_index(f"ix_suppression_{name}", "suppression", [name])
    for table, length, value in (
        ("saved_filter", 60, "query"),
        ("preference", 40, "value"),
    ):
        op.create_table(
            table,
            sa.Column("id", Number, primary_key=True),
            _holder(),
            sa.Column("name", sa.String(length), nullable=False),
            sa.Column(value, sa.JSON, nullable=False),
            sa.UniqueConstraint("user_id", "name"),
        )
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])


def _to(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", ondelete="CASCADE")


def _holder() -> sa.Column[int]:
    return sa.Column("user_id", sa.Integer, _to("account"), nullable=False)


def _account() -> sa.ForeignKey:
    return sa.ForeignKey("account.id", ondelete="SET NULL")


def _fill(connection: sa.Connection) -> None:
    alert = sa.table(
        "alert",
        *(sa.column(name) for name in ("id", "owner_id", "label", "bundle", "src")),
        *(
            sa.column(name)
            for name in ("service", "state", "judgement", "dst", "severity")
        ),
        sa.column("group_id", Number),
        sa.column("values", sa.JSON),
        sa.column("at", Moment),
    )
    connection.execute(
        alert.update()
        .where(alert.c.judgement.is_not(None), alert.c.label != "benign")
        .values(state="closed")
    )
    made: dict[Common, int] = {}
    placings: dict[tuple[Any, ...], Placing] = {}
    for rows in _batches(connection, alert):
        changes = []
        for row in rows:
            dst = facet(row.values, DESTINATIONS)[:64]
            exact = Common(
                row.owner_id, row.label, row.bundle, row.src, dst, row.service
            )
            common = placings.setdefault(exact[:3], Placing([])).place(exact)
            if common not in made:
                made[common] = _add_group(connection, common, row.at)
            level = severity(row.label)
            changes.append(
                {"key": row.id, "group": made[common], "to": dst, "level": level}
            )
        connection.execute(
            alert.update()
            .where(alert.c.id == sa.bindparam("key"))
            .values(
                group_id=sa.bindparam("group"),
                dst=sa.bindparam("to"),
                severity=sa.bindparam("level"),
            ),
            changes,
        )


def _batches(connection: sa.Connection, alert: sa.TableClause) -> Iterator[Any]:
    after = 0
    while True:
        wanted = sa.select(alert).where(alert.c.id > after).order_by(alert.c.id)
        rows = connection.execute(wanted.limit(BATCH)).all()
        if not rows:
            return
        after = rows[-1].id
        yield rows


def _add_group(connection: sa.Connection, common: Common, at: Any) -> int:
    group = sa.table(
        "alert_group",
        sa.column("id", Number),
        *(sa.column(name) for name in ("key", "reason", *Common._fields)),
        sa.column("created_at", Moment),
    )
    values = {"key": common.key, "reason": "", "created_at": at, **common._asdict()}
    connection.execute(group.insert().values(values))
    its = group.c.key == common.key
    return int(connection.execute(sa.select(group.c.id).where(its)).scalar_one())
