"""Every table of the web application, in one place.

Times are aware and in UTC. What a person may see hangs on ``owner_id``; an object
without one belongs to nobody but the team of analysts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_security import AsaList, RoleMixin, UserMixin
from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evenflow.web.store.base import Base as Base
from evenflow.web.store.base import EventTime, Holder, Number, Owner, RowId, Writer
from evenflow.web.store.base import now as now
from evenflow.web.store.incident_tables import Expected as Expected
from evenflow.web.store.incident_tables import Incident as Incident
from evenflow.web.store.incident_tables import IncidentNote as IncidentNote
from evenflow.web.store.incident_tables import WatchRun as WatchRun
from evenflow.web.store.own_tables import ModelNote as ModelNote
from evenflow.web.store.own_tables import OwnDataset as OwnDataset
from evenflow.web.store.triage_tables import AlertGroup as AlertGroup
from evenflow.web.store.triage_tables import BulkAct as BulkAct
from evenflow.web.store.triage_tables import BulkItem as BulkItem
from evenflow.web.store.triage_tables import Preference as Preference
from evenflow.web.store.triage_tables import SavedFilter as SavedFilter
from evenflow.web.store.triage_tables import Suppression as Suppression

ROLES = ("viewer", "analyst", "admin")
"""From the least to the most allowed."""
JOB_STATES = ("queued", "running", "done", "failed", "stopped")
ALERT_STATES = ("new", "open", "closed")
JUDGEMENTS = ("right", "wrong")
CLOSE_REASONS = ("expected", "duplicate", "handled", "minor", "suppressed")
"""Why an alert was closed without feedback."""


class Role(RoleMixin):
    """A role as Flask-Security wants it: a name."""

    def __init__(self, name: str) -> None:
        self.name = name


class User(UserMixin, Base):
    """A person with an account."""

    __tablename__ = "account"
    # SQLite would give the number of a deleted account to the next new one, and with
    # it what has no foreign key: counts, the log, uploads under way
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    role: Mapped[str] = mapped_column(String(16), default="viewer")
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    """Changed to log a person out everywhere."""
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_login_at: Mapped[datetime | None]  # type: ignore[assignment]
    tf_primary_method: Mapped[str | None] = mapped_column(String(64))
    tf_totp_secret: Mapped[str | None] = mapped_column(String(255))
    tf_phone_number: Mapped[str | None] = mapped_column(String(128))
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(
        MutableList.as_mutable(AsaList())
    )

    @property  # type: ignore[override]
    def roles(self) -> list[Role]:
        """The one role, as Flask-Security reads it."""
        return [Role(self.role)]

    @roles.setter
    def roles(self, value: list[Any]) -> None:
        """Take the empty list that Flask-Security gives a new account."""


class WebSession(Base):
    """A browser that is logged in; ending it here ends it there."""

    __tablename__ = "web_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[Holder]
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    address: Mapped[str] = mapped_column(String(64), default="")
    agent: Mapped[str] = mapped_column(String(200), default="")


class Throttle(Base):
    """Failed attempts of one key (an account, an address), shared by all workers."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    first_at: Mapped[datetime] = mapped_column(default=now)
    until: Mapped[datetime | None]


class Invitation(Base):
    """A link by which one person may sign up."""

    __tablename__ = "invitation"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(255), default="")
    role: Mapped[str] = mapped_column(String(16), default="viewer")
    made_by: Mapped[Writer]
    """None: by the server, for the first admin."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @property
    def is_first(self) -> bool:
        """Whether it makes the first admin."""
        return self.made_by is None


class ApiToken(Base):
    """A key to the API: random, so a plain SHA-256 of it is safe and fast."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[Holder]
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(12))
    """First characters, by which a person tells tokens apart."""
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """To the minute: a write for each request would be dear."""

    user: Mapped[User] = relationship()


class Setting(Base):
    """One thing an admin chose, as JSON: the active bundle, retention."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class DataFolder(Base):
    """The data folder this database belongs to: one row."""

    __tablename__ = "data_folder"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Always 1."""
    token: Mapped[str] = mapped_column(String(64))
    """Random; the same stands in the folder."""


class Job(Base):
    """Work for a worker process: scoring an upload, a training."""

    __tablename__ = "job"
    __table_args__ = (Index("job_next", "lane", "state", "created_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Random; also the name of the job's folder."""
    kind: Mapped[str] = mapped_column(String(20))
    lane: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[Owner]
    title: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[str] = mapped_column(String(10), default="queued")
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(Text, default="")
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(String(80), default="")
    lease_until: Mapped[datetime | None]
    stop_requested: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    owner: Mapped[User | None] = relationship()


def _has_event_time(row: Record | Alert) -> bool:
    """Return whether it says when it happened, beside its arrival."""
    return row.event_at != row.at


class Record(Base):
    """One record that a person or a program asked about: the history.

    Rows of uploads are not here but in the job's result file; what of them was
    scored as an attack is in ``alert``.
    """

    __tablename__ = "record"
    __table_args__ = (
        # a request that is sent again keeps no second record
        Index("record_client_id", "owner_id", "source", "client_id", unique=True),
    )

    id: Mapped[RowId]
    owner_id: Mapped[Owner]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    """Arrival."""
    event_at: Mapped[EventTime] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(12))
    """``form`` or ``api``."""
    client_id: Mapped[str | None] = mapped_column(String(80))
    """What its sender calls it; None where nothing was said."""
    bundle: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(80), index=True)
    is_attack: Mapped[bool]
    probability: Mapped[float]
    threshold: Mapped[float]
    service: Mapped[str] = mapped_column(String(80), default="")
    values: Mapped[dict[str, Any]]
    """Raw values by column name."""
    view: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The explanation as it was shown, if one was asked for."""

    owner: Mapped[User | None] = relationship()
    has_event_time = property(_has_event_time)
    alert: Mapped[Alert | None] = relationship(back_populates="record")


class Alert(Base):
    """A record scored as an attack, and what became of it."""

    __tablename__ = "alert"
    __table_args__ = (
        UniqueConstraint("job_id", "line"),  # a job that runs again doubles nothing
        Index("alert_list", "state", "event_at"),
        # all that the list of groups shows, so that it reads no row of this table
        Index(
            "alert_grouped",
            "state",
            "group_id",
            "event_at",
            "n",
            "probability",
            "severity",
        ),
        Index("alert_group_id", "group_id"),
    )

    id: Mapped[RowId]
    owner_id: Mapped[Owner]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    """Arrival."""
    event_at: Mapped[EventTime] = mapped_column(index=True)
    group_id: Mapped[int] = mapped_column(Number, ForeignKey("alert_group.id"))
    n: Mapped[int] = mapped_column(default=1)
    """Equal records of an upload that it stands for."""
    record_id: Mapped[int | None] = mapped_column(
        ForeignKey("record.id", ondelete="SET NULL"), unique=True
    )
    job_id: Mapped[str | None] = mapped_column(
        ForeignKey("job.id", ondelete="SET NULL"), index=True
    )
    line: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(12))
    """``form``, ``api`` or ``upload``."""
    bundle: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(80), index=True)
    probability: Mapped[float]
    threshold: Mapped[float]
    service: Mapped[str] = mapped_column(String(80), default="")
    src: Mapped[str] = mapped_column(String(64), default="")
    """Address of the source, where rows carry one."""
    dst: Mapped[str] = mapped_column(String(64), default="")
    """Address of the destination, where rows carry one."""
    values: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(10), default="new")
    judgement: Mapped[str | None] = mapped_column(String(10))
    """``right`` or ``wrong``; None until an analyst has looked."""
    true_label: Mapped[str | None] = mapped_column(String(80))
    """Class an analyst says it is."""
    judged_by: Mapped[Writer]
    judged_at: Mapped[datetime | None]
    close_reason: Mapped[str] = mapped_column(String(20), default="")
    """One of ``CLOSE_REASONS``, or empty."""
    severity: Mapped[int] = mapped_column(default=2)
    """1 is the highest."""
    assignee_id: Mapped[int | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    version: Mapped[int] = mapped_column(default=1)
    """Counted up by every change: two tabs cannot overwrite each other."""

    record: Mapped[Record | None] = relationship(back_populates="alert")
    group: Mapped[AlertGroup] = relationship()
    owner: Mapped[User | None] = relationship(foreign_keys="Alert.owner_id")
    judge: Mapped[User | None] = relationship(foreign_keys="Alert.judged_by")
    assignee: Mapped[User | None] = relationship(foreign_keys="Alert.assignee_id")
    has_event_time = property(_has_event_time)
    notes: Mapped[list[AlertNote]] = relationship(
        order_by="AlertNote.id", cascade="all, delete-orphan", passive_deletes=True
    )


class AlertNote(Base):
    """A note of an analyst on an alert."""

    __tablename__ = "alert_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(
        ForeignKey("alert.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[Writer]
    at: Mapped[datetime] = mapped_column(default=now)
    text: Mapped[str] = mapped_column(Text)

    user: Mapped[User | None] = relationship()


TALLY_KEY = (
    "hour", "arrived_at", "owner_id", "source", "bundle", "label", "facet", "value",
)  # fmt: skip


class Tally(Base):
    """Verdicts counted by event time: what the dashboard reads, however many rows."""

    __tablename__ = "tally"
    __table_args__ = (
        UniqueConstraint(*TALLY_KEY),
        Index("tally_facet", "facet", "hour"),
    )

    id: Mapped[RowId]
    hour: Mapped[datetime]
    """Start of the event times that are counted: an hour, of ``fine`` 30 seconds."""
    arrived_at: Mapped[datetime] = mapped_column(index=True)
    """Hour in which they arrived."""
    owner_id: Mapped[int] = mapped_column(default=0)
    """0 for rows that are nobody's: a unique key takes no NULL. It outlives the
    account, whose number no other one gets."""
    source: Mapped[str] = mapped_column(String(12))
    bundle: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(80))
    facet: Mapped[str] = mapped_column(String(12))
    """``all``, ``fine``, ``service`` or ``src``."""
    value: Mapped[str] = mapped_column(String(80), default="")
    n: Mapped[int] = mapped_column(BigInteger)


class Audit(Base):
    """Who did what, when, from where; only ever added to."""

    __tablename__ = "audit"

    id: Mapped[RowId]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    user_id: Mapped[int | None] = mapped_column(index=True)
    """No foreign key: the log outlives the account."""
    actor: Mapped[str] = mapped_column(String(255), default="")
    action: Mapped[str] = mapped_column(String(60), index=True)
    object: Mapped[str] = mapped_column(String(200), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    address: Mapped[str] = mapped_column(String(64), default="")
