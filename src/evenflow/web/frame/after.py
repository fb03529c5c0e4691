"""After a form: the page that is seen next, and what it says above it."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, flash, redirect, url_for


def see_other(
    endpoint: str, say: str = "", kind: str = "success", **values: Any
) -> Response:
    """Return the answer to a form that was handled: 303, so that it is not sent again.

    Parameters
    ----------
    endpoint : str
        Of the page to see next; ``values`` are those of its address.
    say : str
        What the page says once; nothing without.
    kind : {'success', 'info', 'warning', 'error'}
        Of what it says.
    """
    if say:
        flash(say, kind)
    return cast("Response", redirect(url_for(endpoint, **values), 303))
