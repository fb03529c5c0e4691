"""``evenflow flows``: a capture or a log in, connections out."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from evenflow.cli import options, streams
from evenflow.cli.guard import Command, voice
from evenflow.cli.streams import STDIN, STDOUT


@click.command(cls=Command, short_help="List the connections of a capture or a log.")
@click.option(
    "-r", "--read", "file", metavar="FILE", type=options.READABLE, required=True,
    help="Read this capture, pcap or pcapng, or this log; - is stdin.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=options.READABLE, default=STDOUT,
    help="Write connections to this file  [default: stdout]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["zeek", "csv", "jsonl", "parquet"]),
    help="Format of the connections  [default: by the output's suffix, else zeek]",
)  # fmt: skip
@click.option(
    "--contract", metavar="NAME",
    help="Write the columns that models are trained on instead: flow, nsl_kdd_live, "
    "nsl_kdd, netflow_v2 or bot_iot  [format by default: csv]",
)  # fmt: skip
@click.option(
    "-C", "--ignore-checksums", is_flag=True,
    help="Count packets whose checksum is wrong: a machine that captures its own "
    "traffic sees such packets.",
)  # fmt: skip
def flows(
    file: Path,
    *,
    output: Path,
    form: str | None,
    contract: str | None,
    ignore_checksums: bool,
) -> None:
    """List the connections of a capture or a log as Zeek's conn.log does.

    A log is one of Zeek (conn.log, text or JSON), Suricata (EVE), Argus (ra -c , -n -u)
    or nfdump (-o csv), plain or gzip; it is recognised by its content. What it does not
    have is missing in the result: EVE, for instance, does not count payload.

    Ethernet, VLAN, MPLS, PPPoE, Linux cooked, loopback, raw and 802.11 captures are
    read; GRE, IP in IP, VXLAN and Geneve are opened. In CSV, JSON lines and Parquet the
    duration is that from the first to the last packet; Zeek's leaves out what comes
    after both sides have closed.
    """
    from evenflow.progress import Note
    from evenflow.runtime.writers import binary, writer
    from evenflow.traffic import conn_log, contracts
    from evenflow.traffic.captures import unreadable
    from evenflow.traffic.flows import read_connections
    from evenflow.traffic.sources import recognised

    suffixes = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
    form = form or suffixes.get(output.suffix.lower(), "csv" if contract else "zeek")
    if contract and form == "zeek":
        raise click.UsageError(
            "--contract has columns of its own; expected --format csv, jsonl or parquet"
        )
    to_stdout = output == STDOUT
    if file.exists() and output.exists() and file.samefile(output):
        raise click.UsageError(
            f"{output} is the input itself; expected another file for the connections"
        )
    if to_stdout and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet cannot be written to a terminal; add -o FILE")
    sink = streams.stdout() if to_stdout else output
    name = "stdin" if file == STDIN else file.name
    made = contracts.contract(contract).start(source=name) if contract else None
    n = 0
    with voice().events() as on_event, _source(file) as stream:
        try:
            log, begun = recognised(stream, source=name)
        except OSError as error:
            raise unreadable(name, error) from error
        if log:
            if contract:
                log.check(contracts.contract(contract).needs, contract=contract)
            found = log.read(begun, source=name, on_event=on_event)
        else:
            found = read_connections(
                begun, source=name, checksums=not ignore_checksums, on_event=on_event
            )
        # nothing is written before the first packets were read
        found = itertools.chain([next(found)], found)
        if form == "zeek":
            with binary(sink) as out:
                out.write(conn_log.header().encode())
                for frame in found:
                    out.write(conn_log.lines(frame).encode())
                    n += frame.height
        else:
            with writer(sink, form) as write:  # type: ignore[arg-type]
                for frame in found:
                    fitting = made.fitting(frame)[0] if made else frame
                    write(made.add(fitting) if made else conn_log.table(frame))
                    n += frame.height
        for text in made.notes() if made else ():
            on_event(Note(text=text))
    voice().say(f"connections in {name}: {n:,}", connections=n)


@contextmanager
def _source(file: Path) -> Iterator[BinaryIO]:
    """Yield a capture to read from."""
    if file == STDIN:
        yield streams.stdin()
        return
    from evenflow.traffic.captures import unreadable

    try:
        stream = file.open("rb")
    except OSError as error:
        raise unreadable(str(file), error) from error
    with stream:
        yield stream
