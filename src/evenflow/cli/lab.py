"""``evenflow lab``: record labelled traffic of our own, and make rows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evenflow.cli import options
from evenflow.cli.guard import Group, voice


@click.group(cls=Group, short_help="Record labelled traffic, and make rows of it.")
def lab() -> None:
    """Record labelled traffic of hosts on this machine, and make rows of it."""


@lab.command("record", short_help="Record one run.")
@click.option(
    "-o", "--output", metavar="DIR", type=options.PATH, required=True,
    help="Folder of the run; it must not exist.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), required=True,
    help="Decides hosts, addresses, cables, clients, tools and rates.",
)  # fmt: skip
@click.option(
    "--minutes", type=click.FloatRange(0.2, 240), default=10, show_default=True,
    help="How long clients act.",
)  # fmt: skip
@click.option(
    "--part", type=click.Choice(["train", "test", "natural"]), default="train",
    show_default=True,
    help="test has tools and kinds of attack that train lacks; natural has few "
    "attacks.",
)  # fmt: skip
def record(output: Path, **given: Any) -> None:
    """Record one run: a capture, and a log of who did what when.

    Servers, ordinary clients and attackers run in network namespaces without a way out
    of this machine, and none outlives the command. Needs root and programs of Debian;
    what is missing is named.
    """
    from evenflow.lab.record import record

    with voice().events() as on_event:
        meta = record(output, on_event=on_event, **given)
    voice().say(
        f"{output}: {meta['packets']:,} packets, {meta['n_actions']:,} actions",
        packets=meta["packets"],
        actions=meta["n_actions"],
    )


@lab.command("build", short_help="Make labelled rows of runs.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=options.PATH)
@click.option(
    "-o", "--output", metavar="FILE", type=options.PATH, required=True,
    help="Parquet file for the rows.",
)  # fmt: skip
@click.option(
    "--add", metavar="FILE", type=options.PATH,
    help="Put the rows after those of a file that this command made before.",
)  # fmt: skip
def build(folders: tuple[Path, ...], output: Path, add: Path | None) -> None:
    """Make labelled rows of runs, in the columns of the contract `flow`.

    What the log of a run does not explain is left out and counted.
    """
    from evenflow.lab.build import build

    with voice().events() as on_event:
        rows = build(folders, output, add=add, on_event=on_event)
    voice().say(f"rows in {output}: {rows.height:,}", rows=rows.height)
