"""Keys to the API: random, kept as a hash, with scopes and an end.

A key is 32 random bytes, so a plain SHA-256 of it cannot be guessed back and is
found by an index; argon2 would cost a quarter of a second at each request.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import joinedload

from evenflow.errors import DataError
from evenflow.web.accounts.secrets import digest
from evenflow.web.store.database import AnySession, n_changed, serialize
from evenflow.web.store.tables import ROLES, ApiToken, User, now

SCOPES = {
    "score": "Score records",
    "uploads": "Upload files, see and delete uploads and their results",
    "alerts:read": "See alerts, download those with feedback",
    "alerts:write": "Give feedback on alerts, change their state, add notes",
    "records:read": "See the history of records",
    "bundles:read": "See the models and what they expect",
    "bundles:activate": "Activate a model (administrators)",
    "metrics": "Read the metrics of the server (analysts)",
}
"""What a key may be good for, and that in words."""
LEAST = {"bundles:activate": "admin", "metrics": "analyst"}
"""Least role of a scope that not everybody has."""
PREFIX = "ef_"
LENGTH = len(PREFIX) + 43
"""Characters of a key: 32 bytes in base64."""
SHOWN = 9
"""First characters that are kept, by which a person tells keys apart."""
MAX_DAYS = 730
MAX_NAME = 80
MAX_TOKENS = 50
"""Keys of one person that are good at the same time."""


def make(
    session: AnySession,
    user: User,
    *,
    name: str,
    scopes: Sequence[str],
    days: int,
) -> str:
    """Add a key and return it; it is never seen again. The caller commits.

    It acts for the user, never with more rights than they have then.

    Raises
    ------
    DataError
        A scope is unknown or not of the person's role, the name or the days are out
        of bounds, or there are too many keys.
    """
    name = name.replace("\0", "").strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise DataError(
            f"found a name of {len(name)} characters, expected 1 to {MAX_NAME}. Name "
            "the purpose of the key"
        )
    if not 1 <= days <= MAX_DAYS:
        raise DataError(f"found {days} days, expected 1 to {MAX_DAYS}")
    _check_scopes(scopes, user)
    serialize(session, "keys", user.id)
    if (n := n_active(session, user.id)) >= MAX_TOKENS:
        raise DataError(
            f"found {n} active keys, expected fewer than {MAX_TOKENS}. Revoke those "
            "that are not needed"
        )
    plain = PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiToken(
            user_id=user.id,
            name=name,
            prefix=plain[:SHOWN],
            token_sha256=digest(plain),
            scopes=[scope for scope in SCOPES if scope in scopes],
            expires_at=now() + timedelta(days=days),
        )
    )
    session.flush()
    return plain


def n_active(session: AnySession, user_id: int) -> int:
    """Return how many keys of a person can be used now."""
    mine = select(func.count(ApiToken.id)).where(ApiToken.user_id == user_id)
    good = mine.where(ApiToken.revoked_at.is_(None), ApiToken.expires_at > now())
    return session.scalar(good) or 0


def of(session: AnySession, user_id: int) -> list[ApiToken]:
    """Return a person's keys that are not revoked, the newest first."""
    mine = select(ApiToken).where(
        ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)
    )
    return list(session.scalars(mine.order_by(ApiToken.id.desc())))


def revoke(session: AnySession, user_id: int, number: int) -> bool:
    """Revoke one of a person's keys; False if there is no such key. The caller commits.

    Each web process may still take it for :data:`~evenflow.web.accounts.bearer.FRESH_S`
    seconds.
    """
    mine = (ApiToken.id == number, ApiToken.user_id == user_id)
    revoked = update(ApiToken).where(*mine, ApiToken.revoked_at.is_(None))
    return n_changed(session, revoked.values(revoked_at=now())) == 1


def find(session: AnySession, plain: str) -> ApiToken | None:
    """Return a key with its person if it is good now, else None."""
    if len(plain) != LENGTH or not plain.startswith(PREFIX):
        return None
    found = session.scalar(
        select(ApiToken)
        .where(ApiToken.token_sha256 == digest(plain))
        .options(joinedload(ApiToken.user))
    )
    if found is None or found.revoked_at is not None or found.expires_at <= now():
        return None
    return found if found.user.active else None


def allows(scope: str, role: str) -> bool:
    """Return whether a role includes a scope at all."""
    least = LEAST.get(scope, ROLES[0])
    return role in ROLES and ROLES.index(role) >= ROLES.index(least)


def _check_scopes(scopes: Sequence[str], user: User) -> None:
    if not scopes:
        raise DataError(
            "found no scope, expected at least one. Choose the permissions of the key"
        )
    for scope in scopes:
        if scope not in SCOPES:
            raise DataError(
                f"found the scope {scope[:40]!r}, expected one of {', '.join(SCOPES)}"
            )
        if not allows(scope, user.role):
            raise DataError(
                f"found the scope {scope!r}, which the role {user.role} does not "
                f"include. Ask an administrator for the role {LEAST[scope]}"
            )
