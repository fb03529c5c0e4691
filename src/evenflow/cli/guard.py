"""The edge of the program: expected errors become one line, bugs become a report.

Exit codes: 0 done, 2 something given was wrong, 130 stopped by Ctrl-C, 129 and 143
stopped by SIGHUP and SIGTERM, 141 the reader of a pipe left, 1 a bug in evenflow.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from evenflow.cli import streams
from evenflow.cli.text import plain_lines
from evenflow.cli.voice import Voice
from evenflow.errors import EvenflowError, is_out_of_memory

logger = logging.getLogger(__name__)

GIVEN_IS_WRONG = 2
STOPPED = 130
READER_LEFT = 141


class Failure(click.ClickException):
    """One line on stderr, then an exit code."""

    def __init__(self, message: str, *, kind: str, voice: Voice, code: int) -> None:
        super().__init__(" ".join(message.split("\n")))
        self.kind, self.voice = kind, voice
        self.exit_code = code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line."""
        if self.voice.log_json:
            self.voice.line(level="error", type=self.kind, message=self.message)
        else:
            click.echo(f"Error: {self.message}", file=file, err=True)


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with a line that says how to continue."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: files that are half-written go as they do at Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


@contextmanager
def resumable(hint: str) -> Iterator[None]:
    """Let Ctrl-C inside the block end the program with the line ``hint``."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise Stopped(hint) from stop


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP inside the block raise, as Ctrl-C does.

    One that is ignored, as nohup ignores SIGHUP, stays so; a second one ends the
    program at once.
    """

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Terminated(number)

    ours = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
                ours.append(number)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


class Guarded(click.Group):
    """Turn what a command raises into a line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        voice = ctx.ensure_object(Voice)
        try:
            with _terminable():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as stop:
            hint = str(stop) if isinstance(stop, Stopped) else ""
            text = f"Stopped. {hint}" if hint else "Stopped."
            cause = stop.__cause__ if isinstance(stop, Stopped) else stop
            code = cause.code if isinstance(cause, Terminated) else STOPPED
            raise Failure(text, kind="Stopped", voice=voice, code=code) from stop
        except EvenflowError as error:
            logger.debug("the error in full", exc_info=True)
            raise _failure(error, voice) from error
        except BrokenPipeError as error:
            # what is still in the buffer must not raise again at exit
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), 1)
            raise click.exceptions.Exit(READER_LEFT) from error
        except Exception as error:
            if is_out_of_memory(error):
                logger.debug("the error in full", exc_info=True)
                raise _no_memory(error, voice) from error
            if not isinstance(error, OSError) or error.errno not in _OUTSIDE:
                raise _bug(error, voice) from error
            logger.debug("the error in full", exc_info=True)
            raise _failure(error, voice) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # Polars': no Exception
                raise
            out = is_out_of_memory(error)
            raise (_no_memory if out else _bug)(error, voice) from error


# what the machine refuses: no bug of ours
_OUTSIDE = {
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT,
    errno.EISDIR, errno.ENOTDIR, errno.EFBIG, errno.EMFILE, errno.EIO,
    errno.ENAMETOOLONG, errno.ELOOP, errno.ETXTBSY, errno.ENODEV, errno.ENXIO,
    errno.EBADF,
}  # fmt: skip


def _failure(error: Exception, voice: Voice) -> Failure:
    text = str(error)
    if isinstance(error, OSError) and not isinstance(error, EvenflowError):
        where = error.filename or "the output"
        text = f"{where}: {error.strerror}. Free space or choose another path"
    text = plain_lines(text)
    return Failure(text, kind=type(error).__name__, voice=voice, code=GIVEN_IS_WRONG)


def _no_memory(error: BaseException, voice: Voice) -> Failure:
    why = str(error) or "the system refused an allocation"
    text = (
        f"out of memory ({why}). Free memory, raise the limit of this process "
        "(ulimit -v, ulimit -d), or use fewer rows"
    )
    return Failure(text, kind="MemoryError", voice=voice, code=GIVEN_IS_WRONG)


def _bug(error: BaseException, voice: Voice) -> Failure:
    """Return the error to show for a bug; -v also logs the traceback."""
    logger.info("the error in full", exc_info=True)
    kind = type(error).__name__
    text = f"evenflow has a bug: {kind}: {error}"
    if not voice.verbose:
        text += ". Run again with -v for the traceback and report it"
    return Failure(text, kind=kind, voice=voice, code=1)


class Command(click.Command):
    """A command that also takes -v, --quiet and --log-json."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(
                ["-v", "--verbose"],
                count=True,
                expose_value=False,
                callback=_set("verbose"),
                help="Show more on stderr; -vv shows everything.",
            ),
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_set("quiet"),
                help="Show only errors on stderr.",
            ),
            click.Option(
                ["--log-json"],
                is_flag=True,
                expose_value=False,
                callback=_set("log_json"),
                help="Write messages on stderr as JSON lines.",
            ),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Set up the log as the switches say, then run."""
        ctx.ensure_object(Voice).set_up_logging()
        done = super().invoke(ctx)
        if ctx.params.get("output") is None:  # else what was asked for is there
            streams.check()
        return done


class Group(Guarded):
    """A group whose commands take the common switches."""

    command_class = Command


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        voice = ctx.ensure_object(Voice)
        if value:
            setattr(voice, name, value)

    return callback


def voice() -> Voice:
    """Return the voice of the command that runs."""
    return click.get_current_context().ensure_object(Voice)


def print_json(value: Any) -> None:
    """Write a result for machines on stdout.

    Raises
    ------
    StorageError
        It is closed.
    """
    if streams.is_closed():
        raise streams.closed()
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
