"""The health of a server: its database, an active model, space on the disk."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator

from evenflow.errors import StorageError
from evenflow.web.frame.context import web
from evenflow.web.store import migrations
from evenflow.web.store.database import Failed

logger = logging.getLogger(__name__)

ROOM = 256 * 2**20
"""Bytes that must be free where data is stored."""


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
