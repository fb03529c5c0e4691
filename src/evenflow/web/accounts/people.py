"""Accounts as an admin keeps them: by pages and by the command line alike.

Every change is written to the audit log. The callers commit; hashing a password
needs the application's context (``with app.app_context():``).
"""

from __future__ import annotations

import uuid
from typing import Any

import email_validator
from flask_security import hash_password
from sqlalchemy import Select, exists, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from evenflow.errors import DataError
from evenflow.registry import nearest
from evenflow.web.accounts import passwords, sessions
from evenflow.web.accounts.passwords import MAX_EMAIL
from evenflow.web.frame.permissions import audit
from evenflow.web.store.database import AnySession, n_changed, upsert
from evenflow.web.store.tables import ROLES, Invitation, User, now

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # as its manual says for .local
NOT_AN_EMAIL = "This is not a valid e-mail address; expected name@example.org"
"""What a form says of a wrong address."""


def normal_email(text: str) -> str:
    """Return the one form of an e-mail address: lower case, so that it is unique.

    Raises
    ------
    DataError
        It is not an e-mail address, or longer than :data:`MAX_EMAIL` characters.
    """
    text = text.strip()
    if len(text) > MAX_EMAIL:  # first: normalization takes quadratic time
        raise DataError(
            f"{text[:40]!r}... has {len(text):,} characters, expected an e-mail "
            f"address of at most {MAX_EMAIL}. Use a shorter one"
        )
    try:
        # names of an inner network (name@lab.local) are fine; nothing is looked up
        found = email_validator.validate_email(
            text, check_deliverability=False, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        raise DataError(
            f"{text[:80]!r} is not a valid e-mail address: {error} Expected "
            "name@example.org"
        ) from None
    normal: str = found.normalized.lower()
    if len(normal) > MAX_EMAIL:  # lower case may be longer
        raise DataError(
            f"{text[:40]!r}... has {len(normal):,} characters in lower case, expected "
            f"at most {MAX_EMAIL}. Use a shorter e-mail address"
        )
    return normal


def find(session: AnySession, email: str) -> User:
    """Return the account of an address.

    Raises
    ------
    DataError
        There is none.
    """
    user = session.scalar(select(User).where(User.email == normal_email(email)))
    if user is None:
        raise DataError(f"there is no account for {email[:80]!r}")
    return user


def add(
    session: AnySession,
    email: str,
    password: str | None,
    role: str = "viewer",
    *,
    is_confirmed: bool = True,
    how: str = "",
) -> User:
    """Return a new account; without a password it needs a link to set one.

    Raises
    ------
    DataError
        The address is invalid or in use, the password too weak, or the role unknown.
    """
    address = normal_email(email)
    check_role(role)
    hashed = None
    if password is not None:
        normal = passwords.normal(password)
        wrong = passwords.fault(normal, email=address)
        if wrong:
            raise DataError(f"the password is refused. {wrong}")
        hashed = hash_password(normal)
    # one statement: of two who take an address at the same moment one gets it
    made = session.execute(
        upsert(session, User)
        .values(
            email=address,
            password=hashed,
            role=role,
            active=True,
            fs_uniquifier=uuid.uuid4().hex,
            confirmed_at=now() if is_confirmed else None,
            created_at=now(),
        )
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(User.id)
    ).scalar_one_or_none()
    user = None if made is None else session.get(User, made)
    if user is None:
        raise DataError(
            f"there is an account for {address} already; use another address, or "
            "change that account"
        )
    audit("user.add", address, role=role, how=how or "by hand", session=session)
    return user


def set_role(session: AnySession, user: User, role: str) -> None:
    """Change the role of an account.

    Raises
    ------
    DataError
        The role is unknown, or the person is the last active admin.
    """
    check_role(role)
    before = user.role
    if role == before:
        return
    _change(session, user, is_leaving=role != "admin", role=role)
    audit("user.role", user.email, before=before, after=role, session=session)


def set_email(session: AnySession, user: User, email: str) -> None:
    """Give a person another address to log in with, and end their sessions.

    Raises
    ------
    DataError
        The address is invalid or in use; roll back then.
    """
    address, before = normal_email(email), user.email
    if address == before:
        return
    try:
        user.email = address
        session.flush()
    except IntegrityError:
        raise DataError(
            f"there is an account for {address} already; use another address"
        ) from None
    sessions.end_everywhere(session, user)
    audit("user.email", address, before=before, session=session)


def disable(session: AnySession, user: User) -> None:
    """Disable an account, and end its sessions.

    Raises
    ------
    DataError
        The person is the last active admin.
    """
    if not user.active:
        return
    _change(session, user, is_leaving=True, active=False)
    sessions.end_everywhere(session, user)
    audit("user.disable", user.email, session=session)


def enable(session: AnySession, user: User) -> None:
    """Enable an account again."""
    if user.active:
        return
    user.active = True
    audit("user.enable", user.email, session=session)


def delete(session: AnySession, user: User) -> None:
    """Delete an account, its sessions and tokens; records stay, without an owner.

    Raises
    ------
    DataError
        The person is the last active admin.
    """
    _change(session, user, is_leaving=True, active=False)
    audit("user.delete", user.email, role=user.role, session=session)
    session.flush()
    session.expunge(user)
    session.execute(delete_rows(User).where(User.id == user.id))


def end_sessions(session: AnySession, user: User) -> int:
    """Log a person out everywhere; return how many sessions ended."""
    n = sessions.end_everywhere(session, user)
    audit("user.log_out_everywhere", user.email, sessions=n, session=session)
    return n


def reset_second_factor(session: AnySession, user: User) -> None:
    """Take the second factor from a person who lost it, and end their sessions."""
    user.tf_primary_method = user.tf_totp_secret = None
    user.mf_recovery_codes = None
    sessions.end_everywhere(session, user)
    audit("user.second_factor_reset", user.email, session=session)


def has_admin(session: AnySession) -> bool:
    """Return whether an active admin exists; once one does, the last one stays."""
    return bool(session.scalar(select(exists(admins()))))


def admins() -> Select[int]:
    """Return the query for the numbers of the active admins."""
    return select(User.id).where(User.role == "admin", User.active.is_(True))


def check_role(role: str) -> None:
    """Refuse an unknown role."""
    if role not in ROLES:
        raise DataError(f"there is no role {role[:40]!r}; {nearest(role, list(ROLES))}")


def _change(
    session: AnySession, user: User, *, is_leaving: bool, **values: Any
) -> None:
    """End an account's invitations and change it, unless no active admin would be left.

    One conditional statement, after the admins' rows were locked: two admins who
    demote each other at the same moment cannot both succeed.
    """
    session.flush()
    query = update(User).where(User.id == user.id)
    if is_leaving and user.role == "admin" and user.active:
        session.execute(admins().order_by(User.id).with_for_update()).all()
        other = aliased(User)
        others = (other.role == "admin", other.active.is_(True), other.id != user.id)
        query = query.where(exists(select(other.id).where(*others)))
    query = query.values(**values).execution_options(synchronize_session=False)
    if n_changed(session, query) != 1:
        raise DataError(
            f"{user.email} is the last active admin; make another person an admin first"
        )
    session.refresh(user)
    # links by which somebody who left could come in again
    unused = (Invitation.made_by == user.id, Invitation.used_at.is_(None))
    gone = delete_rows(Invitation).where(*unused)
    if n := n_changed(session, gone.execution_options(synchronize_session=False)):
        audit("invitation.revoke", user.email, links=n, session=session)
