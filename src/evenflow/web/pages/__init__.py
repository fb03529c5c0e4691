"""The pages, one file a group: a new file here is a new group of pages.

A file holds ``bp``, its :class:`Pages`, and may hold ``NAV``, their entries in the
navigation.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, request, url_for

from evenflow.web.frame.permissions import at_least, is_guarded, require


class Pages(Blueprint):
    """Pages for people of a role; ``@require`` on one of them asks for another role.

    Their addresses begin with the prefix; the role is the least that opens them. With
    ``guests`` a visitor of a demo may read them, if viewers may.
    """

    def __init__(
        self, name: str, prefix: str = "", *, role: str = "viewer", guests: bool = True
    ) -> None:
        super().__init__(name, __name__, url_prefix=prefix or None)
        self.role, self.guests = role, guests

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Add a page, which asks for the role."""
        options["provide_automatic_options"] = provide_automatic_options
        guarded = view_func
        if not is_guarded(view_func):
            guarded = require(self.role, guests=self.guests)(view_func)
        super().add_url_rule(rule, endpoint, guarded, **options)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the navigation."""

    label: str
    endpoint: str
    icon: str
    order: int
    """10 to 39 is daily work, 40 to 69 models and data, 70 and more administration."""
    role: str = "viewer"
    """Least role that sees it."""


def blueprints() -> Iterator[tuple[Blueprint, tuple[Entry, ...]]]:
    """Yield each page file's blueprint and its entries."""
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        yield module.bp, getattr(module, "NAV", ())


def register(app: Flask) -> None:
    """Add all pages to an application."""
    entries: list[Entry] = []
    for bp, nav in blueprints():
        app.register_blueprint(bp)
        entries += nav
    entries.sort(key=lambda entry: entry.order)

    @app.context_processor
    def navigation() -> dict[str, object]:
        return {"nav": [_shown(e) for e in entries if at_least(e.role)]}


def _shown(entry: Entry) -> dict[str, object]:
    """Return an entry as the layout draws it."""
    groups = ((40, "Work"), (70, "Models and data"), (1000, "Administration"))
    url = url_for(entry.endpoint)
    # a page under an entry's own is part of it: /admin/users/3 of /admin/users
    here = request.script_root + request.path
    is_under = url.rstrip("/") != request.script_root and here.startswith(f"{url}/")
    return {
        "label": entry.label,
        "url": url,
        "icon": entry.icon,
        "is_current": here == url or is_under,
        "group": next(name for most, name in groups if entry.order < most),
    }
