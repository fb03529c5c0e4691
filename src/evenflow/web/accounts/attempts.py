"""The throttle at the forms: limits of attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy import exists, select

from evenflow.web.accounts import throttle
from evenflow.web.accounts.throttle import key, network
from evenflow.web.frame.context import web
from evenflow.web.store.tables import Audit, User, now

KNOWN_DAYS = 90
"""Days for which an address is known where a person has logged in."""


def register(app: Flask) -> None:
    """Answer 429 where a form was refused because of too many tries."""

    @app.after_request
    def say_when(response: Response) -> Response:
        wait = g.get("retry_after", 0)
        if wait:
            response.status_code = 429
            response.headers["Retry-After"] = str(wait)
        return response


def allow(*keys: str) -> bool:
    """Count a try with each key; False, and the answer will be 429, if it is too soon.

    What is counted is committed at once, before a password is looked at: the hash
    takes a tenth of a second, in which no one else should wait for the database.
    """
    wait = max(throttle.check(web.db, each) for each in keys)
    if not wait:
        wait = max([throttle.attempt(web.db, each) for each in keys])
        web.db.commit()
    if wait:
        g.retry_after = wait
    return not wait


def was_right(*keys: str) -> None:
    """Forget the tries of keys; of a bare address's key only this one."""
    for each in keys:
        is_address = each.partition(":")[0].endswith("-address")
        (throttle.forgive if is_address else throttle.clear)(web.db, each)
    web.db.commit()


def words() -> str:
    """Return how long to wait, in words that say nothing about an account."""
    wait = int(g.get("retry_after", 0))
    span = f"{wait} s" if wait < 100 else f"{-(-wait // 60)} minutes"
    return f"Too many attempts. Try again in {span}"


def here() -> str:
    """Return the network of this request."""
    return network(request.remote_addr)


def log_in_keys(email: str) -> tuple[str, ...]:
    """Return the keys of a log-in: the account here, this address, the account."""
    keys = (key("login-pair", email, here()), key("login-address", here()))
    if _is_known_here(email):
        return keys
    return (*keys, key("login-account", email))


def code_keys(user: Any) -> tuple[str, ...]:
    """Return the keys of a second factor."""
    return (key("code", user.id), key("code-address", here()))


def _is_known_here(email: str) -> bool:
    person = select(User.id).where(User.email == email).scalar_subquery()
    log_in = select(Audit.id).where(
        Audit.user_id == person,
        Audit.action == "login",
        Audit.address == (request.remote_addr or ""),
        Audit.at > now() - timedelta(days=KNOWN_DAYS),
    )
    return bool(web.db.scalar(select(exists(log_in))))
