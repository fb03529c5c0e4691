"""Who may do what, who may see what, and the log of who did it.

An object that a person may not see is not there for them: 404, so that its number
tells nothing. A page that needs another role says so: 403.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, TypeVarTuple

from flask import abort, current_app, has_request_context, request
from flask_login import AnonymousUserMixin  # type: ignore[import-untyped]
from flask_security import current_user
from sqlalchemy import Select

from evenflow.web.frame.context import web
from evenflow.web.store.database import AnySession
from evenflow.web.store.tables import ROLES, Audit

MAX_NUMBER = 2**63 - 1
"""Greatest number of an object: what a database's 64 bits hold."""
Columns = TypeVarTuple("Columns")
View = TypeVar("View", bound=Callable[..., Any])


class Guest(AnonymousUserMixin):  # type: ignore[misc]
    """A visitor of a demo: reads pages of viewers, of everybody, changes nothing."""

    id, email, role = -1, "", "viewer"


def is_guest(user: Any = None) -> bool:
    """Return whether a person (the current one) is a visitor without an account."""
    return isinstance(current_user if user is None else user, Guest)


def name_of(user: Any) -> str:
    """Return the address of a person as the current one may read it.

    A visitor of a demo reads nobody's; None stands for a deleted account.
    """
    if user is None:
        return "a deleted account"
    return "a person" if is_guest() else str(user.email)


def at_least(role: str, user: Any = None) -> bool:
    """Return whether a person (the current one) has that role or a greater one."""
    person = current_user if user is None else user
    found = getattr(person, "role", None)
    return found in ROLES and ROLES.index(found) >= ROLES.index(role)


def require(role: str = "viewer", *, guests: bool = True) -> Callable[[View], View]:
    """Let only people with that role or a greater one in; others log in or get 403.

    With ``guests`` a visitor of a demo may read it, if a viewer may.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            may_read = guests and role == "viewer" and is_guest()
            if not current_user.is_authenticated and not (
                may_read and request.method in {"GET", "HEAD"}
            ):
                return current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
            if not at_least(role):
                abort(403)
            return view(*args, **kwargs)

        guarded._guests = guests and role == "viewer"  # type: ignore[attr-defined]
        guarded._role = role  # type: ignore[attr-defined]  # tests list what is guarded
        return guarded  # type: ignore[return-value]

    return decorate


def is_guarded(view: Any) -> bool:
    """Return whether a view lets only people of a role in."""
    return hasattr(view, "_role")


def visible(query: Select[*Columns], table: Any, user: Any = None) -> Select[*Columns]:
    """Return the query less what the person (the current one) may not see."""
    person = current_user if user is None else user
    if at_least("analyst", person) or is_guest(person):
        return query
    return query.where(table.owner_id == person.id)


def may_see(owned: Any, user: Any = None) -> bool:
    """Return whether the person (the current one) may see an object with an owner."""
    person = current_user if user is None else user
    if at_least("analyst", person) or is_guest(person):
        return True
    return bool(owned.owner_id is not None and owned.owner_id == person.id)


def found_or_404(table: Any, key: Any, *options: Any, user: Any = None) -> Any:
    """Return an object if the person (the current one) may see it, else 404.

    With ``options``, which say what is loaded with it, it is read again.
    """
    if isinstance(key, int) and key > MAX_NUMBER:
        abort(404)
    found = web.db.get(table, key, options=options, populate_existing=bool(options))
    if found is None or not may_see(found, user):
        abort(404)
    return found


def audit(
    action: str,
    object: object = "",  # noqa: A002
    *,
    user: Any = None,
    session: AnySession | None = None,
    **detail: Any,
) -> None:
    """Write down who did what; stored when the caller commits, with what was done.

    Parameters
    ----------
    action : str
        ``bundle.activate``, ``user.role``: what was done, dotted.
    object : object
        What it was done to.
    user : User, optional
        Who did it; without, the current person, or the command line.
    session : Session, optional
        That of the request without.
    **detail
        JSON values; never a password or a token.
    """
    is_web = has_request_context()
    person = user if user is not None else (current_user if is_web else None)
    (web.db if session is None else session).add(
        Audit(
            user_id=getattr(person, "id", None),
            actor=getattr(person, "email", "") or ("" if is_web else "command line"),
            action=action,
            object=str(object)[:200],
            detail=detail,
            address=(request.remote_addr or "")[:64] if is_web else "",
        )
    )
