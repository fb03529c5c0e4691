"""The Flask application.

``create_app`` builds one application; call it twice and there are two that share
nothing but what the settings name.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, request
from flask.globals import app_ctx
from flask_wtf import CSRFProtect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import scoped_session
from werkzeug.middleware.proxy_fix import ProxyFix

from evenflow.errors import StorageError
from evenflow.web import accounts, api, pages
from evenflow.web.frame import compression, errors, headers, layout
from evenflow.web.frame.context import KEY, Notes, Web
from evenflow.web.frame.hosts import Hosts
from evenflow.web.models.detectors import Detectors
from evenflow.web.settings import Settings
from evenflow.web.store import migrations
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.database import Database, is_away, open_database

logger = logging.getLogger(__name__)

WITHOUT_DATABASE = frozenset(
    {"static", "vega.library", "health.healthz", "health.readyz"}
)
"""Endpoints that answer without it."""


def create_app(settings: Settings) -> Flask:
    """Build an application; its database must have been upgraded before.

    Where the database does not answer, its version is checked at the first request
    for which it does; until then the answer is 503.

    Raises
    ------
    StorageError
        The data folder cannot be made or written, or the database is of another
        version.
    DataError
        The database's address is invalid.
    """
    home = open_home(settings.home)
    database = open_database(settings)
    app = Flask("evenflow.web")
    app.config.from_mapping(_config(settings))
    _check_version(app, database)
    db = scoped_session(
        database.make,
        scopefunc=lambda: id(app_ctx._get_current_object()),  # type: ignore[attr-defined]
    )
    app.extensions[KEY] = Web(
        settings=settings,
        home=home,
        database=database,
        db=db,
        detectors=Detectors(home, database),
        notes=Notes(database),
    )
    app.teardown_appcontext(lambda _error: db.remove())
    CSRFProtect(app)
    accounts.register(app, settings, db)
    headers.register(app, settings)
    compression.register(app)
    errors.register(app)
    layout.register(app)
    api.register(app)
    pages.register(app)
    app.wsgi_app = Hosts(app.wsgi_app, settings)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        n = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]
    return app


def _check_version(app: Flask, database: Database) -> None:
    """Refuse a database of another version: now, or once it answers."""
    try:
        migrations.check(database)
    except DBAPIError as error:
        if not is_away(error):
            raise
        logger.warning("the database does not answer; its version is checked later")
    else:
        return
    unchecked = {"database"}

    @app.before_request
    def check() -> None:
        if not unchecked or request.endpoint in WITHOUT_DATABASE:
            return
        try:
            migrations.check(database)
        except StorageError as error:
            logger.error("%s", error)
            errors.refuse(503, "The database is of another version")
        unchecked.clear()


def _config(settings: Settings) -> dict[str, Any]:
    secure = settings.is_https
    return {
        "SECRET_KEY": settings.secret_key,
        "MAX_CONTENT_LENGTH": int(settings.max_body_mb * 2**20),
        "MAX_FORM_MEMORY_SIZE": 2**20,
        "MAX_FORM_PARTS": 400,
        # a name with __Host- is bound to this host and to https
        "SESSION_COOKIE_NAME": "__Host-evenflow" if secure else "evenflow",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "PERMANENT_SESSION_LIFETIME": int(settings.session_days * 86_400),
        "PREFERRED_URL_SCHEME": "https" if secure else "http",
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "WTF_CSRF_SSL_STRICT": secure,
        "JSON_SORT_KEYS": False,
    }
