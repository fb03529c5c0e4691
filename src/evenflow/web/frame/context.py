"""The context of a request handler, by one name: ``web``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session
from werkzeug.local import LocalProxy

from evenflow.web.frame.later import Later
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import Home
from evenflow.web.store.database import Database

if TYPE_CHECKING:
    from evenflow.web.models.detectors import Detectors

logger = logging.getLogger(__name__)

KEY = "evenflow"
"""Under which an application carries its :class:`Web`."""


class Notes:
    """Small things written down beside the requests: when a key was used, say.

    A page or a verdict does not wait while somebody else writes to the database.
    """

    PATIENCE_S = 0.3
    """Seconds a request waits, so that who looks next sees what was written."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.later = Later("evenflow-notes")

    def write(self, statement: Any, what: str) -> None:
        """Execute a statement in a transaction of its own, soon."""

        def work() -> None:
            try:
                with self.database.session() as session:
                    session.execute(statement)
            except DBAPIError as error:  # away or busy: the next request writes it
                logger.warning("could not note %s: %s", what, error.orig)

        self.later.do(work, patience_s=self.PATIENCE_S)


@dataclass(frozen=True, kw_only=True)
class Web:
    """The parts of one application."""

    settings: Settings
    home: Home
    database: Database
    db: scoped_session[Session]
    """The session of the request; a handler commits what it changed."""
    detectors: Detectors
    notes: Notes
    """Writes that no answer waits for."""


web: Web = LocalProxy(lambda: current_app.extensions[KEY])  # type: ignore[assignment]
