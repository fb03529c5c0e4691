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
.. [3] J. Kennedy, R. C. Eberhart, "Particle swarm optimization", IEEE ICNN 1995.
   doi:10.1109/ICNN.1995.488968
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evenflow import files, toml
from evenflow.errors import RecipeError, of_extra
from evenflow.experiment.compare import Entry, RunCell, run_cells, studied
from evenflow.experiment.space import Choices, Numbers, Space
from evenflow.judge.charts.base import to_pngs
from evenflow.judge.charts.tuning import pictures
from evenflow.judge.tables.grid import markdown
from evenflow.judge.tables.tuning import grid
from evenflow.judge.tuning import Trial, Tuning
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.recipe import PLUG_INS, Recipe

METHODS = ("tpe", "bohb", "pso", "random")
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
        Unchanged, it is the first trial.
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
    method : {'tpe', 'bohb', 'pso', 'random'}
        ``bohb`` proposes as ``tpe`` does and stops what is behind after few folds;
        ``pso`` is a particle swarm.
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

    def evaluated(
        values: dict[str, Any], proposed: Recipe, goes_on: Callable[[float, int], bool]
    ) -> Trial:
        scores: list[float] = []
        for fold in range(folds):
            entry = Entry(recipe=proposed.with_(split__fold=fold))
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
                return Trial(values=values, scores=tuple(scores), why=why)
            scores.append(score)
            is_ahead = goes_on(sum(scores) / len(scores), fold + 1)
            if fold < folds - 1 and not is_ahead:
                why = "behind the others"
                return Trial(values=values, scores=tuple(scores), why=why)
        return Trial(values=values, scores=tuple(scores))

    def proposed_by(trial: optuna.Trial) -> Trial:
        try:
            proposed = _with(inside, trial.params)
        except RecipeError as error:
            return Trial(values=trial.params, scores=(), why=str(error))

        def goes_on(mean: float, fold: int) -> bool:
            trial.report(mean, fold)
            return not trial.should_prune()

        return evaluated(trial.params, proposed, goes_on)

    with studied(folder):
        ranges = {key: _distribution(optuna, one) for key, one in space.items()}
        study = optuna.create_study(
            study_name="evenflow",  # it decides what bohb stops
            direction="maximize",
            sampler=_sampler(optuna, method, recipe.seed, ranges),
            pruner=optuna.pruners.HyperbandPruner(1, folds, 2)
            if method == "bohb"
            else optuna.pruners.NopPruner(),
        )
        for number in range(trials):
            on_event(Progress(step="search", done=number, total=trials, unit="trials"))
            if number == 0:  # what a search has to beat, in its space or not
                own = _own(recipe, space)
                found.append(evaluated(own, inside, lambda *_: True))
                _tell_own(optuna, study, found[0], ranges)
                continue
            trial = study.ask(ranges)
            found.append(proposed_by(trial))
            if found[-1].mean is None:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(trial, found[-1].mean)
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


def _sampler(optuna: Any, method: str, seed: int, ranges: Mapping[str, Any]) -> Any:
    if method == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if method == "pso":
        from evenflow.experiment.swarm import ParticleSwarm

        return ParticleSwarm(ranges, seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def _distribution(optuna: Any, values: Numbers | Choices) -> Any:
    if isinstance(values, Choices):
        return optuna.distributions.CategoricalDistribution(values.values)
    if values.is_whole:
        make = optuna.distributions.IntDistribution
    else:
        make = optuna.distributions.FloatDistribution
    return make(values.low, values.high, log=values.is_log)


def _own(recipe: Recipe, space: Space) -> dict[str, Any]:
    """Return the recipe's own values of the keys, None where it has none."""
    found: dict[str, Any] = {}
    for key in space:
        own: Any = recipe.to_dict()
        for step in key.split("."):
            own = own.get(step) if isinstance(own, Mapping) else None
        found[key] = own.get("name") if isinstance(own, Mapping) else own
    return found


def _tell_own(optuna: Any, study: Any, own: Trial, ranges: Mapping[str, Any]) -> None:
    """Let the search learn from the recipe, where its values are in the space."""
    is_in = {
        key: own.values[key] in one.choices
        if isinstance(one, optuna.distributions.CategoricalDistribution)
        else type(own.values[key]) in (int, float)
        and one.low <= own.values[key] <= one.high
        for key, one in ranges.items()
    }
    if own.mean is not None and all(is_in.values()):
        made = optuna.trial.create_trial(
            params=own.values, distributions=dict(ranges), value=own.mean
        )
        study.add_trial(made)


def _with(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return the recipe with some values; a plug-in in place of another is bare."""
    changes: dict[str, Any] = {"title": "", "reference": ""}
    for key, value in values.items():
        if value is None:  # the recipe as it is has no such key
            continue
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
