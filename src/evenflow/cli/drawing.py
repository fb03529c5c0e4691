"""Draw the events of a long step: bars on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Self

from rich import progress as bars
from rich.console import Console

from evenflow.cli.text import plain
from evenflow.progress import Epoch, Event, Note, Progress

SILENCE_S = 10.0
"""Minimum seconds between two log lines of one step."""
OUTER = "cells"
"""Unit of the step whose bar stays while the steps inside it come and go."""


class Bars:
    """A bar for the running step, one for the outer step; notes stay above."""

    def __init__(self) -> None:
        self.rich = bars.Progress(
            bars.SpinnerColumn(finished_text="[green]+"),
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=24),
            bars.TextColumn("{task.fields[amount]}"),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.tasks: dict[str, bars.TaskID] = {}
        self.outer = ""

    def __enter__(self) -> Self:
        self.rich.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.rich.stop()

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        if isinstance(event, Note):
            style = "yellow" if event.is_warning else None
            self.rich.console.print(
                note_line(event), style=style, markup=False, highlight=False
            )
            return
        if isinstance(event, Epoch):
            self._move("train", event.number, event.epochs, epoch_line(event))
            return
        if event.unit == OUTER:
            self.outer = event.step
        self._move(event.step, event.done, event.total, amount(event))

    def _move(self, step: str, done: float, total: float | None, text: str) -> None:
        if step not in self.tasks:
            for other in [name for name in self.tasks if name != self.outer]:
                self.rich.remove_task(self.tasks.pop(other))
            self.tasks[step] = self.rich.add_task(step, total=total, amount=text)
        self.rich.update(self.tasks[step], completed=done, total=total, amount=text)


class Lines:
    """A line for each epoch and note, and one now and then for other steps."""

    def __init__(self, say: Callable[..., None]) -> None:
        self.say = say
        self.step = ""
        self.reported_at = 0.0

    def __call__(self, event: Event) -> None:
        """Write one event, or keep it for later."""
        facts = {"event": type(event).__name__.lower(), **asdict(event)}
        if isinstance(event, Note):
            self.say(note_line(event), **facts)
            return
        if isinstance(event, Epoch):
            text = f"epoch {event.number}/{event.epochs}: {epoch_line(event)}"
            self.say(text, **facts)
            return
        if event.unit == "step" and event.done:
            return
        now = time.monotonic()
        if event.step != self.step or now - self.reported_at > SILENCE_S:
            self.say(f"{event.step} {amount(event)}".rstrip(), **facts)
            self.step, self.reported_at = event.step, now


def note_line(event: Note) -> str:
    """Return a note as one line, a warning marked as one."""
    text = plain(event.text)  # it may repeat a name from a file
    return f"warning: {text}" if event.is_warning else text


def epoch_line(event: Epoch) -> str:
    """Return what one epoch brought."""
    return (
        f"loss {event.loss:.4f}, validation loss {event.valid_loss:.4f}, "
        f"macro F1 {event.valid_macro_f1:.4f}, {event.rows_per_s:,.0f} rows/s"
    )


def amount(event: Progress) -> str:
    """Return ``done/total unit`` with what is known of it."""
    if event.unit == "step":
        return ""
    if event.total is None:
        return f"{event.done:,.0f} {event.unit}" if event.done else ""
    return f"{event.done:,.0f}/{event.total:,.0f} {event.unit}"
