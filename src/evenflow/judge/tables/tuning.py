"""The table of a search."""

from __future__ import annotations

from evenflow.judge.tables.grid import DASH, Grid, numbers, text
from evenflow.judge.tuning import Trial, Tuning

MOST_SHOWN = 10


def grid(found: Tuning) -> Grid:
    """Return the best trials, the best one first."""
    order = sorted(
        enumerate(found.trials, start=1), key=lambda t: t[1].mean or -1.0, reverse=True
    )
    keys = list(found.trials[0].values) if found.trials else []
    stopped = sum(trial.mean is None for trial in found.trials)
    return Grid(
        title="Best trials",
        note=f"Mean of {found.measure} over the folds, in per cent, and its least and "
        f"greatest value. {len(found.trials)} trials by {found.method}, of which "
        f"{stopped} were stopped or refused; trial 1 is the recipe as it is. "
        f"Protocol: {found.protocol}. The test rows were not read for it.",
        columns=(*numbers("trial", found.measure, "least", "greatest"), *text(*keys)),
        rows=tuple(_row(number, trial) for number, trial in order[:MOST_SHOWN]),
    )


def _row(number: int, trial: Trial) -> tuple[str, ...]:
    figures = (DASH,) * 3
    if trial.mean is not None:
        ends = trial.mean, min(trial.scores), max(trial.scores)
        figures = tuple(f"{100 * value:.2f}" for value in ends)  # type: ignore[assignment]
    return (str(number), *figures, *(_short(v) for v in trial.values.values()))


def _short(value: object) -> str:
    if value is None:
        return DASH
    return f"{value:.4g}" if isinstance(value, float) else str(value)
