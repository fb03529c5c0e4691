"""What a request handler needs, by one name: ``web``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app
from sqlalchemy.orm import Session, scoped_session
from werkzeug.local import LocalProxy

from evenflow.web.database import Database
from evenflow.web.detectors import Detectors
from evenflow.web.home import Home
from evenflow.web.settings import Settings

KEY = "evenflow"
"""Under which an application carries its :class:`Web`."""


@dataclass(frozen=True, kw_only=True)
class Web:
    """The parts of one application."""

    settings: Settings
    home: Home
    database: Database
    db: scoped_session[Session]
    """The session of the request; a handler commits what it changed."""
    detectors: Detectors


def _current() -> Web:
    return cast("Web", current_app.extensions[KEY])


web: Web = LocalProxy(_current)  # type: ignore[assignment]
