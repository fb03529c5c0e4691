"""The command line: results on stdout, everything else on stderr.

Exit codes: 0 done, 2 something given was wrong (one line says what, what was
expected and what to do), 130 stopped by Ctrl-C, 129 and 143 stopped by SIGHUP and
SIGTERM, 141 the reader of a pipe left, 3 `retrain` made no better model, 1 a bug in
evenflow. Each command is one call of the library; nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from evenflow.cli import streams
from evenflow.cli.guard import GIVEN_IS_WRONG, Guarded

COMMANDS = {
    "data": "evenflow.cli.data:data",
    "recipe": "evenflow.cli.recipe:recipe",
    "train": "evenflow.cli.train:train",
    "retrain": "evenflow.cli.retrain:retrain",
    "evaluate": "evenflow.cli.evaluate:evaluate",
    "compare": "evenflow.cli.compare:compare",
    "ablate": "evenflow.cli.ablate:ablate",
    "tune": "evenflow.cli.tune:tune",
    "synthesis": "evenflow.cli.synthesis:synthesis",
    "flows": "evenflow.cli.flows:flows",
    "publish": "evenflow.cli.publish:publish",
    "watch": "evenflow.cli.watch:watch",
    "lab": "evenflow.cli.lab:lab",
    "score": "evenflow.cli.score:score",
    "explain": "evenflow.cli.explain:explain",
    "bundle": "evenflow.cli.bundle:bundle",
    "demo": "evenflow.cli.demo:demo",
    "serve": "evenflow.cli.serve:serve",
    "worker": "evenflow.cli.serve:worker",
    "user": "evenflow.cli.user:user",
    "db": "evenflow.cli.db:db",
}


class Commands(Guarded):
    """Import a command's file when the command is asked for."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""
        streams.prepare()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # while --help or --version was written
            click.echo(f"Error: standard output: {error.strerror}", err=True)
            sys.exit(GIVEN_IS_WRONG)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of that name."""
        del ctx
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evenflow", message="evenflow %(version)s")
def main() -> None:
    """Train, evaluate and run network intrusion detectors.

    Published files are looked for in the folders of EVENFLOW_DATA and in
    ~/.cache/evenflow/datasets. Every command takes --help.
    """


__all__ = ["COMMANDS", "main"]
