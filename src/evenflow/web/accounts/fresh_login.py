"""A decorator for what needs the password again, however long a person is here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from evenflow.web.accounts.redirects import is_recent, to_verify

View = TypeVar("View", bound=Callable[..., Any])


def recent(view: View) -> View:
    """Let only people in who gave their password within the last minutes.

    Stands under :func:`evenflow.web.frame.permissions.require`.
    """

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not is_recent():
            return to_verify()
        return view(*args, **kwargs)

    return wrapper  # type: ignore[return-value]
