"""The bundles that may be served, and the one in use.

Each process loads a bundle once and notices within seconds that an admin activated
another one. A name is a folder directly under the folder of bundles and nothing
else, so no request can open what lies outside it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from pathlib import Path

from sqlalchemy.orm import Session

from evenflow.errors import BundleError, DataError
from evenflow.runtime import bundle as bundles
from evenflow.runtime import load_check
from evenflow.runtime.bundle import Bundle
from evenflow.web.models.locks import Locks
from evenflow.web.store.data_folder import Home
from evenflow.web.store.database import Database
from evenflow.web.store.tables import Audit, Setting

logger = logging.getLogger(__name__)

ACTIVE = "active_bundle"
FRESH_S = 2.0
"""Seconds for which the name of the active bundle is believed."""
KEPT = 4
"""Bundles a process keeps loaded."""


class Detectors:
    """Bundles by name."""

    def __init__(self, home: Home, database: Database, *, threads: int = 1) -> None:
        self.folder, self.database, self.threads = home.bundles, database, threads
        self._lock = threading.Lock()
        self._loading = Locks()
        self._loaded: OrderedDict[tuple[str, int], Bundle] = OrderedDict()
        self._active: tuple[float, str | None] = (-FRESH_S, None)
        self._in_use: tuple[float, Bundle | None] = (-FRESH_S, None)

    def names(self) -> list[str]:
        """Return the names of all bundles, the newest first."""
        found = [p for p in self.folder.iterdir() if (p / "manifest.json").is_file()]
        found.sort(key=lambda p: (-p.stat().st_mtime, p.name))
        return [p.name for p in found if not p.name.startswith(".")]

    def path(self, name: str) -> Path:
        """Return the folder of a bundle.

        Raises
        ------
        DataError
            There is no bundle of that name.
        """
        if name not in self.names():
            raise DataError(
                f"there is no model {name[:80]!r}, expected one of those under Models"
            )
        return self.folder / name

    def load(self, name: str) -> Bundle:
        """Return a bundle, checked when it is read for the first time.

        Raises
        ------
        DataError
            There is no bundle of that name.
        BundleError
            It is damaged.
        """
        path = self.path(name)
        key = (name, (path / "manifest.json").stat().st_mtime_ns)
        if (bundle := self._known(key)) is not None:
            return bundle
        with self._loading.hold(key):  # of one bundle only: the others do not wait
            if (bundle := self._known(key)) is not None:
                return bundle
            load_check.once(path)
            bundle = bundles.load(path, threads=self.threads)
            with self._lock:
                self._loaded[key] = bundle
                self._forget()
            return bundle

    def find(self, name: str) -> Bundle | None:
        """Return a bundle; None if it was deleted, or is damaged: that is logged."""
        try:
            return self.load(name)
        except DataError:
            return None
        except BundleError:
            logger.exception("the model %s cannot be loaded", name)
            return None

    def _known(self, key: tuple[str, int]) -> Bundle | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _forget(self) -> None:
        """Let those go that were not asked for longest, never the one in use."""
        others = [key for key in self._loaded if key[0] != self._active[1]]
        for key in others[: max(0, len(others) - KEPT + 1)]:
            del self._loaded[key]

    def active_name(self) -> str | None:
        """Return the name of the bundle in use, or None before there is one."""
        read_at, name = self._active
        if time.monotonic() - read_at < FRESH_S:
            return name
        with self.database.session() as session:
            setting = session.get(Setting, ACTIVE)
            name = None if setting is None else str(setting.value["name"])
        self._active = (time.monotonic(), name)
        return name

    def active(self) -> Bundle | None:
        """Return the bundle in use, or None before there is one or if it is damaged."""
        read_at, bundle = self._in_use
        if bundle is not None and time.monotonic() - read_at < FRESH_S:
            return bundle
        name = self.active_name()
        bundle = None if name is None else self.find(name)
        if bundle is not None:
            self._in_use = (self._active[0], bundle)
        elif name is not None:
            logger.error("the active model %s cannot be loaded", name)
        return bundle

    def activate(self, session: Session, name: str) -> None:
        """Put a bundle to use, from the commit of ``session`` on.

        Raises
        ------
        DataError, BundleError
            It is not there, or damaged.
        """
        self.load(name)
        session.merge(Setting(name=ACTIVE, value={"name": name}))
        self._active = self._in_use = (-FRESH_S, None)

    def activate_first(self, session: Session, name: str, actor: str) -> None:
        """Put a bundle to use where none is, and write down who did."""
        if session.get(Setting, ACTIVE) is None:
            self.activate(session, name)
            why = {"reason": "none was in use"}
            session.add(
                Audit(actor=actor, action="bundle.activate", object=name, detail=why)
            )
