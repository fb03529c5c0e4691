"""Notes of a run: each once, and those of the report as they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenflow.progress import Event, Note, OnEvent

if TYPE_CHECKING:
    from evenflow.judge.report import Report


def warn(report: Report, on_event: OnEvent) -> None:
    """Send a note for each training row warning, so that nobody reads past it."""
    for leak in report.leaks:
        if leak["check"] == "shared rows" and leak["status"] == "warn":
            on_event(Note(text=f"warning: {leak['text']}"))


def once(on_event: OnEvent, notes: list[str]) -> OnEvent:
    """Pass events on, each note the first time only; ``notes`` collects the notes."""

    def listener(event: Event) -> None:
        if isinstance(event, Note):
            if event.text in notes:
                return
            notes.append(event.text)
        on_event(event)

    return listener
