"""Messages on stderr: facts, progress, the library's log."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from evenflow.cli.text import plain_lines
from evenflow.progress import OnEvent, ignore

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@dataclass(slots=True)
class Voice:
    """The amount and the form of messages."""

    verbose: int = 0
    quiet: bool = False
    log_json: bool = False

    @contextmanager
    def events(self) -> Iterator[OnEvent]:
        """Yield a callback that shows the events of a long step."""
        from evenflow.cli.drawing import Bars, Lines

        if self.quiet:
            yield ignore
        elif self.log_json or not sys.stderr.isatty():
            yield Lines(self.say)
        else:
            with Bars() as bars:
                yield bars

    def say(self, text: str, /, **facts: Any) -> None:
        """Say one fact, unless told to be quiet; ``facts`` go into JSON lines."""
        if self.quiet:
            return
        if self.log_json:
            level = "warning" if facts.get("is_warning") else "info"
            self.line(level=level, message=text, **facts)
        else:
            click.echo(plain_lines(text), err=True)  # names come from files

    def line(self, **facts: Any) -> None:
        """Write one JSON object with the time, whatever the switches say."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        click.echo(json.dumps({"time": stamp, **facts}, default=str), err=True)

    def set_up_logging(self) -> None:
        """Send the library's log to stderr: warnings, with -v facts, with -vv all."""
        handler = _Handler(self)
        ours = logging.getLogger("evenflow")
        ours.handlers = [handler]
        ours.propagate = False
        ours.setLevel(logging.ERROR if self.quiet else LEVELS[min(self.verbose, 2)])
        # what other libraries warn of is for developers: shown with -v alone
        logging.captureWarnings(capture=True)
        theirs = logging.getLogger("py.warnings")
        theirs.handlers = [handler if self.verbose else logging.NullHandler()]
        theirs.propagate = False


class _Handler(logging.Handler):
    """Write records to the stderr of the moment, which tests replace."""

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self.voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level, text = record.levelname.lower(), record.getMessage()
        trace = ""
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
        if self.voice.log_json:
            extra = {"traceback": trace} if trace else {}
            self.voice.line(level=level, logger=record.name, message=text, **extra)
        else:
            click.echo(f"{level}: {text}" + (f"\n{trace}" if trace else ""), err=True)
