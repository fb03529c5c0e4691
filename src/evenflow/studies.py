"""The Python interface to many trainings: recipes side by side, and without parts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenflow.api import Folders, load_dataset, of_memory, paths_of, rows_of
from evenflow.progress import OnEvent, ignore
from evenflow.recipe import Recipe

if TYPE_CHECKING:
    from evenflow.experiment.compare import RunCell
    from evenflow.judge.ablation import Ablation
    from evenflow.judge.comparison import Comparison


def compare(
    recipes: Sequence[Recipe | str | Path],
    folder: str | Path,
    *,
    data: Any = None,
    label: str | None = None,
    benign: Any = None,
    test: Any = None,
    seeds: int = 1,
    folds: bool = False,
    baselines: bool = True,
    bundles: bool = False,
    device: str = "auto",
    deterministic: bool = False,
    folders: Folders = None,
    on_event: OnEvent = ignore,
) -> Comparison:
    """Train every recipe with several seeds and set the results side by side.

    Parameters
    ----------
    recipes : sequence of Recipe, str or Path
        Recipes, their names or their TOML files.
    folder : str or Path
        Where cells, tables and charts go; finished cells found there are not run
        again.
    data, label, benign, test
        Labelled rows in memory, as for :func:`evenflow.train`.
    seeds : int, default=1
        Number of seeds; the first is the recipe's own.
    folds : bool, default=False
        Run every fold of each recipe's split (``kfold``, ``hidden_attacks``) and
        average over them.
    baselines : bool, default=True
        Add the line without balancing, and the trees, to every balanced network.
    bundles : bool, default=False
        Keep each cell's bundle, under ``folder/bundles``.
    device : {'auto', 'cpu', 'cuda'}, default='auto'
        Where networks train.
    deterministic : bool, default=False
        Train in float32 with one thread: equal results on equal processors.
    folders : sequence of str or Path, optional
        Where data sets are looked for, in order.
    on_event : callable, optional
        Gets each :class:`~evenflow.progress.Progress`, ``Epoch`` and ``Note``.

    Returns
    -------
    Comparison
        A row of figures for each recipe, and the cells that failed.

    Raises
    ------
    EvenflowError
        A recipe or the folder is wrong; the message says what to do.
    """
    from evenflow.experiment import compare as comparing

    chosen = [r if isinstance(r, Recipe) else Recipe.load(r) for r in recipes]
    rows = rows_of(data, test, label, benign)
    if rows is not None:
        chosen = [of_memory(r, rows, label=label, benign=benign) for r in chosen]
    root = Path(folder)
    result = comparing.compare(
        chosen,
        seeds,
        root,
        run_cell=_cells(
            root,
            folders=folders,
            rows=rows,
            bundles=bundles,
            device=device,
            deterministic=deterministic,
            on_event=on_event,
        ),
        folds=folds,
        baselines=baselines,
        on_event=on_event,
    )
    shutil.rmtree(root / "cache", ignore_errors=True)  # balanced rows, by the gigabyte
    return result


def ablate(
    recipe: Recipe | str | Path,
    folder: str | Path,
    *,
    columns: Sequence[Sequence[str]] = (),
    each_column: bool = False,
    seeds: int = 1,
    folds: bool = False,
    device: str = "auto",
    deterministic: bool = False,
    folders: Folders = None,
    on_event: OnEvent = ignore,
) -> Ablation:
    """Train a recipe and the recipe without each of its parts; compare them.

    Parameters
    ----------
    recipe : Recipe, str or Path
        A recipe, its name or its TOML file.
    folder : str or Path
        Where cells and tables go; finished cells found there are not run again.
    columns : sequence of sequence of str, optional
        Columns to leave out, a line for each group of them.
    each_column : bool, default=False
        Leave out each column in turn too.
    seeds : int, default=1
        Number of seeds; the first is the recipe's own.
    folds : bool, default=False
        Run every fold of the recipe's split and average over them.
    device, deterministic, folders, on_event
        As for :func:`compare`.

    Returns
    -------
    Ablation
        A line for the recipe, and one without each part.

    Raises
    ------
    EvenflowError
        The recipe or the folder is wrong; the message says what to do.
    """
    from evenflow.experiment.ablate import ablate as ablating

    chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    root, groups = Path(folder), list(columns)
    if each_column:
        part = chosen.split.params.get("source", "train")
        table = load_dataset(
            chosen.dataset.name, part, folders=folders, **chosen.dataset.params
        )
        groups += [
            [name]
            for name in table.schema.names
            if table.frame[name].drop_nulls().n_unique() > 1
        ]
    result = ablating(
        chosen,
        seeds,
        root,
        run_cell=_cells(
            root,
            folders=folders,
            device=device,
            deterministic=deterministic,
            on_event=on_event,
        ),
        columns=groups,
        folds=folds,
        on_event=on_event,
    )
    shutil.rmtree(root / "cache", ignore_errors=True)
    return result


def _cells(
    root: Path,
    *,
    folders: Folders,
    rows: Mapping[str, Any] | None = None,
    bundles: bool = False,
    on_event: OnEvent,
    **how: Any,
) -> RunCell:
    """Return what trains and judges one recipe."""
    from evenflow.experiment import compare as comparing

    roots = paths_of(folders)

    def run_cell(cell: Recipe) -> dict[str, Any]:
        from evenflow.experiment.run import run

        made = run(
            cell,
            folders=roots,
            rows=rows,
            output=root / "bundles" / comparing.cell_name(cell) if bundles else None,
            cache=root / "cache",
            resume=bundles,
            overwrite=True,
            on_event=on_event,
            **how,
        )
        report: dict[str, Any] = made.report.to_dict()
        return report

    return run_cell
