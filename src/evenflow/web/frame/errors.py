"""One place turns what goes wrong into an answer: a page, or JSON for a program.

Never a traceback to a person, always one in the log. A database that is away is 503
with the time to try again, not an error of ours.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from flask import (
    Flask,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    make_response,
    render_template,
    request,
)
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from evenflow.errors import EvenflowError, StorageError
from evenflow.web.store.database import cannot_write, is_away

logger = logging.getLogger(__name__)

AGAIN_S = 5
WORDS = {
    400: ("Bad request", "Go back, reload the page and try again."),
    401: ("Please log in", "This needs an account."),
    403: ("Not allowed", "Your role does not include this. Ask an administrator."),
    404: ("Not found", "It does not exist, or you may not see it."),
    405: ("Method not allowed", "Open the page from the navigation."),
    409: (
        "Conflict: somebody else changed this first",
        "Reload the page to see the change, then repeat.",
    ),
    413: ("Too large", "The request is larger than the limit."),
    415: ("Unsupported media type", "The API page lists the supported types."),
    422: ("Invalid value", "Correct it and send it again."),
    429: ("Too many attempts", "Wait before the next one."),
    500: ("Something went wrong on our side", "It has been logged. Try again."),
    503: (
        "Temporarily unavailable",
        "The database is not responding. Try again shortly.",
    ),
    507: ("No space left", "The disk is full; an administrator has to free space."),
}


def register(app: Flask) -> None:
    """Add the error pages to an application."""
    app.register_error_handler(CSRFError, _on_csrf)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(EvenflowError, _on_ours)
    app.register_error_handler(DBAPIError, _on_database)
    app.register_error_handler(PoolTimeout, _on_pool)
    app.register_error_handler(MemoryError, _on_memory)
    app.register_error_handler(Exception, _on_bug)


def is_program() -> bool:
    """Return whether a program or a script asks, which reads JSON."""
    wanted = request.accept_mimetypes.best
    return request.path.startswith("/api/") or wanted == "application/json"


def sentence(error: object) -> str:
    """Return a message as a sentence of a page: a capital first, a point last.

    Examples
    --------
    >>> sentence("found no number, expected one")
    'Found no number, expected one.'
    """
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in '.!?' else '.'}"


def answer(
    status: int,
    message: str = "",
    *,
    kind: str = "",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return an error as a page, or as JSON in the one shape of the API.

    Parameters
    ----------
    message : str
        For the person who reads it; the status's usual words without.
    kind : str
        Name of the error in the API.
    **more
        What else the API's ``error`` object holds.
    """
    title, do = WORDS.get(status, ("Something went wrong", "Try again."))
    if is_program():
        error = {"type": kind or title.replace(" ", ""), "message": message or title}
        response = jsonify(error=error | more)
    else:
        values = {"code": status, "title": title, "message": message, "advice": do}
        response = make_response(_page(status, values))
    response.status_code = status
    response.headers.extend(headers or {})
    return response


def refuse(status: int, message: str, **more: Any) -> NoReturn:
    """End the request with what :func:`answer` returns."""
    abort(answer(status, message, **more))


def _page(status: int, values: dict[str, Any]) -> str:
    """Return an error's page; a fault of the server's gets one that needs nothing."""
    if status < 500:
        try:
            return render_template("error.html", **values)
        except (SQLAlchemyError, EvenflowError) as error:
            logger.warning("an error page without its frame: %s", error)
    # who asks and what is in use are in the database, and that may be away
    g.is_bare = True
    g._login_user = current_app.login_manager.anonymous_user()  # type: ignore[attr-defined]
    return render_template("error.html", **values)


def _on_http(error: HTTPException) -> Response:
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]
    usual = type(error).description
    message = "" if error.description == usual else str(error.description or "")
    if error.code == 413 and not message:
        message = g.get("too_large", "")
    headers = dict(error.get_headers())
    headers.pop("Content-Type", None)
    kind, more = type(error).__name__, getattr(error, "more", {})
    return answer(error.code, message, kind=kind, headers=headers, **more)


def _on_csrf(error: CSRFError) -> Response:
    logger.info("refused a form without its token: %s", error.description)
    return answer(
        400,
        "The form's security token is missing or old. Reload the page and send the "
        "form again",
        kind="CsrfError",
    )


def _on_ours(error: EvenflowError) -> Response:
    if isinstance(error, StorageError):
        logger.error("storage: %s", error)
        return answer(507, "The server cannot write its files", kind="StorageError")
    return answer(422, str(error), kind=type(error).__name__)


def _on_database(error: DBAPIError) -> Response:
    if isinstance(error, IntegrityError):
        # an account or an upload was deleted while something was stored for it
        logger.warning("in %s a row was gone or taken", request.path, exc_info=error)
        message = "The object was changed or deleted at the same moment"
        return answer(409, message, kind="Conflict")
    if cannot_write(error):
        logger.error("the database cannot write: %s", error.orig)
        return answer(507, "The server cannot write its files", kind="StorageError")
    if not is_away(error):
        return _on_bug(error)
    logger.error("the database is not responding: %s", error.orig)
    return answer(503, kind="DatabaseAway", headers={"Retry-After": str(AGAIN_S)})


def _on_pool(error: PoolTimeout) -> Response:
    logger.error("no connection to the database was free: %s", error)
    return answer(503, kind="DatabaseBusy", headers={"Retry-After": str(AGAIN_S)})


def _on_memory(error: MemoryError) -> Response:
    logger.error("%s needs too much memory", request.path, exc_info=error)
    return answer(
        503,
        "This needs more memory than a web process may use. Send less data",
        kind="OutOfMemory",
        headers={"Retry-After": str(AGAIN_S)},
    )


def on_damaged_body(error: Exception) -> Response:
    """Answer 400: the server below found that the body's chunks are damaged."""
    logger.info("a body of %s cannot be read: %s", request.path, error)
    return answer(
        400,
        "Found a body with damaged chunks, expected intact ones. Send it again",
        kind="BadBody",
        headers={"Connection": "close"},
    )


def _on_bug(error: Exception) -> Response:
    logger.exception("a fault in %s %s", request.method, request.path, exc_info=error)
    return answer(500, kind="InternalError")
