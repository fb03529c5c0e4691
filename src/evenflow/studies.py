"""The Python interface to many trainings: compare, ablate and tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenflow.api import Folders, load_dataset, of_memory, paths_of, rows_of
from evenflow.errors import RecipeError
from evenflow.progress import OnEvent, ignore
from evenflow.recipe import Recipe

if TYPE_CHECKING:
    from evenflow.judge.ablation import Ablation
    from evenflow.judge.comparison import Comparison
    from evenflow.judge.tuning import Tuning


def compare(
    recipes: Sequence[Recipe | str | Path] | str,
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
    jobs: int = 1,
    device: str = "auto",
    deterministic: bool = False,
    folders: Folders = None,
    on_event: OnEvent = ignore,
) -> Comparison:
    """Train every recipe with several seeds and set the results side by side.

    Parameters
    ----------
    recipes : sequence of Recipe, str or Path, or str
        Recipes, their names or their TOML files; or the name of a suite, such as
        ``nsl_kdd``, whose recipes have their own numbers of seeds.
    folder : str or Path
        Where cells, tables and charts go; finished cells found there are not run
        again.
    data, label, benign, test
        Labelled rows in memory, as for :func:`evenflow.train`.
    seeds : int, default=1
        Number of seeds; the first is the recipe's own.
    folds : bool, default=False
        Run every fold of each recipe's split (``kfold``, ``unseen``) and
        average over them.
    baselines : bool, default=True
        Add the line without balancing, and the trees, to every balanced network.
    bundles : bool, default=False
        Keep each cell's bundle, under ``folder/bundles``.
    jobs : int, default=1
        Processes that train cells, each on its share of the cores.
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
    from evenflow.experiment import suite

    rows = rows_of(data, test, label, benign)
    chosen: list[Any]
    if isinstance(recipes, str):
        chosen = suite.load(recipes).entries()
    else:
        ready = (Recipe, comparing.Entry)
        chosen = [r if isinstance(r, ready) else Recipe.load(r) for r in recipes]
        if rows is not None:
            chosen = [of_memory(r, rows, label=label, benign=benign) for r in chosen]
    root = Path(folder)
    return comparing.compare(
        chosen,
        seeds,
        root,
        run_cell=_Cells(
            root=root,
            folders=folders,
            rows=rows,
            bundles=bundles,
            device=device,
            deterministic=deterministic,
            on_event=on_event if jobs < 2 else ignore,
        ),
        folds=folds,
        baselines=baselines,
        jobs=jobs,
        on_event=on_event,
    )


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
    return ablating(
        chosen,
        seeds,
        root,
        run_cell=_Cells(
            root=root,
            folders=folders,
            device=device,
            deterministic=deterministic,
            on_event=on_event,
        ),
        columns=groups,
        folds=folds,
        on_event=on_event,
    )


def tune(
    recipe: Recipe | str | Path,
    folder: str | Path,
    *,
    search: Sequence[str] = (),
    trials: int = 30,
    folds: int = 3,
    inner: str = "kfold",
    method: str = "tpe",
    measure: str = "macro_f1",
    device: str = "auto",
    deterministic: bool = False,
    folders: Folders = None,
    on_event: OnEvent = ignore,
) -> Tuning:
    """Search values for keys of a recipe, on folds of its training rows alone.

    Parameters
    ----------
    recipe : Recipe, str or Path
        A recipe, its name or its TOML file; the first trial.
    folder : str or Path
        Gets the best recipe, ``best.toml``, the trials and pictures; finished trials
        found there are not run again.
    search : sequence of str, optional
        ``KEY=LOW:HIGH``, ``KEY=LOW:HIGH:log`` or ``KEY=A,B``. Without it, numbers of
        the model, and of a network's training, up to four times smaller and larger.
    trials : int, default=30
        Trials in all, those of an earlier run included.
    folds : int, default=3
        Folds of the training rows on which a trial is evaluated.
    inner : str, default='kfold'
        Split that makes them; ``unseen`` finds what detects unseen attacks.
    method : {'tpe', 'bohb', 'pso', 'random'}, default='tpe'
        How values are proposed; ``bohb`` is ``tpe`` that stops what is behind, ``pso``
        a particle swarm.
    measure : {'macro_f1', 'accuracy', 'f1', 'roc_auc', 'unseen'}, default='macro_f1'
        What is to be as large as possible; the mean over the folds.
    device, deterministic, folders, on_event
        As for :func:`compare`.

    Returns
    -------
    Tuning
        The trials, and the best of them.

    Raises
    ------
    EvenflowError
        The recipe, the search or the folder is wrong; the message says what to do.
    """
    from evenflow.experiment import space
    from evenflow.experiment import tune as tuning

    chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    root = Path(folder)
    for name, value, known in (
        ("method", method, tuning.METHODS),
        ("measure", measure, tuple(tuning.MEASURES)),
    ):
        if value not in known:
            raise RecipeError(
                f"{name} is {value!r}; expected {', '.join(known[:-1])} or {known[-1]}"
            )
    return tuning.tune(
        chosen,
        space.parsed(search) or space.around(chosen),
        root,
        run_cell=_Cells(
            root=root,
            folders=folders,
            device=device,
            deterministic=deterministic,
            on_event=on_event,
        ),
        trials=trials,
        folds=folds,
        inner=inner,
        method=method,
        measure=measure,
        on_event=on_event,
    )


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """Trains and judges one recipe, here or in another process."""

    root: Path
    folders: Folders
    device: str
    deterministic: bool
    rows: Mapping[str, Any] | None = None
    bundles: bool = False
    on_event: OnEvent = ignore

    def __call__(self, cell: Recipe) -> dict[str, Any]:
        from evenflow.experiment.compare import CACHE, cell_name
        from evenflow.experiment.run import run

        output = self.root / "bundles" / cell_name(cell) if self.bundles else None
        made = run(
            cell,
            folders=paths_of(self.folders),
            rows=self.rows,
            output=output,
            cache=self.root / CACHE,
            resume=self.bundles,
            device=self.device,
            deterministic=self.deterministic,
            overwrite=True,
            on_event=self.on_event,
        )
        report: dict[str, Any] = made.report.to_dict()
        return report
