"""``evenflow watch``: traffic in, alerts and incidents out, as they come."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, streams, watch_database
from evenflow.cli.guard import Command, Stopped, Terminated, voice
from evenflow.cli.streams import STDIN
from evenflow.errors import EvenflowError, StorageError
from evenflow.progress import Note, OnEvent

if TYPE_CHECKING:
    from evenflow.runtime.bundle import Bundle
    from evenflow.runtime.feeds import Feed
    from evenflow.runtime.incidents.incident import Report
    from evenflow.runtime.watch import Watch
    from evenflow.traffic.captures import Frames

LOGS = {
    "zeek": "Zeek's conn.log, TSV or JSON",
    "eve": "Suricata's EVE, of flows",
    "argus": "ra -c , -n -u",
    "nfdump": "nfdump -o csv",
}
STATUS_S, SAVE_S = 1.0, 30.0
FLUSH_S, FLUSH_LIVE_S = 5.0, 0.2
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _logs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each kind of log."""
    for name, title in reversed(LOGS.items()):
        command = click.option(
            f"--{name}", metavar="FILE", type=options.READABLE,
            help=f"Follow this log: {title}.",
        )(command)  # fmt: skip
    return command


@click.command(cls=Command, short_help="Detect attacks in traffic as it comes.")
@click.option(
    "-r", "--read", "files", metavar="FILE", multiple=True, type=options.READABLE,
    help="Read packets from this capture; - is stdin. Repeatable, in order of time.",
)  # fmt: skip
@click.option(
    "-i", "--interface", metavar="NAME",
    help="Capture from this network interface; any is all of them.",
)  # fmt: skip
@_logs
@click.option(
    "--bundle", metavar="DIR", type=options.PATH, required=True,
    help="Model that scores connections.",
)  # fmt: skip
@click.option(
    "--sink", "sinks", metavar="SINK", multiple=True,
    help="Send events there: stdout, eve:FILE, syslog:udp://HOST:PORT, "
    "syslog:tcp://HOST:PORT, syslog:unix:PATH, webhook:URL, or database[:DIR], a "
    "server with its data folder. Repeatable.  [default: stdout, where it is not a "
    "terminal]",
)  # fmt: skip
@click.option(
    "--form", type=click.Choice(["eve", "ecs", "ocsf"]), default="eve",
    show_default=True, help="Schema of the events.",
)  # fmt: skip
@click.option(
    "--alerts", "most_shown", metavar="N", type=click.IntRange(0), default=10,
    show_default=True,
    help="Send up to N alerts between two events of an incident; it counts the others.",
)  # fmt: skip
@click.option(
    "--home", metavar="NET", multiple=True,
    help="A network of your own. Repeatable.  [default: private and link-local ones]",
)  # fmt: skip
@click.option(
    "--suppress", metavar="FILE", type=options.PATH,
    help="Expected behaviour: rules in TOML, with reason and expiry.",
)  # fmt: skip
@click.option(
    "--state", metavar="FILE", type=options.PATH,
    help="Resume from this file, and save to it.",
)  # fmt: skip
@click.option(
    "--evidence", metavar="DIR", type=options.PATH,
    help="Keep packets of each incident in this folder; with -r and -i.",
)  # fmt: skip
@click.option(
    "--no-follow", is_flag=True, help="Stop at the end of a log instead of waiting."
)
@click.option(
    "--ring", "ring_mib", metavar="MIB", type=click.IntRange(2, 4096), default=64,
    show_default=True, help="Memory for captured packets that wait.",
)  # fmt: skip
@click.option(
    "-C", "--ignore-checksums", is_flag=True,
    help="Count packets of a capture whose checksum is wrong.",
)  # fmt: skip
@click.argument("expression", nargs=-1, metavar="[FILTER]...")
def watch(**given: Any) -> None:
    """Score the connections of traffic, and group alerts into incidents.

    Traffic comes from captures (-r), from an interface (-i, with a FILTER as tcpdump
    takes it) or from the log of another sensor. A connection gets its verdict when it
    ends, and at the age of 1 s, 10 s, 1 min and 10 min. Ctrl-C and SIGTERM end the
    run: open connections are scored, sinks get all events, the state is saved.
    """
    from evenflow.runtime import bundle as bundles

    kind = _kind(given)
    bundle = bundles.load(given["bundle"])
    with ExitStack() as stack:
        stop = stack.enter_context(_stopping())
        view = stack.enter_context(_view())
        _run(stack, bundle, kind, given, stop, view)
    if stop.is_set() and kind in ("read", "log once"):
        raise _interrupted(stop)


class _Stop(threading.Event):
    """The end of a run, and the signal that asked for it."""

    number = 0


def _kind(given: dict[str, Any]) -> str:
    """Return what is watched; a usage error if that is not one thing."""
    names = [name for name in LOGS if given[name]]
    names += ["read"] if given["files"] else []
    names += ["interface"] if given["interface"] else []
    if len(names) != 1:
        found = "none" if not names else " and ".join(f"--{name}" for name in names)
        raise click.UsageError(
            f"found {found} of -r, -i, --{', --'.join(LOGS)}, expected one of them"
        )
    if given["expression"] and names != ["interface"]:
        raise click.UsageError(
            f"found the filter {' '.join(given['expression'])!r}, expected one with -i "
            "alone"
        )
    if names[0] in LOGS and given["evidence"]:
        raise click.UsageError(
            "a log has no packets: expected --evidence with -r or -i"
        )
    if names[0] in LOGS and given["no_follow"]:
        return "log once"
    return names[0]


def _run(
    stack: ExitStack,
    bundle: Bundle,
    kind: str,
    given: dict[str, Any],
    stop: _Stop,
    view: Any,
) -> None:
    from evenflow.runtime import watch_state
    from evenflow.runtime.evidence import Evidence
    from evenflow.runtime.incidents import suppress
    from evenflow.runtime.incidents.grouping import Incidents
    from evenflow.runtime.incidents.networks import HOME, network
    from evenflow.runtime.sinks import Setup, open_sink
    from evenflow.runtime.watch import Watch
    from evenflow.traffic.contracts import for_columns

    contract = for_columns(bundle.schema.names)
    rules = suppress.read(given["suppress"]) if given["suppress"] else ()
    incidents = Incidents(
        home=[network(text) for text in given["home"] or HOME],
        suppressions=rules,
        most_shown=given["most_shown"],
    )
    state = watch_state.load(given["state"]) if given["state"] else None
    if state is not None:
        incidents.restore(state.incidents)
    setup = Setup(
        form=given["form"],
        patience_s=0.5 if kind == "interface" else 10.0,
        on_event=view.note,
        open_database=watch_database.opener(stack),
    )
    sinks = []
    for spec in given["sinks"] or _default_sinks():
        sinks.append(open_sink(spec, setup))
        stack.callback(sinks[-1].close)
    position = state.position if state is not None else ""
    needed = (contract.name, tuple(contract.needs))
    kept = (
        Evidence(given["evidence"], on_event=view.note) if given["evidence"] else None
    )
    see = kept.see if kept else _nothing
    feed = stack.enter_context(
        _feed(kind, given, needed, position, stop, see, view.note)
    )
    found = Watch(
        bundle,
        contract.start(source=feed.name, state=state.rows if state else None),
        incidents,
        sinks,
        clock=feed.clock,
        on_report=_both(view.report, kept.report) if kept else view.report,
        on_event=view.note,
    )
    view.begin(found, feed)
    shown = watch_database.Shown(found, feed)
    try:
        _loop(found, feed, view, given["state"], shown)
    finally:
        shown.show(is_over=True)
        for sink in sinks:
            sink.close()
        view.end(found, feed)
    if lost := sum(sink.counts.dropped for sink in sinks):
        raise StorageError(
            f"{lost:,} events did not reach their sinks; see the warnings above"
        )


def _loop(
    found: Watch,
    feed: Feed,
    view: Any,
    state: Path | None,
    others: watch_database.Shown,
) -> None:
    """Score what comes until the end; save the state now and then, and at the end."""
    shown = saved = time.monotonic()
    failure: EvenflowError | None = None
    try:
        for batch in feed.batches:
            found.take(batch)
            feed.position = feed.reached
            if (settled := feed.settled()) is not None:
                found.advance(settled)
            now = time.monotonic()
            if now - shown >= STATUS_S:
                shown = now
                view.status(found, feed)
                others.show()
            if state is not None and now - saved >= SAVE_S:
                saved = now
                _save(found, feed, state, view)
    except EvenflowError as error:
        failure = error  # what came before it is not lost
    if state is None:
        found.finish()
    found.flush()
    if state is not None:
        _write(found, feed, state)
    if failure is not None:
        raise failure


def _save(found: Watch, feed: Feed, state: Path, view: Any) -> None:
    """Save the state, unless events wait that a new run would not send again."""
    # live traffic does not wait
    if not found.flush(FLUSH_LIVE_S if feed.clock else FLUSH_S):
        return
    try:
        _write(found, feed, state)
    except StorageError as error:
        view.note(Note(text=str(error), is_warning=True))


def _write(found: Watch, feed: Feed, state: Path) -> None:
    from evenflow.runtime import watch_state

    watch_state.save(
        state,
        rows=found.rows.state(),
        incidents=found.incidents.to_dict(),
        position=feed.position,
    )


def _feed(
    kind: str,
    given: dict[str, Any],
    needed: tuple[str, Sequence[str]],
    position: str,
    stop: _Stop,
    see: Callable[[Frames], None],
    on_event: OnEvent,
) -> AbstractContextManager[Feed]:
    from evenflow.runtime import feeds

    if kind == "read":
        files = [streams.stdin() if f == STDIN else f for f in given["files"]]
        return feeds.captures(
            files, stop=stop, checksums=not given["ignore_checksums"], see=see,
            on_event=on_event,
        )  # fmt: skip
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


def _nothing(_frames: Frames) -> None:
    """Keep no packets."""


def _both(
    one: Callable[[Report], None], other: Callable[[Report], None]
) -> Callable[[Report], None]:
    def call(report: Report) -> None:
        one(report)
        other(report)

    return call


def _default_sinks() -> list[str]:
    return [] if sys.stdout.isatty() or streams.is_closed() else ["stdout"]


def _view() -> Any:
    from evenflow.cli.watch_view import Lines, Screen

    plain = voice().quiet or voice().log_json or not sys.stderr.isatty()
    return Lines(voice().say) if plain else Screen()


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Let the first SIGINT, SIGTERM or SIGHUP end the run, and the second at once."""
    stop = _Stop()
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


def _interrupted(stop: _Stop) -> KeyboardInterrupt:
    """Return what to raise where a file was not read to its end."""
    hint = Stopped("What was read so far was scored")
    hint.__cause__ = (
        KeyboardInterrupt() if stop.number == signal.SIGINT else Terminated(stop.number)
    )
    return hint
