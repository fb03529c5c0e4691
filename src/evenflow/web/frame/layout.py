"""The frame of every page, and the names its templates may use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import Any

from flask import Flask, g, url_for

from evenflow import __version__
from evenflow.knowledge import class_title
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import at_least, is_guest, name_of
from evenflow.web.store.tables import now


def register(app: Flask) -> None:
    """Add the frame's values and filters to an application's templates."""
    # globals: macros, which see no context, use them
    app.jinja_env.globals.update(
        asset=asset,
        name_of=name_of,
        class_title=class_title,
        class_choices=class_choices,
    )

    @app.context_processor
    def frame() -> dict[str, Any]:
        active = None if g.get("is_bare") else web.detectors.active_name()
        return {
            "account_url": url_for("account.index"),
            "active_bundle": active,
            "at_least": at_least,
            "is_guest": is_guest(),
            "models_url": url_for("models.show", name=active) if active else "",
            "now": now(),
            "sign_up": web.settings.sign_up,
            "version": __version__,
        }


def class_choices(labels: Iterable[Any]) -> list[tuple[str, str]]:
    """Return classes as the choices of a field: their label and their title."""
    return [(str(label), class_title(str(label))) for label in labels]


def asset(name: str) -> str:
    """Return the address of a static file, changed whenever the file changes."""
    return url_for("static", filename=name, v=digest(name))


@lru_cache(maxsize=256)
def digest(name: str) -> str:
    """Return the start of the SHA-256 of a static file, which is there."""
    data = (resources.files("evenflow.web") / "static" / name).read_bytes()
    return hashlib.sha256(data).hexdigest()[:10]
