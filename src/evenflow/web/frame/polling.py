"""Parts of a page that its script asks for again and again, sent when they changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, make_response, render_template, request


def word(*parts: Any) -> str:
    """Return a short word that changes whenever one of the parts does."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def fresh(
    template: str,
    shown: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    state: str = "",
    *,
    is_over: bool = False,
) -> Response:
    """Return a part of a page, or 304 where the browser has it.

    Parameters
    ----------
    shown : mapping, or callable that returns one
        Values of the template; called only where the part is sent.
    state : str
        The :func:`word` for all that the part shows; without, it is rendered and
        compared.
    is_over : bool
        Whether nothing will change any more: 204 instead of 304 ends the asking.
    """
    if state and request.if_none_match.contains(state):
        response = Response(status=204 if is_over else 304)
    else:
        values = shown() if callable(shown) else shown
        response = make_response(render_template(template, **values))
    if not state:
        response.add_etag()
        response.make_conditional(request)
        return response
    response.set_etag(state)
    return response
