"""The traffic that a command reads: options of the sources, and the end of a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, streams
from evenflow.cli.guard import Stopped, Terminated
from evenflow.cli.streams import STDIN
from evenflow.progress import OnEvent

if TYPE_CHECKING:
    from evenflow.runtime.bus.client import Stream
    from evenflow.runtime.feeds import Feed
    from evenflow.traffic.captures import Frames

LOGS = {
    "zeek": "Zeek's conn.log, TSV or JSON",
    "eve": "Suricata's EVE, of flows",
    "argus": "ra -c , -n -u",
    "nfdump": "nfdump -o csv",
}
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "-r", "--read", "files", metavar="FILE", multiple=True, type=options.READABLE,
        help="Read packets from this capture; - is stdin. Repeatable, in order of "
        "time.",
    ),
    click.option(
        "-i", "--interface", metavar="NAME",
        help="Capture from this network interface; any is all of them.",
    ),
    *(
        click.option(
            f"--{name}", metavar="FILE", type=options.READABLE,
            help=f"Follow this log: {title}.",
        )
        for name, title in LOGS.items()
    ),
    click.option(
        "--no-follow", is_flag=True,
        help="Stop at the end of a log instead of waiting.",
    ),
    click.option(
        "--ring", "ring_mib", metavar="MIB", type=click.IntRange(2, 4096), default=64,
        show_default=True, help="Memory for captured packets that wait.",
    ),
    click.argument("expression", nargs=-1, metavar="[FILTER]..."),
)  # fmt: skip


def sources(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a source of connections."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def bus(text: str, *, required: bool) -> Decorator:
    """Return what adds the options that name a bus."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option(
            "--password-file", metavar="FILE", type=options.PATH,
            help="Read the password of the bus from this file  [default: that of the "
            "URL, else of EVENFLOW_BUS_PASSWORD]",
        )(command)  # fmt: skip
        return click.option("--bus", metavar="URL", required=required, help=text)(
            command
        )

    return add


def stream(given: dict[str, Any], contract: str) -> Stream:
    """Return the stream that the options name."""
    from evenflow.runtime.bus.address import address
    from evenflow.runtime.bus.client import Stream

    return Stream(
        address(given["bus"], contract=contract, password_file=given["password_file"])
    )


class Stop(threading.Event):
    """The end of a run, and the signal that asked for it."""

    number = 0


def kind(given: dict[str, Any], *others: str) -> str:
    """Return what is read; a usage error if that is not one thing."""
    known = (*LOGS, *others)
    names = [name for name in known if given[name]]
    names += ["read"] if given["files"] else []
    names += ["interface"] if given["interface"] else []
    if len(names) != 1:
        found = "none" if not names else " and ".join(f"--{name}" for name in names)
        raise click.UsageError(
            f"found {found} of -r, -i, --{', --'.join(known)}, expected one of them"
        )
    if given["expression"] and names != ["interface"]:
        raise click.UsageError(
            f"found the filter {' '.join(given['expression'])!r}, expected one with -i "
            "alone"
        )
    if names[0] in LOGS and given["no_follow"]:
        return "log once"
    return names[0]


def feed(
    kind: str,
    given: dict[str, Any],
    needed: tuple[str, Sequence[str]],
    position: str | None,
    stop: Stop,
    see: Callable[[Frames], None],
    on_event: OnEvent,
) -> AbstractContextManager[Feed]:
    """Return the source that the options name."""
    from evenflow.runtime import feeds

    if kind == "read":
        files = [streams.stdin() if f == STDIN else f for f in given["files"]]
        return feeds.captures(files, stop=stop, see=see, on_event=on_event)
    if kind == "interface":
        return feeds.interface(
            given["interface"], " ".join(given["expression"]), stop=stop,
            ring_mib=given["ring_mib"], see=see, on_event=on_event,
        )  # fmt: skip
    name = next(name for name in LOGS if given[name])
    return feeds.log(
        name, given[name], contract=needed[0], needed=needed[1], stop=stop,
        follows=not given["no_follow"], position=position, on_event=on_event,
    )  # fmt: skip


def nothing(_frames: Frames) -> None:
    """Keep no packets."""


@contextmanager
def stopping() -> Iterator[Stop]:
    """Let the first SIGINT, SIGTERM or SIGHUP end the run, and the second at once."""
    stop = Stop()
    before: dict[signal.Signals, Any] = {}

    def on_signal(number: int, _frame: Any) -> None:
        stop.number = number
        # from another thread: this one may be inside the event's own lock
        threading.Thread(target=stop.set, daemon=True).start()
        _restore(before)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        _restore(before)


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupted(
    stop: Stop, done: str = "What was read so far was scored"
) -> KeyboardInterrupt:
    """Return what to raise where a file was not read to its end."""
    hint = Stopped(done)
    hint.__cause__ = (
        KeyboardInterrupt() if stop.number == signal.SIGINT else Terminated(stop.number)
    )
    return hint
