"""Who asks: the key in ``Authorization: Bearer``, looked up or remembered.

A process caches for :data:`FRESH_S` seconds what it has looked up, so a revoked key
or role may still count for so long. Only valid keys are cached. Only keys are accepted,
no cookies, so no page elsewhere can make a browser send a request here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from flask import Flask, current_app, request
from sqlalchemy import or_, update

from evenflow.web.accounts import api_keys, throttle
from evenflow.web.accounts.secrets import digest
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.store.tables import ApiToken, now

FRESH_S = 2.0
"""Seconds for which a process believes what it has looked up of a key."""
USED_S = 60.0
"""Seconds between two notes of when a key was used."""
MAX_KNOWN = 10_000
KEY = "evenflow.bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The caller that an API key stands for; has what guards ask of a user."""

    id: int
    email: str
    role: str
    token_name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: datetime
    is_authenticated: bool = True

    def may(self, scope: str) -> bool:
        """Return whether the key has the scope, and its person's role includes it."""
        return scope in self.scopes and api_keys.allows(scope, self.role)


Known = dict[str, tuple[float, Caller]]


def register(app: Flask) -> None:
    """Give an application its memory of keys."""
    known: Known = {}
    app.extensions[KEY] = known


def caller(scope: str | None) -> Caller:
    """Return who asks; 401 without a good key, 403 where it lacks the scope."""
    header = request.headers.get("Authorization", "")
    kind, _, plain = header.partition(" ")
    if kind.lower() != "bearer" or not plain:
        _refuse(
            401,
            "Found no API key, expected the header 'Authorization: Bearer ef_...'. "
            "Create a key under your account",
            kind="NoToken",
        )
    found = _known(plain.strip())
    if scope is not None and not found.may(scope):
        _refuse(403, _lacks(scope, found), kind="InsufficientScope", scope=scope)
    return found


def _known(plain: str) -> Caller:
    known: Known = current_app.extensions[KEY]
    at, key = time.monotonic(), digest(plain)
    remembered = known.get(key)
    if remembered is not None and at - remembered[0] < FRESH_S:
        if remembered[1].expires_at > now():
            return remembered[1]
    elif remembered is not None:
        known.pop(key, None)
    token = api_keys.find(web.db, plain)
    if token is None:
        _failed()
    found = Caller(
        id=token.user.id,
        email=token.user.email,
        role=token.user.role,
        token_name=token.name,
        prefix=token.prefix,
        scopes=tuple(token.scopes),
        expires_at=token.expires_at,
    )
    web.db.commit()  # no transaction stays open while the body arrives
    _note_use(token)
    if len(known) >= MAX_KNOWN:
        known.clear()
    known[key] = (at, found)
    return found


def _note_use(token: ApiToken) -> None:
    """Write when a key was used, at most once a minute."""
    at = now()
    due = at - timedelta(seconds=USED_S)
    if token.used_at is not None and token.used_at > due:
        return
    is_due = or_(ApiToken.used_at.is_(None), ApiToken.used_at <= due)
    used = update(ApiToken).where(ApiToken.id == token.id, is_due).values(used_at=at)
    web.notes.write(used, "the use of a key")


def _failed() -> NoReturn:
    """Refuse an invalid key, and count it: guessing gets slower and slower."""
    key = throttle.key("token-address", throttle.network(request.remote_addr))
    wait = throttle.check(web.db, key) or throttle.attempt(web.db, key)
    web.db.commit()
    if wait:
        errors.refuse(
            429,
            f"Too many invalid API keys from this address. Try again in {wait} seconds",
            kind="TooManyTries",
            headers={"Retry-After": str(wait)},
        )
    _refuse(
        401,
        "The API key is invalid, revoked or expired. Create another one under your "
        "account",
        kind="InvalidToken",
    )


def _refuse(status: int, message: str, *, kind: str, scope: str = "") -> NoReturn:
    parts = ['Bearer realm="evenflow"']
    if kind != "NoToken":
        parts.append(
            f'error="{"invalid_token" if status == 401 else "insufficient_scope"}"'
        )
    if scope:
        parts.append(f'scope="{scope}"')
    headers = {"WWW-Authenticate": ", ".join(parts)}
    errors.refuse(status, message, kind=kind, headers=headers)


def _lacks(scope: str, found: Caller) -> str:
    if scope in found.scopes:
        return (
            f"The scope {scope!r} is not part of the role {found.role}. Ask an "
            "administrator"
        )
    scopes = ", ".join(found.scopes) or "none"
    return (
        f"The key has the scopes {scopes}, expected {scope!r}. Create a key with it "
        "under your account"
    )
