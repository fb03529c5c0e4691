"""``evenflow synthesis``: are the rows that samplers make worth training on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options
from evenflow.cli.guard import Command, print_json, voice
from evenflow.cli.text import columns
from evenflow.places import folders as data_folders

if TYPE_CHECKING:
    from evenflow.experiment.synthesis import Synthesis


@click.command(cls=Command, short_help="Measure the rows that samplers make.")
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True)
@click.option(
    "--rows",
    type=click.IntRange(min=10),
    default=2000,
    show_default=True,
    help="Rows of a class to compare and to learn from, at most.",
)
@options.settings
@options.data_dir
@options.as_json
def synthesis(
    recipes: tuple[str, ...],
    *,
    rows: int,
    settings: tuple[str, ...],
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Measure the rows that the sampler of each RECIPE makes, class by class.

    Says whether they are possible, new, diverse and like real ones, and how a random
    forest does that learns from them in place of the real ones. Rows are compared with
    training rows and with training rows held out of them; test rows are not read, and
    no model of a recipe is trained.
    """
    from evenflow.experiment.synthesis import synthesis

    chosen = [options.load(name, settings) for name in recipes]
    with voice().events() as on_event:
        found = [
            synthesis(
                recipe,
                folders=data_folders(data_dir),
                most=rows,
                on_event=on_event,
            )
            for recipe in chosen
        ]
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    for title, head, body, note in _tables(found):
        click.echo(f"{title}\n")
        click.echo(columns(head, body, right=range(2, len(head))))
        click.echo(f"\n{note}\n")
    for one in found:
        for text in one.notes:
            click.echo(f"{one.sampler}: {text}")


def _tables(
    found: Sequence[Synthesis],
) -> Iterator[tuple[str, Sequence[str], list[list[Any]], str]]:
    """Yield title, head, rows and note of each table."""
    each = [(one, part) for one in found for part in one.classes]
    yield (
        "Possible, new, diverse",
        ("sampler", "class", "real", "new", "possible", "strange", "copies",
         "nearest", "(real)", "foreign", "distinct", "coverage", "spread", "(real)"),
        [
            [
                one.sampler, c["name"], c["n_real"], c["n_new"], _3(c["possible"]),
                c["unseen_combinations"], _3(c["copies"]), _3(c["nearest_new"]),
                _3(c["nearest_real"]), _3(c["foreign"]), _3(c["distinct"]),
                _3(c["coverage"]), _3(c["spread_new"]), _3(c["spread_real"]),
            ]
            for one, c in each
        ],
        "strange: rows whose categories occur together in no training row; nearest: "
        "median distance to\nthe nearest real row of the class; foreign: the nearest "
        "real row is of another class; coverage:\nreal rows with a new row among their "
        "5 nearest; spread: mean distance between two rows.",
    )  # fmt: skip
    yield (
        "Five statistics, new rows against real ones (0: alike)",
        ("sampler", "class", "KS", "Wasserstein", "Jensen-Shannon", "correlation",
         "moments"),
        [
            row
            for one, c in each
            for row in (
                [one.sampler, c["name"], *map(_3, c["statistics"].values())],
                ["(held-out rows)", c["name"], *map(_3, (c["statistics_held"] or
                    dict.fromkeys(c["statistics"])).values())],
            )
        ],
        "The second line of each class has unseen real rows in place of the new ones: "
        "what chance leaves.",
    )  # fmt: skip
    yield (
        "Useful: macro F1 of the classes that grew, by a random forest",
        ("sampler", "classes", "TRTR", "TSTR", "TRTS", "seconds"),
        [
            [
                one.sampler,
                ", ".join(c["name"] for c in one.classes),
                *(_3(one.useful[name]) for name in ("trtr", "tstr", "trts")),
                f"{one.seconds:.1f}",
            ]
            for one in found
        ],
        "TRTR: trained and tested on real rows; TSTR: trained on as many new rows of "
        "these classes,\ntested on real ones; TRTS: trained on real rows, tested on "
        "new ones. seconds: of the sampler.",
    )


def _3(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
