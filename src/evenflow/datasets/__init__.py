"""Published and own data sets, one file each: where rows come from.

A file holds one :class:`Dataset`: the names of its splits, the files it is published
in with their SHA-256, what it may be used for, what is known to be wrong with it, and
a function that loads a split as a :class:`~evenflow.schema.Table`. Nothing is ever
downloaded by loading; :func:`fetch_all` is asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenflow import registry
from evenflow.datasets._fetch import fetch
from evenflow.datasets._remote import Place, RemoteFile, find_all, fits
from evenflow.errors import DataError, RecipeError
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Schema, Table

__all__ = ["Dataset", "fetch_all", "get", "load", "names", "status"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A data set: its parts, and how their rows are loaded."""

    name: str
    title: str
    load: Callable[..., Table]
    """``load(split, *, folders, on_event=ignore, **params)``; the further parameters
    are what a recipe may write under ``[dataset]``."""
    load_later: Callable[..., Table] | None = None
    """``load_later(schema, split, ...)``, the rest as ``load``: rows that judge a model
    trained on that schema. None where the published files fix what labels mean."""
    takes_rows: bool = False
    """Its rows are in the memory of a program, which gives them: ``load`` and
    ``load_later`` take ``rows``, a mapping of part to rows."""
    splits: tuple[str, ...]
    """Names of the published parts, in order."""
    files: tuple[RemoteFile, ...] = ()
    schema: Schema | None = None
    """Columns and classes with default parameters; None where the file decides."""
    has_official_test: bool = False
    """Whether ``train`` and ``test`` are the publisher's own parts. Without, ``train``
    is all there is, and a recipe draws its test rows from it (``stratified``,
    ``kfold``, ``blocks``)."""
    reads_own_file: bool = True
    """Whether a parameter can name any file that this machine can read; False for a
    data set whose rows are its published files or made by a program. The web
    application refuses a data set that does not declare False."""
    url: str = ""
    """The publisher's page."""
    terms: str = ""
    citation: str = ""
    caveats: tuple[str, ...] = ()
    """What a reader of any figure on this data must know."""


def names() -> list[str]:
    """Return the names of all data sets, sorted."""
    return registry.names("datasets")


def get(name: str) -> Dataset:
    """Return the data set of that name.

    Raises
    ------
    RecipeError
        There is none; the message names the nearest.
    """
    dataset: Dataset = registry.load("datasets", name)
    return dataset


def load(
    name: str,
    split: str,
    *,
    folders: Sequence[Path] = (),
    like: Schema | None = None,
    rows: Mapping[str, Any] | None = None,
    on_event: OnEvent = ignore,
    **params: Any,
) -> Table:
    """Load a split of a data set.

    Parameters
    ----------
    name, split : str
        ``"nsl_kdd"``, ``"train"``.
    folders : sequence of Path
        Folders searched for the published files, in order.
    like : Schema, optional
        Of the model that the rows will judge: what a user's own file does not say is
        then as in training.
    rows : mapping of str to DataFrame or Table, optional
        Part -> rows, for a data set that takes rows in memory.
    on_event : callable
        Gets a :class:`~evenflow.progress.Note` for each guess or fact to be read.
    **params
        What the data set offers, as under ``[dataset]`` in a recipe.

    Raises
    ------
    RecipeError
        No such data set or split.
    DataError
        A file is missing, damaged, or not what was published.
    """
    dataset = get(name)
    if split not in dataset.splits:
        if split == "test":
            raise RecipeError(
                f"{name} has no official test part; expected a split that draws test "
                f'rows from {dataset.splits[0]}. Write split = "stratified", '
                '"kfold" or "blocks" in the recipe'
            )
        raise RecipeError(
            f"{name} has no part {split!r}; "
            f"{registry.nearest(split, list(dataset.splits))}"
        )
    if dataset.takes_rows:
        params = {**params, "rows": rows}
    elif rows is not None:
        raise RecipeError(
            f"found rows in memory for {name}, which reads its own; expected the data "
            'set "memory". Write evenflow.Recipe.load(name, dataset="memory")'
        )
    with registry.blamed("datasets", name):
        if like is not None and dataset.load_later is not None:
            table = dataset.load_later(
                like, split, folders=folders, on_event=on_event, **params
            )
        else:
            table = dataset.load(split, folders=folders, on_event=on_event, **params)
    if not isinstance(table, Table):
        raise RecipeError(
            f"the data set {name!r} returned {type(table).__name__}; expected an "
            "evenflow.Table. Correct its load"
        )
    return table


def status(
    dataset: Dataset, folders: Sequence[Path]
) -> list[tuple[RemoteFile, Place | None]]:
    """Return each published file with where it lies, or None where it is missing.

    Looks at names and sizes only; loading checks the SHA-256.
    """
    return [
        (file, next((p for p in find_all(file, folders) if fits(p, file)), None))
        for file in dataset.files
    ]


def fetch_all(
    dataset: Dataset, folder: Path, *, on_event: OnEvent = ignore
) -> list[Path]:
    """Download every file of a data set into ``folder``, verified.

    Raises
    ------
    DataError
        The data set has no files, or one has no address that can be trusted; the
        message says which file to put where.
    """
    if not dataset.files:
        raise DataError(
            f"{dataset.name} is not downloaded: it is made by evenflow or read from "
            "your own file. There is nothing to fetch"
        )
    return [
        fetch(f, folder, page=dataset.url, on_event=on_event) for f in dataset.files
    ]
