"""Links by which one person each may sign up, with the role an admin chose.

The link for the first admin is one of them that no admin made: it is valid only while
there is none.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, or_, select, update

from evenflow.errors import DataError
from evenflow.web.accounts import people
from evenflow.web.accounts.secrets import digest
from evenflow.web.frame.permissions import audit
from evenflow.web.store.database import AnySession, n_changed
from evenflow.web.store.tables import Invitation, now

DAYS = (1, 3, 7, 30)
"""How long a link may hold."""


def make(
    session: AnySession,
    *,
    role: str = "viewer",
    email: str = "",
    days: int = 7,
    made_by: int | None = None,
) -> tuple[Invitation, str]:
    """Return a new invitation and its token, which is kept nowhere.

    Raises
    ------
    DataError
        Unknown role, invalid address, or lifetime out of range.
    """
    people.check_role(role)
    if not 1 <= days <= max(DAYS):
        raise DataError(f"a link is valid for 1 to {max(DAYS)} days, found {days}")
    address = people.normal_email(email) if email.strip() else ""
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        token_sha256=digest(token),
        email=address,
        role=role,
        made_by=made_by,
        expires_at=now() + timedelta(days=days),
    )
    session.add(invitation)
    session.flush()
    who = address or "anybody"
    audit("invitation.make", who, role=role, days=days, session=session)
    return invitation, token


def make_first(session: AnySession) -> str:
    """Return the token of a new link for the first admin; empty if there is an admin.

    It is valid for a day, and replaces the links for the first admin before it.
    """
    if people.has_admin(session):
        return ""
    unused = (Invitation.made_by.is_(None), Invitation.used_at.is_(None))
    session.execute(delete(Invitation).where(*unused))
    return make(session, role="admin", days=1)[1]


def find(session: AnySession, token: str) -> Invitation | None:
    """Return the invitation of a link if it is still valid."""
    its = Invitation.token_sha256 == digest(token)
    return session.scalar(select(Invitation).where(its, *_is_valid()))


def _is_valid() -> tuple[ColumnElement[bool], ...]:
    return (
        Invitation.used_at.is_(None),
        Invitation.expires_at > now(),
        or_(Invitation.made_by.is_not(None), ~exists(people.admins())),
    )


def use(session: AnySession, invitation: Invitation) -> bool:
    """Use an invitation up; False if somebody was first. The caller commits."""
    used = (
        update(Invitation)
        .where(Invitation.id == invitation.id, *_is_valid())
        .values(used_at=now())
        .execution_options(synchronize_session=False)
    )
    return n_changed(session, used) == 1


def revoke(session: AnySession, id: int) -> bool:  # noqa: A002
    """Make a link worthless; False if it was used or is not there."""
    found = session.get(Invitation, id)
    unused = delete(Invitation).where(Invitation.id == id, Invitation.used_at.is_(None))
    unused = unused.execution_options(synchronize_session=False)
    if n_changed(session, unused) != 1 or found is None:
        return False
    who = found.email or "anybody"
    audit("invitation.revoke", who, role=found.role, session=session)
    return True


def waiting(session: AnySession) -> list[Invitation]:
    """Return all invitations, the newest first; used and old ones for 30 days."""
    old = now() - timedelta(days=30)
    recent = or_(Invitation.expires_at > old, Invitation.used_at > old)
    query = select(Invitation).where(recent).order_by(Invitation.id.desc())
    return list(session.scalars(query.limit(500)))
