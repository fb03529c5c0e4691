"""Accounts: sign-up, log-in, second factor, sessions, tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import (
    Flask,
    current_app,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_security import (
    Security,
    SQLAlchemySessionUserDatastore,
    current_user,
    uia_email_mapper,
)
from sqlalchemy.orm import Session, scoped_session

from evenflow.web.accounts import (
    attempts,
    events,
    forms,
    links,
    mail,
    passwords,
    people,
    redirects,
    second_factor,
    secrets,
    sessions,
    signing,
)
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import Guest
from evenflow.web.settings import Settings
from evenflow.web.store.tables import Role, User

RECENT = timedelta(minutes=15)
"""How long after a password its owner may change what matters most."""
FORM_BYTES = 2**16
"""Maximum bytes of a form about accounts: all have only a few short fields."""
KNOWN = "evenflow.known"
"""Under which an application carries that it has an admin."""
SMALL_FORMS = frozenset({"security", "sign_up", "account", "admin"})
"""Blueprints of those forms."""


def register(app: Flask, settings: Settings, db: scoped_session[Session]) -> None:
    """Add accounts to an application."""
    app.config.from_mapping(_config(settings))
    app.url_value_preprocessor(_bound_form)
    app.extensions[mail.KEY] = mail.Post(settings.mail)
    app.extensions[KNOWN] = set()
    security = Security(
        app,
        SQLAlchemySessionUserDatastore(db, User, Role),
        login_form=forms.LogIn,
        verify_form=forms.Verify,
        change_password_form=forms.ChangePassword,
        reset_password_form=forms.SetPassword,
        forgot_password_form=forms.ForgotPassword,
        send_confirmation_form=forms.SendConfirmation,
        change_email_form=forms.ChangeEmail,
        two_factor_setup_form=second_factor.SetUpForm,
        two_factor_rescue_form=second_factor.RescueForm,
        two_factor_verify_code_form=second_factor.CodeForm,
        mf_recovery_form=second_factor.RecoveryForm,
        mf_recovery_codes_util_cls=second_factor.HashedCodes,
        totp_cls=second_factor.OnceTotp,
        password_util_cls=passwords.Passwords,
        mail_util_cls=mail.PostUtil,
    )
    if settings.demo:
        app.login_manager.anonymous_user = Guest  # type: ignore[attr-defined]
    security.want_json(lambda _request: False)
    security.unauthn_handler(redirects.to_log_in)
    security.reauthn_handler(redirects.to_verify)
    security.login_context_processor(_log_in_page)
    app.context_processor(_own_page)
    security.mail_context_processor(lambda: {"link": links.link})
    app.login_manager.unauthorized_handler(redirects.to_log_in)  # type: ignore[attr-defined]
    app.before_request_funcs.setdefault("security", []).append(redirects.only_own)
    # who lost the app uses a recovery code; nobody is mailed from an open page
    app.view_functions["security.two_factor_rescue"] = lambda: redirect(
        url_for("security.mf_recovery")
    )
    if settings.mail is None:
        app.view_functions["security.forgot_password"] = _ask_an_admin
    signing.register(app, security)
    sessions.register(app)
    attempts.register(app)
    events.register(app)


def _bound_form(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Limit a form about accounts, before its token is looked for in it."""
    if request.blueprint in SMALL_FORMS:
        request.max_content_length = FORM_BYTES


def _config(settings: Settings) -> dict[str, Any]:
    def derived(label: str) -> str:
        return secrets.derive_text(settings.secret_key, label)

    has_mail = settings.mail is not None
    values: dict[str, Any] = {
        "PASSWORD_HASH": "argon2",
        "PASSWORD_HASH_PASSLIB_OPTIONS": dict(passwords.HASH_OPTIONS),
        "PASSWORD_SCHEMES": ["argon2"],
        "PASSWORD_SALT": derived("pepper of passwords"),
        "PASSWORD_NORMALIZE_FORM": "NFKC",
        "PASSWORD_LENGTH_MIN": passwords.SHORTEST,
        # of what a link carries a quick hash is enough: it is signed
        "HASHING_SCHEMES": ["hex_sha256"],
        "DEPRECATED_HASHING_SCHEMES": [],
        "USER_IDENTITY_ATTRIBUTES": [
            {"email": {"mapper": uia_email_mapper, "case_insensitive": False}}
        ],
        "RETURN_GENERIC_RESPONSES": True,
        "API_ENABLED_METHODS": ["session"],
        "FRESHNESS": RECENT,
        "FRESHNESS_GRACE_PERIOD": timedelta(minutes=5),
        "JOIN_USER_ROLES": False,
        "STATIC_FOLDER": None,
        "STATIC_FOLDER_URL": None,
        "REGISTERABLE": False,  # pages/sign_up.py knows invitations
        "CHANGEABLE": True,
        "RECOVERABLE": True,
        "RESET_PASSWORD_WITHIN": timedelta(hours=links.RESET_HOURS),
        "CONFIRMABLE": has_mail,
        "CHANGE_EMAIL": has_mail,
        "EMAIL_SENDER": settings.mail.sender if settings.mail else "evenflow",
        "TWO_FACTOR": True,
        "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,
        "TWO_FACTOR_RESCUE_EMAIL": False,
        "TWO_FACTOR_ALWAYS_VALIDATE": True,
        "TWO_FACTOR_IMPLEMENTATIONS": {"code": "flask_security.twofactor.CodeTfPlugin"},
        "MULTI_FACTOR_RECOVERY_CODES": True,
        "MULTI_FACTOR_RECOVERY_CODES_N": second_factor.N_CODES,
        "TOTP_SECRETS": {"1": derived("second factors")},
        "TOTP_ISSUER": "evenflow",
        "POST_LOGIN_VIEW": "/",
        "POST_LOGOUT_VIEW": "security.login",
        "POST_CHANGE_VIEW": "account.index",
        "POST_CHANGE_EMAIL_VIEW": "account.index",
        "POST_VERIFY_VIEW": "account.index",
        "TWO_FACTOR_POST_SETUP_VIEW": "account.index",
        "CACHE_CONTROL": None,  # headers.py says no-store; its own is no directive
        "CLI_USERS_NAME": None,
        "CLI_ROLES_NAME": None,
    }
    for name in ("CONFIRM", "RESET", "LOGIN", "CHANGE", "REMEMBER", "CHANGE_EMAIL",
                 "TWO_FACTOR_VALIDITY", "TWO_FACTOR_SETUP"):  # fmt: skip
        values[f"{name}_SALT"] = derived(f"salt {name}")
    for name, text in MESSAGES.items():
        values[f"MSG_{name}"] = text
    return {f"SECURITY_{name}": value for name, value in values.items()}


SENT = "If there is an account for that address, a link was sent to it"
MESSAGES = {
    "GENERIC_AUTHN_FAILED": (forms.WRONG, "error"),
    "PASSWORD_RESET_REQUEST": (SENT, "info"),
    "CONFIRMATION_REQUEST": (SENT, "info"),
    "CHANGE_EMAIL_SENT": (
        "A link is being sent to the new address; the address changes when you open it",
        "info",
    ),
    "INVALID_PASSWORD": ("This is not your password", "error"),
    "PASSWORD_NOT_PROVIDED": ("Type a password", "error"),
    "PASSWORD_IS_THE_SAME": ("This is your current password", "error"),
    "PASSWORD_CHANGE": (
        "Your password was changed. You were logged out everywhere else",
        "success",
    ),
    "PASSWORD_RESET_NO_LOGIN": (
        "The new password was saved: log in with it",
        "success",
    ),
    "INVALID_RESET_PASSWORD_TOKEN": (forms.USED, "error"),
    "PASSWORD_RESET_EXPIRED": ("This link has expired; request another one", "error"),
    "INVALID_CONFIRMATION_TOKEN": (
        "This link is no longer valid; request another one",
        "error",
    ),
    "EMAIL_CONFIRMED": ("Your e-mail address was confirmed: log in", "success"),
    "EMAIL_NOT_PROVIDED": ("Type your e-mail address", "error"),
    "INVALID_EMAIL_ADDRESS": (people.NOT_AN_EMAIL, "error"),
    "TWO_FACTOR_INVALID_TOKEN": (
        "This code is wrong or was already used. Wait for the next one, and check the "
        "clock of your phone",
        "error",
    ),
    "TWO_FACTOR_LOGIN_SUCCESSFUL": ("Welcome back", "success"),
    "TWO_FACTOR_CHANGE_METHOD_SUCCESSFUL": (
        "Your second factor is set up; create recovery codes now",
        "success",
    ),
    "TWO_FACTOR_DISABLED": ("Your second factor was removed", "success"),
    "TWO_FACTOR_PERMISSION_DENIED": ("Log in first", "error"),
    "INVALID_RECOVERY_CODE": ("Invalid or already used recovery code", "error"),
    "REAUTHENTICATION_SUCCESSFUL": ("Thank you; continue", "success"),
}


def _log_in_page() -> dict[str, Any]:
    form = g.get("log_in_form")
    if form is not None:
        form.restore()
    return {"has_admin": _has_admin()}


def _own_page() -> dict[str, Any]:
    return {
        "account_url": url_for("account.index"),
        "has_admin": g.get("is_bare")
        or not current_user.is_authenticated
        or _has_admin(),
        "has_mail": web.settings.mail is not None,
    }


def _has_admin() -> bool:
    """Return whether there is an admin; the last one stays, so yes is remembered."""
    known: set[str] = current_app.extensions[KNOWN]
    if not known and people.has_admin(web.db):
        known.add("admin")
    return bool(known)


def _ask_an_admin() -> Any:
    return render_template("security/forgot_password.html", forgot_password_form=None)
