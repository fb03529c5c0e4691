"""``evenflow watch``: traffic in, alerts and incidents out, as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, streams, traffic
from evenflow.cli.guard import Command, voice
from evenflow.errors import EvenflowError, StorageError
from evenflow.progress import Note, OnEvent

if TYPE_CHECKING:
    from evenflow.cli import watch_database
    from evenflow.runtime.bundle import Bundle
    from evenflow.runtime.feeds import Feed
    from evenflow.runtime.incidents.incident import Report
    from evenflow.runtime.successor import Files, Successor
    from evenflow.runtime.watch import Watch
    from evenflow.web.incidents.writer import Writer

STATUS_S, SAVE_S = 1.0, 30.0
FLUSH_S, FLUSH_LIVE_S = 5.0, 0.2


@click.command(cls=Command, short_help="Detect attacks in traffic as it comes.")
@click.option(
    "--bundle", metavar="DIR", type=options.BUNDLE,
    help="Model that scores connections.  [default: lab-live, which comes with "
    "evenflow]",
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
@traffic.bus(
    "Score what sensors publish there, with other scorers: "
    "redis://HOST:PORT/DB, or rediss://; see evenflow publish.",
    required=False,
)
@click.option(
    "--take-over", "idle_s", metavar="SECONDS", type=click.FloatRange(0.1, 86400),
    default=10, show_default=True,
    help="With --bus: take over what another scorer has not finished for that long.",
)  # fmt: skip
@traffic.sources
def watch(**given: Any) -> None:
    """Score the connections of traffic, and group alerts into incidents.

    Traffic comes from captures (-r), from an interface (-i, with a FILTER as tcpdump
    takes it), from the log of another sensor or from a bus. A connection gets its
    verdict when it ends, and at the age of 1 s, 10 s, 1 min and 10 min. Ctrl-C and
    SIGTERM end the run: open connections are scored, sinks get all events, the state is
    saved.
    """
    from evenflow.runtime import bundle as bundles
    from evenflow.runtime import shipped, successor

    kind = traffic.kind(given, "bus")
    if given["evidence"] and kind not in ("read", "interface"):
        where = "the bus" if kind == "bus" else "a log"
        raise click.UsageError(
            f"{where} has no packets: expected --evidence with -r or -i"
        )
    folder = given["bundle"] or shipped.FOLDER
    used = successor.files_of(folder)
    bundle = bundles.load(folder)
    with ExitStack() as stack:
        stop = stack.enter_context(traffic.stopping())
        view = stack.enter_context(_view())
        if given["bundle"] is None:
            named = f"no --bundle: {shipped.NAME} scores, which comes with evenflow"
            view.note(Note(text=f"{named}; {shipped.limits(bundle.report)}"))
        _run(stack, bundle, used, kind, given, stop, view)
    if stop.is_set() and kind in ("read", "log once"):
        raise traffic.interrupted(stop)


def _run(
    stack: ExitStack,
    bundle: Bundle,
    used: Files,
    kind: str,
    given: dict[str, Any],
    stop: traffic.Stop,
    view: Any,
) -> None:
    from evenflow.cli import watch_database
    from evenflow.runtime import watch_state
    from evenflow.runtime.bus.batch import Ready
    from evenflow.runtime.evidence import Evidence
    from evenflow.runtime.incidents import suppress
    from evenflow.runtime.incidents.grouping import Incidents
    from evenflow.runtime.incidents.networks import HOME, network
    from evenflow.runtime.sinks import Setup, open_sink
    from evenflow.runtime.successor import Successor
    from evenflow.runtime.watch import Watch
    from evenflow.traffic.contracts import for_columns

    contract = for_columns(bundle.schema.features)
    rules: tuple[suppress.Suppression, ...] = ()
    if given["suppress"]:
        # the scorer that leads on a bus groups alerts of other models too
        classes = None if kind == "bus" else bundle.verdicts[1:]
        rules = suppress.read(given["suppress"], classes=classes)
    incidents = Incidents(
        home=[network(text) for text in given["home"] or HOME],
        suppressions=rules,
        most_shown=given["most_shown"],
    )
    state = watch_state.load(given["state"]) if given["state"] else None
    if state is not None and kind != "bus":  # which has the incidents itself
        incidents.restore(state.incidents)
    writers: list[Writer] = []
    setup = Setup(
        form=given["form"],
        patience_s=0.5 if kind == "interface" else 10.0,
        on_event=view.note,
        open_database=watch_database.opener(stack, writers),
    )
    sinks = []
    for spec in given["sinks"] or _default_sinks():
        sinks.append(open_sink(spec, setup))
        stack.callback(sinks[-1].close)
    position = None if given["state"] is None else state.position if state else ""
    needed = (contract.name, tuple(contract.needs))
    kept = None
    if given["evidence"]:
        kept = Evidence(given["evidence"], opened=incidents.opened, on_event=view.note)
    see = kept.see if kept else traffic.nothing
    feed = stack.enter_context(
        _shared(given, contract.name, stop, view.note)
        if kind == "bus"
        else traffic.feed(kind, given, needed, position, stop, see, view.note)
    )
    found = Watch(
        bundle,
        Ready(contract)
        if kind == "bus"
        else contract.start(source=feed.name, state=state.rows if state else None),
        incidents,
        sinks,
        clock=feed.clock,
        on_report=_both(view.report, kept.report) if kept else view.report,
        on_event=view.note,
    )
    if found.drift is None:
        text = f"{bundle.path} has no baseline of its calibration rows: drift is not "
        view.note(Note(text=f"{text}watched. Train it again for one"))
    elif state is not None and state.drift is not None:
        found.drift.restore(state.drift)
    view.begin(found, feed)
    shown = watch_database.Shown(found, feed, writers, view.note)
    try:
        successor = Successor(bundle.path, contract, used, stop)
        _loop(found, feed, view, given["state"], shown, successor)
    finally:
        shown.show(is_over=True)
        for sink in sinks:
            sink.close()
        if kept:
            kept.finish()
        view.end(found, feed)
    if lost := found.n_dropped:
        raise StorageError(
            f"{lost:,} events did not reach their sinks; see the warnings above"
        )


def _shared(
    given: dict[str, Any], contract: str, stop: traffic.Stop, on_event: OnEvent
) -> AbstractContextManager[Feed]:
    """Return this scorer's share of what sensors publish."""
    from evenflow.runtime.bus import consume

    return consume.bus(
        traffic.stream(given, contract), contract=contract, stop=stop,
        idle_s=given["idle_s"], on_event=on_event,
    )  # fmt: skip


def _loop(
    found: Watch,
    feed: Feed,
    view: Any,
    state: Path | None,
    others: watch_database.Shown,
    successor: Successor,
) -> None:
    """Score what comes until the end; save the state now and then, and at the end."""
    shown = saved = time.monotonic()
    failure: EvenflowError | None = None
    try:
        for batch in feed.batches:
            _follow(found, successor)
            if feed.share is None:
                found.take(batch)
            else:
                feed.share.take(found, batch)
            feed.position = feed.reached
            if (settled := feed.settled()) is not None:
                found.advance(settled)
            now = time.monotonic()
            if now - shown >= STATUS_S:
                shown = now
                found.check_sinks()
                view.status(found, feed)
                others.show()
            if state is not None and now - saved >= SAVE_S:
                saved = now
                _save(found, feed, state, view)
    except EvenflowError as error:
        failure = error  # what came before it is not lost
    for text in found.rows.notes():
        view.note(Note(text=text))
    if feed.share is not None:
        feed.share.finish(found, FLUSH_S)
    elif state is None:
        found.finish()
    is_sent = found.flush()
    if state is not None:
        if is_sent or not feed.position:
            _write(found, feed, state)
        else:
            text = (
                f"{state} was not saved: events wait for their sinks, and a new run "
                "reads the log from the last state and sends them again"
            )
            view.note(Note(text=text, is_warning=True))
    if failure is not None:
        raise failure


def _follow(found: Watch, successor: Successor) -> None:
    """Score with the bundle that was put in the place of the one in use."""
    try:
        bundle = successor.take()
    except EvenflowError as error:
        found.keep(str(error))
    else:
        if bundle is not None:
            found.replace(bundle)


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
        drift=found.drift.to_dict() if found.drift else None,
        position=feed.position,
    )


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
