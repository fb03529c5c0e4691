"""Check data sets."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

from evenflow.datasets import Dataset
from evenflow.schema import Table
from evenflow.testing.promises import Checked


def check_dataset(dataset: Dataset, **params: Any) -> None:
    """Check a data set: what it says of itself and, if it needs no file, its rows.

    Parameters
    ----------
    dataset : Dataset
        The data set to be checked.
    **params
        Parameters to load it with, as under ``[dataset]`` in a recipe.

    Raises
    ------
    AssertionError
        The message says what was promised, what was found and what to do.
    """
    who = Checked(f"data set {dataset.name}")
    _check_words(who, dataset)
    _check_files(who, dataset)
    accepted = inspect.signature(dataset.load).parameters
    needed = {p.name for p in accepted.values() if p.default is p.empty}
    who.promises(
        "load takes split first, on_event, and parameters that have defaults, except "
        "the path of a user's own file",
        next(iter(accepted)) == "split"
        and "on_event" in accepted
        and needed <= {"split", "folders", "path"},
        found=", ".join(accepted),
        do="Write load(split, *, folders=(), on_event=ignore, ...)",
    )
    needs_file = dataset.files or needed - params.keys() - {"split", "folders"}
    for split in () if needs_file else dataset.splits:
        _check_rows(who, dataset, split, params)


def _check_words(who: Checked, dataset: Dataset) -> None:
    who.promises(
        "training rows come first and test rows only where they are published",
        dataset.splits[:1] == ("train",)
        and (not dataset.has_official_test or "test" in dataset.splits),
        found=f"splits {dataset.splits}",
        do="Name the first split 'train'",
    )
    lacking = [
        name
        for name in ("title", "terms", "citation", "caveats")
        if not getattr(dataset, name)
    ]
    who.promises(
        "title, terms, citation and caveats are stated",
        not lacking,
        found=f"no {', '.join(lacking)}",
        do="State them: whoever reads a figure on these rows needs them",
    )
    schema = dataset.schema
    if schema is not None:
        who.promises(
            "the schema has the data set's name, every column a description, and every "
            "family is one of the classes",
            schema.name == dataset.name
            and all(column.description for column in schema.columns)
            and schema.taxonomy
            and set(schema.families.values()) <= set(schema.classes),
            found=f"schema {schema.name!r}, classes {schema.classes}",
            do="Complete the Schema",
        )


def _check_files(who: Checked, dataset: Dataset) -> None:
    wrong = [
        file.name
        for file in dataset.files
        if any(
            digest and not re.fullmatch(r"[0-9a-f]{64}", digest)
            for digest in (file.sha256, file.parquet_sha256)
        )
        or (file.url and not (file.url.startswith("https://") and file.sha256))
        or (file.sha256 and not file.size)
        or "/" in file.name + file.folder
    ]
    who.promises(
        "a published file has a SHA-256, its size and an address by https",
        not wrong and (not dataset.files or dataset.url.startswith("https://")),
        found=f"otherwise: {', '.join(wrong) or dataset.url}",
        do="Complete its RemoteFile and the url of the data set",
    )


def _check_rows(
    who: Checked, dataset: Dataset, split: str, params: dict[str, Any]
) -> None:
    one, two = (dataset.load(split, folders=(), **params) for _ in range(2))
    who.promises(
        f"{split!r} is loaded as an evenflow.Table with labels",
        isinstance(one, Table) and one.y is not None and len(one),
        found=type(one).__name__,
        do="Return Table(schema=..., frame=..., y=..., attack=...)",
    )
    who.promises(
        f"{split!r} has the same rows each time",
        one.frame.equals(two.frame) and np.array_equal(one.labels, two.labels),
        found="other rows",
        do="Draw from numpy.random.default_rng with a seed of its own",
    )
    who.promises(
        f"{split!r} holds benign rows and rows of an attack",
        (one.labels == 0).any() and (one.labels > 0).any(),
        found=one.counts(),
        do="Label benign rows with the first class, 0",
    )
