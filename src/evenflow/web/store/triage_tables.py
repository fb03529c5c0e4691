"""The tables of working off alerts: groups, changes that can be undone, and filters."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evenflow.web.store.base import Base, Holder, Number, Owner, RowId, Writer, now

if TYPE_CHECKING:
    from evenflow.web.store.tables import User


class AlertGroup(Base):
    """Values that alerts of one kind have in common; its counts come from its alerts.

    In ``src``, ``dst`` and ``service`` a ``*`` means several, and nothing means that
    the records do not say it.
    """

    __tablename__ = "alert_group"
    __table_args__ = (Index("alert_group_kin", "owner_id", "label", "bundle"),)

    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of all that its alerts have in common."""
    owner_id: Mapped[Owner]
    label: Mapped[str] = mapped_column(String(80))
    bundle: Mapped[str] = mapped_column(String(120))
    src: Mapped[str] = mapped_column(String(64), default="")
    dst: Mapped[str] = mapped_column(String(64), default="")
    service: Mapped[str] = mapped_column(String(80), default="")
    reason: Mapped[str] = mapped_column(String(200), default="")
    """Strongest contribution to the verdict on its first alert; empty if unknown."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class BulkAct(Base):
    """The last change of many alerts by one person, kept so that it can be undone."""

    __tablename__ = "bulk_act"

    id: Mapped[RowId]
    user_id: Mapped[Holder]
    at: Mapped[datetime] = mapped_column(default=now)
    words: Mapped[str] = mapped_column(String(200))
    """How the page describes it."""


class BulkItem(Base):
    """One alert of a bulk act, as it was before."""

    __tablename__ = "bulk_item"

    act_id: Mapped[int] = mapped_column(
        Number, ForeignKey("bulk_act.id", ondelete="CASCADE"), primary_key=True
    )
    alert_id: Mapped[int] = mapped_column(
        Number,
        ForeignKey("alert.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    )
    version: Mapped[int]
    """Of the alert after the act: a later change is not undone."""
    state: Mapped[str] = mapped_column(String(10))
    judgement: Mapped[str | None] = mapped_column(String(10))
    true_label: Mapped[str | None] = mapped_column(String(80))
    judged_by: Mapped[int | None]
    judged_at: Mapped[datetime | None]
    close_reason: Mapped[str] = mapped_column(String(20))
    severity: Mapped[int]
    assignee_id: Mapped[int | None]


class Suppression(Base):
    """Alerts of a group are closed as they come, for a reason and for a time."""

    __tablename__ = "suppression"

    id: Mapped[RowId]
    group_id: Mapped[int] = mapped_column(
        Number, ForeignKey("alert_group.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[Writer]
    act_id: Mapped[int | None] = mapped_column(
        Number, ForeignKey("bulk_act.id", ondelete="SET NULL")
    )
    """The act that closed the alerts that were there."""
    at: Mapped[datetime] = mapped_column(default=now)
    reason: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    n: Mapped[int] = mapped_column(default=0)
    """Records that it has suppressed."""

    group: Mapped[AlertGroup] = relationship()
    user: Mapped[User | None] = relationship("User")


class SavedFilter(Base):
    """Filters of the alerts that a person named."""

    __tablename__ = "saved_filter"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[RowId]
    user_id: Mapped[Holder]
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[dict[str, Any]]
    """Names and values, as in the address."""


class Preference(Base):
    """A choice of one person about the looks of a page."""

    __tablename__ = "preference"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[RowId]
    user_id: Mapped[Holder]
    name: Mapped[str] = mapped_column(String(40))
    value: Mapped[dict[str, Any]]
