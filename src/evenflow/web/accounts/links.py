"""Addresses that people are sent; never made from what a request says its host is."""

from __future__ import annotations

from typing import Any

from flask import current_app, has_request_context, url_for
from flask_security.recoverable import generate_reset_password_token

from evenflow.web.frame.context import web
from evenflow.web.store.tables import User

RESET_HOURS = 4
"""How long a link to set a password holds."""


def link(endpoint: str, **values: Any) -> str:
    """Return the whole address of a page, as people type it."""
    base = web.settings.address
    if has_request_context():
        return base + url_for(endpoint, **values)
    with current_app.test_request_context(base_url=base):
        return base + url_for(endpoint, _external=False, **values)


def reset_link(user: User) -> str:
    """Return a link by which a person sets a new password, once, in the next hours."""
    token = generate_reset_password_token(user)  # type: ignore[no-untyped-call]
    return link("security.reset_password", token=token)
