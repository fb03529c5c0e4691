"""``evenflow watch --sink database``: the database of a server, and what it shows."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evenflow.cli import settings as servers
from evenflow.cli.watch_view import facts

if TYPE_CHECKING:
    from evenflow.runtime.feeds import Feed
    from evenflow.runtime.sinks import Transport
    from evenflow.runtime.watch import Watch

MOST_INCIDENTS = 20
"""Open incidents whose connections are shown between two reports."""


def opener(stack: ExitStack) -> Callable[[str], Transport]:
    """Return a function that opens the database of a server by its data folder.

    Until the stack is closed, nobody restores a backup into that folder.
    """

    def opened(folder: str) -> Transport:
        settings = servers.load(Path(folder) if folder else None, None)
        from evenflow.web.incidents.writer import Writer
        from evenflow.web.store import folder_lock
        from evenflow.web.store.database import open_database

        stack.enter_context(folder_lock.shared(settings.home))
        with servers.opened(settings):  # it is there, and of this version
            pass
        return Writer(open_database(settings))

    return opened


class Shown:
    """The state of a run, for those of its sinks that show it."""

    def __init__(self, found: Watch, feed: Feed) -> None:
        self._found, self._feed = found, feed
        self._sinks = [sink for sink in found.sinks if sink.shows]
        self._at, self._n = time.monotonic(), 0
        self.show()

    def show(self, *, is_over: bool = False) -> None:
        """Show the figures of the run and its last connections, as they are now."""
        if not self._sinks:
            return
        found, now = self._found, time.monotonic()
        n, seconds = found.totals.verdicts, now - self._at
        opened = found.incidents.opened()
        state = {
            "name": self._feed.name,
            "host": socket.gethostname(),
            "bundle": found.model.name,
            "is_over": is_over,
            "figures": {
                "rate": round((n - self._n) / max(seconds, 1e-3), 1),
                **facts(found, self._feed),
            },
            "incidents": {one.id: one.connections for one in opened[-MOST_INCIDENTS:]},
            "recent": list(found.recent.rows) if found.recent else [],
        }
        self._at, self._n = now, n
        for sink in self._sinks:
            sink.show(state)
