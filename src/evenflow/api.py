"""The Python interface: what ``import evenflow`` offers, in plain functions.

Everything here is one call of the parts that the command line uses too. Where
``folders`` is not given, data sets are looked for where the command line looks: in
the folders of ``EVENFLOW_DATA``, then in the user's cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenflow.errors import RecipeError
from evenflow.places import folders as default_folders
from evenflow.progress import OnEvent, ignore
from evenflow.recipe import Recipe
from evenflow.schema import Table

if TYPE_CHECKING:
    from evenflow.experiment.run import Experiment
    from evenflow.judge.report import Report
    from evenflow.runtime.bundle import Bundle

Folders = Sequence[str | Path] | None
MEMORY = "memory"
"""The data set of rows in memory."""


def train(
    recipe: Recipe | str | Path,
    output: str | Path | None = None,
    *,
    data: Any = None,
    label: str | None = None,
    benign: Any = None,
    test: Any = None,
    seed: int | None = None,
    resume: bool = False,
    device: str = "auto",
    deterministic: bool = False,
    overwrite: bool = False,
    folders: Folders = None,
    on_event: OnEvent = ignore,
) -> Experiment:
    """Train the model of a recipe, evaluate it once, and optionally save it.

    Parameters
    ----------
    recipe : Recipe, str or Path
        A recipe, its name (``nsl_kdd/cnn-smote``) or its TOML file.
    output : str or Path, optional
        Folder to write the bundle to.
    data : DataFrame or Table, optional
        Labelled rows in memory (pandas, Polars, or a Table), for a recipe of the data
        set ``memory``, such as ``memory/lightgbm-none``. Its ``[dataset]`` table may
        say more of them (``drop``, ``columns``, ``families``); the rest is guessed,
        with a note for each guess, as of a file.
    label : str, optional
        Label column of ``data``.
    benign : str, int, float, bool or list of them, optional
        Values of the label that mean benign.
    test : DataFrame or Table, optional
        Rows that judge instead of some drawn from ``data``; the split is then
        ``official``.
    seed : int, optional
        Seed to use instead of the recipe's.
    resume : bool, default=False
        Go on from the checkpoint an interrupted run left beside ``output``.
    device : {'auto', 'cpu', 'cuda'}, default='auto'
        Where networks train.
    deterministic : bool, default=False
        Train in float32 with one thread: equal results on equal processors.
    overwrite : bool, default=False
        Replace an existing bundle.
    folders : sequence of str or Path, optional
        Where data sets are looked for, in order.
    on_event : callable, optional
        Gets each :class:`~evenflow.progress.Progress`, ``Epoch`` and ``Note``.

    Returns
    -------
    Experiment
        ``report`` on the test rows, and ``trained``, which ``save`` writes.

    Raises
    ------
    EvenflowError
        Something given is wrong; the message says what to do.
    """
    from evenflow.experiment.run import run

    chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    if seed is not None:
        chosen = chosen.with_(seed=seed)
    rows = rows_of(data, test, label, benign)
    if rows is not None:
        chosen = of_memory(chosen, rows, label=label, benign=benign)
    return run(
        chosen,
        folders=paths_of(folders),
        rows=rows,
        output=None if output is None else Path(output),
        resume=resume,
        device=device,
        deterministic=deterministic,
        overwrite=overwrite,
        on_event=on_event,
    )


def evaluate(
    bundle: Bundle | str | Path,
    data: Any,
    split: str = "test",
    *,
    rename: Mapping[str, str] | None = None,
    folders: Folders = None,
    on_event: OnEvent = ignore,
    **params: Any,
) -> Report:
    """Judge a bundle on labelled rows that did not train it.

    Parameters
    ----------
    bundle : Bundle, str or Path
        A loaded bundle, or its folder.
    data : str, DataFrame or Table
        Name of a data set that holds the bundle's columns; or labelled rows of them
        in memory (pandas, Polars, or a Table).
    split : str, default='test'
        A published part of the data set, or ``held_out``: what the bundle's recipe
        held out. With rows in memory, ``held_out`` needs those that trained the
        bundle, in the same order.
    rename : mapping of str to str, optional
        Column of the bundle -> column of the data set that means the same, to test a
        model on another data set's rows; times are brought to the bundle's unit.
    folders : sequence of str or Path, optional
        Where data sets are looked for, in order.
    on_event : callable, optional
        Gets each :class:`~evenflow.progress.Progress` and ``Note``.
    **params
        Whatever else the data set takes, such as ``path``, or ``label`` and
        ``benign`` of rows in memory; the parameters of the bundle's recipe stand
        where it is the same data set.

    Returns
    -------
    Report

    Raises
    ------
    LeakError
        Too many of the rows trained the bundle, or they are not the held-out ones.
    DataError
        The rows lack a column or a label, or are not those that trained the bundle.
    """
    from evenflow.experiment import evaluate as evaluating

    loaded = load_bundle(bundle) if isinstance(bundle, str | Path) else bundle
    dataset = data
    if not isinstance(data, str):
        part = "train" if split == evaluating.HELD_OUT else split
        dataset, params = MEMORY, {**params, "rows": {part: data}}
    return evaluating.evaluate(
        loaded,
        dataset,
        split,
        folders=paths_of(folders),
        params=params,
        rename=rename,
        on_event=on_event,
    )


def load_bundle(path: str | Path) -> Bundle:
    """Return the bundle in a folder, checked: files, golden rows, contract.

    Parameters
    ----------
    path : str or Path
        What ``train`` wrote; it may have been moved or copied. ``lab-live`` is the
        detector that comes with evenflow.

    Returns
    -------
    Bundle

    Raises
    ------
    BundleError
        The bundle is damaged, foreign, hostile or written by a newer evenflow.
    """
    from evenflow.runtime import bundle, shipped

    return bundle.load(shipped.find(Path(path)))


def load_dataset(
    name: str, split: str = "train", *, folders: Folders = None, **params: Any
) -> Table:
    """Return the rows of one part of a data set.

    Parameters
    ----------
    name : str
        As ``evenflow data list`` shows it.
    split : str, default='train'
        One of its published parts.
    folders : sequence of str or Path, optional
        Where data sets are looked for, in order.
    **params
        Whatever else the data set takes.

    Returns
    -------
    Table
        Rows with labels.

    Raises
    ------
    DataError
        A file is missing or is not the published one.
    """
    from evenflow import datasets

    return datasets.load(name, split, folders=paths_of(folders), **params)


def rows_of(data: Any, test: Any, label: Any, benign: Any) -> dict[str, Any] | None:
    """Return rows in memory by part; None where there are none."""
    if data is not None:
        return {"train": data} | ({} if test is None else {"test": test})
    if not (label is None and benign is None and test is None):
        raise TypeError("label, benign and test describe rows in memory: give data too")
    return None


def of_memory(recipe: Recipe, rows: Mapping[str, Any], **given: Any) -> Recipe:
    """Return the recipe with what tells its rows in memory from others.

    Raises
    ------
    RecipeError
        The recipe is of another data set.
    """
    from evenflow.datasets import memory

    if recipe.dataset.name != MEMORY:
        raise RecipeError(
            f"the recipe's data set is {recipe.dataset.name!r}, and data was given; "
            f"expected {MEMORY!r}. Write Recipe.load(name, dataset={MEMORY!r})"
        )
    given = {key: value for key, value in given.items() if value is not None}
    for key, part in (("sha256", "train"), ("test_sha256", "test")):
        if part in rows and not recipe.dataset.params[key]:
            given[key] = memory.digest(rows[part])
    changes: dict[str, Any] = {f"dataset__{key}": v for key, v in given.items()}
    if "test" in rows and recipe.split.name != "official":
        changes["split"] = "official"
    return recipe.with_(**changes)


def paths_of(folders: Folders) -> list[Path]:
    """Return where data sets are looked for, in order."""
    return default_folders() if folders is None else [Path(f) for f in folders]
