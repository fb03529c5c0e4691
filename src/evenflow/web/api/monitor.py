"""Answers to those who watch the server: ``/metrics``, ``/healthz`` and ``/readyz``.

``/healthz`` says that the process answers, and asks nobody. ``/readyz`` says whether
it can do its work: the database is there and of the right version, a model is in use,
the disk has room. The figures of ``/metrics`` answer on this machine, to a request that
came through no proxy, or to a key of the scope ``metrics``.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST

from evenflow.errors import StorageError
from evenflow.web.accounts import bearer
from evenflow.web.frame.context import web
from evenflow.web.monitor import metrics
from evenflow.web.monitor.counters import Counters
from evenflow.web.settings import is_loopback
from evenflow.web.store import migrations
from evenflow.web.store.database import Failed

logger = logging.getLogger(__name__)

bp = Blueprint("health", __name__)
SCOPE = "metrics"
PROXIES = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
"""Headers that say a request came through a proxy."""
ROOM = 256 * 2**20
"""Bytes that must be free where data is stored."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def register(app: Flask) -> None:
    """Count an application's requests, and answer those who watch it."""
    counters = app.extensions[metrics.KEY] = Counters()

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        began = g.get("began")
        if began is not None:
            method = request.method if request.method in METHODS else "other"
            took = time.perf_counter() - began
            # an unknown address has no endpoint, so requests make no new names
            endpoint = request.endpoint or "none"
            counters.count(endpoint, method, response.status_code, took)
        return response

    app.register_blueprint(bp)
    app.add_url_rule("/metrics", "metrics", show, provide_automatic_options=False)


def show() -> Response:
    """Answer with the figures of all processes, as Prometheus reads them."""
    if not is_local():
        bearer.caller(SCOPE)
    counters: Counters = current_app.extensions[metrics.KEY]
    text = metrics.exposition(counters, web.db())
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def is_local() -> bool:
    """Return whether a request came from this machine, and through no proxy."""
    host = request.host.rsplit(":", 1)[0] if request.host[-1:] != "]" else request.host
    return (
        is_loopback(request.remote_addr or "-")
        and is_loopback(host or "-")
        and not any(name in request.headers for name in PROXIES)
    )


@bp.get("/healthz")
def healthz() -> Response:
    """Return that the process is running."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    """Return 200 if the server is ready; 503 and what is missing if not."""
    lacks = list(lacking())
    response = jsonify(status="not ready" if lacks else "ok", lacking=lacks)
    if lacks:
        response.status_code = 503
        response.headers["Retry-After"] = "10"
    return response


def lacking() -> Iterator[str]:
    """Yield what is missing, in words that reveal nothing of this machine."""
    try:
        migrations.check(web.database)
        if web.detectors.active() is None:
            yield "no model is active"
    except StorageError:
        yield "the database is of another version"
    except Failed:
        logger.warning("not ready: the database is not responding")
        yield "the database is not responding"
    try:
        if shutil.disk_usage(web.home.root).free < ROOM:
            yield f"less than {ROOM // 2**20} MiB are free on the disk"
    except OSError:
        yield "the data folder cannot be read"
