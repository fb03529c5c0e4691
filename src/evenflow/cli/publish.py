"""``evenflow publish``: traffic in, connections for scorers out."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, traffic
from evenflow.cli.guard import Command, voice
from evenflow.errors import StorageError
from evenflow.progress import Note, OnEvent

if TYPE_CHECKING:
    from evenflow.runtime.bus.publish import Publisher
    from evenflow.runtime.feeds import Feed

STATUS_S, SAVE_S, FLUSH_S = 5.0, 30.0, 0.2


@click.command(cls=Command, short_help="Publish connections for scorers on a bus.")
@traffic.bus(
    "Publish to this Redis or Valkey: redis://HOST:PORT/DB, or rediss://, with "
    "?stream=NAME as needed.",
    required=True,
)
@click.option(
    "--contract", metavar="NAME", default="flow", show_default=True,
    help="Publish rows in the columns of this contract, which the model reads: flow, "
    "nsl_kdd_live, nsl_kdd, netflow_v2 or bot_iot.",
)  # fmt: skip
@click.option(
    "--sensor", metavar="NAME", help="Name of this sensor  [default: the host's]"
)
@click.option(
    "--stream", "stream_mib", metavar="MIB", type=click.IntRange(1, 2**20),
    default=256, show_default=True, help="Memory of the stream; then wait for scorers.",
)  # fmt: skip
@click.option(
    "--queue", "queue_mib", metavar="MIB", type=click.IntRange(4, 2**16),
    default=64, show_default=True,
    help="Memory for batches that wait here; then a file or log is read no further, "
    "and live connections are dropped.",
)  # fmt: skip
@click.option(
    "--state", metavar="FILE", type=options.PATH,
    help="Resume from this file, and save to it.",
)  # fmt: skip
@traffic.sources
def publish(**given: Any) -> None:
    """Publish the connections of traffic for scorers on other machines.

    Traffic comes from captures (-r), from an interface (-i, with a FILTER as tcpdump
    takes it) or from the log of another sensor. Any number of evenflow watch --bus
    score what any number of sensors publish. This sensor makes the rows for the model,
    so that verdicts are those of one machine. Ctrl-C and SIGTERM end it: open
    connections are published, the state is saved.
    """
    from evenflow.runtime import watch_state
    from evenflow.runtime.bus.publish import Publisher
    from evenflow.traffic import contracts

    kind = traffic.kind(given)
    contract = contracts.contract(given["contract"])
    state = watch_state.load(given["state"]) if given["state"] else None
    with ExitStack() as stack:
        stop = stack.enter_context(traffic.stopping())
        on_event = stack.enter_context(voice().events())
        position = None if given["state"] is None else state.position if state else ""
        needed = (contract.name, tuple(contract.needs))
        feed = stack.enter_context(
            traffic.feed(kind, given, needed, position, stop, traffic.nothing, on_event)
        )
        publisher = Publisher(
            traffic.stream(given, contract.name),
            contract.start(source=feed.name, state=state.rows if state else None),
            sensor=(given["sensor"] or socket.gethostname())[:100],
            stop=stop,
            is_live=kind == "interface",
            is_finite=kind in ("read", "log once"),
            most_stream=given["stream_mib"] * 2**20,
            most_queue=given["queue_mib"] * 2**20,
            on_event=on_event,
        )
        voice().say(f"publishing {feed.name} to {publisher.stream.address.name}")
        try:
            _loop(publisher, feed, given["state"], on_event)
        finally:
            publisher.close()
            for text in publisher.rows.notes():
                on_event(Note(text=text))
            _status(publisher, feed)
        if given["state"] and (kind == "interface" or not publisher.dropped):
            _write(publisher, feed, given["state"])
    if publisher.dropped:
        raise StorageError(
            f"{publisher.dropped:,} rows were not published; see the warnings above"
        )
    if stop.is_set() and kind in ("read", "log once"):
        raise traffic.interrupted(stop, "What was read so far was published")


def _loop(
    publisher: Publisher, feed: Feed, state: Path | None, on_event: OnEvent
) -> None:
    """Publish what comes until the end; save the state now and then."""
    shown = saved = time.monotonic()
    for batch in feed.batches:
        publisher.take(batch, settled_ns=feed.settled(), packets_dropped=feed.dropped())
        feed.position = feed.reached
        now = time.monotonic()
        if now - shown >= STATUS_S:
            shown = now
            _status(publisher, feed)
        if state is not None and now - saved >= SAVE_S:
            saved = now
            _save(publisher, feed, state, on_event)


def _save(publisher: Publisher, feed: Feed, state: Path, on_event: OnEvent) -> None:
    """Save the state, unless connections wait that a new run would not publish."""
    publisher.publish(feed.settled(), feed.dropped())
    if not publisher.flush(FLUSH_S):
        return
    try:
        _write(publisher, feed, state)
    except StorageError as error:
        on_event(Note(text=str(error), is_warning=True))


def _write(publisher: Publisher, feed: Feed, state: Path) -> None:
    from evenflow.runtime import watch_state

    watch_state.save(
        state, rows=publisher.rows.state(), incidents={}, position=feed.position
    )


def _status(publisher: Publisher, feed: Feed) -> None:
    counts = publisher.outbox.counts
    voice().say(
        f"rows published: {publisher.published:,}, batches that wait: "
        f"{counts.waiting:,}, rows dropped: {publisher.dropped:,}",
        rows=publisher.rows_taken,
        published=publisher.published,
        batches=publisher.sequence,
        batches_waiting=counts.waiting,
        dropped=publisher.dropped,
        rejected=publisher.rejected,
        packets_dropped=feed.dropped(),
        failures=counts.failures,
    )
