"""Keys to the API: random, shown once, kept as a plain SHA-256.

A key of 256 random bits cannot be guessed, so its hash need not be slow: an argon2 for
each request would cost more than the verdict.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from evenflow.errors import DataError
from evenflow.registry import nearest
from evenflow.web.tables import ApiToken, User, now

START = "evf_"
"""By which a scanner for leaked keys knows one."""
SCOPES = {
    "score": "ask for verdicts on records",
    "uploads": "send files, and read what became of them",
    "alerts": "read alerts, and say whether they are right",
    "models": "read about models",
}
MOST_DAYS = 365
MOST_KEYS = 50
"""Keys of one person that hold at the same time."""


def make(
    session: Session, user: User, *, name: str, scopes: Sequence[str], days: int
) -> str:
    """Return a new key, which is kept nowhere; the caller commits.

    Raises
    ------
    DataError
        The name is empty or too long, a scope unknown, the days out of bounds, or the
        person has too many keys.
    """
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise DataError(
            f"a key needs a name of 1 to 80 characters, found {len(name)}; say what it "
            "is for"
        )
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise DataError(
            f"there is no scope {unknown[0][:40]!r}; {nearest(unknown[0], [*SCOPES])}"
        )
    if not scopes:
        raise DataError(f"a key needs a scope, expected one of: {', '.join(SCOPES)}")
    if not 1 <= days <= MOST_DAYS:
        raise DataError(f"a key holds 1 to {MOST_DAYS} days, found {days}")
    holding = session.scalar(
        select(func.count(ApiToken.id)).where(
            ApiToken.user_id == user.id,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > now(),
        )
    )
    if (holding or 0) >= MOST_KEYS:
        raise DataError(f"there are {MOST_KEYS} keys already; revoke one first")
    plain = START + secrets.token_urlsafe(32)
    session.add(
        ApiToken(
            user_id=user.id,
            name=name,
            prefix=plain[:12],
            token_sha256=_hash(plain),
            scopes=sorted(set(scopes)),
            expires_at=now() + timedelta(days=days),
        )
    )
    session.flush()
    return plain


def find(session: Session, plain: str) -> ApiToken | None:
    """Return the key and its person, if both still hold: one query."""
    return session.scalar(
        select(ApiToken)
        .join(ApiToken.user)
        .options(joinedload(ApiToken.user))
        .where(
            ApiToken.token_sha256 == _hash(plain),
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > now(),
            User.active.is_(True),
        )
    )


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
