"""``evenflow watch --sink database``: what a server shows, and its rules."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evenflow.cli import settings as servers
from evenflow.cli.watch_view import facts
from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent

if TYPE_CHECKING:
    from evenflow.runtime.feeds import Feed
    from evenflow.runtime.sinks import Transport
    from evenflow.runtime.watch import Watch
    from evenflow.web.incidents.writer import Writer

MOST_INCIDENTS = 20
"""Open incidents whose connections are shown between two reports."""


def opener(stack: ExitStack, writers: list[Writer]) -> Callable[[str], Transport]:
    """Return a function that opens the database of a server by its data folder.

    What it opens is added to ``writers``. Until the stack is closed, nobody restores a
    backup into that folder.
    """

    def opened(folder: str) -> Transport:
        settings = servers.load(Path(folder) if folder else None, None)
        from evenflow.web.incidents.writer import Writer
        from evenflow.web.store import folder_lock
        from evenflow.web.store.database import open_database

        stack.enter_context(folder_lock.shared(settings.home))
        with servers.opened(settings):  # it is there, and of this version
            pass
        writer = Writer(open_database(settings))
        writer.read_rules()  # the first connection is judged by them
        writers.append(writer)
        return writer

    return opened


class Shown:
    """The state of a run, for those of its sinks that show it, and their rules."""

    def __init__(
        self, found: Watch, feed: Feed, writers: Sequence[Writer], on_event: OnEvent
    ) -> None:
        self._found, self._feed = found, feed
        self._writers, self._on_event = writers, on_event
        self._own = tuple(found.incidents.suppressions)
        self._rules: tuple[str, ...] = ()
        self._sinks = [sink for sink in found.sinks if sink.shows]
        self._at, self._n = time.monotonic(), 0
        self.show()

    def show(self, *, is_over: bool = False) -> None:
        """Show the figures of the run and its last connections, as they are now."""
        if not self._sinks:
            return
        self._follow_rules()
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

    def _follow_rules(self) -> None:
        """Suppress what the rules of the servers name, as they are now."""
        texts = tuple(text for writer in self._writers for text in writer.rules)
        if texts == self._rules:
            return
        from evenflow import toml
        from evenflow.runtime.incidents import suppress

        self._rules, found = texts, list(self._own)
        for text in texts:
            try:
                found += suppress.rules(toml.loads(text), source="a server's rule")
            except (DataError, ValueError) as error:
                note = f"{error}. The rule is not followed: delete it on the server"
                self._on_event(Note(text=note, is_warning=True))
        self._found.incidents.suppressions = found
