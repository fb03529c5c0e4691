"""The record of a training: how long each step took, and the notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from evenflow.errors import DataError
from evenflow.prepare.names import named
from evenflow.progress import Note, Progress


class Log:
    """Times the steps and passes events on, collecting the notes.

    A step within another pauses it, so that the seconds add up to the whole.
    """

    def __init__(self, listener: Callable[[Any], None]) -> None:
        self.listener = listener
        self.seconds: dict[str, float] = {}
        self.texts: list[str] = []
        self.classes: tuple[str, ...] = ()
        """Names of the classes, once they are known."""
        self._open: list[str] = []
        self._announced = ""
        self._began = 0.0

    def on_event(self, event: Any) -> None:
        """Pass an event on, classes by name in the text of a note."""
        self._announce()
        if isinstance(event, Note):
            event = replace(event, text=self.named(event.text))
            self.texts.append(event.text)
        self.listener(event)

    def notes(self, texts: Iterable[str]) -> None:
        """Note each text that was not noted yet."""
        for text in texts:
            if self.named(text) not in self.texts:
                self.on_event(Note(text=text))

    def named(self, text: str) -> str:
        """Return the text with classes by name; samplers and models know codes."""
        return named(text, self.classes)

    @contextmanager
    def step(self, name: str, *, announce: bool = True) -> Iterator[None]:
        """Time what is done in the block; name classes in a DataError that leaves it.

        Without ``announce`` the listener gets the step when something happens in it,
        and a step within it first.
        """
        self._pause()
        self._open.append(name)
        if announce:
            self._announce()
        try:
            yield
        except DataError as error:
            error.args = (self.named(str(error)),)
            raise
        self._announce()
        self._pause()
        self.listener(Progress(step=name, done=1, total=1, unit="step"))
        self._open.pop()
        self._announced = ""

    def _announce(self) -> None:
        if self._open and self._announced != self._open[-1]:
            self._announced = self._open[-1]
            self.listener(Progress(step=self._announced, done=0, unit="step"))

    def _pause(self) -> None:
        """Add the time since the last change of step to the step that is open."""
        now = time.perf_counter()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._began
        self._began = now
