"""Accounts: sign-up, log-in, second factor, sessions, tokens."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_security import Security, SQLAlchemySessionUserDatastore
from sqlalchemy.orm import Session, scoped_session

from evenflow.web.accounts import passwords
from evenflow.web.settings import Settings
from evenflow.web.tables import Role, User


def register(app: Flask, settings: Settings, db: scoped_session[Session]) -> None:
    """Add accounts to an application."""
    app.config.from_mapping(_config(settings))
    datastore = SQLAlchemySessionUserDatastore(db, User, Role)
    Security(app, datastore)


def _config(settings: Settings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "PASSWORD_SALT": settings.secret_key[:24],
        "REGISTERABLE": settings.sign_up == "open",
        "SEND_REGISTER_EMAIL": False,
        "RETURN_GENERIC_RESPONSES": True,
        "JOIN_USER_ROLES": False,
        "PASSWORD_HASH_PASSLIB_OPTIONS": dict(passwords.HASH_OPTIONS),
    }
    return {f"SECURITY_{name}": value for name, value in values.items()}
