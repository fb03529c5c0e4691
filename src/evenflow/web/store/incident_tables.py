"""The tables that ``evenflow watch --sink database`` writes, and notes on incidents.

What they hold belongs to nobody but the team of analysts.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evenflow.web.store.base import Base, Writer, now

if TYPE_CHECKING:
    from evenflow.web.store.tables import User


class Incident(Base):
    """An incident as its watch reported it last, and what became of it."""

    __tablename__ = "incident"
    __table_args__ = (Index("incident_list", "state", "at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Given by the watch: the same whenever the same traffic is watched."""
    at: Mapped[datetime] = mapped_column(index=True)
    """First packet."""
    ended_at: Mapped[datetime]
    """Last packet."""
    reported_at: Mapped[datetime]
    """Of the last report, by the time of the packets."""
    seen_at: Mapped[datetime] = mapped_column(default=now, index=True)
    """When the last report came in, by the clock."""
    n_reports: Mapped[int]
    """Number of the last report: an older one changes nothing."""
    is_ongoing: Mapped[bool] = mapped_column(index=True)
    """Whether its watch counts further alerts to it."""
    label: Mapped[str] = mapped_column(String(80), index=True)
    severity: Mapped[int]
    """1 is the highest."""
    score: Mapped[float]
    """Highest probability of its connections."""
    connections: Mapped[int] = mapped_column(BigInteger)
    attackers: Mapped[list[Any]]
    """Addresses of the first ones."""
    victims: Mapped[list[Any]]
    """Addresses of the first ones."""
    event: Mapped[dict[str, Any]]
    """The last report as an event of EVE."""
    state: Mapped[str] = mapped_column(String(10), default="new")
    version: Mapped[int] = mapped_column(default=1)
    """Counted up by every change of an analyst, as that of an alert."""

    notes: Mapped[list[IncidentNote]] = relationship(
        order_by="IncidentNote.id", cascade="all, delete-orphan", passive_deletes=True
    )


class IncidentNote(Base):
    """A note of an analyst on an incident."""

    __tablename__ = "incident_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(
        ForeignKey("incident.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[Writer]
    at: Mapped[datetime] = mapped_column(default=now)
    text: Mapped[str] = mapped_column(Text)

    user: Mapped[User | None] = relationship("User")


class WatchRun(Base):
    """A run of ``evenflow watch``, as it showed itself last."""

    __tablename__ = "watch_run"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Random."""
    name: Mapped[str] = mapped_column(String(200))
    """Name of its source."""
    host: Mapped[str] = mapped_column(String(100))
    bundle: Mapped[str] = mapped_column(String(120))
    begun_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now, index=True)
    is_over: Mapped[bool] = mapped_column(default=False)
    figures: Mapped[dict[str, Any]]
    recent: Mapped[list[Any]]
    """The connections scored last, the newest at the end."""


class Expected(Base):
    """A rule of expected behaviour: watches suppress the alerts that it matches."""

    __tablename__ = "expected"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str | None] = mapped_column(
        ForeignKey("incident.id", ondelete="SET NULL")
    )
    """The incident that it was written for."""
    user_id: Mapped[Writer]
    at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    rule: Mapped[str] = mapped_column(Text)
    """In TOML, as in a file of ``--suppress``."""

    user: Mapped[User | None] = relationship("User")
