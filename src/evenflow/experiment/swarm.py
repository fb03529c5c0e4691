"""A particle swarm, as a sampler of Optuna, which has none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

INERTIA, PULL = 0.7298, 1.49618
"""Share of the old velocity, and pull towards the best places, by Clerc and Kennedy."""

Distributions = Mapping[str, BaseDistribution]
Point = NDArray[np.float64]


class ParticleSwarm(BaseSampler):
    """Propose values as the places of particles that fly towards the best ones.

    Each particle moves once in ``n_particles`` trials, drawn towards the best place
    that it has been to and the best that any has been to [1]_, by the constricted rule
    of [2]_. A particle stops at the edge of the space. Places are in [0, 1] for each
    key: whole numbers are rounded, and a choice is the interval that the place is in.

    Parameters
    ----------
    distributions : mapping of str to BaseDistribution
        What is searched.
    seed : int
    n_particles : int, default=8
        Few, as a trial is a training.

    References
    ----------
    .. [1] J. Kennedy, R. C. Eberhart, "Particle swarm optimization", IEEE ICNN 1995.
       doi:10.1109/ICNN.1995.488968
    .. [2] M. Clerc, J. Kennedy, "The particle swarm: explosion, stability, and
       convergence in a multidimensional complex space", IEEE Transactions on
       Evolutionary Computation 6, 2002. doi:10.1109/4235.985692
    """

    def __init__(
        self, distributions: Distributions, *, seed: int, n_particles: int = 8
    ) -> None:
        self.distributions = dict(distributions)
        self.n_particles = n_particles
        self._rng = np.random.default_rng(seed)
        self._otherwise = RandomSampler(seed=seed)
        self._velocity: dict[int, Point] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is searched."""
        del study, trial
        return self.distributions

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the values at the next place of a particle."""
        me = trial.number % self.n_particles
        done = [
            one
            for one in study.get_trials(deepcopy=False)
            if one.number < trial.number and search_space.keys() <= one.params.keys()
        ]
        mine = [one for one in done if one.number % self.n_particles == me]
        place = self._rng.random(len(search_space))
        if mine:
            here = self._place(mine[-1])
            speed = INERTIA * self._velocity.get(me, (place - here) / 2)
            for best in (_best(study, mine), _best(study, done)):
                if best is not None:
                    pull = PULL * self._rng.random(len(search_space))
                    speed = speed + pull * (self._place(best) - here)
            place = np.clip(here + speed, 0, 1)
            self._velocity[me] = np.where(place == here + speed, speed, 0)
        return {
            key: _value(one, float(x))
            for (key, one), x in zip(search_space.items(), place, strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value by chance for a key that is not among the distributions."""
        return self._otherwise.sample_independent(
            study, trial, param_name, param_distribution
        )

    def _place(self, trial: FrozenTrial) -> Point:
        pairs = self.distributions.items()
        return np.array([_at(one, trial.params[key]) for key, one in pairs])


def _best(study: Study, trials: list[FrozenTrial]) -> FrozenTrial | None:
    whole = [one for one in trials if one.state == TrialState.COMPLETE]
    sign = 1 if study.direction.name == "MAXIMIZE" else -1
    return max(whole, key=lambda one: sign * (one.value or 0.0), default=None)


def _ends(one: Any) -> tuple[float, float]:
    """Return the ends of a range; a whole number is in the middle of its part of it."""
    half = 0.5 if isinstance(one, IntDistribution) else 0.0
    return one.low - half, one.high + half


def _value(one: Any, place: float) -> Any:
    """Return the value at a place in [0, 1]."""
    if isinstance(one, CategoricalDistribution):
        return one.choices[min(int(place * len(one.choices)), len(one.choices) - 1)]
    low, high = _ends(one)
    value = low * (high / low) ** place if one.log else low + (high - low) * place
    if isinstance(one, IntDistribution):
        value = round(value)
    return min(max(value, one.low), one.high)


def _at(one: Any, value: Any) -> float:
    """Return the place of a value, [0, 1]."""
    if isinstance(one, CategoricalDistribution):
        return (one.choices.index(value) + 0.5) / len(one.choices)
    low, high = _ends(one)
    if one.log:
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))
