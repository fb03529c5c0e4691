"""A person's own account: password, second factor, sessions, keys to the API."""

from __future__ import annotations

from typing import Any

from flask import abort, render_template, request
from flask_security import current_user, logout_user, verify_password

from evenflow.errors import DataError
from evenflow.web.accounts import api_keys, attempts, passwords, people, sessions
from evenflow.web.accounts.redirects import recent
from evenflow.web.accounts.throttle import key
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.lists import whole
from evenflow.web.frame.permissions import audit
from evenflow.web.pages import Pages
from evenflow.web.store.tables import User

bp = Pages("account", "/account", guests=False)


@bp.get("")
def index() -> str:
    """Show the account."""
    return _page()


@bp.post("/sessions/<int:number>/end")
def end_session(number: int) -> Any:
    """End one of the person's own sessions."""
    if number >= 2**31 or not sessions.end(web.db, current_user.id, number):
        abort(404)
    audit("session.end", current_user.email)
    web.db.commit()
    if number == sessions.current_id():
        logout_user()
        return see_other("security.login")
    return see_other(".index", "That browser was logged out", _anchor="sessions")


@bp.post("/sessions/end")
def log_out_everywhere() -> Any:
    """End all of the person's sessions, this one too."""
    person = _me()
    people.end_sessions(web.db, person)
    web.db.commit()
    logout_user()
    return see_other("security.login", "You were logged out everywhere")


@bp.post("/tokens")
@recent
def make_token() -> Any:
    """Make a key to the API and show it, this once."""
    days = request.form.get("days", "")
    typed: dict[str, Any] = {
        "name": request.form.get("name", "").replace("\0", "").strip()[:200],
        "scopes": request.form.getlist("scopes"),
        "days": days[:9],
    }
    try:
        plain = api_keys.make(
            web.db,
            _me(),
            name=typed["name"],
            scopes=tuple(typed["scopes"]),
            days=whole(days) or 0,
        )
        email, scopes = current_user.email, typed["scopes"]
        audit("token.add", email, name=typed["name"], scopes=scopes)
        web.db.commit()
    except DataError as error:
        web.db.rollback()
        return _page(typed=typed, error=str(error)), 422
    return render_template("account/token.html", token=plain, name=typed["name"])


@bp.post("/tokens/<int:number>/revoke")
def revoke_token(number: int) -> Any:
    """Make one of the person's own keys worthless."""
    if number >= 2**31 or not api_keys.revoke(web.db, current_user.id, number):
        abort(404)
    audit("token.revoke", current_user.email, number=number)
    web.db.commit()
    return see_other(".index", "API key revoked.", _anchor="tokens")


@bp.post("/delete")
def delete() -> Any:
    """Delete the person's own account, after their password."""
    tries = key("password", current_user.id)
    password = passwords.normal(request.form.get("password", ""))
    if not attempts.allow(tries):
        return _page(delete_error=attempts.words())
    if not current_user.password or not verify_password(
        password, current_user.password
    ):
        return _page(delete_error="This is not your password"), 422
    person = _me()
    try:
        people.delete(web.db, person)
        web.db.commit()
    except DataError as error:
        web.db.rollback()
        return _page(delete_error=str(error)), 422
    logout_user()
    return see_other("security.login", "Your account was deleted")


def _page(
    *, typed: dict[str, Any] | None = None, error: str = "", delete_error: str = ""
) -> str:
    return render_template(
        "account/index.html",
        sessions=sessions.of(_me()),
        session_id=sessions.current_id(),
        browser=sessions.browser,
        tokens=api_keys.of(web.db, current_user.id),
        scopes={
            scope: words
            for scope, words in api_keys.SCOPES.items()
            if api_keys.allows(scope, current_user.role)
        },
        typed=typed or {"name": "", "scopes": ["score"], "days": "90"},
        error=error,
        delete_error=delete_error,
        n_codes=len(current_user.mf_recovery_codes or []),
    )


def _me() -> User:
    person: User = current_user._get_current_object()
    return person
