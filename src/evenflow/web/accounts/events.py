"""Events of accounts from Flask-Security, written to the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, request
from flask_login import user_logged_out  # type: ignore[import-untyped]
from flask_security import signals
from flask_security.utils import send_mail

from evenflow.web.accounts import sessions, throttle
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import audit
from evenflow.web.store.tables import User, now


def register(app: Flask) -> None:
    """Listen to an application's accounts."""
    listeners: dict[Any, Callable[..., None]] = {
        signals.user_authenticated: _log_in,
        user_logged_out: _log_out,
        signals.user_failed_authn: _failed,
        signals.password_changed: _password_changed,
        signals.password_reset: _password_reset,
        signals.reset_password_instructions_sent: _reset_asked,
        signals.change_email_confirmed: _email_changed,
        signals.user_confirmed: _confirmed,
        signals.tf_profile_changed: _second_factor_on,
        signals.tf_disabled: _second_factor_off,
    }
    for signal, listener in listeners.items():
        signal.connect(_own(listener), app, weak=False)


def _own(listener: Callable[..., None]) -> Callable[..., None]:
    def call(_sender: Any, **kwargs: Any) -> None:
        user = kwargs.pop("user", None)
        # a proxy for the current person is of no use to the session
        plain = getattr(user, "_get_current_object", lambda: user)()
        if plain is not None and isinstance(plain, User):
            listener(plain, **kwargs)

    return call


def _log_in(user: User, authn_via: list[str] | None = None, **_: Any) -> None:
    if authn_via == ["change"]:
        return
    user.last_login_at = now()
    audit("login", user=user, via=", ".join(authn_via or ["code"]))
    web.db.commit()


def _log_out(user: User, **_: Any) -> None:
    audit("logout", user=user)
    web.db.commit()


def _failed(user: User, auth_type: str, tfa: bool = False, **_: Any) -> None:
    # the log-in form writes its own line, for addresses without an account too
    if tfa or request.endpoint != "security.login":
        audit(f"{auth_type}.failed", user.email, user=user)
        web.db.commit()


def _password_changed(user: User, **_: Any) -> None:
    sessions.end_others(web.db, user)
    audit("password.change", user=user)


def _password_reset(user: User, **_: Any) -> None:
    sessions.end(web.db, user.id)
    if user.confirmed_at is None:
        user.confirmed_at = now()  # the link came to the address, or from an admin
    for kind, part in (("login-account", user.email), ("code", user.id)):
        throttle.clear(web.db, throttle.key(kind, part))
    audit("password.reset", user=user)


def _reset_asked(user: User, **_: Any) -> None:
    audit("password.reset_asked", user.email)
    web.db.commit()


def _email_changed(user: User, old_email: str, **_: Any) -> None:
    sessions.end_others(web.db, user)
    audit("email.change", user=user, before=old_email)
    what = f"the e-mail address of your account was changed to {user.email}"
    _tell(user, "Your e-mail address was changed", what, to=old_email)


def _confirmed(user: User, **_: Any) -> None:
    audit("email.confirm", user=user)


def _second_factor_on(user: User, **_: Any) -> None:
    sessions.end_others(web.db, user)
    audit("second_factor.on", user=user)
    what = "a second factor of your account was set up"
    _tell(user, "Your second factor was set up", what)


def _second_factor_off(user: User, **_: Any) -> None:
    user.mf_recovery_codes = None
    audit("second_factor.off", user=user)
    what = "the second factor of your account was removed"
    _tell(user, "Your second factor was removed", what)


def _tell(user: User, subject: str, what: str, *, to: str = "") -> None:
    send_mail(subject, to or user.email, "security/email/changed", user=user, what=what)
