"""What a supervisor or a load balancer asks: ``/healthz`` and ``/readyz``.

``/healthz`` says that the process answers, and asks nobody. ``/readyz`` says whether
it can do its work: the database is there and of the right version, a model is in use,
the disk has room.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from evenflow.errors import StorageError
from evenflow.web.frame.context import web
from evenflow.web.store import migrations

logger = logging.getLogger(__name__)
bp = Blueprint("health", __name__)

ROOM = 256 * 2**20
"""Bytes that must be free where data is stored."""


@bp.get("/healthz")
def healthz() -> Response:
    """Say that the process lives."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    """Say whether all is there that the work needs; 503 and what lacks if not."""
    lacks = list(lacking())
    response = jsonify(status="not ready" if lacks else "ok", lacking=lacks)
    if lacks:
        response.status_code = 503
        response.headers["Retry-After"] = "10"
    return response


def lacking() -> Iterator[str]:
    """Yield what lacks, in words that tell a stranger nothing of this machine."""
    try:
        migrations.check(web.database)
        if web.detectors.active() is None:
            yield "no model is active"
    except StorageError:
        yield "the database is of another version"
    except (DBAPIError, PoolTimeout):
        logger.warning("not ready: the database is not responding")
        yield "the database is not responding"
    try:
        if shutil.disk_usage(web.home.root).free < ROOM:
            yield f"less than {ROOM // 2**20} MiB are free on the disk"
    except OSError:
        yield "the data folder cannot be read"
