"""People: who has an account, with which role, and what an admin may do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, render_template, request, url_for
from flask_security import current_user
from sqlalchemy import select

from evenflow.errors import DataError
from evenflow.web.accounts import api_keys, links, people, sessions
from evenflow.web.accounts.redirects import recent
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import audit
from evenflow.web.pages.admin._blueprint import bp
from evenflow.web.store.tables import ROLES, User, WebSession


@bp.get("/users")
def users() -> str:
    """List accounts, found by a part of the address."""
    q, role = lists.text("q"), lists.text("role")
    query = select(User).order_by(User.email)
    if q:
        query = query.where(User.email.icontains(q, autoescape=True))
    if role in ROLES:
        query = query.where(User.role == role)
    return render_template(
        "admin/users.html", page=lists.page(query), q=q, role=role, roles=ROLES
    )


@bp.get("/users/<int:number>")
def user(number: int) -> str:
    """Show one account and what can be done about it."""
    person = _found(number)
    return render_template(
        "admin/user.html",
        person=person,
        roles=ROLES,
        n_sessions=len(sessions.of(person)),
        n_tokens=api_keys.n_active(web.db, person.id),
        is_me=person.id == current_user.id,
    )


@bp.post("/users/<int:number>/role")
@recent
def set_role(number: int) -> Any:
    """Change the role of an account."""
    role = request.form.get("role", "")
    return _do(number, people.set_role, f"The role was changed to {role}", role)


@bp.post("/users/<int:number>/email")
@recent
def set_email(number: int) -> Any:
    """Give a person another address to log in with."""
    email = request.form.get("email", "")[:300]
    done = "The address was changed, and the person was logged out"
    return _do(number, people.set_email, done, email)


@bp.post("/users/<int:number>/disable")
def disable(number: int) -> Any:
    """Disable an account."""
    return _do(number, people.disable, "The account was disabled")


@bp.post("/users/<int:number>/enable")
def enable(number: int) -> Any:
    """Enable an account again."""
    return _do(number, people.enable, "The account was enabled")


@bp.post("/users/<int:number>/sessions/end")
def end_sessions(number: int) -> Any:
    """Log a person out everywhere."""
    return _do(number, people.end_sessions, "The person was logged out everywhere")


@bp.post("/users/<int:number>/second-factor/reset")
@recent
def reset_second_factor(number: int) -> Any:
    """Take the second factor from a person who lost it."""
    done = "The second factor was removed, and the person was logged out"
    return _do(number, people.reset_second_factor, done)


@bp.post("/users/<int:number>/reset")
@recent
def reset(number: int) -> Any:
    """Show a link, once, by which a person sets a new password."""
    person = _found(number)
    audit("user.reset_link", person.email)
    web.db.commit()
    return render_template(
        "admin/link.html",
        title="Link to set a password",
        lead=f"For {person.email}; valid once, for {links.RESET_HOURS} hours.",
        address=links.reset_link(person),
        back=url_for("admin.user", number=number),
    )


@bp.post("/users/<int:number>/delete")
@recent
def delete(number: int) -> Any:
    """Delete an account; what it recorded stays, without an owner."""
    person = _found(number)
    if person.id == current_user.id:
        why = "Delete your own account on your account's page"
        return see_other("admin.user", why, "error", number=number)
    email = person.email
    try:
        people.delete(web.db, person)
        web.db.commit()
    except DataError as error:
        web.db.rollback()
        return see_other("admin.user", str(error), "error", number=number)
    return see_other("admin.users", f"The account {email} was deleted")


def _do(number: int, what: Callable[..., object], message: str, *more: str) -> Any:
    person = _found(number)
    try:
        what(web.db, person, *more)
        web.db.commit()
    except DataError as error:
        web.db.rollback()
        return see_other("admin.user", str(error), "error", number=number)
    if person.id == current_user.id and not sessions_stand(person):
        return see_other("security.login", message)
    return see_other("admin.user", message, number=number)


def sessions_stand(person: User) -> bool:
    """Return whether the session of this request is still there."""
    found = web.db.get(WebSession, sessions.current_id())
    return found is not None and found.user_id == person.id


def _found(number: int) -> User:
    person = web.db.get(User, number) if number < 2**31 else None
    if person is None:
        abort(404)
    return person
