"""Where a person goes next: to log in, to the password again, to own pages only."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import abort, current_app, redirect, request, url_for
from flask_security import current_user
from flask_security.utils import check_and_update_authn_fresh
from werkzeug.datastructures import ImmutableMultiDict

from evenflow.web.frame import errors

View = TypeVar("View", bound=Callable[..., Any])
OWN = re.compile(r"/(?:[A-Za-z0-9_?#.~%-][^\\\x00-\x20\x7f]*)?")


def is_own_path(text: str) -> bool:
    r"""Return whether a browser stays on this server with that address.

    Examples
    --------
    >>> [is_own_path(text) for text in ("/", "/alerts?page=2")]
    [True, True]
    >>> [is_own_path(text) for text in ("//evil.example", "/\\evil", "https:evil", "a")]
    [False, False, False, False]
    """
    return OWN.fullmatch(text) is not None


def only_own() -> None:
    """Drop a ``next`` that leads elsewhere from the request, before it is used."""
    if request.is_json:
        abort(415)  # these pages take forms; programs use the API
    for name in ("args", "form"):
        given: Any = getattr(request, name)
        if "next" in given and not all(map(is_own_path, given.getlist("next"))):
            pairs = [(k, v) for k, v in given.items(multi=True) if k != "next"]
            setattr(request, name, ImmutableMultiDict(pairs))


def to_log_in(*_: Any, **__: Any) -> Any:
    """Send a person to the log-in page and back here after; a program gets 401."""
    if errors.is_program():
        return errors.answer(401)
    return redirect(url_for("security.login", **_back()))


def to_verify(*_: Any, **__: Any) -> Any:
    """Ask for the password again, then come back."""
    return redirect(url_for("security.verify", **_back()))


def is_recent() -> bool:
    """Return whether the person gave their password a short while ago."""
    config = current_app.config
    return current_user.is_authenticated and check_and_update_authn_fresh(
        config["SECURITY_FRESHNESS"],
        config["SECURITY_FRESHNESS_GRACE_PERIOD"],
        "session",
    )


def recent(view: View) -> View:
    """Let only people in who gave their password within the last minutes.

    Stands under :func:`evenflow.web.frame.permissions.require`.
    """

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs) if is_recent() else to_verify()

    return wrapper  # type: ignore[return-value]


def _back() -> dict[str, Any]:
    path = request.full_path.rstrip("?")
    if request.method not in {"GET", "HEAD"}:
        parts = urlsplit(request.referrer or "")
        path = parts.path if parts.netloc == request.host else ""
    return {"next": path} if path not in {"", "/"} and is_own_path(path) else {}
