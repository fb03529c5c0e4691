"""``evenflow data``: list, fetch and inspect data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, streams
from evenflow.cli.guard import Group, print_json, voice
from evenflow.cli.streams import STDOUT
from evenflow.cli.text import columns
from evenflow.places import cache, folders

if TYPE_CHECKING:
    from evenflow.datasets import Dataset


@click.group(cls=Group)
def data() -> None:
    """List, fetch and inspect data sets."""


@data.command(
    "list", short_help="List the data sets and whether their files are present."
)
@options.data_dir
@options.as_json
def list_datasets(data_dir: tuple[Path, ...], *, as_json: bool) -> None:
    """List the data sets, their parts, and whether their files are present."""
    from evenflow import datasets

    roots = folders(data_dir)
    found = [_described(datasets.get(name), roots) for name in datasets.names()]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["name"],
            one["title"],
            ", ".join(one["splits"]),
            "official test" if one["has_official_test"] else "no official test",
            one["here"],
        )
        for one in found
    ]
    click.echo(columns(("data set", "title", "parts", "test rows", "files"), rows))
    click.echo(f"\nlooked in: {', '.join(map(str, roots))}")


@data.command("fetch", short_help="Download and verify published files.")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=options.PATH,
    help="Folder of data sets to write to  [default: the user's cache]",
)
@options.as_json
def fetch(name: str, output: Path | None, *, as_json: bool) -> None:
    """Download the published files of NAME over https and verify their checksums.

    If there is no trusted address, prints which file to get and where to put it.
    """
    from evenflow import datasets

    folder = output or cache()
    with voice().events() as on_event:
        paths = datasets.fetch_all(datasets.get(name), folder, on_event=on_event)
    if as_json:
        print_json({"name": name, "files": [str(path) for path in paths]})
        return
    for path in paths:
        click.echo(path)


@data.command("inspect", short_help="Describe a data set.")
@click.argument("name")
@click.option("--split", help="Part to describe  [default: the first]")
@click.option(
    "--html", metavar="FILE", type=options.PATH, help="Write a page with charts."
)
@click.option(
    "-s",
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A parameter of the data set, as under [dataset] in a recipe. Repeatable.",
)
@options.data_dir
@options.as_json
def inspect(
    name: str,
    split: str | None,
    *,
    html: Path | None,
    settings: tuple[str, ...],
    data_dir: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Describe a data set: rows, classes, missing values, copies, informative columns.

    The other parts of the data set, if their files are present, are compared with the
    one described: shared rows, unseen attack types.
    """
    from evenflow import datasets
    from evenflow.prepare.explore import explore

    is_taken = streams.is_taken(html, STDOUT if as_json else None)
    dataset = datasets.get(name)
    chosen = split or dataset.splits[0]
    params = options.dataset_params({"name": name}, settings) if settings else {}
    with voice().events() as on_event:

        def load(part: str) -> Any:
            return datasets.load(
                name, part, folders=folders(data_dir), on_event=on_event, **params
            )

        table = load(chosen)
        found = explore(
            table,
            others={
                part: load(part) for part in _others(dataset, chosen, params, data_dir)
            },
            split=chosen,
            on_event=on_event,
        )
    if html is not None:
        from evenflow.judge.pages import exploration as explore_page

        explore_page.write(found, html)
        voice().say(f"wrote {html}")
    if as_json:
        print_json(found.to_dict())
        return
    click.echo(found.to_text(), err=is_taken)
    for caveat in dataset.caveats:
        click.echo(f"caveat: {caveat}", err=is_taken)


def _described(dataset: Dataset, roots: Sequence[Path]) -> dict[str, Any]:
    from evenflow import datasets

    status = datasets.status(dataset, roots)
    missing = [file.name for file, place in status if place is None]
    here = "here" if dataset.files else "built in" if dataset.schema else "your own"
    if dataset.takes_rows:
        here = "in Python"
    if missing:
        n = len(missing)
        here = "not here" if n == len(status) else f"{n} of {len(status)} not here"
    return {
        "name": dataset.name,
        "title": dataset.title,
        "splits": list(dataset.splits),
        "has_official_test": dataset.has_official_test,
        "here": here,
        "files": [
            {"name": file.name, "path": None if place is None else str(place.path)}
            for file, place in status
        ],
        "url": dataset.url,
        "terms": dataset.terms,
        "citation": dataset.citation,
        "caveats": list(dataset.caveats),
    }


def _others(
    dataset: Dataset, chosen: str, params: Mapping[str, Any], data_dir: Sequence[Path]
) -> list[str]:
    """Return the other main part, where there is one and it is here."""
    if not dataset.has_official_test and params.get("test") is None:
        return []
    from evenflow import datasets

    other = "train" if chosen == "test" else "test"
    missing = [p for _, p in datasets.status(dataset, folders(data_dir)) if p is None]
    return [] if missing or chosen == other else [other]
