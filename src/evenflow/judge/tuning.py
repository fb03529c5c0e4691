"""The trials of a search for a recipe's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evenflow.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """Some values of a recipe's keys, evaluated on folds of its training rows."""

    values: dict[str, Any]
    scores: tuple[float, ...]
    """The measure on each fold, as far as it was evaluated."""
    why: str = ""
    """Why it was not evaluated on all folds."""

    @property
    def mean(self) -> float | None:
        """The mean over the folds; None where it was not evaluated on all."""
        return None if self.why else sum(self.scores) / len(self.scores)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A search: its trials in their order."""

    recipe: Recipe
    measure: str
    protocol: str
    method: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The first trial of the greatest mean."""
        whole = [trial for trial in self.trials if trial.mean is not None]
        return max(whole, key=lambda trial: trial.mean or 0.0, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the search as plain JSON values."""
        return {
            "recipe": self.recipe.name,
            "recipe_sha256": self.recipe.sha256,
            "measure": self.measure,
            "protocol": self.protocol,
            "method": self.method,
            "best": None if self.best is None else self.best.values,
            "trials": [
                {"values": t.values, "scores": list(t.scores), "mean": t.mean,
                 "why": t.why}
                for t in self.trials
            ],
        }  # fmt: skip
