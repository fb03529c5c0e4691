"""Parameters of a recipe, searched on training rows alone.

Each trial is evaluated on folds of the rows that may train; the test rows of the recipe
are in none of them. A trial has a cell for each fold, kept like those of a comparison.
The search is seeded, so the same command finds the finished trials again and continues
behind them.

References
----------
.. [1] J. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011.
.. [2] S. Falkner, A. Klein, F. Hutter, "BOHB: Robust and Efficient Hyperparameter
   Optimization at Scale", ICML 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evenflow import files, toml
from evenflow.errors import RecipeError, of_extra
from evenflow.experiment.compare import Entry, RunCell, run_cells, studied
from evenflow.experiment.space import Choices, Space
from evenflow.judge.charts.base import to_pngs
from evenflow.judge.charts.tuning import pictures
from evenflow.judge.tables.grid import markdown
from evenflow.judge.tables.tuning import grid
from evenflow.judge.tuning import Trial, Tuning
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.recipe import PLUG_INS, Recipe

METHODS = ("tpe", "bohb", "random")
MEASURES = {
    "macro_f1": ("multiclass", "macro_f1"),
    "accuracy": ("binary", "accuracy"),
    "f1": ("binary", "f1"),
    "roc_auc": ("binary", "roc_auc"),
    "unseen": ("binary", "unseen_detection_rate"),
}
"""Name of a measure -> where a report has it; the greater, the better."""


def tune(
    recipe: Recipe,
    space: Space,
    folder: Path,
    *,
    run_cell: RunCell,
    trials: int = 30,
    folds: int = 3,
    inner: str = "kfold",
    method: str = "tpe",
    measure: str = "macro_f1",
    on_event: OnEvent = ignore,
) -> Tuning:
    """Search values for keys of a recipe; write the best recipe and the search.

    Parameters
    ----------
    recipe : Recipe
        Its own values are the first trial.
    space : mapping of str to Numbers or Choices
        Dotted key -> values.
    folder : Path
        Gets ``best.toml``, ``tuning.json``, ``tuning.md`` and pictures; finished cells
        lie in ``folder/cells``.
    run_cell : callable
        Runs one cell and returns its report.
    trials : int
    folds : int
        Folds of the training rows, on each of which a trial is evaluated.
    inner : str
        How they are made: a split that has folds.
    method : {'tpe', 'bohb', 'random'}
        ``bohb`` proposes as ``tpe`` does and stops what is behind after few folds.
    measure : str
        Key of :data:`MEASURES`; the mean over the folds is made as large as can be.

    Raises
    ------
    RecipeError
        There is nothing to search, or no trial could be evaluated.
    StorageError
        ``folder`` cannot be written; BusyError if another run writes it.
    """
    with of_extra("a search needs optuna"):
        import optuna
    if not space:
        raise RecipeError(
            f"{recipe.name} has no numbers or switches to search; name keys and their "
            "values with --search"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    inside = recipe.with_(
        split={
            "name": "nested", "outer": recipe.split.flat(), "inner": inner, "k": folds,
        }
    )  # fmt: skip
    found: list[Trial] = []
    part, name = MEASURES[measure]

    def judged(trial: optuna.Trial) -> float:
        values = {key: _suggested(trial, key, space[key]) for key in space}
        on_event(Progress(step="search", done=len(found), total=trials, unit="trials"))
        try:
            proposed = [
                _with(inside, values).with_(split__fold=k) for k in range(folds)
            ]
        except RecipeError as error:
            found.append(Trial(values=values, scores=(), why=str(error)))
            raise optuna.TrialPruned from error
        scores: list[float] = []
        for fold, recipe_of_fold in enumerate(proposed):
            entry = Entry(recipe=recipe_of_fold)
            cells, failed = run_cells(
                [entry], 1, folder, run_cell=run_cell, on_event=_quiet(on_event)
            )
            score = None if failed else cells[0].report[part].get(name)
            if score is None and not failed and not any(t.scores for t in found):
                raise RecipeError(
                    f"{measure} is not defined on the folds of {inner!r}; expected a "
                    "measure of its rows. Choose another, or --inner unseen for unseen"
                )
            if score is None:
                why = failed[0].error if failed else f"{measure} is not defined"
                found.append(Trial(values=values, scores=tuple(scores), why=why))
                raise optuna.TrialPruned
            scores.append(score)
            trial.report(sum(scores) / len(scores), fold + 1)
            if fold < folds - 1 and trial.should_prune():
                found.append(
                    Trial(values=values, scores=tuple(scores), why="behind the others")
                )
                raise optuna.TrialPruned
        found.append(Trial(values=values, scores=tuple(scores)))
        return sum(scores) / folds

    with studied(folder):
        study = optuna.create_study(
            study_name="evenflow",  # it decides what bohb stops
            direction="maximize",
            sampler=_sampler(optuna, method, recipe.seed),
            pruner=optuna.pruners.HyperbandPruner(1, folds, 2)
            if method == "bohb"
            else optuna.pruners.NopPruner(),
        )
        study.enqueue_trial(_own(recipe, space), skip_if_exists=True)
        study.optimize(judged, n_trials=trials)
        on_event(Progress(step="search", done=trials, total=trials, unit="trials"))
        made = Tuning(
            recipe=recipe, measure=measure, protocol=_described(recipe, inner, folds),
            method=method, trials=tuple(found),
        )  # fmt: skip
        if made.best is None:
            raise RecipeError(
                f"none of {len(found)} trials could be evaluated; the last: "
                f"{found[-1].why}. Correct the values of --search"
            )
        best = _with(recipe, made.best.values)
        files.write_json(folder / "tuning.json", made.to_dict())
        files.write_text(folder / "tuning.md", f"# Search\n\n{markdown(grid(made))}")
        files.write_text(folder / "best.toml", toml.dumps(best.to_dict()))
        to_pngs(pictures(made), folder)
    return made


def _sampler(optuna: Any, method: str, seed: int) -> Any:
    if method == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def _suggested(trial: Any, key: str, values: Any) -> Any:
    if isinstance(values, Choices):
        return trial.suggest_categorical(key, list(values.values))
    suggest = trial.suggest_int if values.is_whole else trial.suggest_float
    return suggest(key, values.low, values.high, log=values.is_log)


def _own(recipe: Recipe, space: Space) -> dict[str, Any]:
    """Return the recipe's own values, as far as the space has them."""
    found: dict[str, Any] = {}
    for key, values in space.items():
        own: Any = recipe.to_dict()
        for step in key.split("."):
            own = own.get(step) if isinstance(own, Mapping) else None
        if isinstance(own, Mapping):
            own = own.get("name")
        if isinstance(values, Choices):
            is_in = own in values.values
        else:
            is_in = type(own) in (int, float) and values.low <= own <= values.high
        if is_in:
            found[key] = own
    return found


def _with(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return the recipe with some values; a plug-in in place of another is bare."""
    changes: dict[str, Any] = {"title": "", "reference": ""}
    for key, value in values.items():
        path = key.replace(".", "__")
        own = getattr(recipe, key, None)
        if key in PLUG_INS and isinstance(value, str):
            if own is None or own.name != value:
                changes[path] = {"name": value}
            continue
        changes[path] = value
    return recipe.with_(**changes)


def _described(recipe: Recipe, inner: str, folds: int) -> str:
    return f"{inner}, {folds} folds of the training rows of {recipe.split.name}"


def _quiet(on_event: OnEvent) -> Callable[[Any], None]:
    """Return the events of a cell without the count of cells."""

    def on_some(event: Any) -> None:
        is_count = isinstance(event, Progress) and event.step == "compare"
        if not is_count and not isinstance(event, Note):
            on_event(event)

    return on_some
