"""Live: the state of each ``evenflow watch --sink database``."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request

from evenflow.web.frame import polling
from evenflow.web.frame.context import web
from evenflow.web.incidents import live
from evenflow.web.pages import Entry, Pages

bp = Pages("live", "/live", role="analyst")
NAV = (
    Entry(label="Live", endpoint="live.index", icon="play", order=12, role="analyst"),
)


@bp.get("")
def index() -> str:
    """Show what the watches see; ``?paused=1`` leaves it as it is."""
    return render_template(
        "live/index.html",
        is_paused=request.args.get("paused") == "1",
        etag=_etag(),
        **_seen(),
        **_connections(),
    )


@bp.get("/state")
def state() -> Response:
    """Answer with what the watches see, 304 if nothing has changed."""
    return polling.fresh("live/_state.html", _seen())


@bp.get("/connections")
def connections() -> Response:
    """Answer with the connections scored last, 304 if nothing has changed."""
    return polling.fresh("live/_connections.html", _connections, _etag())


def _etag() -> str:
    return polling.word(live.reported(web.db()))


def _connections() -> dict[str, Any]:
    return {"connections": live.connections(web.db())}


def _seen() -> dict[str, Any]:
    seen = live.seen(web.db())
    return {"seen": seen, "ago": live.ago, "home": web.settings.home}
