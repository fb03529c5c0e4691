"""Browsers that are logged in: a random id in the signed cookie, its hash in a table.

Whoever holds a cookie is logged in while the row stands: log-out deletes it, so a
copied cookie is dead; so do a new password, an admin, and time.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, g, request, session
from flask_login import user_logged_in, user_logged_out  # type: ignore[import-untyped]
from sqlalchemy import delete, select, update

from evenflow.web.accounts.secrets import digest
from evenflow.web.frame.context import web
from evenflow.web.store.database import AnySession, n_changed
from evenflow.web.store.tables import User, WebSession, now

KEY = "sid"
"""Under which the cookie holds the id."""
SEEN_S = 60
"""Seconds in which the time of the last request is written once at most."""
BROWSERS = {
    "Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrom": "Chrome",
    "Safari": "Safari",
}  # fmt: skip
SYSTEMS = {
    "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows",
    "Mac OS": "macOS", "Linux": "Linux",
}  # fmt: skip
WITHOUT = {"static", "vega.library"}
"""Endpoints that ask for no person, so that none is looked up."""
WATCHED = {"/healthz", "/readyz", "/metrics"}
"""Addresses that machines ask, the same."""


def register(app: Flask) -> None:
    """Make log-in and log-out of an application keep the table."""
    manager: Any = app.login_manager  # type: ignore[attr-defined]
    manager.user_loader(load)
    # Flask-Security would also take its own tokens; the API has tokens of its own
    manager._request_callback = None
    manager.session_protection = None
    user_logged_in.connect(_on_log_in, app, weak=False)
    user_logged_out.connect(_on_log_out, app, weak=False)


def load(uniquifier: str) -> User | None:
    """Return the person of this request's cookie, or None: one query."""
    if request.endpoint in WITHOUT or request.path in WATCHED:
        return None
    if not uniquifier or not session.get(KEY):
        return None
    found = web.db.execute(
        select(User, WebSession)
        .join(WebSession, WebSession.user_id == User.id)
        .where(
            WebSession.token_sha256 == digest(str(session[KEY])),
            User.fs_uniquifier == uniquifier,
            User.active.is_(True),
        )
    ).one_or_none()
    if found is None:
        return None
    user, row = found
    at, settings = now(), web.settings
    idle = timedelta(hours=settings.session_idle_hours)
    longest = timedelta(days=settings.session_days)
    if at - row.seen_at > idle or at - row.created_at > longest:
        over = delete(WebSession).where(WebSession.id == row.id)
        web.notes.write(over, "the end of a session")
        return None
    if (at - row.seen_at).total_seconds() > SEEN_S:
        _mark_seen(row.id, at)
    # what Flask-Security asks: how this person came in, and when a password was given
    g.fs_authn_via, g.fs_paa = "session", session.get("fs_paa", 0)
    g.web_session_id = row.id
    checked: User = user
    return checked


def end(session: AnySession, user_id: int, id: int | None = None) -> int:  # noqa: A002
    """End one session of a person, or all; return how many. The caller commits."""
    query = delete(WebSession).where(WebSession.user_id == user_id)
    return n_changed(session, query if id is None else query.where(WebSession.id == id))


def end_everywhere(session: AnySession, user: User) -> int:
    """End all sessions of a person, links they were sent and log-ins half done."""
    user.fs_uniquifier = uuid.uuid4().hex
    return end(session, user.id)


def use_links(session: AnySession, user: User) -> bool:
    """Make the links that a person was sent worthless; False if somebody was first.

    One statement: of requests with the same link at the same moment one is the first.
    """
    used = (
        update(User)
        .where(User.id == user.id, User.fs_uniquifier == user.fs_uniquifier)
        .values(fs_uniquifier=uuid.uuid4().hex)
        .execution_options(synchronize_session=False)
    )
    return n_changed(session, used) == 1


def end_others(session: AnySession, user: User) -> int:
    """End all sessions of a person but the one of this request."""
    others = (WebSession.user_id == user.id, WebSession.id != current_id())
    return n_changed(session, delete(WebSession).where(*others))


def current_id() -> int:
    """Return the number of this request's session, 0 without one."""
    return int(g.get("web_session_id", 0))


def of(user: User) -> list[WebSession]:
    """Return a person's sessions, the last used first."""
    mine = select(WebSession).where(WebSession.user_id == user.id)
    last = mine.order_by(WebSession.seen_at.desc(), WebSession.id.desc())
    return list(web.db.scalars(last))


def browser(agent: str) -> str:
    """Return a browser's name and system in two words.

    Examples
    --------
    >>> browser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0")
    'Firefox on Linux'
    >>> browser("curl/8")
    'unknown browser'
    """
    names, systems = (
        [shown for mark, shown in known.items() if mark in agent]
        for known in (BROWSERS, SYSTEMS)
    )
    return " on ".join([*(names or ["unknown browser"])[:1], *systems[:1]])


def _on_log_in(sender: Any, user: User, **_: Any) -> None:
    """Begin a session with a new id and nothing of what the browser held before."""
    del sender
    db = web.db
    _delete_own()
    kept = {k: session[k] for k in ("_user_id", "_fresh", "_id") if k in session}
    flashes = session.get("_flashes")
    second_factor = {k: v for k, v in session.items() if k.startswith("tf_")}
    session.clear()
    session.update(kept | second_factor)
    if flashes:
        session["_flashes"] = flashes
    g.pop("csrf_token", None)
    token = secrets.token_urlsafe(32)
    session[KEY] = token
    row = WebSession(token_sha256=digest(token), user_id=user.id, **_seen_from())
    db.add(row)
    db.flush()
    g.web_session_id = row.id


def _on_log_out(sender: Any, user: User | None, **_: Any) -> None:
    """End the session for good: a copy of the cookie is invalid."""
    del sender, user
    if _delete_own():
        web.db.commit()
    session.clear()


def _delete_own() -> bool:
    """Delete the row of this request's cookie; False if the cookie names none."""
    if not session.get(KEY):
        return False
    own = WebSession.token_sha256 == digest(str(session[KEY]))
    web.db.execute(delete(WebSession).where(own))
    return True


def _seen_from() -> dict[str, str]:
    """Return the address and browser of this request, as a row holds them."""
    agent = request.user_agent.string
    return {"address": (request.remote_addr or "")[:64], "agent": agent[:200]}


def _mark_seen(id: int, at: datetime) -> None:  # noqa: A002
    seen = (
        update(WebSession)
        .where(WebSession.id == id, WebSession.seen_at < at - timedelta(seconds=SEEN_S))
        .values(seen_at=at, **_seen_from())
    )
    web.notes.write(seen, "when a session was seen")
