"""The columns that a swarm of particles settles on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector
from evenflow.prepare.subsets import Best, Config, Cost, Mask, choose_by

INERTIA, OWN, COMMON = 0.7, 1.5, 1.5
"""Shares of the old velocity, and pulls towards the best sets."""
FASTEST = 4.0
"""Greatest velocity: a column then changes with a probability of 0.018."""


def search(cost: Cost, config: Config, rng: np.random.Generator) -> Mask:
    """Return the best set of columns that a binary swarm met."""
    shape = (config.population, cost.n_columns)
    best = Best(cost)
    masks = rng.random(shape) < 0.5
    speed = rng.uniform(-1, 1, shape)
    own, own_cost = masks.copy(), best.of(masks)
    for _ in range(config.iterations):
        to_own = OWN * rng.random(shape) * (own.astype(int) - masks)
        to_best = COMMON * rng.random(shape) * (best.mask.astype(int) - masks)
        speed = np.clip(INERTIA * speed + to_own + to_best, -FASTEST, FASTEST)
        masks = rng.random(shape) < 1 / (1 + np.exp(-speed))
        costs = best.of(masks)
        better = costs < own_cost
        own[better], own_cost[better] = masks[better], costs[better]
    return best.mask


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns that particle swarm optimisation finds.

    One of the three searches of [1]_, evaluated by a tree with reduced-error pruning.
    Each particle is a set of columns; a column is in it with a probability that its
    velocity gives, which is drawn towards the best sets of the particle and of all
    [2]_. Deviation from [1]_: whole columns are chosen, not single one-hot features;
    its settings are not known to us.

    References
    ----------
    .. [1] B. A. Tama, M. Comuzzi, K.-H. Rhee, "TSE-IDS: a two-stage classifier ensemble
       for intelligent anomaly-based intrusion detection system", IEEE Access 7, 2019.
       doi:10.1109/ACCESS.2019.2928048
    .. [2] J. Kennedy, R. C. Eberhart, "A discrete binary version of the particle swarm
       algorithm", IEEE SMC 1997. doi:10.1109/ICSMC.1997.637339
    """
    return choose_by(search, config, X, y, layout, rng)


SELECTOR = Selector(choose, Config)
